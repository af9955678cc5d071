// SPDX-License-Identifier: MIT OR Apache-2.0

//! The circuit breaker's other half. The kernel trips the run and ends whoever attempts anything more; what only
//! sleeps or computes is ended, or frozen, from here.

use std::{collections::BTreeSet, fs::File, io, path::Path};

use enforcer_common::run::Counters;

use super::{Error, cgroup::Cgroup};
use crate::{
    kernel::{self, Enforcement},
    profile::{Budgets, OnTrip},
};

/// Waits for the trip, and answers it.
#[derive(Debug)]
pub(crate) struct Breaker {
    cgroup: Option<Cgroup>,
    state: State,
}

/// What became of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    Killed,
    Frozen,
}

impl Breaker {
    /// For a run with these budgets, which begins with COMMAND or with a process that runs already. Without budgets, or in audit
    /// mode, there is nothing that could trip it.
    pub(crate) fn new(budgets: &Budgets, enforces: bool, tree: Option<u32>) -> Result<Self, Error> {
        if !enforces || budgets.0.iter().all(Option::is_none) {
            return Ok(Self::without());
        }
        let cgroup = tree.map_or_else(Cgroup::create, Cgroup::around);
        let cgroup = cgroup.map_err(|source| Error::Cgroup { source })?;
        Ok(Self { cgroup: Some(cgroup), state: State::Running })
    }

    /// For a run that the kernel has begun, around one of its processes, which is put into a cgroup of the run's own.
    pub(crate) fn around(pid: u32) -> io::Result<Self> {
        let cgroup = Cgroup::around(pid)?;
        Ok(Self { cgroup: Some(cgroup), state: State::Running })
    }

    /// For a run that has no cgroup: what attempts nothing cannot be ended.
    pub(crate) const fn without() -> Self {
        Self { cgroup: None, state: State::Running }
    }

    /// Whether the run was in a cgroup of its own before.
    pub(crate) fn was_there(&self) -> bool {
        self.cgroup.as_ref().is_some_and(Cgroup::is_found)
    }

    /// The run's cgroup.
    pub(crate) fn dir(&self) -> Option<&Path> {
        self.cgroup.as_ref().map(Cgroup::dir)
    }

    /// Takes in processes that run already; says how many of them could not be.
    pub(crate) fn take_in(&self, processes: &BTreeSet<u32>) -> usize {
        let Some(cgroup) = &self.cgroup else { return 0 };
        processes.iter().filter(|&&pid| cgroup.take_in(pid).is_err()).count()
    }

    /// The processes in the run's cgroup.
    pub(crate) fn processes(&self) -> io::Result<BTreeSet<u32>> {
        self.cgroup.as_ref().map_or_else(|| Ok(BTreeSet::new()), Cgroup::processes)
    }

    /// Puts a process out of it, to where it was.
    pub(crate) fn let_go(&self, process: u32) -> io::Result<()> {
        self.cgroup.as_ref().map_or(Ok(()), |cgroup| cgroup.let_go(process))
    }

    /// What the first process of the run writes `0` to.
    pub(crate) fn entrance(&self) -> Result<Option<File>, Error> {
        let entrance = self.cgroup.as_ref().map(Cgroup::entrance).transpose();
        entrance.map_err(|source| Error::Cgroup { source })
    }

    /// Answers the trip if there was one; says what was done, the first time. To be called again and again: what is
    /// being made while everything is killed may be missed once.
    ///
    /// # Errors
    ///
    /// Which answer it is to be could not be read.
    pub(crate) fn check(
        &mut self,
        counters: &Counters,
        kernel: &Enforcement,
    ) -> Result<Option<String>, kernel::Error> {
        let Some(cgroup) = self.cgroup.as_ref().filter(|_| counters.tripped != 0) else { return Ok(None) };
        // The profile's, or that of whoever ended or froze the run by request: the kernel has it, and answers so itself.
        let answer = kernel.on_trip()?;
        Ok(match self.state {
            State::Running => Some(self.trip(answer)),
            State::Frozen if answer == OnTrip::Freeze => None,
            State::Frozen | State::Killed => {
                self.state = State::Killed;
                if counters.tasks > 0 {
                    // It went through before, and what is left is told at the end.
                    let _ = cgroup.kill();
                }
                None
            }
        })
    }

    /// Freezes or kills; says which. What cannot be frozen is killed.
    fn trip(&mut self, answer: OnTrip) -> String {
        let Some(cgroup) = &self.cgroup else { return String::new() };
        let frozen = (answer == OnTrip::Freeze).then(|| cgroup.freeze());
        if let Some(Ok(())) = frozen {
            self.state = State::Frozen;
            let dir = cgroup.dir().display();
            return format!("its processes are frozen in {dir} (to end them, write 1 to cgroup.kill there)");
        }
        self.state = State::Killed;
        match cgroup.kill() {
            Ok(()) => "its processes are killed".to_owned(),
            Err(error) => format!("what attempts nothing more could not be ended: {error}"),
        }
    }

    /// Whether the run is frozen: COMMAND will not end by itself.
    pub(crate) fn is_frozen(&self) -> bool {
        self.state == State::Frozen
    }
}
