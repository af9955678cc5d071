// SPDX-License-Identifier: MIT OR Apache-2.0

//! The hooks: one table, from which programs are loaded and documentation is made.

/// A hook, and the program for it. The program's name is the hook's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hook {
    /// The hook: of the security modules, without `bpf_lsm_`; or of the cgroup hierarchy.
    pub name: &'static str,
    /// What is decided or kept there.
    pub purpose: &'static str,
}

/// The hooks of the cgroup hierarchy, at its root: by them questions to name servers go to the run's resolver. They are
/// required as well.
pub const REDIRECTS: &[Hook] = &[
    Hook { name: "connect4", purpose: "a name server's IPv4 address becomes the resolver's, on connecting" },
    Hook { name: "connect6", purpose: "a name server's IPv6 address, on connecting" },
    Hook { name: "sendmsg4", purpose: "a name server's IPv4 address, on sending without connecting" },
    Hook { name: "sendmsg6", purpose: "a name server's IPv6 address, on sending without connecting" },
    Hook { name: "recvmsg4", purpose: "answers come from the IPv4 address that was asked" },
    Hook { name: "recvmsg6", purpose: "answers come from the IPv6 address that was asked" },
    Hook { name: "getpeername4", purpose: "the peer is the IPv4 address that was asked" },
    Hook { name: "getpeername6", purpose: "the peer is the IPv6 address that was asked" },
];

/// The hook where packets leave, at the root of the cgroup hierarchy. It is required as well.
pub const GATE: Hook =
    Hook { name: "egress", purpose: "a connection to a host begins with a TLS hello that asks for it" };

/// Where sendfile and splice send on a way of their own, the hook that is on it: see [`super::offsets::sends_pages`].
pub const PAGES: Hook = Hook {
    name: "file_permission",
    purpose: "what sendfile and splice send on a connection that was handed in",
};

/// Every hook. All are required: a run is not started where one of them cannot be attached.
pub const HOOKS: &[Hook] = &[
    Hook { name: "task_alloc", purpose: "a child inherits run and stage" },
    Hook { name: "task_free", purpose: "the label goes when the task is gone" },
    Hook { name: "bprm_creds_for_exec", purpose: "a new exec starts without a stage transition" },
    Hook { name: "bprm_check_security", purpose: "which programs, scripts and interpreters may be executed" },
    Hook { name: "bprm_committed_creds", purpose: "the stage changes; arguments and package are recorded" },
    Hook { name: "ptrace_access_check", purpose: "which processes may be traced, and looked into" },
    Hook { name: "userns_create", purpose: "no namespace in which a path means something else" },
    Hook { name: "file_open", purpose: "which files may be read and written" },
    Hook { name: "socket_connect", purpose: "which addresses may be connected to" },
    Hook {
        name: "socket_sendmsg",
        purpose: "which addresses may be sent to without connecting, Fast Open too",
    },
    Hook { name: "socket_setsockopt", purpose: "no packets by way of somewhere else" },
    Hook { name: "socket_create", purpose: "which families and protocols of sockets may be made" },
    Hook { name: "socket_bind", purpose: "which addresses of this machine may be taken" },
    Hook { name: "socket_listen", purpose: "where streams may be waited for" },
    Hook {
        name: "unix_stream_connect",
        purpose: "which local sockets may be connected to, by their own name",
    },
    Hook { name: "unix_may_send", purpose: "which local sockets may be sent datagrams" },
];
