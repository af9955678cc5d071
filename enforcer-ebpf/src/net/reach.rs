// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Addresses: where a socket is connected to, and where a message is sent without connecting.

use aya_ebpf::{
    EbpfContext as _, helpers::generated::bpf_ktime_get_boot_ns, macros::lsm, programs::LsmContext,
};
use core::ffi::c_void;
use enforcer_common::{
    Budget, Decision, Kind, Reason,
    address::{Endpoint, GrantKey, Protocol},
    lookup::DNS,
    run::{Label, STAGE_PROBE},
};

use super::{
    AF_INET, AF_INET6, AF_UNSPEC,
    redirect::asked,
    sockaddr::{Sock, endpoint, family, read},
    tag::Tag,
};
use crate::{
    maps::GRANTS,
    subject::{EPERM, GO_ON, Subject, Text, answer, is_over, label, tripped, undecided},
};

/// Connecting a stream, or setting the default peer of a datagram socket.
#[lsm(hook = "socket_connect")]
pub fn socket_connect(ctx: LsmContext) -> i32 {
    let (socket, address): (*const c_void, *const c_void) = (ctx.arg(0), ctx.arg(1));
    let Some(label) = label() else {
        return GO_ON;
    };
    named(&ctx, label, socket, address, false)
}

/// Sending: to an address without connecting, `MSG_FASTOPEN` included, which never reaches `socket_connect`; and on a
/// connection, which may be one that the run was handed.
#[lsm(hook = "socket_sendmsg")]
pub fn socket_sendmsg(ctx: LsmContext) -> i32 {
    let (socket, message): (*const c_void, *const c_void) = (ctx.arg(0), ctx.arg(1));
    let Some(label) = label() else {
        return GO_ON;
    };
    // SAFETY: `message` is a trusted pointer.
    let name: *const c_void = unsafe { crate::offsets::field(message, crate::offsets::offset!(msg_name)) };
    if !name.is_null() {
        return named(&ctx, label, socket, name, true);
    }
    let run = label.run;
    if is_over(run) {
        return tripped(run); // Also on a connection that it has.
    }
    let Some(sock) = Sock::of(socket) else {
        return undecided(ctx.as_ptr(), run, Kind::Connect, Reason::Family);
    };
    if !sock.is_ip() {
        return GO_ON;
    }
    if let Some(tag) = Tag::get(sock.sock).filter(|tag| tag.has(run, Tag::JUDGED)) {
        if tag.resolver != 0 {
            asked(label, Protocol::from_number(sock.protocol), sock.port());
        }
        return GO_ON;
    }
    let peer = sock.peer();
    if peer.port == 0 {
        return GO_ON; // There is none; the kernel says so itself.
    }
    reach(&ctx, label, &sock, Some(peer), true)
}

/// Decides about an address that a system call names.
#[inline(always)]
fn named(
    ctx: &LsmContext,
    label: &'static mut Label,
    socket: *const c_void,
    address: *const c_void,
    sends: bool,
) -> i32 {
    let run = label.run;
    if is_over(run) {
        return tripped(run); // Also what is local.
    }
    let Some(sock) = Sock::of(socket) else {
        return undecided(ctx.as_ptr(), run, Kind::Connect, Reason::Family);
    };
    let bytes = read(address);
    let family = family(&bytes);
    if !sock.is_ip() || (family == AF_UNSPEC && !sends) {
        return GO_ON; // Decided elsewhere, or dissolving a connection.
    }
    // A server is spoken to by its full address only: see `redirect`.
    let direct = !matches!(family, AF_INET | AF_INET6);
    let end = endpoint(&bytes, sock.family, sock.protocol);
    reach(ctx, label, &sock, end, direct)
}

/// Decides about an endpoint; `direct` if what is sent there really goes there, though it be a name server.
#[inline(always)]
fn reach(
    ctx: &LsmContext,
    label: &'static mut Label,
    sock: &Sock,
    end: Option<Endpoint>,
    direct: bool,
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
    let resolved = !direct && end.port == DNS && stage != STAGE_PROBE;
    let decision = if resolved && matches!(end.protocol, b't' | b'u') {
        Decision::allowed(Reason::Resolver)
    } else {
        subject.decide(Kind::Connect, &text, || granted(run, stage, &end))
    };
    let spends = decision.reason as u8 != Reason::Resolver as u8;
    if !subject.conclude(Kind::Connect, &text, decision)
        || (spends && !subject.spend(Budget::Connections, Kind::Connect, &text))
    {
        return EPERM;
    }
    match Tag::make(sock.sock) {
        Some(tag) => tag.set(run, Tag::JUDGED),
        None => return EPERM, // What is sent later would be a stranger's.
    }
    GO_ON
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
