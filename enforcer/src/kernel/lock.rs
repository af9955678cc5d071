// SPDX-License-Identifier: MIT OR Apache-2.0

//! Locks between the wrappers of a machine: one for what they share, and one for each run, held while its wrapper lives.
//! The files are gone after a reboot, like the pins.

use std::{
    fs::{self, File, Permissions, TryLockError},
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use super::Error;

/// Where the files are.
const DIRECTORY: &str = "/run/enforcer";
/// The file of what all share. Each run's has its place's number.
const SHARED: &str = "shared";
/// Longest that another wrapper may take to start or to end. Loading the programs takes the most: seconds where the
/// machine is emulated, a fraction of one elsewhere.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often is looked.
const TICK: Duration = Duration::from_millis(20);

/// A file, locked until this is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Waits for the right to change what all runs of the machine share.
    pub(super) fn shared() -> Result<Self, Error> {
        let dir = Path::new(DIRECTORY);
        fs::create_dir_all(dir).map_err(failed("create", dir))?;
        // Whoever can open a file can lock it.
        fs::set_permissions(dir, Permissions::from_mode(0o700)).map_err(failed("close to others", dir))?;
        let path = Path::new(DIRECTORY).join(SHARED);
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(lock) = Self::attempt(&path).map_err(failed("lock", &path))? {
                return Ok(lock);
            }
            if Instant::now() > deadline {
                return Err(Error::Busy { path });
            }
            thread::sleep(TICK);
        }
    }

    /// The lock of the run at a place, if no wrapper holds it. Only to be asked for under the shared one.
    pub(super) fn run(place: u32) -> Result<Option<Self>, Error> {
        let path = Path::new(DIRECTORY).join(format!("run-{place}"));
        Self::attempt(&path).map_err(failed("lock", &path))
    }

    /// The right to read the programs' log, if nobody has it.
    pub(super) fn log() -> Result<Option<Self>, Error> {
        let path = Path::new(DIRECTORY).join("log");
        Self::attempt(&path).map_err(failed("lock", &path))
    }

    fn attempt(path: &Path) -> io::Result<Option<Self>> {
        let file = File::create(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { path: path.to_owned(), _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Lets go of it, and removes the file. Only to be done under the shared one.
    pub(super) fn remove(self) -> Result<(), Error> {
        fs::remove_file(&self.path).map_err(failed("remove", &self.path))
    }
}

fn failed(action: &'static str, path: &Path) -> impl Fn(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Lock { action, path: path.clone(), source }
}
