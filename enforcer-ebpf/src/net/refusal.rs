// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A connection is refused at its gate. Whoever runs just now need not be whoever made it, so nobody can be sent a
//! signal: the agent ends the connection, and the next attempt to send on it fails.

use aya_ebpf::helpers::generated::{bpf_ktime_get_boot_ns, bpf_probe_read_kernel};
use core::ptr::addr_of_mut;
use enforcer_common::{
    Budget, Kind, Reason, Verdict,
    event::Event,
    hello::NAME_SIZE,
    run::{Counters, MODE_AUDIT},
    table::TEXT_SIZE,
};

use super::{
    gate::{DROP, PASS},
    hello::{Gate, State},
};
use crate::{
    atomic, budget,
    maps::{self, EVENTS},
    scratch::Scratch,
    subject::{bound, decided, denied},
};

/// Shuts a gate, or in audit mode says that it would be shut. Counts and tells.
#[inline(never)] // The callers have no room on the stack.
pub(super) fn refuse(gate: &mut Gate, reason: Reason) -> i32 {
    if gate.state == State::Shut as u32 {
        return DROP;
    }
    let (run, counters) = (maps::run(gate.label.run), maps::counters(gate.label.run));
    let (Some(run), Some(counters)) = (run, counters) else {
        gate.state = State::Shut as u32;
        return DROP;
    };
    decided(counters, Kind::Connect);
    denied(counters, Kind::Connect);
    let audit = run.mode == MODE_AUDIT;
    tell(gate, counters, reason, if audit { Verdict::WouldDeny } else { Verdict::Deny });
    budget::spend(run, counters, Budget::Denials, gate.label.image);
    gate.state = if audit { State::Open as u32 } else { State::Shut as u32 };
    if audit { PASS } else { DROP }
}

/// Writes an event; a full ring is counted. Its text: the other end, this machine's, and the name as far as it was read.
#[inline(never)] // As above.
fn tell(gate: &Gate, counters: *mut Counters, reason: Reason, verdict: Verdict) {
    let sent = match Scratch::take() {
        Some(mut scratch) => {
            let buffer = scratch.text();
            // SAFETY: two endpoints with their NULs, and a name, are far shorter than the buffer.
            let len = unsafe {
                let there = gate.key.endpoint.write(|index, byte| *buffer.add(index & 63) = byte);
                *buffer.add(there & 63) = b' ';
                let from = there + 1;
                let here = gate.own.write(|index, byte| *buffer.add((from + index) & 127) = byte);
                let behind = bound(from + here, 128);
                *buffer.add(behind) = b' ';
                let name = gate.key.name.as_ptr().cast();
                bpf_probe_read_kernel(buffer.add(behind + 1).cast(), NAME_SIZE as u32, name);
                bound(behind + 1 + gate.hello.name_len() as usize, TEXT_SIZE)
            };
            let event = Event {
                // SAFETY: no preconditions.
                time: unsafe { bpf_ktime_get_boot_ns() },
                image: gate.label.image,
                run: gate.label.run,
                tgid: (gate.id >> 32) as u32,
                tid: gate.id as u32,
                rule: 0,
                text_len: len as u16,
                kind: Kind::Connect as u8,
                verdict: verdict as u8,
                reason: reason as u8,
                stage: gate.label.stage,
                exception: 0,
                step: 0,
            };
            let at = scratch.head(event);
            let size = (size_of::<Event>() + len) as u64;
            // SAFETY: header and text lie next to each other in the slot; `len` is below the text's size.
            unsafe { maps::send(&EVENTS, gate.label.run, at, size) }
        }
        None => false,
    };
    if !sent {
        // SAFETY: a map value.
        unsafe { atomic::add(addr_of_mut!((*counters).lost_events), 1) };
    }
}
