// SPDX-License-Identifier: MIT OR Apache-2.0

//! A tree that runs already, put under a run.

use std::{collections::BTreeSet, thread, time::Duration};

use aya::maps::{Array, Map, MapData};
use enforcer_common::{
    run::TASKS,
    tasks::{Attach, Attached},
};

use super::{Enforcement, Error, lock::Lock, programs::ATTACH};

/// Passes in a row that find nothing new before the tree is taken to be whole, and the time between them: a child that is being
/// made while its parent gets its label is not among the tasks yet.
const QUIET: usize = 5;
const PAUSE: Duration = Duration::from_millis(20);
/// Passes at most. A tree that grows by itself is in the run after a few of them: its new tasks have labels from the beginning.
const PASSES: usize = 500;

impl Enforcement {
    /// Puts a process and everything below it under this run, and says which processes those are. What has left the tree before
    /// (its parent has ended, and it belongs to another process now) is not found.
    ///
    /// # Errors
    ///
    /// There is no such process, or it is in a run; there is no room for the tree, some of which may be under the run then.
    pub fn attach(&mut self, root: u32) -> Result<BTreeSet<u32>, Error> {
        // One tree at a time.
        let _shared = Lock::shared()?;
        let failed = |source| Error::Map { action: "write", map: "ATTACH", source };
        let mut told: Array<MapData, Attach> =
            Map::Array(self.programs.map("ATTACH")?).try_into().map_err(failed)?;
        told.set(0, Attach { root, run: self.place.id }, 0).map_err(failed)?;
        let mut quiet = 0;
        for _ in 0..PASSES {
            let found = self.pass()?;
            if found.is_empty() {
                return Err(Error::NotAttached { pid: root });
            }
            if found.iter().any(|task| task.state == Attached::NO_ROOM) {
                return Err(Error::Full { what: "tasks in runs", limit: TASKS });
            }
            quiet = if found.iter().any(|task| task.state == Attached::NOW) { 0 } else { quiet + 1 };
            if quiet == QUIET {
                return Ok(found.into_iter().map(|task| task.tgid).collect());
            }
            thread::sleep(PAUSE);
        }
        Err(Error::Restless { pid: root })
    }

    /// Looks at every task of the machine once.
    fn pass(&self) -> Result<Vec<Attached>, Error> {
        let told = self.programs.visit(ATTACH)?;
        Ok(told.as_chunks().0.iter().copied().map(Attached::from_bytes).collect())
    }
}
