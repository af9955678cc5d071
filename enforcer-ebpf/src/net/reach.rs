// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Addresses: where a socket is connected to, and where a message is sent without connecting.

use aya_ebpf::{
    EbpfContext as _, helpers::generated::bpf_ktime_get_boot_ns, macros::lsm, programs::LsmContext,
};
use core::{ffi::c_void, ptr};
use enforcer_common::{
    Budget, Decision, Kind, Reason,
    address::{Endpoint, Grant, GrantKey, Protocol},
    lookup::DNS,
    run::{Label, STAGE_PROBE, place},
};

use super::{
    AF_INET, AF_INET6, AF_UNSPEC,
    gated::gated,
    hello::Gate,
    redirect::asked,
    route::{detour, routed},
    sockaddr::{Sock, endpoint, family, read},
    tag::Tag,
};
use crate::{
    maps::GRANTS,
    offsets::{field, offset},
    subject::{EPERM, GO_ON, Subject, Text, answer, is_over, label, tripped, undecided},
};

/// From `linux/socket.h`.
const MSG_FASTOPEN: u32 = 0x2000_0000;

/// Connecting a stream, or setting the default peer of a datagram socket.
#[lsm(hook = "socket_connect")]
pub fn socket_connect(ctx: LsmContext) -> i32 {
    let (socket, address): (*const c_void, *const c_void) = (ctx.arg(0), ctx.arg(1));
    to(&ctx, socket, address, ptr::null())
}

/// Sending: to an address without connecting, `MSG_FASTOPEN` included, which never reaches `socket_connect`; and on a
/// connection, which may be one that the run was handed.
#[lsm(hook = "socket_sendmsg")]
pub fn socket_sendmsg(ctx: LsmContext) -> i32 {
    let (socket, message): (*const c_void, *const c_void) = (ctx.arg(0), ctx.arg(1));
    // SAFETY: `message` is a trusted pointer.
    let name: *const c_void = unsafe { field(message, offset!(msg_name)) };
    to(&ctx, socket, name, message)
}

/// Decides about what a socket is to reach: an address, if the system call names one, or its own peer. `message` is what
/// is to be sent, if anything is.
#[inline(always)]
fn to(ctx: &LsmContext, socket: *const c_void, address: *const c_void, message: *const c_void) -> i32 {
    let Some(label) = label() else {
        return GO_ON;
    };
    let run = label.run;
    if is_over(run) {
        return tripped(run); // Also what is local, and on a connection that it has.
    }
    let Some(sock) = Sock::of(socket) else {
        return undecided(ctx.as_ptr(), run, Kind::Connect, Reason::Family);
    };
    if !sock.is_ip() {
        return GO_ON; // Decided elsewhere.
    }
    let sends = !message.is_null();
    if sends && routed(message) {
        return detour(ctx, label);
    }
    // A stream goes to its peer whatever the message names, unless it is to be opened by that.
    let opens = || {
        // SAFETY: `message` is a trusted pointer.
        let flags: u32 = unsafe { field(message, offset!(msg_flags)) };
        flags & MSG_FASTOPEN != 0
    };
    let connected = sends && (address.is_null() || (sock.is_stream() && !opens()));
    let bytes = if connected { sock.peer() } else { read(address) };
    let family = family(&bytes);
    if connected {
        if let Some(tag) = Tag::get(sock.sock).filter(|tag| tag.has(run, Tag::JUDGED)) {
            if tag.resolver != 0 {
                asked(label, Protocol::from_number(sock.protocol), sock.port());
            }
            if tag.has(run, Tag::GATED) {
                return gated(ctx, label, &sock, message);
            }
            return GO_ON;
        }
        if !sock.has_peer() {
            return GO_ON; // There is no peer; the kernel says so itself.
        }
    } else if family == AF_UNSPEC && !sends {
        return GO_ON; // Dissolves a connection.
    }
    // A server is spoken to by its full address only, and when it is chosen: see `redirect`.
    let direct = connected || !matches!(family, AF_INET | AF_INET6);
    // Not if the socket has another peer, which it may have been handed with and keep.
    let stays = connected || ((!sends || sock.is_stream()) && !sock.has_peer());
    reach(ctx, label, &sock, endpoint(&bytes, sock.family, sock.protocol), direct, stays, sends)
}

/// Decides about an endpoint; `direct` if what is sent there really goes there, though it be a name server; `stays` if it
/// is the socket's peer, or will be; `sends` if something is sent at once.
#[inline(always)]
pub(super) fn reach(
    ctx: &LsmContext,
    label: &'static mut Label,
    sock: &Sock,
    end: Option<Endpoint>,
    direct: bool,
    stays: bool,
    sends: bool,
) -> i32 {
    let (run, stage) = (label.run, label.stage);
    let mut subject = match Subject::new(label) {
        Ok(subject) => subject,
        Err(reason) => return undecided(ctx.as_ptr(), run, Kind::Connect, reason),
    };
    let Some(end) = end else {
        let text = Text::None(Reason::Family);
        let decision = subject.decide(Kind::Connect, &text, || 0);
        return answer(subject.conclude(Kind::Connect, &text, decision));
    };
    let text = subject.write(&end);
    let mut flags = 0;
    let resolved = !direct && end.port == DNS && stage != STAGE_PROBE;
    let decision = if resolved && matches!(end.protocol, b't' | b'u') {
        Decision::allowed(Reason::Resolver)
    } else {
        subject.decide(Kind::Connect, &text, || {
            let grant = granted(run, stage, &end);
            flags = (grant >> 16) as u16;
            if sends && flags & Grant::CONNECT != 0 { 0 } else { grant as u16 }
        })
    };
    let spends = decision.reason as u8 != Reason::Resolver as u8;
    if !subject.conclude(Kind::Connect, &text, decision)
        || (spends && !subject.spend(Budget::Connections, Kind::Connect, &text))
    {
        return EPERM;
    }
    let named = flags & Grant::NAMED != 0;
    let stays = stays && flags & Grant::CONNECT == 0;
    if named && !Gate::put(sock.sock, subject.label) {
        return EPERM;
    }
    let gate = if named { Tag::GATED } else { 0 };
    match Tag::make(sock.sock) {
        Some(tag) => tag.set(run, if stays { Tag::JUDGED | gate } else { gate }),
        None => return EPERM, // What is sent later would be a stranger's.
    }
    GO_ON
}

/// The host rule that led this run to the address, or 0; above its 16 bits, the grant's flags.
#[inline(never)] // The key takes stack, which the caller's has no room for.
fn granted(run: u32, stage: u8, endpoint: &Endpoint) -> u32 {
    let Some(grants) = GRANTS.get(place(run)) else {
        return 0;
    };
    let grant = grants.get::<_, Grant>(&GrantKey { run, stage: u32::from(stage), endpoint: *endpoint });
    // SAFETY: no preconditions.
    let now = unsafe { bpf_ktime_get_boot_ns() };
    // SAFETY: a map value, each field of which is read once; a later grant of the same address replaces it as a whole.
    let found = |grant: *mut Grant| unsafe {
        if now < (*grant).until { u32::from((*grant).rule) | u32::from((*grant).flags) << 16 } else { 0 }
    };
    grant.map_or(0, found)
}
