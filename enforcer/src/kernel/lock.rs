// SPDX-License-Identifier: MIT OR Apache-2.0

//! Locks between the wrappers of a machine: one for what they share, and one for each run, held while its wrapper lives.
//! The files are gone after a reboot, like the pins.

use std::{
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime},
};

use super::{Error, pins::Pins};

/// Where the files are.
pub(super) const DIRECTORY: &str = "/run/enforcer";
/// The file of what all share.
const SHARED: &str = "shared";
/// What the names of the runs' files begin with; the version and the place's number follow.
const RUN: &str = "run-";
/// Longest that another wrapper may take to start or to end, however many are in front of us. Loading the programs takes the most:
/// seconds where the machine is emulated, a fraction of one elsewhere.
const PATIENCE: Duration = Duration::from_secs(120);
/// After how long is looked again: the first time, and at most. Many that wait are not to keep the one busy that they wait for.
const PAUSES: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(200)];

/// A file, locked until this is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    file: File,
}

impl Lock {
    /// Waits for the right to change what all runs of the machine share.
    pub(super) fn shared() -> Result<Self, Error> {
        let dir = Path::new(DIRECTORY);
        fs::create_dir_all(dir).map_err(failed("create", dir))?;
        // Others may come to the service's socket, and change nothing.
        fs::set_permissions(dir, Permissions::from_mode(0o755)).map_err(failed("close to others", dir))?;
        let path = Path::new(DIRECTORY).join(SHARED);
        let [mut pause, longest] = PAUSES;
        let (mut holder, mut since) = (None, Instant::now());
        loop {
            if let Some(lock) = Self::attempt(&path).map_err(failed("lock", &path))? {
                // By this others see that it is not the same one any more who has it.
                lock.file.set_modified(SystemTime::now()).map_err(failed("mark", &path))?;
                return Ok(lock);
            }
            let now = fs::metadata(&path).and_then(|about| about.modified()).ok();
            if holder != now {
                (holder, since) = (now, Instant::now());
            } else if since.elapsed() > PATIENCE {
                return Err(Error::Busy { path });
            }
            thread::sleep(pause);
            pause = longest.min(2 * pause);
        }
    }

    /// The lock of the run at a place of a version of the programs, if no wrapper holds it. Only to be asked for under the shared one.
    pub(super) fn run(version: &Pins, place: u32) -> Result<Option<Self>, Error> {
        let path = Path::new(DIRECTORY).join(format!("{RUN}{}-{place}", version.name()));
        Self::attempt(&path).map_err(failed("lock", &path))
    }

    /// The right to say what the kernel enrols, if no service has it.
    pub(super) fn service() -> Result<Option<Self>, Error> {
        let path = Path::new(DIRECTORY).join("service");
        Self::attempt(&path).map_err(failed("lock", &path))
    }

    /// The right to read the programs' log, if nobody has it.
    pub(super) fn log() -> Result<Option<Self>, Error> {
        let path = Path::new(DIRECTORY).join("log");
        Self::attempt(&path).map_err(failed("lock", &path))
    }

    fn attempt(path: &Path) -> io::Result<Option<Self>> {
        // Whoever can open a file can lock it.
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { path: path.to_owned(), file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Removes the files of places that nobody holds. Under the shared lock, and only when no place is taken.
    pub(super) fn clear_runs() -> Result<(), Error> {
        let dir = Path::new(DIRECTORY);
        for entry in fs::read_dir(dir).map_err(failed("read", dir))? {
            let path = entry.map_err(failed("read", dir))?.path();
            if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(RUN.as_bytes()))
                && let Some(lock) = Self::attempt(&path).map_err(failed("lock", &path))?
            {
                lock.remove()?;
            }
        }
        Ok(())
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
