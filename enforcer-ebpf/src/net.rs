// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Addresses: where a socket is connected to, and where a message is sent without connecting.

use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::{bpf_ktime_get_boot_ns, bpf_probe_read_kernel},
    macros::lsm,
    programs::LsmContext,
};
use core::{ffi::c_void, mem::MaybeUninit};
use enforcer_common::{
    Budget, Kind, Reason,
    address::{Endpoint, GrantKey, Protocol},
};

use crate::{
    maps::GRANTS,
    offsets::{field, offset},
    subject::{GO_ON, Subject, Text, answer, is_over, label, tripped, undecided},
};

const AF_UNSPEC: u16 = 0;
const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const AF_NETLINK: u16 = 16;

/// The bytes of `struct sockaddr_in6`, the longest address that is judged. The kernel has copied the caller's address
/// into a `struct sockaddr_storage`, so they can always be read.
type Sockaddr = [u8; 28];

/// Connecting a stream, or setting the default peer of a datagram socket.
#[lsm(hook = "socket_connect")]
pub fn socket_connect(ctx: LsmContext) -> i32 {
    let (socket, address): (*const c_void, *const c_void) = (ctx.arg(0), ctx.arg(1));
    reach(&ctx, socket, address, false)
}

/// Sending to an address without connecting, `MSG_FASTOPEN` included, which never reaches `socket_connect`.
#[lsm(hook = "socket_sendmsg")]
pub fn socket_sendmsg(ctx: LsmContext) -> i32 {
    let (socket, message): (*const c_void, *const c_void) = (ctx.arg(0), ctx.arg(1));
    let Some(label) = label() else {
        return GO_ON;
    };
    if is_over(label.run) {
        return tripped(label.run); // Also on a connection that it has.
    }
    // SAFETY: `message` is a trusted pointer.
    let name: *const c_void = unsafe { field(message, offset!(msg_name)) };
    if name.is_null() {
        return GO_ON; // The peer was judged when it was set.
    }
    reach(&ctx, socket, name, true)
}

/// Decides about an address that a socket is to reach.
#[inline(always)]
fn reach(ctx: &LsmContext, socket: *const c_void, address: *const c_void, send: bool) -> i32 {
    let Some(label) = label() else {
        return GO_ON;
    };
    let (run, stage) = (label.run, label.stage);
    if is_over(run) {
        return tripped(run); // Also what is local.
    }
    // SAFETY: `socket` is a trusted pointer.
    let sock: *const c_void = unsafe { field(socket, offset!(socket_sk)) };
    if sock.is_null() {
        return undecided(ctx.as_ptr(), run, Kind::Connect, Reason::Family);
    }
    // SAFETY: `sock` is a trusted pointer, checked for null.
    let (family, protocol): (u16, u16) =
        unsafe { (field(sock, offset!(sock_family)), field(sock, offset!(sock_protocol))) };
    let mut bytes = MaybeUninit::<Sockaddr>::zeroed();
    // SAFETY: the destination has the size that is read; the helper checks the source.
    let unread = unsafe { bpf_probe_read_kernel(bytes.as_mut_ptr().cast(), 28, address) };
    // SAFETY: zeroed above.
    let bytes = unsafe { bytes.assume_init() };
    let named = u16::from_ne_bytes([bytes[0], bytes[1]]);
    if matches!(family, AF_UNIX | AF_NETLINK) || (named == AF_UNSPEC && !send) {
        return GO_ON; // Local, or dissolving a connection.
    }
    let mut subject = match Subject::new(label) {
        Ok(subject) => subject,
        Err(reason) => return undecided(ctx.as_ptr(), run, Kind::Connect, reason),
    };
    let endpoint = if unread == 0 { endpoint(&bytes, family, protocol) } else { None };
    let Some(endpoint) = endpoint else {
        let text = Text::None(Reason::Family);
        let decision = subject.decide(Kind::Connect, &text, || 0);
        return answer(subject.conclude(Kind::Connect, &text, decision));
    };
    let buffer = subject.scratch().text();
    // SAFETY: an address text is far shorter than the buffer.
    let text = Text::Address(endpoint.write(|index, byte| unsafe { *buffer.add(index & 63) = byte }));
    let decision = subject.decide(Kind::Connect, &text, || granted(run, stage, &endpoint));
    answer(
        subject.conclude(Kind::Connect, &text, decision)
            && subject.spend(Budget::Connections, Kind::Connect, &text),
    )
}

/// The endpoint that an address means to a socket of this family. An IPv4 datagram socket takes `AF_UNSPEC` for
/// `AF_INET` (`udp_sendmsg`), and an IPv6 socket takes IPv4 addresses.
#[inline(never)] // As below.
fn endpoint(bytes: &Sockaddr, family: u16, protocol: u16) -> Option<Endpoint> {
    let protocol = Protocol::from_number(protocol);
    let port = u16::from_be_bytes([bytes[2], bytes[3]]);
    match (family, u16::from_ne_bytes([bytes[0], bytes[1]])) {
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

/// The host rule that led this run to the address, or 0.
#[inline(never)] // The key takes stack, which the caller's has no room for.
fn granted(run: u32, stage: u8, endpoint: &Endpoint) -> u16 {
    // SAFETY: the value is read once; a later grant of the same address replaces it as a whole.
    let grant = unsafe { GRANTS.get(&GrantKey { run, stage: u32::from(stage), endpoint: *endpoint }) };
    // SAFETY: no preconditions.
    let now = unsafe { bpf_ktime_get_boot_ns() };
    grant.map_or(0, |grant| if now < grant.until { grant.rule } else { 0 })
}
