// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Sending on a connection with a gate before it: what will not leave fails at once.

use aya_ebpf::{EbpfContext as _, programs::LsmContext};
use core::ffi::c_void;
use enforcer_common::{Decision, Kind, Reason, run::Label};

use super::{
    hello::{Gate, State},
    sockaddr::{Sock, endpoint},
};
use crate::{
    offsets::{field, offset},
    subject::{EPERM, GO_ON, Subject, Text, answer, undecided},
};

/// From `linux/socket.h`: memory is lent instead of copied.
const LENT: u32 = 0x0400_0000 | 0x0800_0000; // MSG_ZEROCOPY, MSG_SPLICE_PAGES

/// Decides about sending on a connection that has a gate.
#[inline(always)]
pub(super) fn gated(ctx: &LsmContext, label: &'static mut Label, sock: &Sock, message: *const c_void) -> i32 {
    let state = Gate::get(sock.sock).map_or(State::Shut as u32, |gate| gate.state);
    if state == State::Shut as u32 {
        return EPERM; // That was told when it was shut.
    }
    // SAFETY: a trusted pointer.
    let flags: u32 = unsafe { field(message, offset!(msg_flags)) };
    if state == State::Open as u32 || flags & LENT == 0 {
        return GO_ON;
    }
    let run = label.run;
    match Subject::new(label) {
        Ok(mut subject) => {
            let text = match endpoint(&sock.peer(), sock.family, sock.protocol) {
                Some(end) => subject.write(&end),
                None => Text::None(Reason::Family),
            };
            let decision = Decision::denied(Reason::Unjudged);
            answer(subject.conclude(Kind::Connect, &text, decision))
        }
        Err(reason) => undecided(ctx.as_ptr(), run, Kind::Connect, reason),
    }
}
