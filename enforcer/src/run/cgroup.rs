// SPDX-License-Identifier: MIT OR Apache-2.0

//! The run's cgroup: by it a tripped run is ended as a whole, also what attempts nothing any more. The kernel programs
//! end only who calls a hook.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::kernel::cgroup::mount;

/// How the directories are named.
const PREFIX: &str = "enforcer-run-";

/// A cgroup of a run's own, below ours.
#[derive(Debug)]
pub(crate) struct Cgroup {
    dir: PathBuf,
    /// It was there, with the run in it.
    is_found: bool,
}

impl Cgroup {
    /// Makes one, and clears away those of earlier runs that have nothing in them any more.
    pub(crate) fn create() -> io::Result<Self> {
        let own = directory("self")?;
        for entry in fs::read_dir(&own)?.flatten() {
            let name = entry.file_name();
            // One may be empty because its run is only about to begin.
            let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
            if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
                // The kernel keeps those in use.
                let _ = fs::remove_dir(entry.path());
            }
        }
        let dir = own.join(format!("{PREFIX}{}-{}", std::process::id(), time()));
        fs::create_dir(&dir)?;
        Ok(Self { dir, is_found: false })
    }

    /// Makes one below that of a process, and puts the process into it.
    pub(crate) fn around(pid: u32) -> io::Result<Self> {
        let place = directory(&pid.to_string())?;
        let is_named =
            place.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(PREFIX));
        // Others may name theirs so, where they may make any.
        if is_named && fs::metadata(&place)?.uid() == 0 {
            return Ok(Self { dir: place, is_found: true }); // A service before us has.
        }
        let made = Self { dir: place.join(format!("{PREFIX}{pid}-{}", time())), is_found: false };
        fs::create_dir(&made.dir)?;
        made.take_in(pid)?;
        Ok(made)
    }

    /// Puts a process into it. One that has ended is none that had to be.
    pub(crate) fn take_in(&self, pid: u32) -> io::Result<()> {
        put(&self.dir, pid)
    }

    /// The processes in it.
    pub(crate) fn processes(&self) -> io::Result<BTreeSet<u32>> {
        let text = fs::read_to_string(self.dir.join("cgroup.procs"))?;
        Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
    }

    /// Puts a process back to where the run was found.
    pub(crate) fn let_go(&self, pid: u32) -> io::Result<()> {
        put(self.dir.parent().unwrap_or(&self.dir), pid)
    }

    /// Where a process that writes `0` enters.
    pub(crate) fn entrance(&self) -> io::Result<File> {
        OpenOptions::new().write(true).open(self.dir.join("cgroup.procs"))
    }

    /// Kills everything in it.
    pub(crate) fn kill(&self) -> io::Result<()> {
        fs::write(self.dir.join("cgroup.kill"), "1")
    }

    /// Stops everything in it.
    pub(crate) fn freeze(&self) -> io::Result<()> {
        fs::write(self.dir.join("cgroup.freeze"), "1")
    }

    /// Whether it was there, with the run in it.
    pub(crate) fn is_found(&self) -> bool {
        self.is_found
    }

    /// Its directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // The kernel keeps it while something lives in it.
        let _ = fs::remove_dir(&self.dir);
    }
}

/// Puts a process into a cgroup, if it has not ended.
fn put(cgroup: &Path, pid: u32) -> io::Result<()> {
    match fs::write(cgroup.join("cgroup.procs"), pid.to_string()) {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        done => done,
    }
}

/// What tells cgroups of processes with one number apart.
fn time() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()
}

/// The directory of a process's cgroup.
fn directory(pid: &str) -> io::Result<PathBuf> {
    let place = fs::read_to_string(Path::new("/proc").join(pid).join("cgroup"))?;
    let own = own(&place).ok_or_else(|| io::Error::other("the process is in no cgroup of version 2"))?;
    Ok(mount()?.join(own))
}

/// The path of a process's own cgroup in the hierarchy, from `/proc/self/cgroup` (cgroups(7)).
fn own(cgroup: &str) -> Option<&str> {
    cgroup.lines().find_map(|line| line.strip_prefix("0::")).map(|path| path.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_cgroup_is_found_in_a_pure_and_in_a_mixed_hierarchy() {
        assert_eq!(own("0::/a.slice/b.scope\n"), Some("a.slice/b.scope"));
        assert_eq!(own("4:memory:/x\n0::/y\n"), Some("y"));
        assert_eq!(own("0::/\n"), Some(""));
        assert_eq!(own("4:memory:/x\n"), None);
    }
}
