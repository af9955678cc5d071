// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! A tree that runs already is put under a run, task by task.

use core::ffi::c_void;

use enforcer_common::{
    run::Label,
    tasks::{Attach, Attached},
};

use crate::{
    enrol::put,
    maps::{ATTACH, LABELS},
    offsets::{field, offset},
    visit::Visit,
};

/// Called for every task of the machine, when the agent reads the pinned link. Labels those of the tree's first process, and
/// those whose process or parent has a label: a child that was made before its parent had one is found by a later pass, and one
/// that is made after has it from the beginning. What is in another run stays there. A task that is looked at is not freed
/// meanwhile, so that its label goes with it.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
pub extern "C" fn attach(visit: &Visit) -> i32 {
    let (task, Some(&Attach { root, run })) = (visit.task, ATTACH.get(0)) else {
        return 0;
    };
    if task.is_null() {
        return 0;
    }
    // SAFETY: the verifier knows that it is a task, and those that it points to.
    let (tgid, leader, parent): (u32, *const c_void, *const c_void) = unsafe {
        (
            field(task, offset!(task_tgid)),
            field(task, offset!(task_leader)),
            field(task, offset!(task_real_parent)),
        )
    };
    // SAFETY: as above.
    let above: *const c_void = unsafe { field(parent, offset!(task_leader)) };
    let belongs = || tgid == root || is_in(leader, run) || is_in(parent, run) || is_in(above, run);
    let state = match of(task) {
        Some(of) if of == run => Attached::BEFORE,
        None if belongs() => match put(task as u64, &Label::new(run, 0, 0)) {
            Ok(()) => Attached::NOW,
            Err(_) => Attached::NO_ROOM,
        },
        _ => return 0,
    };
    let attached = Attached { tgid, state };
    visit.tell(&attached);
    0
}

/// The run that a task is in.
#[inline(always)]
fn of(task: *const c_void) -> Option<u32> {
    let task = task as u64;
    // SAFETY: the value is read at once; a run never changes.
    unsafe { LABELS.get(&task) }.map(|label| label.run)
}

/// Whether a task is in a run.
#[inline(always)]
fn is_in(task: *const c_void, run: u32) -> bool {
    of(task) == Some(run)
}
