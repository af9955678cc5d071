// SPDX-License-Identifier: MIT OR Apache-2.0

//! A process that is held on to by more than its number, which another process may have by the time it is used.

use std::{
    fs, io,
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::fs::MetadataExt as _,
    },
    path::{Path, PathBuf},
};

use super::readable::readable;

/// What makes up where a process is: which files it sees, and which users it knows.
const NAMESPACES: [&str; 2] = ["ns/mnt", "ns/user"];

/// A process. What is read of its number is about it if it still [lives](Self::lives) afterwards.
#[derive(Debug)]
pub(crate) struct Held {
    pid: u32,
    fd: OwnedFd,
}

impl Held {
    /// Holds on to the process that has this number now.
    pub(crate) fn open(pid: u32) -> io::Result<Self> {
        // SAFETY: plain numbers; there is no wrapper in the library.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let fd = i32::try_from(fd).ok().filter(|&fd| fd >= 0).ok_or_else(io::Error::last_os_error)?;
        // SAFETY: the descriptor is new, and nobody else's.
        Ok(Self { pid, fd: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    /// Whether it has not ended.
    pub(crate) fn lives(&self) -> bool {
        let mut poll = libc::pollfd { fd: self.fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one element, which lives.
        unsafe { libc::poll(&raw mut poll, 1, 0) == 0 }
    }

    /// The user whose rights it has, as the kernel tells of who connects to a socket.
    pub(crate) fn uid(&self) -> io::Result<u32> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Uid:"));
        let effective = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        effective.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Whether it sees the same files and users as the first process of this machine: what it says of paths and users can be taken
    /// as it is then.
    pub(crate) fn is_on_host(&self) -> bool {
        let namespace = |of: &Path, name| fs::read_link(of.join(name)).ok();
        let root = |of: &Path| fs::metadata(of.join("root")).map(|root| (root.dev(), root.ino())).ok();
        let (own, first) = (PathBuf::from(format!("/proc/{}", self.pid)), Path::new("/proc/1"));
        let same = NAMESPACES.iter().all(|name| {
            let own = namespace(&own, name);
            own.is_some() && own == namespace(first, name)
        });
        same && root(&own).is_some() && root(&own) == root(first) && self.lives()
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(self) {
        let waited = async { readable(&self.fd)?.readable().await.map(drop) };
        if let Err(error) = waited.await {
            tracing::warn!("the end of process {} cannot be waited for: {error}", self.pid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_lives_until_it_has_ended() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let held = Held::open(child.id()).unwrap();
        assert!(held.lives());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!held.lives() && !held.is_on_host());
        assert!(Held::open(child.id()).is_err());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(held.ended());
    }

    #[test]
    fn what_has_another_root_is_not_here() {
        if !nix::unistd::geteuid().is_root() {
            return; // Only root may make namespaces.
        }
        let mut child =
            std::process::Command::new("unshare").args(["--mount", "sleep", "60"]).spawn().unwrap();
        let held = Held::open(child.id()).unwrap();
        let comm = format!("/proc/{}/comm", child.id());
        while fs::read_to_string(&comm).unwrap() != "sleep\n" {
            std::thread::yield_now();
        }
        let is_here = (held.is_on_host(), held.lives());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(is_here, (false, true));
    }
}
