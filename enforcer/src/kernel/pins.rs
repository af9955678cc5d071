// SPDX-License-Identifier: MIT OR Apache-2.0

//! Pins: what keeps a run enforced when the process that started it is gone.
//!
//! Each run has a directory under `/sys/fs/bpf/enforcer` with its links and its counters, and a lock file that its
//! wrapper holds. Whoever starts a run first clears away the directories of runs that have neither a wrapper nor a
//! task left.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use aya::maps::{Array, Map, MapData};
use enforcer_common::run::Counters;

use super::Error;

/// Where the pins of all runs are.
const PINS: &str = "/sys/fs/bpf/enforcer";
/// Where the lock files are. Gone after a reboot, like the pins.
const LOCKS: &str = "/run/enforcer";
/// The name of the pinned counters.
const COUNTERS: &str = "counters";

/// What is left of a run when its command has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remaining {
    /// Tasks that are still in the run. They stay enforced for as long as they live.
    pub tasks: u64,
}

/// The pins of one run.
#[derive(Debug)]
pub(super) struct Pins {
    dir: PathBuf,
    lock: PathBuf,
    /// Locked while the wrapper lives.
    _held: File,
}

impl Pins {
    /// Makes the directory for a new run, and clears away what earlier runs left.
    pub(super) fn create() -> Result<Self, Error> {
        let failed = |action, path: &Path| {
            let path = path.to_owned();
            move |source| Error::Pin { action, path, source }
        };
        fs::create_dir_all(LOCKS).map_err(failed("create", Path::new(LOCKS)))?;
        fs::create_dir_all(PINS).map_err(failed("create", Path::new(PINS)))?;
        sweep().map_err(failed("clear away runs in", Path::new(PINS)))?;
        // A pid alone could be that of an earlier run whose tasks live on.
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let id = format!("run-{}-{:x}", std::process::id(), started.as_nanos());
        let (dir, lock) = (Path::new(PINS).join(&id), Path::new(LOCKS).join(&id));
        let held = File::create(&lock).map_err(failed("create", &lock))?;
        held.lock().map_err(failed("lock", &lock))?;
        fs::create_dir(&dir).map_err(failed("create", &dir))?;
        Ok(Self { dir, lock, _held: held })
    }

    /// Where the link of a hook goes.
    pub(super) fn link(&self, hook: &str) -> PathBuf {
        self.dir.join(hook)
    }

    /// Where the counters go.
    pub(super) fn counters(&self) -> PathBuf {
        self.dir.join(COUNTERS)
    }

    /// Lets go: the programs are detached when the last link is unpinned.
    pub(super) fn remove(self) -> Result<(), Error> {
        let failed = |source| Error::Pin { action: "remove", path: self.dir.clone(), source };
        clear(&self.dir).and_then(|()| fs::remove_file(&self.lock)).map_err(failed)
    }
}

/// Clears away the runs that have neither a wrapper nor a task.
fn sweep() -> io::Result<()> {
    for entry in fs::read_dir(PINS)? {
        let entry = entry?;
        let lock = Path::new(LOCKS).join(entry.file_name());
        let held = File::create(&lock)?;
        match held.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => continue,
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let counters = entry.path().join(COUNTERS);
        // A directory without counters was left by a start that failed half way: nothing was enrolled in it.
        let tasks = if counters.try_exists()? { tasks(&counters) } else { Some(0) };
        match tasks {
            Some(0) => {
                clear(&entry.path())?;
                fs::remove_file(&lock)?;
            }
            Some(_) => {}
            // Of another version, perhaps. What may still be alive in it stays enforced.
            None => tracing::warn!(
                "the counters of {} cannot be read, so it is left as it is; when nothing of that run is left, remove it",
                entry.path().display()
            ),
        }
    }
    Ok(())
}

/// How many tasks a pinned run has.
fn tasks(pin: &Path) -> Option<u64> {
    let map = Map::Array(MapData::from_pin(pin).ok()?);
    let counters: Array<MapData, Counters> = map.try_into().ok()?;
    counters.get(&0, 0).ok().map(|counters| counters.tasks)
}

/// Removes a run's directory.
fn clear(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        fs::remove_file(entry?.path())?;
    }
    fs::remove_dir(dir)
}
