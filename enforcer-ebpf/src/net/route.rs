// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Source routes: with one, what is sent to an allowed address goes to another one first, and that one keeps it. They can
//! be set on a socket or accompany a message. Nobody needs them, so no rule allows them.

use aya_ebpf::{
    EbpfContext as _, helpers::generated::bpf_probe_read_kernel, macros::lsm, programs::LsmContext,
};
use core::{ffi::c_void, mem::MaybeUninit};
use enforcer_common::{Decision, Kind, Reason, run::Label};

use crate::{
    offsets::{field, offset},
    subject::{GO_ON, Subject, Text, answer, label, undecided},
};

/// Levels of socket options, from `linux/in.h` and `linux/in6.h`, and the options that set a route.
const IP: i32 = 0;
const IP_OPTIONS: i32 = 4;
const IPV6: i32 = 41;
const IPV6_2292PKTOPTIONS: i32 = 6;
const IPV6_RTHDR: i32 = 57;
/// What accompanies a message to give it a route.
const IP_RETOPTS: i32 = 7;
const IPV6_2292RTHDR: i32 = 5;

/// So many ancillary messages are looked at; nobody needs more for a datagram.
const MOST: usize = 8;

/// `struct cmsghdr`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Header {
    len: usize,
    level: i32,
    kind: i32,
}

/// Setting an option of a socket.
#[lsm(hook = "socket_setsockopt")]
pub fn socket_setsockopt(ctx: LsmContext) -> i32 {
    let (level, name): (i32, i32) = (ctx.arg(1), ctx.arg(2));
    if !matches!((level, name), (IP, IP_OPTIONS) | (IPV6, IPV6_RTHDR | IPV6_2292PKTOPTIONS)) {
        return GO_ON;
    }
    match label() {
        Some(label) => detour(&ctx, label),
        None => GO_ON,
    }
}

/// Denies.
#[inline(always)]
pub(super) fn detour(ctx: &LsmContext, label: &'static mut Label) -> i32 {
    let run = label.run;
    match Subject::new(label) {
        Ok(mut subject) => {
            let text = Text::None(Reason::Route);
            answer(subject.conclude(Kind::Connect, &text, Decision::denied(Reason::Route)))
        }
        Err(reason) => undecided(ctx.as_ptr(), run, Kind::Connect, reason),
    }
}

/// Whether a message brings a route, or more than can be looked at.
#[inline(always)]
pub(super) fn routed(message: *const c_void) -> bool {
    // SAFETY: a trusted pointer.
    let (control, len): (usize, usize) =
        unsafe { (field(message, offset!(msg_control)), field(message, offset!(msg_controllen))) };
    len != 0 && searched(control, len)
}

/// Walks the ancillary messages as the kernel does.
#[inline(never)] // The header takes stack, which the caller's has no room for.
fn searched(mut at: usize, mut left: usize) -> bool {
    const SIZE: usize = size_of::<Header>();
    for _ in 0..MOST {
        if left < SIZE {
            return false;
        }
        let mut header = MaybeUninit::<Header>::zeroed();
        // SAFETY: the destination has the size that is read; the helper checks the source.
        let unread =
            unsafe { bpf_probe_read_kernel(header.as_mut_ptr().cast(), SIZE as u32, at as *const c_void) };
        // SAFETY: zeroed above.
        let Header { len, level, kind } = unsafe { header.assume_init() };
        if unread != 0 || matches!((level, kind), (IP, IP_RETOPTS) | (IPV6, IPV6_RTHDR | IPV6_2292RTHDR)) {
            return true;
        }
        let step = len.wrapping_add(7) & !7;
        if len < SIZE || step >= left {
            return false; // The last, or one that the kernel will not take.
        }
        (at, left) = (at.wrapping_add(step), left - step);
    }
    true
}
