// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Local sockets, by the name that their owner gave them: no spelling of the caller's and no link can change it.

use aya_ebpf::{
    EbpfContext as _,
    helpers::generated::{bpf_probe_read_kernel, bpf_skc_to_unix_sock},
    macros::lsm,
    programs::LsmContext,
};
use core::ffi::c_void;
use enforcer_common::{Decision, Kind, Reason};

use super::{sockaddr::Sock, tag::Tag};
use crate::{
    offsets::{field, offset},
    subject::{GO_ON, Subject, Text, answer, label, undecided},
};

/// Longest name: `sun_path`.
const NAME: usize = 108;
/// What comes before it in `struct sockaddr_un`.
const FAMILY: usize = 2;

/// Connecting to a stream.
#[lsm(hook = "unix_stream_connect")]
pub fn unix_stream_connect(ctx: LsmContext) -> i32 {
    let peer: *const c_void = ctx.arg(1);
    reach(&ctx, peer)
}

/// Sending a datagram, or setting the peer of datagrams.
#[lsm(hook = "unix_may_send")]
pub fn unix_may_send(ctx: LsmContext) -> i32 {
    let peer: *const c_void = ctx.arg(1);
    match Sock::of(peer) {
        Some(peer) => reach(&ctx, peer.sock),
        None => GO_ON, // It is closed already, nothing arrives.
    }
}

/// Decides about a peer.
#[inline(always)]
fn reach(ctx: &LsmContext, peer: *const c_void) -> i32 {
    let Some(label) = label() else {
        return GO_ON;
    };
    let run = label.run;
    let mut subject = match Subject::new(label) {
        Ok(subject) => subject,
        Err(reason) => return undecided(ctx.as_ptr(), run, Kind::Unix, reason),
    };
    if Tag::get(peer).is_some_and(|tag| tag.has(run, Tag::BOUND)) {
        return GO_ON; // The run's own.
    }
    let Some(text) = name(&mut subject, peer) else {
        return GO_ON; // It has no name: the run was handed a descriptor.
    };
    let buffer = subject.scratch().text();
    // SAFETY: within the buffer.
    let decision = match unsafe { *buffer } {
        b'/' | b'@' => subject.decide(Kind::Unix, &text, || 0),
        _ => Decision::denied(Reason::Unresolved), // Relative to where its owner was then.
    };
    answer(subject.conclude(Kind::Unix, &text, decision))
}

/// Writes the name that a socket is bound to; `None` if it is not. An abstract name gets an `@` for each NUL, of which
/// the first makes it abstract.
#[inline(always)]
fn name(subject: &mut Subject, sock: *const c_void) -> Option<Text> {
    // SAFETY: a trusted pointer to a socket.
    let sock: *const c_void = unsafe { bpf_skc_to_unix_sock(sock.cast_mut()) }.cast();
    if sock.is_null() {
        return Some(Text::None(Reason::Family));
    }
    // SAFETY: the helper's pointer, checked for null.
    let address: *const c_void = unsafe { field(sock, offset!(unix_addr)) };
    if address.is_null() {
        return None;
    }
    // SAFETY: from a typed pointer, checked for null.
    let len: u32 = unsafe { field(address, offset!(unix_address_len)) };
    let len = (len as usize).wrapping_sub(FAMILY);
    if len == 0 || len > NAME {
        return (len != 0).then_some(Text::None(Reason::Unresolved));
    }
    let buffer = subject.scratch().text();
    // SAFETY: within the buffer; the helper checks the source.
    let read = unsafe {
        let from = address.cast::<u8>().add(offset!(unix_address_name) + FAMILY);
        bpf_probe_read_kernel(buffer.cast(), len as u32, from.cast())
    };
    if read != 0 {
        return Some(Text::None(Reason::Unresolved));
    }
    // SAFETY: within the buffer.
    let len = if unsafe { *buffer } == 0 { abstracted(buffer, len) } else { len - 1 };
    // SAFETY: within the buffer.
    unsafe { *buffer.add(len & 127) = 0 };
    Some(Text::Path(len))
}

/// Writes the NULs of an abstract name.
#[inline(always)]
fn abstracted(buffer: *mut u8, len: usize) -> usize {
    let mut at = 0;
    while at < NAME {
        // SAFETY: within the buffer.
        unsafe {
            let byte = buffer.add(at);
            // Without a branch, which the verifier would follow both ways for each byte.
            *byte |= ((u32::from(*byte)).wrapping_sub(1) >> 8) as u8 & b'@';
        }
        at += 1;
    }
    len
}
