// SPDX-License-Identifier: MIT OR Apache-2.0

//! Pins: what keeps the programs attached and the runs enforced when the process that loaded them is gone.
//!
//! Each version of the object has a directory under `/sys/fs/bpf/enforcer`, named by its digest: its links, its maps, and
//! the programs that are run or asked for. A directory gets its name when everything is in it, and loses it before anything
//! is taken out: one that has the name is whole.

use std::{
    fmt, fs, io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use super::Error;

/// Where the directories are.
const PINS: &str = "/sys/fs/bpf/enforcer";
/// Ends the name of a directory that is not whole.
const PARTIAL: &str = "-partial";

/// The directory of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pins {
    whole: PathBuf,
}

impl fmt::Display for Pins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.whole.display().fmt(f)
    }
}

impl Pins {
    /// The directory of the version with this digest.
    pub(super) fn of(digest: &str) -> Self {
        Self { whole: Path::new(PINS).join(digest) }
    }

    /// Every version's that is whole; what is left of others is cleared away. Under the shared lock.
    pub(super) fn all() -> Result<Vec<Self>, Error> {
        make(Path::new(PINS)).map_err(failed("create", Path::new(PINS)))?;
        // Whoever can write to it can take pins out of it, and put others in.
        let owner = fs::metadata(PINS).map_err(failed("look at", Path::new(PINS)))?;
        if owner.uid() != 0 || owner.mode() & 0o022 != 0 {
            return Err(Error::NotRoots { path: PINS.into() });
        }
        for path in entries()?.filter(|path| is_partial(path)) {
            clear(&path).map_err(failed("clear away", &path))?;
        }
        Self::present()
    }

    /// Every version's that is whole.
    pub(super) fn present() -> Result<Vec<Self>, Error> {
        Ok(entries()?.filter(|path| !is_partial(path)).map(|whole| Self { whole }).collect())
    }

    /// What tells the version from others.
    pub(super) fn name(&self) -> std::path::Display<'_> {
        Path::new(self.whole.file_name().unwrap_or_default()).display()
    }

    /// Whether it is there.
    pub(super) fn exists(&self) -> bool {
        self.whole.is_dir()
    }

    /// Fills a new directory by `fill`, which is given where to pin each thing. Under the shared lock.
    pub(super) fn create(&self, fill: impl FnOnce(&Partial) -> Result<(), Error>) -> Result<(), Error> {
        let partial = Partial(self.partial());
        make(&partial.0).map_err(failed("create", &partial.0))?;
        match fill(&partial) {
            Ok(()) => fs::rename(&partial.0, &self.whole).map_err(failed("rename", &partial.0)),
            Err(error) => {
                clear(&partial.0).map_err(failed("clear away", &partial.0))?;
                Err(error)
            }
        }
    }

    /// Where something is pinned.
    pub(super) fn path(&self, kind: &str, name: &str) -> PathBuf {
        self.whole.join(format!("{kind}-{name}"))
    }

    /// Takes everything out: the programs are detached when their links are unpinned. Under the shared lock.
    pub(super) fn remove(&self) -> Result<(), Error> {
        let partial = self.partial();
        fs::rename(&self.whole, &partial)
            .and_then(|()| clear(&partial))
            .map_err(failed("remove", &self.whole))
    }

    fn partial(&self) -> PathBuf {
        let mut path = self.whole.clone().into_os_string();
        path.push(PARTIAL);
        path.into()
    }
}

/// A directory that is being filled.
pub(super) struct Partial(PathBuf);

impl Partial {
    /// Pins something by `pin`, which is given the path.
    pub(super) fn pin<E>(
        &self,
        kind: &str,
        name: &str,
        pin: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<(), Error>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let path = self.0.join(format!("{kind}-{name}"));
        pin(&path).map_err(|error| failed("pin", &path)(io::Error::other(error)))
    }
}

/// What is in the directory of all; nothing if there is none.
fn entries() -> Result<impl Iterator<Item = PathBuf>, Error> {
    match fs::read_dir(PINS) {
        Ok(entries) => entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<Vec<_>>>()
            .map(Vec::into_iter)
            .map_err(failed("read", Path::new(PINS))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new().into_iter()),
        Err(error) => Err(failed("read", Path::new(PINS))(error)),
    }
}

fn is_partial(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(PARTIAL.as_bytes())
}

/// Makes a directory for root alone.
fn make(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Removes a directory with the pins in it. The programs hold their maps for as long as they are attached.
fn clear(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        fs::remove_file(entry?.path())?;
    }
    fs::remove_dir(dir)
}

fn failed(action: &'static str, path: &Path) -> impl Fn(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Pin { action, path: path.clone(), source }
}
