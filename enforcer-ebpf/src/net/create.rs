// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Which sockets may be made: what no rule names is refused before its protocol's module is even looked for.

use aya_ebpf::{EbpfContext as _, macros::lsm, programs::LsmContext};
use enforcer_common::{Kind, Reason, socket::Socket};

use crate::subject::{GO_ON, Subject, Text, answer, label, undecided};

/// Making a socket, or a pair.
#[lsm(hook = "socket_create")]
pub fn socket_create(ctx: LsmContext) -> i32 {
    let (family, kind, protocol, kernel): (i32, i32, i32, i32) =
        (ctx.arg(0), ctx.arg(1), ctx.arg(2), ctx.arg(3));
    let Some(label) = label() else {
        return GO_ON;
    };
    if kernel != 0 {
        return GO_ON; // The kernel's own, in the task's time.
    }
    let run = label.run;
    let mut subject = match Subject::new(label) {
        Ok(subject) => subject,
        Err(reason) => return undecided(ctx.as_ptr(), run, Kind::Socket, reason),
    };
    let text = match Socket::new(family as u32, kind as u32, protocol as u32) {
        Some(socket) => {
            let buffer = subject.scratch().text();
            // SAFETY: the text is far shorter than the buffer.
            Text::Plain(socket.write(|index, byte| unsafe { *buffer.add(index & 15) = byte }))
        }
        None => Text::None(Reason::Family),
    };
    let decision = subject.decide(Kind::Socket, &text, || 0);
    answer(subject.conclude(Kind::Socket, &text, decision))
}
