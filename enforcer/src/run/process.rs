// SPDX-License-Identifier: MIT OR Apache-2.0

//! A process that runs already, and that a run begins with: as far as it can still be seen.

use std::{
    ffi::OsString,
    fs,
    os::unix::ffi::OsStringExt as _,
    path::{Path, PathBuf},
};

use nix::unistd::{Gid, Uid, User, getgrouplist};

use super::{
    Error,
    environment::Environment,
    invoker::{Invoker, Source, from_database},
};
use crate::events::Image;

/// The group of whom the machine does not know: `nogroup`, which owns nothing.
const NOBODYS: Gid = Gid::from_raw(65534);

/// A process, and whom it runs as.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) invoker: Invoker,
    pub(crate) command: Vec<OsString>,
    pub(crate) executable: PathBuf,
    /// Where it works.
    pub(crate) directory: PathBuf,
}

impl Process {
    /// One that is to be started, and is looked for when its user's rights have been taken on.
    pub(super) fn planned(invoker: Invoker, command: &[OsString]) -> Self {
        Self { invoker, command: command.to_vec(), executable: PathBuf::new(), directory: PathBuf::new() }
    }

    /// Looks at a process that is to be put under a run. Its environment could say where the profile's rules apply, and is its own to
    /// change; so the caller's counts, with the user's home.
    pub(super) fn find(pid: u32, caller: &Invoker) -> Result<Self, Error> {
        if is_above(pid, std::process::id()) {
            return Err(Error::Ours { pid });
        }
        let uid = status(pid, "Uid:").ok_or(Error::NoProcess { pid })?;
        let mut process = Self::of(pid, uid);
        let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
        process.invoker.environment = from_database(caller.environment.clone(), user.as_ref());
        Ok(process)
    }

    /// Takes over what the kernel has seen: the process may have ended, and could have changed all of it. What it was started with
    /// means something to us only if it is where we are: a search path in a container leads to other programs here.
    pub(crate) fn saw(&mut self, image: &Image, is_on_host: bool) {
        self.command = image.argv.iter().cloned().map(OsString::from_vec).collect();
        self.executable = PathBuf::from(OsString::from_vec(image.path.clone()));
        if is_on_host {
            self.invoker.environment = Environment::parse(&image.environment);
        }
    }

    /// Looks at a process of a user. Its environment is its own to change: what the user database says has to do.
    pub(crate) fn of(pid: u32, uid: u32) -> Self {
        let about = Path::new("/proc").join(pid.to_string());
        let read = |name: &str| fs::read(about.join(name)).unwrap_or_default();
        let command = read("cmdline");
        let command = command.split(|&byte| byte == 0).filter(|word| !word.is_empty());
        let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
        let gid = user.as_ref().map_or(NOBODYS, |user| user.gid);
        let groups = user.as_ref().and_then(|user| {
            let name = std::ffi::CString::new(user.name.as_str()).ok()?;
            getgrouplist(&name, gid).ok()
        });
        let environment = from_database(Environment::default(), user.as_ref());
        let (name, home) = user.map(|user| (user.name, user.dir)).unzip();
        Self {
            invoker: Invoker {
                uid: Uid::from_raw(uid),
                gid,
                groups: Some(groups.unwrap_or_else(|| vec![gid])),
                name,
                home,
                environment,
                source: Source::Own,
            },
            command: command.map(|word| OsString::from_vec(word.to_vec())).collect(),
            executable: fs::read_link(about.join("exe")).unwrap_or_default(),
            directory: fs::read_link(about.join("cwd")).unwrap_or_default(),
        }
    }
}

/// The first number of a line of a process's status; none if there is no such process.
fn status(pid: u32, line: &str) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    text.lines().find_map(|found| found.strip_prefix(line)?.split_whitespace().next()?.parse().ok())
}

/// Whether a process is another, or one that the other descends from.
fn is_above(pid: u32, mut other: u32) -> bool {
    while other != pid {
        match status(other, "PPid:") {
            None | Some(0) => return false,
            Some(parent) => other = parent,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_descend_from_is_not_taken_in() {
        let own = std::process::id();
        let caller = Invoker::detect().unwrap();
        for pid in [own, std::os::unix::process::parent_id()] {
            assert!(matches!(Process::find(pid, &caller), Err(Error::Ours { .. })));
        }
        let mut child = std::process::Command::new("sleep");
        let mut child =
            child.arg("60").env("HOME", "/elsewhere").env("ENFORCER_PROFILE", "own").spawn().unwrap();
        let found = Process::find(child.id(), &caller).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(found.directory, std::env::current_dir().unwrap());
        let environment = &found.invoker.environment;
        assert_ne!(environment.get("HOME"), Some("/elsewhere".as_ref()));
        assert_eq!(environment.get("ENFORCER_PROFILE"), caller.environment.get("ENFORCER_PROFILE"));
        assert!(matches!(Process::find(child.id(), &caller), Err(Error::NoProcess { .. })));
    }
}
