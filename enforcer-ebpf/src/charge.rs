// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Refused lookups: what is in a packet only the resolver knows, what a run has spent only the kernel counts.

use aya_ebpf::{EbpfContext as _, macros::raw_tracepoint, programs::RawTracePointContext};
use enforcer_common::{Budget, Kind, budget::HALTED, lookup::Charge};

use crate::{
    budget, maps,
    subject::{decided, denied},
};

/// Counts a refused lookup as a denial, which may trip the run. Never attached: the resolver runs it through
/// `BPF_PROG_TEST_RUN`, before it answers.
#[raw_tracepoint(tracepoint = "sys_enter")]
pub fn charge(ctx: RawTracePointContext) -> i32 {
    // SAFETY: the kernel refuses a test run whose context is shorter than what is read here.
    let Charge { run, image } = unsafe { *ctx.as_ptr().cast::<Charge>() };
    let (counters, run) = (maps::counters(run as u32), maps::run(run as u32));
    if let (Some(counters), Some(run)) = (counters, run) {
        decided(counters, Kind::Resolve);
        denied(counters, Kind::Resolve);
        budget::spend(run, counters, Budget::Denials, image);
    }
    0
}

/// Trips a run because somebody says so. Never attached: the service runs it likewise.
#[raw_tracepoint(tracepoint = "sys_enter")]
pub fn halt(ctx: RawTracePointContext) -> i32 {
    // SAFETY: as above.
    let run = unsafe { *ctx.as_ptr().cast::<u64>() } as u32;
    if maps::run(run).is_some()
        && let Some(counters) = maps::counters(run)
    {
        // SAFETY: a map value. If it is tripped already it stays so, by whatever.
        unsafe {
            if (*counters).tripped == 0 {
                (*counters).tripped = HALTED;
            }
        }
    }
    0
}
