// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Enrolment: the label is put on the task that asks for it.

use aya_ebpf::{bindings::BPF_NOEXIST, helpers::generated::bpf_get_current_task};
use core::{ffi::c_void, ptr::addr_of_mut};
use enforcer_common::run::{Enrolment, Label};

use crate::{
    atomic,
    maps::{self, LABELS},
};

/// Labels the calling task. Never attached: the agent's child runs it through `BPF_PROG_TEST_RUN` on itself, while it
/// is single-threaded and about to exec. So no pid has to be named, in whatever pid namespace the agent lives, and
/// the answer comes back before the child goes on. Returns 0, or a positive error number; aya's macro for such programs
/// would return 0 whatever happens.
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp/sys_enter")]
pub extern "C" fn enrol(context: *const c_void) -> i32 {
    // SAFETY: the kernel refuses a test run whose context is shorter than what is read here.
    let Enrolment { run, stage, flags } = unsafe { *context.cast::<Enrolment>() };
    let label = Label::new(run as u32, stage as u8, flags as u8);
    // SAFETY: no preconditions.
    match put(unsafe { bpf_get_current_task() } as u64, &label) {
        Ok(()) => 0,
        Err(error) => -error,
    }
}

/// Labels a task that has no label, and counts it for its run; the kernel's answer if that cannot be.
#[inline(always)]
pub(crate) fn put(task: u64, label: &Label) -> Result<(), i32> {
    LABELS.insert(&task, label, u64::from(BPF_NOEXIST))?;
    if let Some(counters) = maps::counters(label.run) {
        // SAFETY: a map value.
        unsafe { atomic::add(addr_of_mut!((*counters).tasks), 1) };
    }
    Ok(())
}
