// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Lineage: a child is labelled before it exists for anyone else, and unlabelled when nothing is left of it.

use aya_ebpf::{bindings::BPF_ANY, macros::lsm, programs::LsmContext};
use core::ptr::addr_of_mut;
use enforcer_common::{
    Budget,
    run::{MODE_AUDIT, STAGE_PROBE, TASKS_OF_RUN},
};

use crate::{
    atomic,
    budget::{Spent, is_tripped, spend},
    maps::{self, LABELS},
    subject::{EPERM, GO_ON, label, tripped},
};

/// `-ENOMEM`.
const ENOMEM: i32 = -12;
/// `CLONE_THREAD`, `include/uapi/linux/sched.h`.
const CLONE_THREAD: u64 = 0x0001_0000;

/// Every new task, threads and io_uring workers too, takes over the label of the task that makes it.
/// A child that cannot be labelled is not made.
#[lsm(hook = "task_alloc")]
pub fn task_alloc(ctx: LsmContext) -> i32 {
    let child: u64 = ctx.arg::<*const core::ffi::c_void>(0) as u64;
    let Some(label) = label() else {
        return GO_ON;
    };
    let Some(counters) = maps::counters(label.run) else {
        return ENOMEM;
    };
    let label = *label;
    if is_tripped(counters) {
        return tripped(label.run);
    }
    let flags: u64 = ctx.arg(1);
    if flags & CLONE_THREAD == 0 && label.stage != STAGE_PROBE {
        let Some(run) = maps::run(label.run) else {
            return EPERM;
        };
        let spent = spend(run, counters, Budget::Processes, label.image);
        if spent != Spent::Within && run.mode != MODE_AUDIT {
            return tripped(label.run);
        }
    }
    // SAFETY: a map value.
    let is_full = unsafe { (*counters).tasks } >= TASKS_OF_RUN;
    if is_full || LABELS.insert(&child, &label, u64::from(BPF_ANY)).is_err() {
        // SAFETY: a map value.
        unsafe { atomic::add(addr_of_mut!((*counters).refused_forks), 1) };
        return ENOMEM;
    }
    // SAFETY: a map value.
    unsafe { atomic::add(addr_of_mut!((*counters).tasks), 1) };
    GO_ON
}

/// Called once for every task, just before its memory is given back: also for one whose creation failed.
#[lsm(hook = "task_free")]
pub fn task_free(ctx: LsmContext) -> i32 {
    let task: u64 = ctx.arg::<*const core::ffi::c_void>(0) as u64;
    // SAFETY: nobody else uses the entry of a task that is being freed.
    let Some(label) = (unsafe { LABELS.get(&task) }) else {
        return GO_ON;
    };
    let run = label.run;
    if LABELS.remove(&task).is_ok()
        && let Some(counters) = maps::counters(run)
    {
        // SAFETY: a map value.
        unsafe { atomic::add(addr_of_mut!((*counters).tasks), 1u64.wrapping_neg()) };
    }
    GO_ON
}
