// SPDX-License-Identifier: MIT OR Apache-2.0

//! The circuit breaker's other half. The kernel trips the run and ends whoever attempts anything more; what only
//! sleeps or computes is ended, or frozen, from here.

use std::fs::File;

use enforcer_common::run::Counters;

use super::{Error, cgroup::Cgroup};
use crate::profile::{Budgets, OnTrip};

/// Waits for the trip, and answers it once.
#[derive(Debug)]
pub(super) struct Breaker {
    cgroup: Option<Cgroup>,
    answer: OnTrip,
    tripped: bool,
}

impl Breaker {
    /// For a run with these budgets; without any there is nothing that could trip it.
    pub(super) fn new(budgets: &Budgets, answer: OnTrip) -> Result<Self, Error> {
        let limited = budgets.0.iter().any(Option::is_some);
        let cgroup =
            if limited { Some(Cgroup::create().map_err(|source| Error::Cgroup { source })?) } else { None };
        Ok(Self { cgroup, answer, tripped: false })
    }

    /// What the first process of the run writes `0` to.
    pub(super) fn entrance(&self) -> Result<Option<File>, Error> {
        let entrance = self.cgroup.as_ref().map(Cgroup::entrance).transpose();
        entrance.map_err(|source| Error::Cgroup { source })
    }

    /// Answers the trip if there was one; says what was done, the first time.
    pub(super) fn check(&mut self, counters: &Counters) -> Option<String> {
        let cgroup = self.cgroup.as_ref().filter(|_| counters.tripped != 0 && !self.tripped)?;
        self.tripped = true;
        let (done, what) = match self.answer {
            OnTrip::KillTree => (cgroup.kill(), "all of its processes are killed".to_owned()),
            OnTrip::Freeze => {
                let dir = cgroup.dir().display();
                (
                    cgroup.freeze(),
                    format!("its processes are frozen in {dir} (to end them, write 1 to cgroup.kill there)"),
                )
            }
        };
        Some(match done {
            Ok(()) => what,
            Err(error) => format!("what attempts nothing more could not be ended: {error}"),
        })
    }

    /// Whether the run is frozen: COMMAND will not end by itself.
    pub(super) fn is_frozen(&self) -> bool {
        self.tripped && self.answer == OnTrip::Freeze
    }
}
