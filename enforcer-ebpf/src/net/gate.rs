// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The gate of a connection whose address a name led to, where the profile has the names of TLS connections checked:
//! nothing leaves but a ClientHello that asks for a name which led there.
//!
//! It stands where packets leave, because what is judged must be what leaves: at the system calls there is only memory
//! that the process can still change. A packet's own memory is the kernel's, unless it was lent; that is refused.
//! TCP calls this in the order of the bytes, under the socket's lock, so there is one reader for a connection.

use aya_ebpf::{EbpfContext as _, macros::cgroup_skb, programs::SkBuffContext};
use core::ffi::c_void;
use enforcer_common::{
    Reason,
    hello::Progress,
    run::{Run, place},
    table::{Space as _, Step},
};

use super::{
    hello::{Gate, State},
    packet::{is_lent, load, read},
    refusal::refuse,
};
use crate::{
    maps::{self, NAMES},
    space::Kernel,
};

/// The packet leaves.
pub(super) const PASS: i32 = 1;
/// It does not.
pub(super) const DROP: i32 = 0;
/// More than the bytes of any packet.
const TURNS: u32 = 1 << 17;

/// A packet leaves this machine, or goes to the loopback.
#[cgroup_skb(egress)]
pub fn egress(ctx: SkBuffContext) -> i32 {
    let skb = ctx.as_ptr();
    let Some((sk, gate)) = Gate::of(skb) else {
        return PASS;
    };
    if gate.state == State::Open as u32 {
        return PASS;
    }
    gate.ends(sk);
    if !read(skb, gate) {
        return refuse(gate, Reason::Unjudged);
    }
    if gate.syn != 0 && gate.state != State::Shut as u32 {
        gate.begin();
    }
    if gate.at == gate.end {
        return PASS; // Nothing but a header.
    }
    if gate.state == State::Shut as u32 {
        return DROP;
    }
    if gate.state == State::Closed as u32 || is_lent(skb) {
        return refuse(gate, Reason::Unjudged);
    }
    // What was read before is sent again; what was not must follow it.
    let behind = gate.next.wrapping_sub(gate.sequence);
    if behind > i32::MAX as u32 {
        return refuse(gate, Reason::Unjudged);
    }
    if behind >= gate.end - gate.at {
        return PASS;
    }
    gate.at += behind;
    let from = gate.at;
    Kernel::repeat(TURNS, &mut Reader { skb, gate });
    gate.next = gate.next.wrapping_add(gate.at.wrapping_sub(from));
    match gate.hello.progress() {
        Progress::More if gate.at == gate.end => PASS,
        Progress::More => refuse(gate, Reason::Unjudged),
        Progress::Bad => refuse(gate, Reason::NotHello),
        Progress::Done => judge(gate),
    }
}

/// Decides about a hello that was read to its end.
#[inline(always)]
fn judge(gate: &mut Gate) -> i32 {
    let allows = maps::run(gate.label.run).map_or(0, |run| run.flags & Run::ENCRYPTED_HELLO);
    if gate.hello.is_encrypted() && allows == 0 {
        return refuse(gate, Reason::EncryptedHello);
    }
    if gate.hello.name_len() == 0 {
        return refuse(gate, Reason::NoServerName);
    }
    let until = NAMES.get(place(gate.label.run)).and_then(|names| names.get::<_, u64>(&gate.key));
    // SAFETY: a map value, read at once; a later one replaces it as a whole.
    let until = until.map_or(0, |until| unsafe { *until });
    // The name led there when the connection was judged, however long its hello took since.
    if until <= gate.judged {
        return refuse(gate, Reason::ServerName);
    }
    gate.state = State::Open as u32;
    PASS
}

/// Reads a packet's bytes.
struct Reader<'a> {
    skb: *mut c_void,
    gate: &'a mut Gate,
}

impl Step for Reader<'_> {
    #[inline(always)]
    fn step(&mut self, _index: u32) -> bool {
        let gate = &mut *self.gate;
        let left = gate.end.wrapping_sub(gate.at);
        if left == 0 || gate.hello.progress() != Progress::More {
            return true;
        }
        let passable = gate.hello.passable();
        if passable != 0 {
            let count = if passable < left { passable } else { left };
            gate.hello.pass(count);
            gate.at += count;
            return false;
        }
        let mut byte = [0];
        if !load(self.skb, gate.at, &mut byte) {
            return true; // It ends before its end, and is refused.
        }
        let name = gate.key.name.as_mut_ptr();
        // SAFETY: the index is below the name's size.
        gate.hello.take(byte[0], |index, byte| unsafe { name.add(index & 255).write(byte) });
        gate.at += 1;
        false
    }
}
