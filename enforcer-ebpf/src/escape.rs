// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Ways out of a run that go by no file and no address. No rule allows them.
//!
//! Whoever traces a process does by it whatever that may do; so a task traces what is of its run and in its stage. In a
//! user namespace of its own a task is root, and may mount: paths would mean something else there.

use aya_ebpf::{
    EbpfContext as _, helpers::generated::bpf_get_current_task_btf, macros::lsm, programs::LsmContext,
};
use core::ffi::c_void;
use enforcer_common::{
    Decision, Kind, Reason, escape,
    run::{Label, MODE_AUDIT},
};

use crate::{
    maps::{self, LABELS},
    offsets::{field, offset},
    subject::{GO_ON, Subject, Text, answer, label, undecided},
};

/// `PTRACE_MODE_ATTACH` and `PTRACE_MODE_NOAUDIT`, `include/linux/ptrace.h`.
const ATTACH: u32 = 2;
const NOAUDIT: u32 = 4;
/// `LSM_UNSAFE_PTRACE`, `include/linux/security.h`.
const TRACED: u32 = 2;

/// Another process is to be traced, read, written to, or its descriptors taken: all that the kernel asks this for.
#[lsm(hook = "ptrace_access_check")]
pub fn ptrace_access_check(ctx: LsmContext) -> i32 {
    let (target, mode): (*const c_void, u32) = (ctx.arg(0), ctx.arg(1));
    let Some(label) = label() else {
        return GO_ON;
    };
    let same = stage_of(target as u64, label.run);
    if same == u32::from(label.stage) || (same != STRANGER && mode & ATTACH == 0) {
        return GO_ON;
    }
    let run = label.run;
    if mode & NOAUDIT != 0 {
        // Asked on the way to something else, which goes on with less: a listing of processes, say.
        return answer(maps::run(run).is_some_and(|run| run.mode == MODE_AUDIT));
    }
    // SAFETY: `target` is a trusted pointer.
    let (tgid, name): (u32, [u8; escape::NAME_SIZE]) =
        unsafe { (field(target, offset!(task_tgid)), field(target, offset!(task_comm))) };
    refuse(&ctx, label, |buffer| {
        // SAFETY: the text is far shorter than the buffer.
        escape::trace(tgid, &name, |index, byte| unsafe { *buffer.add(index & 63) = byte })
    })
}

/// A user namespace is to be made.
#[lsm(hook = "userns_create")]
pub fn userns_create(ctx: LsmContext) -> i32 {
    let Some(label) = label() else {
        return GO_ON;
    };
    refuse(&ctx, label, |buffer| {
        // SAFETY: as above.
        escape::namespace(|index, byte| unsafe { *buffer.add(index & 63) = byte })
    })
}

/// Whether an exec under way is traced from within its run: what it leads to would be in the hands of another stage.
#[inline(always)]
pub(crate) fn is_traced(bprm: *const c_void, run: u32) -> bool {
    // SAFETY: `bprm` is a trusted pointer, the current task is one, and its parent, then the tracer, is only compared.
    let tracer: u64 = unsafe {
        let unsafely: u32 = field(bprm, offset!(bprm_unsafe));
        if unsafely & TRACED == 0 {
            return false;
        }
        field(bpf_get_current_task_btf().cast(), offset!(task_parent))
    };
    stage_of(tracer, run) != STRANGER
}

/// [`stage_of`] a task that is not of the run.
const STRANGER: u32 = u32::MAX;

/// The stage of a task of a run.
#[inline(always)]
fn stage_of(task: u64, run: u32) -> u32 {
    // SAFETY: read at once; only the task itself changes it.
    match unsafe { LABELS.get(&task) } {
        Some(Label { run: of, stage, .. }) if *of == run => u32::from(*stage),
        _ => STRANGER,
    }
}

/// Ends the attempt. `write` leaves its text in a buffer, and says how long it is.
#[inline(always)]
fn refuse(ctx: &LsmContext, label: &'static mut Label, write: impl FnOnce(*mut u8) -> usize) -> i32 {
    let run = label.run;
    let mut subject = match Subject::new(label) {
        Ok(subject) => subject,
        Err(reason) => return undecided(ctx.as_ptr(), run, Kind::Escape, reason),
    };
    let text = Text::Plain(write(subject.scratch().text()));
    answer(subject.conclude(Kind::Escape, &text, Decision::denied(Reason::Outside)))
}
