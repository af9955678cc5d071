// SPDX-License-Identifier: MIT OR Apache-2.0

//! Acting as the invoking user: for what we read and write on their behalf, and for what we start.

use std::{io, os::unix::process::CommandExt as _, process::Command, thread};

use nix::unistd::{Gid, Uid};

use super::invoker::Invoker;

/// User and groups, ready for system calls between fork and exec.
#[derive(Clone, Debug)]
pub struct Credentials {
    uid: Uid,
    gid: Gid,
    /// `None` leaves the supplementary groups as they are.
    groups: Option<Vec<libc::gid_t>>,
}

impl Credentials {
    /// Those of a user.
    #[must_use]
    pub fn of(invoker: &Invoker) -> Self {
        let groups =
            invoker.groups.as_ref().map(|groups| groups.iter().map(|group| group.as_raw()).collect());
        Self { uid: invoker.uid, gid: invoker.gid, groups }
    }

    /// The user's number.
    #[must_use]
    pub fn uid(&self) -> u32 {
        self.uid.as_raw()
    }

    /// Takes them on, for good, in the calling thread only. Only system calls: may be called between fork and exec.
    ///
    /// # Errors
    ///
    /// The first error of the kernel; the thread must not go on then.
    pub fn assume(&self) -> io::Result<()> {
        let Some(groups) = &self.groups else {
            return Ok(());
        };
        let (uid, gid) = (self.uid.as_raw(), self.gid.as_raw());
        // The system calls, and not the library's wrappers, which would change every thread of the process.
        // SAFETY: the list is valid for its length, and the kernel only reads it.
        check(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) })?;
        // SAFETY: plain numbers.
        check(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) })?;
        // SAFETY: plain numbers.
        check(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) })
    }

    /// Makes a command run with them.
    pub fn apply(&self, command: &mut Command) {
        let credentials = self.clone();
        // SAFETY: `assume` makes system calls and nothing else: no allocation, no lock.
        unsafe { command.pre_exec(move || credentials.assume()) };
    }

    /// Calls `f` with the user's rights, in a thread of its own: what the user may not read or write fails there, and
    /// what it creates is theirs.
    ///
    /// # Errors
    ///
    /// The credentials could not be taken on, or `f` panicked.
    pub fn act<T: Send>(&self, f: impl FnOnce() -> T + Send) -> io::Result<T> {
        thread::scope(|scope| {
            scope
                .spawn(|| self.assume().map(|()| f()))
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("acting as the user panicked")))
        })
    }
}

/// The kernel's answer.
fn check(answer: libc::c_long) -> io::Result<()> {
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::{getegid, geteuid};

    #[test]
    fn unchanged_credentials_need_no_privileges() {
        let same = Credentials { uid: geteuid(), gid: getegid(), groups: None };
        assert_eq!(same.act(|| 7).ok(), Some(7));
    }

    #[test]
    fn other_credentials_stay_in_their_thread() {
        if !geteuid().is_root() {
            return; // Only root may change them.
        }
        let nobody =
            Credentials { uid: Uid::from_raw(65534), gid: Gid::from_raw(65534), groups: Some(vec![65534]) };
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_owned();
        let (uid, error) =
            nobody.act(|| (geteuid().as_raw(), std::fs::File::open(path).unwrap_err())).unwrap();
        assert_eq!((uid, error.kind()), (65534, io::ErrorKind::PermissionDenied));
        assert!(geteuid().is_root());
    }
}
