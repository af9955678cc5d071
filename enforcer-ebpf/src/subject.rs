// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The enrolled task that a hook was called for, and how its attempt ends.

use aya_ebpf::{
    helpers::{
        bpf_get_current_pid_tgid,
        generated::{bpf_get_current_task, bpf_ktime_get_boot_ns},
    },
    programs::LsmContext,
};
use aya_log_ebpf::error;
use core::{ffi::c_void, ptr::addr_of_mut};
use enforcer_common::{
    Budget, Decision, Kind, Reason, Verdict,
    address::Endpoint,
    decide,
    event::Event,
    run::{Counters, Label, MODE_AUDIT, Run, STAGE_PROBE},
    table::{KINDS, TEXT_SIZE},
};

use crate::{
    atomic,
    budget::{self, Spent},
    latency,
    maps::{self, Chunks, EVENTS, LABELS, TABLES},
    scratch::Scratch,
    space::Kernel,
};

/// What a hook returns to let the kernel go on.
pub(crate) const GO_ON: i32 = 0;
/// What a hook returns to refuse.
pub(crate) const EPERM: i32 = -1;

/// What a hook returns. One of two constants: later kernels refuse a program whose answer they cannot foresee.
#[inline(always)]
pub(crate) fn answer(allowed: bool) -> i32 {
    if allowed { GO_ON } else { EPERM }
}

/// The label of the current task, if it is enrolled.
#[inline(always)]
pub(crate) fn label() -> Option<&'static mut Label> {
    // SAFETY: no preconditions.
    let task = unsafe { bpf_get_current_task() } as u64;
    // SAFETY: the entry stays until the task is freed, and only the task itself changes it.
    LABELS.get_ptr_mut(&task).map(|label| unsafe { &mut *label })
}

/// An enrolled task with everything that deciding needs.
pub(crate) struct Subject {
    /// The task's label.
    pub(crate) label: &'static mut Label,
    run: &'static Run,
    chunks: &'static Chunks,
    counters: *mut Counters,
    scratch: Scratch,
}

/// The text that is judged, as the hook left it in the scratch buffer.
pub(crate) enum Text {
    /// A path of so many bytes, without its NUL.
    Path(usize),
    /// What is no path, likewise.
    Plain(usize),
    /// There is none, for this reason.
    None(Reason),
}

impl Subject {
    /// Everything that deciding about the task needs; what is missing is the reason to refuse it.
    #[inline(always)]
    pub(crate) fn new(label: &'static mut Label) -> Result<Self, Reason> {
        let index = label.run;
        let run = maps::run(index).ok_or(Reason::NoRun)?;
        let chunks = TABLES.get(run.profile).ok_or(Reason::NoRun)?;
        let counters = maps::counters(index).ok_or(Reason::NoRun)?;
        if budget::is_tripped(counters) {
            return Err(Reason::Tripped);
        }
        let mut scratch = Scratch::take().ok_or(Reason::NoScratch)?;
        if run.flags & Run::TIMED != 0 {
            scratch.start();
        }
        Ok(Self { label, run, chunks, counters, scratch })
    }

    /// The scratch buffer.
    #[inline(always)]
    pub(crate) fn scratch(&mut self) -> &mut Scratch {
        &mut self.scratch
    }

    /// Writes an endpoint into the scratch buffer.
    #[inline(always)]
    pub(crate) fn write(&mut self, end: &Endpoint) -> Text {
        let buffer = self.scratch.text();
        // SAFETY: an address text is far shorter than the buffer.
        Text::Plain(end.write(|index, byte| unsafe { *buffer.add(index & 63) = byte }))
    }

    /// Counts for the run.
    #[inline(always)]
    pub(crate) fn counters(&self) -> *mut Counters {
        self.counters
    }

    /// Decides about the text in the scratch buffer.
    #[inline(always)]
    pub(crate) fn decide(&mut self, kind: Kind, text: &Text, grant: impl FnOnce() -> u16) -> Decision {
        let anchors = match text {
            Text::None(reason) => return Decision::denied(*reason),
            Text::Path(_) => Some(&self.run.anchors),
            Text::Plain(_) => None,
        };
        let Some(space) = Kernel::new(self.chunks, self.scratch.text()) else {
            return Decision::denied(Reason::NoRun);
        };
        decide(space, self.label.stage, kind, anchors, grant)
    }

    /// Ends the attempt: counts it, and tells the agent of a denial, in a run that is recorded of anything. True if the
    /// action may go ahead.
    #[inline(never)] // The hooks have no room on the stack for what it needs.
    pub(crate) fn conclude(&mut self, kind: Kind, text: &Text, decision: Decision) -> bool {
        decided(self.counters, kind);
        let allowed = if decision.allows() {
            if decision.exception != 0 || self.run.flags & Run::RECORD != 0 {
                self.emit(kind, text, decision, Verdict::Allow);
            }
            true
        } else {
            !self.refuse(kind, text, decision)
        };
        if self.run.flags & Run::TIMED != 0 {
            latency::count(kind, self.scratch.lap());
        }
        allowed
    }

    /// Whether the run opens a file for the first time, and counts that.
    #[inline(always)]
    pub(crate) fn is_new(&self, file: *const c_void, budget: Budget) -> bool {
        budget::is_new(self.run, file, budget)
    }

