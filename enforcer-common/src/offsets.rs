// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where the running kernel keeps the fields that the programs read.
//!
//! The agent finds them in the kernel's BTF and writes them into the object's read-only data before it is loaded,
//! so that the verifier sees constants. There are no defaults: a field that cannot be found stops the start.

/// Declares the struct together with the list of fields that the agent must find.
macro_rules! offsets {
    ($($(#[$meta:meta])* $field:ident: $of:literal, $member:literal, $size:literal;)+) => {
        /// Byte offsets of kernel struct members.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[repr(C)]
        pub struct Offsets { $($(#[$meta])* pub $field: u64,)+ }

        impl Offsets {
            /// The struct, the member and the member's size in bytes, in the order of the fields.
            pub const FIELDS: &'static [(&'static str, &'static str, u32)] = &[$(($of, $member, $size),)+];

            /// The offsets from values in the order of [`Self::FIELDS`].
            #[must_use]
            pub const fn from_values(values: &[u64; Self::FIELDS.len()]) -> Self {
                let [$($field),+] = *values;
                Self { $($field),+ }
            }

            /// The values in the order of [`Self::FIELDS`].
            #[must_use]
            pub const fn values(&self) -> [u64; Self::FIELDS.len()] {
                [$(self.$field),+]
            }
        }
    };
}

offsets! {
    /// The program or script being executed.
    bprm_file: "linux_binprm", "file", 8;
    /// The lowest address of the new program's strings: its arguments begin here.
    bprm_p: "linux_binprm", "p", 8;
    /// The end of the new program's arguments and environment.
    bprm_exec: "linux_binprm", "exec", 8;
    /// How many arguments there are.
    bprm_argc: "linux_binprm", "argc", 4;
    /// What the kernel found doubtful about the exec.
    bprm_unsafe: "linux_binprm", "unsafe", 4;
    /// A process's number.
    task_tgid: "task_struct", "tgid", 4;
    /// A task's name.
    task_comm: "task_struct", "comm", 16;
    /// Where a task is among the files.
    task_fs: "task_struct", "fs", 8;
    /// Its working directory.
    fs_pwd: "fs_struct", "pwd", 16;
    /// The control groups that a task is in.
    task_cgroups: "task_struct", "cgroups", 8;
    /// The one of the unified hierarchy.
    css_set_cgroup: "css_set", "dfl_cgrp", 8;
    /// Its directory.
    cgroup_kn: "cgroup", "kn", 8;
    /// The name of a directory of control groups.
    kernfs_name: "kernfs_node", "name", 8;
    /// The directory that it is in; since 6.15 by another name.
    kernfs_parent: "kernfs_node", "parent|__parent", 8;
    /// A task's parent, or who traces it.
    task_parent: "task_struct", "parent", 8;
    /// A task's parent.
    task_real_parent: "task_struct", "real_parent", 8;
    /// The first thread of a task's process.
    task_leader: "task_struct", "group_leader", 8;
    /// The file's path, as it was opened.
    file_path: "file", "f_path", 16;
    /// How the file was opened: for reading, writing, or both.
    file_mode: "file", "f_mode", 4;
    /// The open flags, with the kernel's own mark of an open for exec.
    file_flags: "file", "f_flags", 4;
    /// The file itself, whatever its name.
    file_inode: "file", "f_inode", 8;
    /// The kind of a file, and its permissions.
    inode_mode: "inode", "i_mode", 2;
    /// A file's number in its file system.
    inode_number: "inode", "i_ino", 8;
    /// A file's file system.
    inode_sb: "inode", "i_sb", 8;
    /// A file system's kind.
    sb_magic: "super_block", "s_magic", 8;
    /// A file system's device.
    sb_device: "super_block", "s_dev", 4;
    /// The protocol half of a socket.
    socket_sk: "socket", "sk", 8;
    /// The socket's address family.
    sock_family: "sock_common", "skc_family", 2;
    /// The socket's IP protocol.
    sock_protocol: "sock", "sk_protocol", 2;
    /// The socket's own port.
    sock_num: "sock_common", "skc_num", 2;
    /// The port that the socket is connected to.
    sock_dport: "sock_common", "skc_dport", 2;
    /// The IPv4 address that the socket is connected to.
    sock_daddr: "sock_common", "skc_daddr", 4;
    /// The socket's own IPv4 address.
    sock_rcv_saddr: "sock_common", "skc_rcv_saddr", 4;
    /// The IPv6 address that the socket is connected to.
    sock_v6_daddr: "sock_common", "skc_v6_daddr", 16;
    /// The socket's own IPv6 address.
    sock_v6_rcv_saddr: "sock_common", "skc_v6_rcv_saddr", 16;
    /// The name of a local socket.
    unix_addr: "unix_sock", "addr", 8;
    /// How long that name is, with the family in front of it.
    unix_address_len: "unix_address", "len", 4;
    /// The name itself.
    unix_address_name: "unix_address", "name", 0;
    /// Where a message is to be sent, or null.
    msg_name: "msghdr", "msg_name", 8;
    /// How it is to be sent.
    msg_flags: "msghdr", "msg_flags", 4;
    /// What accompanies a message, copied into the kernel.
    msg_control: "msghdr", "msg_control", 8;
    /// How many bytes that is.
    msg_controllen: "msghdr", "msg_controllen", 8;
    /// A packet's memory.
    skb_head: "sk_buff", "head", 8;
    /// Where in it the bytes end, and what is known of them begins.
    skb_end: "sk_buff", "end", 4;
    /// Whose memory it is.
    skb_flags: "skb_shared_info", "flags", 1;
}
