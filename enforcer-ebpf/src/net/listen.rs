// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Taking an address of this machine: who may wait for others there, and who is known by a name.

use aya_ebpf::{EbpfContext as _, macros::lsm, programs::LsmContext};
use core::ffi::c_void;
use enforcer_common::{
    Kind, Reason,
    address::{Endpoint, Protocol},
    run::Label,
};

use super::{
    AF_UNIX,
    sockaddr::{Sock, endpoint, read},
    tag::Tag,
};
use crate::subject::{EPERM, GO_ON, Subject, Text, answer, is_over, label, tripped, undecided};

/// Binding a socket. A stream's port is judged when it listens, if the kernel is to choose it.
#[lsm(hook = "socket_bind")]
pub fn socket_bind(ctx: LsmContext) -> i32 {
    let (socket, address): (*const c_void, *const c_void) = (ctx.arg(0), ctx.arg(1));
    let Some(label) = label() else {
        return GO_ON;
    };
    if is_over(label.run) {
        return tripped(label.run);
    }
    let Some(sock) = Sock::of(socket) else {
        return undecided(ctx.as_ptr(), label.run, Kind::Listen, Reason::Family);
    };
    if sock.family == AF_UNIX {
        return own(&sock, label.run, Tag::BOUND); // Whom it is known to is the reader's matter.
    }
    if !sock.is_ip() {
        return GO_ON;
    }
    match endpoint(&read(address), sock.family, sock.protocol) {
        Some(end) if end.port == 0 && end.protocol == Protocol::Tcp.letter() => GO_ON,
        end => take(&ctx, label, end),
    }
}

/// Listening on a stream.
#[lsm(hook = "socket_listen")]
pub fn socket_listen(ctx: LsmContext) -> i32 {
    let socket: *const c_void = ctx.arg(0);
    let Some(label) = label() else {
        return GO_ON;
    };
    let Some(sock) = Sock::of(socket) else {
        return undecided(ctx.as_ptr(), label.run, Kind::Listen, Reason::Family);
    };
    if !sock.is_ip() {
        return GO_ON;
    }
    let run = label.run;
    let taken = take(&ctx, label, endpoint(&sock.own(), sock.family, sock.protocol));
    if taken != GO_ON {
        return EPERM;
    }
    if sock.has_peer() {
        return GO_ON; // It cannot listen, and its peer was not judged by this.
    }
    own(&sock, run, Tag::JUDGED)
}

/// Sets a flag on a socket; without it the socket would be taken for somebody else's later.
#[inline(always)]
fn own(sock: &Sock, run: u32, flag: u32) -> i32 {
    match Tag::make(sock.sock) {
        Some(tag) => {
            tag.set(run, flag);
            GO_ON
        }
        None => EPERM,
    }
}

/// Decides about a local address.
#[inline(always)]
fn take(ctx: &LsmContext, label: &'static mut Label, end: Option<Endpoint>) -> i32 {
    let run = label.run;
    let mut subject = match Subject::new(label) {
        Ok(subject) => subject,
        Err(reason) => return undecided(ctx.as_ptr(), run, Kind::Listen, reason),
    };
    let text = match end {
        Some(end) => subject.write(&end),
        None => Text::None(Reason::Family),
    };
    let decision = subject.decide(Kind::Listen, &text, || 0);
    answer(subject.conclude(Kind::Listen, &text, decision))
}
