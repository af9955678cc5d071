// SPDX-License-Identifier: MIT OR Apache-2.0

//! The processes of a run that the kernel has begun: where the first of them is, and the cgroup by which all are ended.
//!
//! The kernel tells of them by number, and by the time that something is done with a number another process may have it. So what was
//! done is looked at again afterwards.

use std::{collections::BTreeSet, io};

use enforcer_common::run::Run;

use super::state::State;
use crate::run::{breaker::Breaker, held::Held};

/// How often is looked for what a run has started at its beginning.
const PASSES: usize = 10;

/// The processes of a run.
fn members(state: &State, run: u32) -> io::Result<BTreeSet<u32>> {
    let tasks = state.kernel.borrow().members().map_err(io::Error::other)?;
    Ok(tasks.iter().filter(|task| task.run == run).map(|task| task.tgid).collect())
}

/// Whether the run's first process lives, and sees this machine's files; in a container it would not.
pub(super) fn is_on_host(state: &State, run: &Run) -> bool {
    Held::open(run.leader).is_ok_and(|leader| {
        leader.is_on_host()
            && members(state, run.id).is_ok_and(|members| members.contains(&run.leader))
            // So it is the one that was looked at.
            && leader.lives()
    })
}

/// What ends the run as a whole: a cgroup with all of it. By now the first process may have ended, or have started others, which
/// are not in the cgroup because it is; what any of them starts from then on is.
pub(super) fn around(state: &State, run: &Run) -> io::Result<Breaker> {
    let mut found = members(state, run.id)?;
    let first = if found.contains(&run.leader) { Some(&run.leader) } else { found.first() };
    let breaker = Breaker::around(*first.ok_or(io::ErrorKind::NotFound)?)?;
    if breaker.was_there() {
        return Ok(breaker);
    }
    let mut taken = BTreeSet::new();
    for _ in 0..PASSES {
        found.retain(|process| !taken.contains(process));
        if found.is_empty() {
            break;
        }
        breaker.take_in(&found);
        taken.append(&mut found);
        found = members(state, run.id)?;
    }
    let within = breaker.processes()?;
    let members = members(state, run.id)?;
    within.difference(&members).try_for_each(|&stranger| breaker.let_go(stranger))?;
    Ok(breaker)
}
