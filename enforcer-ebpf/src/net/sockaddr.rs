// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Endpoints, from what the kernel holds: an address that a system call named, or a socket's own two ends.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use core::{ffi::c_void, mem::MaybeUninit};
use enforcer_common::address::{Endpoint, Protocol};

use super::{AF_INET, AF_INET6, AF_UNSPEC};
use crate::offsets::{field, offset};

/// The bytes of `struct sockaddr_in6`, the longest address that is judged. The kernel has copied the caller's address
/// into a `struct sockaddr_storage`, so they can always be read.
pub(super) type Sockaddr = [u8; 28];

/// No address family.
const AF_NONE: u16 = u16::MAX;

/// From `linux/in.h`.
const IPPROTO_TCP: u16 = 6;
const IPPROTO_MPTCP: u16 = 262;

/// What a socket is.
#[derive(Clone, Copy)]
pub(super) struct Sock {
    /// `struct sock`.
    pub(super) sock: *const c_void,
    /// `AF_…`
    pub(super) family: u16,
    /// Its IP protocol.
    pub(super) protocol: u16,
}

impl Sock {
    /// The protocol half of a `struct socket`; `None` if it has none (any more).
    #[inline(always)]
    pub(super) fn of(socket: *const c_void) -> Option<Self> {
        // SAFETY: `socket` is a trusted pointer.
        let sock: *const c_void = unsafe { field(socket, offset!(socket_sk)) };
        if sock.is_null() {
            return None;
        }
        // SAFETY: `sock` is a trusted pointer, checked for null.
        let (family, protocol) =
            unsafe { (field(sock, offset!(sock_family)), field(sock, offset!(sock_protocol))) };
        Some(Self { sock, family, protocol })
    }

    /// Whether it speaks IP, of either version.
    #[inline(always)]
    pub(super) fn is_ip(&self) -> bool {
        matches!(self.family, AF_INET | AF_INET6)
    }

    /// Whether it has one peer for all of its life.
    #[inline(always)]
    pub(super) fn is_stream(&self) -> bool {
        matches!(self.protocol, IPPROTO_TCP | IPPROTO_MPTCP)
    }

    /// Its own port, in host order; 0 if it has none yet.
    #[inline(always)]
    pub(super) fn port(&self) -> u16 {
        // SAFETY: a trusted pointer.
        unsafe { field(self.sock, offset!(sock_num)) }
    }

    /// Whether it is connected.
    #[inline(always)]
    pub(super) fn has_peer(&self) -> bool {
        // SAFETY: a trusted pointer.
        unsafe { field::<u16>(self.sock, offset!(sock_dport)) != 0 }
    }

    /// The end that it is connected to; its port is 0 if there is none.
    #[inline(always)]
    pub(super) fn peer(&self) -> Sockaddr {
        // SAFETY: a trusted pointer.
        let port: u16 = unsafe { field(self.sock, offset!(sock_dport)) };
        self.end(port, offset!(sock_daddr), offset!(sock_v6_daddr))
    }

    /// The end that is its own.
    #[inline(always)]
    pub(super) fn own(&self) -> Sockaddr {
        self.end(self.port().to_be(), offset!(sock_rcv_saddr), offset!(sock_v6_rcv_saddr))
    }

    /// One of its ends, in the form of a system call's address, so that there is one way to read it: each branch here
    /// would have the verifier follow what comes after once more. `port` is in network order.
    #[inline(always)]
    fn end(&self, port: u16, v4: usize, v6: usize) -> Sockaddr {
        let mut bytes = [0; 28];
        bytes[..2].copy_from_slice(&self.family.to_ne_bytes());
        bytes[2..4].copy_from_slice(&port.to_ne_bytes());
        // SAFETY: a trusted pointer.
        let address: u32 = unsafe { field(self.sock, v4) };
        bytes[4..8].copy_from_slice(&address.to_ne_bytes());
        // SAFETY: the destination has room for what is read; a failure leaves zeros, which stand for every address.
        unsafe {
            let from = self.sock.cast::<u8>().add(v6).cast();
            bpf_probe_read_kernel(bytes.as_mut_ptr().add(8).cast(), 16, from)
        };
        bytes
    }
}

/// Copies the address that a system call named. What cannot be read is of a family that does not exist.
#[inline(always)]
pub(super) fn read(address: *const c_void) -> Sockaddr {
    let mut bytes = MaybeUninit::<Sockaddr>::zeroed();
    // SAFETY: the destination has the size that is read; the helper checks the source.
    let unread = unsafe { bpf_probe_read_kernel(bytes.as_mut_ptr().cast(), 28, address) };
    // SAFETY: zeroed above.
    let mut bytes = unsafe { bytes.assume_init() };
    if unread != 0 {
        bytes[..2].copy_from_slice(&AF_NONE.to_ne_bytes());
    }
    bytes
}

/// The family that an address names.
#[inline(always)]
pub(super) fn family(bytes: &Sockaddr) -> u16 {
    u16::from_ne_bytes([bytes[0], bytes[1]])
}

/// The endpoint that an address means to a socket of this family. An IPv4 datagram socket takes `AF_UNSPEC` for
/// `AF_INET` (`udp_sendmsg`, `inet_bind`), and an IPv6 socket takes IPv4 addresses.
#[inline(never)] // The callers have no room on the stack.
pub(super) fn endpoint(bytes: &Sockaddr, of: u16, protocol: u16) -> Option<Endpoint> {
    let protocol = Protocol::from_number(protocol);
    let port = u16::from_be_bytes([bytes[2], bytes[3]]);
    match (of, family(bytes)) {
        (AF_INET | AF_INET6, AF_INET) | (AF_INET, AF_UNSPEC) => {
            Some(Endpoint::v4([bytes[4], bytes[5], bytes[6], bytes[7]], port, protocol))
        }
        (AF_INET6, AF_INET6) => {
            let mut octets = [0; 16];
            octets.copy_from_slice(&bytes[8..24]);
            Some(Endpoint::v6(octets, port, protocol))
        }
        _ => None,
    }
}
