// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The enrolled task that a hook was called for, and how its attempt ends.

use aya_ebpf::{
    helpers::{
        bpf_get_current_pid_tgid,
        generated::{bpf_get_current_task, bpf_ktime_get_boot_ns, bpf_ringbuf_output},
    },
    programs::LsmContext,
};
use aya_log_ebpf::error;
use core::{ffi::c_void, ptr::addr_of_mut};
use enforcer_common::{
    Decision, Kind, Reason, Verdict, decide,
    event::Event,
    run::{Counters, Label, MODE_AUDIT, Run, STAGE_PROBE},
    table::TEXT_SIZE,
};

use crate::{
    atomic,
    maps::{COUNTERS, EVENTS, LABELS, RUNS, TABLES},
    scratch::Scratch,
    space::Kernel,
};

/// What a hook returns to let the kernel go on.
pub(crate) const GO_ON: i32 = 0;
/// What a hook returns to refuse.
pub(crate) const EPERM: i32 = -1;

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
    table: *const u16,
    counters: *mut Counters,
    scratch: Scratch,
}

/// The text that is judged, as the hook left it in the scratch buffer.
pub(crate) enum Text {
    /// A path of so many bytes, without its NUL.
    Path(usize),
    /// An address, likewise.
    Address(usize),
    /// There is none, for this reason.
    None(Reason),
}

impl Subject {
    /// Everything that deciding about the task needs; what is missing is the reason to refuse it.
    #[inline(always)]
    pub(crate) fn new(label: &'static mut Label) -> Result<Self, Reason> {
        let index = label.run;
        let run = RUNS.get(index).ok_or(Reason::NoRun)?;
        let table = TABLES.get_ptr(index).ok_or(Reason::NoRun)?.cast();
        let counters = COUNTERS.get_ptr_mut(index).ok_or(Reason::NoRun)?;
        let scratch = Scratch::take().ok_or(Reason::NoScratch)?;
        Ok(Self { label, run, table, counters, scratch })
    }

    /// The scratch buffer.
    #[inline(always)]
    pub(crate) fn scratch(&mut self) -> &mut Scratch {
        &mut self.scratch
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
            Text::Address(_) => None,
        };
        let space = Kernel { table: self.table, text: self.scratch.text() };
        decide(space, self.label.stage, kind, anchors, grant)
    }

    /// Ends the attempt: counts it, and tells the agent of a denial. Returns what the hook must return.
    #[inline(always)]
    pub(crate) fn conclude(&mut self, kind: Kind, text: &Text, decision: Decision) -> i32 {
        let counters = self.counters;
        // SAFETY: a map value.
        unsafe { atomic::add(addr_of_mut!((*counters).decisions), 1) };
        if decision.allows() {
            return GO_ON;
        }
        // SAFETY: a map value.
        unsafe { atomic::add(addr_of_mut!((*counters).denied[kind as usize]), 1) };
        // The probe proves that denials can be made, whatever the mode.
        let audit = self.run.mode == MODE_AUDIT && self.label.stage != STAGE_PROBE;
        self.emit(kind, text, decision, if audit { Verdict::WouldDeny } else { Verdict::Deny });
        if audit { GO_ON } else { EPERM }
    }

    /// Writes an event; a full ring is counted.
    #[inline(always)]
    fn emit(&mut self, kind: Kind, text: &Text, decision: Decision, verdict: Verdict) {
        let len = match text {
            Text::Path(len) | Text::Address(len) => *len & (TEXT_SIZE - 1),
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
            reserved: 0,
        };
        let at = self.scratch.head(event);
        let size = (size_of::<Event>() + len) as u64;
        // SAFETY: header and text lie next to each other in the slot; `len` is below the text's size.
        let sent = unsafe { bpf_ringbuf_output((&raw const EVENTS).cast_mut().cast(), at.cast(), size, 0) };
        if sent != 0 {
            // SAFETY: a map value.
            unsafe { atomic::add(addr_of_mut!((*self.counters).lost_events), 1) };
        }
    }
}

/// Ends an attempt that could not be decided: refused, unless the run is only audited. There is no buffer to make an
/// event in, hence a word in the log.
#[inline(never)] // The log needs stack, which the caller's has no room for.
pub(crate) fn undecided(ctx: *mut c_void, run: u32, kind: Kind, reason: Reason) -> i32 {
    if let Some(counters) = COUNTERS.get_ptr_mut(run) {
        // SAFETY: a map value.
        unsafe {
            atomic::add(addr_of_mut!((*counters).denied[kind as usize]), 1);
            atomic::add(addr_of_mut!((*counters).lost_events), 1);
        }
    }
    error!(
        &LsmContext::new(ctx),
        "no verdict could be made in run {}: kind {}, reason {}", run, kind as u8, reason as u8
    );
    match RUNS.get(run) {
        Some(run) if run.mode == MODE_AUDIT => GO_ON,
        _ => EPERM,
    }
}
