// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What is in runs, task by task.

use enforcer_common::tasks::Labelled;

use crate::{
    maps::LABELS,
    offsets::{field, offset},
    visit::Visit,
};

/// Tells of every task that has a label.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
pub extern "C" fn members(visit: &Visit) -> i32 {
    if visit.task.is_null() {
        return 0;
    }
    let key = visit.task as u64;
    // SAFETY: the value is read at once; the task may change it meanwhile, a number at a time.
    let Some(label) = (unsafe { LABELS.get(&key) }) else {
        return 0;
    };
    let (run, image, stage) = (label.run, label.image, u64::from(label.stage));
    // SAFETY: the verifier knows that it is a task.
    let tgid: u32 = unsafe { field(visit.task, offset!(task_tgid)) };
    visit.tell(&Labelled { run, tgid, image, stage });
    0
}