    /// Spends one of a budget for an action that the rules allow. True if it may go ahead.
    #[inline(never)] // As above.
    pub(crate) fn spend(&mut self, budget: Budget, kind: Kind, text: &Text) -> bool {
        let spent = budget::spend(self.run, self.counters, budget, self.label.image);
        if spent == Spent::Within || (spent == Spent::Again && self.run.mode == MODE_AUDIT) {
            return true;
        }
        let decision = Decision { rule: budget as u16, ..Decision::denied(Reason::Budget) };
        !self.refuse(kind, text, decision)
    }

    /// Counts and reports a denial; true if it is to be made.
    #[inline(never)] // As above.
    fn refuse(&mut self, kind: Kind, text: &Text, decision: Decision) -> bool {
        let counters = self.counters;
        denied(counters, kind);
        // The probe proves that denials can be made, whatever the mode, and costs no budget.
        let probe = self.label.stage == STAGE_PROBE;
        let audit = self.run.mode == MODE_AUDIT && !probe;
        self.emit(kind, text, decision, if audit { Verdict::WouldDeny } else { Verdict::Deny });
        if probe {
            return true;
        }
        budget::spend(self.run, counters, Budget::Denials, self.label.image);
        if audit {
            return false;
        }
        if budget::is_tripped(counters) {
            budget::punish(self.run);
        } else if self.run.flags & Run::KILL != 0 {
            budget::kill();
        }
        true
    }

    /// Writes an event; a full ring is counted.
    #[inline(never)] // As above.
    fn emit(&mut self, kind: Kind, text: &Text, decision: Decision, verdict: Verdict) {
        let len = match text {
            Text::Path(len) | Text::Plain(len) => bound(*len, TEXT_SIZE),
            Text::None(_) => 0,
        };
        let id = bpf_get_current_pid_tgid();
        let event = Event {
            // SAFETY: no preconditions.
            time: unsafe { bpf_ktime_get_boot_ns() },
            image: self.label.image,
            run: self.label.run,
            tgid: (id >> 32) as u32,
            tid: id as u32,
            rule: decision.rule,
            text_len: len as u16,
            kind: kind as u8,
            verdict: verdict as u8,
            reason: decision.reason as u8,
            stage: self.label.stage,
            exception: decision.exception,
            step: u16::from(self.label.checks),
        };
        let at = self.scratch.head(event);
        let size = (size_of::<Event>() + len) as u64;
        // SAFETY: header and text lie next to each other in the slot; `len` is below the text's size.
        if !unsafe { maps::send(&EVENTS, self.label.run, at, size) } {
            // SAFETY: a map value.
            unsafe { atomic::add(addr_of_mut!((*self.counters).lost_events), 1) };
        }
    }
}

/// A number below `limit`, a power of two, in a way that the verifiers of all kernels believe.
#[inline(always)]
pub(crate) fn bound(number: usize, limit: usize) -> usize {
    // SAFETY: reads a local; volatile, so that the compiler cannot drop the mask as superfluous.
    unsafe { core::ptr::read_volatile(&raw const number) & (limit - 1) }
}

/// Counts a verdict.
#[inline(always)]
pub(crate) fn decided(counters: *mut Counters, kind: Kind) {
    // SAFETY: a map value.
    unsafe { atomic::add(addr_of_mut!((*counters).decided[bound(kind as usize, KINDS)]), 1) };
}

/// Counts a denial, or what would be one.
#[inline(always)]
pub(crate) fn denied(counters: *mut Counters, kind: Kind) {
    // SAFETY: a map value.
    unsafe { atomic::add(addr_of_mut!((*counters).denied[bound(kind as usize, KINDS)]), 1) };
}

/// Ends an attempt that was not decided: refused, unless the run is only audited. In a tripped run whoever tries
/// something is ended. Otherwise there was no buffer to make an event in, hence a word in the log.
#[inline(never)] // The log needs stack, which the caller's has no room for.
pub(crate) fn undecided(ctx: *mut c_void, run: u32, kind: Kind, reason: Reason) -> i32 {
    if matches!(reason, Reason::Tripped) {
        return tripped(run);
    }
    if let Some(counters) = maps::counters(run) {
        decided(counters, kind);
        denied(counters, kind);
        // SAFETY: a map value.
        unsafe { atomic::add(addr_of_mut!((*counters).lost_events), 1) };
    }
    error!(
        &LsmContext::new(ctx),
        "no verdict could be made in run {}: kind {}, reason {}", run, kind as u8, reason as u8
    );
    match maps::run(run) {
        Some(run) if run.mode == MODE_AUDIT => GO_ON,
        _ => EPERM,
    }
}

/// Whether a run is tripped, for hooks that would not decide.
#[inline(always)]
pub(crate) fn is_over(run: u32) -> bool {
    maps::counters(run).is_some_and(|counters| budget::is_tripped(counters))
}

/// Refuses what a task of a tripped run attempts, and ends it.
#[inline(always)]
pub(crate) fn tripped(run: u32) -> i32 {
    if let Some(counters) = maps::counters(run) {
        // SAFETY: a map value.
        unsafe { atomic::add(addr_of_mut!((*counters).refused_since), 1) };
    }
    if let Some(run) = maps::run(run) {
        budget::punish(run);
    }
    EPERM
}
