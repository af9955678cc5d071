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
    subject::{GO_ON, Subject, Text, answer, bound, label, undecided},
};

/// Longest name: `sun_path`, and the NUL that the kernel adds.
const NAME: usize = 109;
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
    let len = name(&mut subject, peer);
    if len == 0 {
        return GO_ON; // It has no name: the run was handed a descriptor.
    }
    // What cannot be read is shown as far as it can. One kind of text, so that the verifier has one thing to follow.
    let text = Text::Path(bound(if len > NAME { 0 } else { len }, 128));
    // SAFETY: within the buffer.
    let first = unsafe { *subject.scratch().text() };
    let decision = if len <= NAME && matches!(first, b'/' | b'@') {
        subject.decide(Kind::Unix, &text, || 0)
    } else {
        Decision::denied(Reason::Unresolved) // Relative to where its owner was then.
    };
    answer(subject.conclude(Kind::Unix, &text, decision))
}

/// Writes the name that a socket is bound to, and returns how long it is: 0 if it is not bound, more than [`NAME`] if
/// nobody can say. An abstract name gets an `@` for each NUL, of which the first makes it abstract.
#[inline(always)]
fn name(subject: &mut Subject, sock: *const c_void) -> usize {
    // SAFETY: a trusted pointer to a socket.
    let sock: *const c_void = unsafe { bpf_skc_to_unix_sock(sock.cast_mut()) }.cast();
    if sock.is_null() {
        return usize::MAX;
    }
    // SAFETY: the helper's pointer, checked for null.
    let address: *const c_void = unsafe { field(sock, offset!(unix_addr)) };
    if address.is_null() {
        return 0;
    }
    // SAFETY: from a typed pointer, checked for null.
    let len: u32 = unsafe { field(address, offset!(unix_address_len)) };
    let len = (len as usize).wrapping_sub(FAMILY);
    if len == 0 || len > NAME {
        return len;
    }
    let buffer = subject.scratch().text();
    // SAFETY: within the buffer; the helper checks the source.
    let unread = unsafe {
        let from = address.cast::<u8>().add(offset!(unix_address_name) + FAMILY);
        bpf_probe_read_kernel(buffer.cast(), len as u32, from.cast())
    };
    if unread != 0 {
        return usize::MAX;
    }
    // SAFETY: within the buffer.
    let len = if unsafe { *buffer } == 0 { abstracted(buffer, len) } else { len - 1 };
    // SAFETY: within the buffer.
    unsafe { *buffer.add(len & 127) = 0 };
    len
}

/// Writes the NULs of an abstract name, eight bytes at a time and without a branch: the verifier follows every one.
#[inline(always)]
fn abstracted(buffer: *mut u8, len: usize) -> usize {
    const LOW: u64 = u64::from_ne_bytes([0x7f; 8]);
    let words = buffer.cast::<u64>();
    let mut at = 0;
    while at < NAME.div_ceil(8) {
        // SAFETY: within the buffer, which is aligned.
        unsafe {
            let word = *words.add(at);
            // The highest bit of each byte that is not 0: adding carries into it if any lower one is set.
            let some = ((word & LOW) + LOW) | word;
            *words.add(at) = word | (!some & !LOW) >> 1; // 0x80 becomes 0x40, which is `@`.
        }
        at += 1;
    }
    len
}
