// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What is remembered of a connection until its hello has been judged.

use aya_ebpf::{
    bindings::{__sk_buff, BPF_F_NO_PREALLOC, bpf_sock},
    helpers::{
        bpf_get_current_pid_tgid,
        generated::{bpf_ktime_get_boot_ns, bpf_sk_fullsock},
    },
};
use core::{
    ffi::c_void,
    ptr::{addr_of, read_volatile},
};
use enforcer_common::{
    address::{Endpoint, Protocol},
    hello::{Hello, NAME_SIZE, NameKey},
    run::Label,
};

use super::{
    AF_INET,
    tag::{Storage, at},
};

/// The gates, by socket. Not handed on to sockets that are accepted: who comes did not look a name up.
#[unsafe(link_section = ".maps")]
#[unsafe(export_name = "GATES")]
static GATES: Storage<Gate, { BPF_F_NO_PREALLOC as usize }> = Storage::new();

/// How far a connection has come.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum State {
    /// Its first segment has not been seen.
    Closed = 0,
    /// Its hello is being read.
    Reading = 1,
    /// It was allowed: everything leaves.
    Open = 2,
    /// It was denied: nothing leaves any more.
    Shut = 3,
}

/// The gate of a connection.
#[repr(C)]
pub(super) struct Gate {
    /// When its address was judged, in nanoseconds since boot.
    pub(super) judged: u64,
    /// Whose it is.
    pub(super) label: Label,
    /// The process that made it, and the thread.
    pub(super) id: u64,
    /// [`State`].
    pub(super) state: u32,
    /// The number of the next byte in the stream.
    pub(super) next: u32,
    /// Of the packet that is looked at: where its bytes go on, and where they end.
    pub(super) at: u32,
    pub(super) end: u32,
    /// The number of its first byte in the stream.
    pub(super) sequence: u32,
    /// Whether it is the first of the connection.
    pub(super) syn: u32,
    /// This machine's end.
    pub(super) own: Endpoint,
    /// The hello.
    pub(super) hello: Hello,
    /// The other end, and the name that the hello asks for.
    pub(super) key: NameKey,
}

impl Gate {
    /// The gate of a socket, if it has one.
    #[inline(always)]
    pub(super) fn get(sock: *const c_void) -> Option<&'static mut Self> {
        at(&GATES, sock, 0)
    }

    /// The gate of a packet's socket, and that.
    #[inline(always)]
    pub(super) fn of(skb: *mut c_void) -> Option<(*mut bpf_sock, &'static mut Self)> {
        // SAFETY: a field of the context.
        let sk = unsafe { read_volatile(addr_of!((*skb.cast::<__sk_buff>()).__bindgen_anon_2.sk)) };
        if sk.is_null() {
            return None;
        }
        // SAFETY: checked for null.
        let sk = unsafe { bpf_sk_fullsock(sk) };
        if sk.is_null() {
            return None;
        }
        Self::get(sk.cast()).map(|gate| (sk, gate))
    }

    /// Puts a gate before a socket that is to be connected. It stays there for the socket's life: where the socket is
    /// connected to in the end another thread may have a say in. False if there is no memory for it.
    #[inline(never)] // The callers have no room on the stack.
    pub(super) fn put(sock: *const c_void, label: &Label) -> bool {
        let Some(gate) = at(&GATES, sock, 1) else {
            return false;
        };
        gate.label = *label;
        gate.key.run = label.run;
        gate.key.stage = u32::from(label.stage);
        gate.id = bpf_get_current_pid_tgid();
        // SAFETY: no preconditions.
        gate.judged = unsafe { bpf_ktime_get_boot_ns() };
        true
    }

    /// Begins to read, behind the segment that is looked at.
    #[inline(always)]
    pub(super) fn begin(&mut self) {
        self.state = State::Reading as u32;
        self.next = self.sequence;
        self.hello = Hello::default();
        self.key.name = [0; NAME_SIZE];
    }

    /// Takes note of the ends of the connection. Those of the packet may have been translated by now.
    #[inline(always)]
    pub(super) fn ends(&mut self, sk: *mut bpf_sock) {
        /// Reads a field: the verifier allows nothing wider.
        macro_rules! get {
            ($($field:tt)+) => {
                // SAFETY: a field of a socket.
                unsafe { read_volatile(addr_of!((*sk).$($field)+)) }
            };
        }
        // All at once: from branches the compiler would make arithmetic on the pointer, which is not allowed.
        let (family, to, from) = (get!(family), u16::from_be(get!(dst_port)), get!(src_port) as u16);
        let (there4, here4) = (get!(dst_ip4), get!(src_ip4));
        let there6 = [get!(dst_ip6[0]), get!(dst_ip6[1]), get!(dst_ip6[2]), get!(dst_ip6[3])];
        let here6 = [get!(src_ip6[0]), get!(src_ip6[1]), get!(src_ip6[2]), get!(src_ip6[3])];
        if family == u32::from(AF_INET) {
            self.key.endpoint = Endpoint::v4(there4.to_ne_bytes(), to, Protocol::Tcp);
            self.own = Endpoint::v4(here4.to_ne_bytes(), from, Protocol::Tcp);
        } else {
            self.key.endpoint = Endpoint::v6(octets(there6), to, Protocol::Tcp);
            self.own = Endpoint::v6(octets(here6), from, Protocol::Tcp);
        }
    }
}

/// An address of IPv6 from words in network order.
#[inline(always)]
fn octets(words: [u32; 4]) -> [u8; 16] {
    let mut octets = [0; 16];
    let mut index = 0;
    while index < 16 {
        octets[index] = words[index / 4].to_ne_bytes()[index % 4];
        index += 1;
    }
    octets
}
