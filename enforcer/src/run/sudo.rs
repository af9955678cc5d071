// SPDX-License-Identifier: MIT OR Apache-2.0

//! The sudo process among our ancestors: it was started with the environment of the user who called it.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::PathBuf};

use super::environment::Environment;

/// Ancestors that are looked at; a chain is never this long.
const DEPTH: usize = 64;

/// What `/proc` says of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Process {
    pid: u32,
    parent: u32,
    /// Real user id.
    uid: u32,
    /// Effective user id.
    euid: u32,
    /// Whether its program is called sudo, and is setuid root.
    sudo: bool,
}

/// What sudo was called with by user `uid`, and sudo's pid: from the nearest ancestor that really is sudo, unless
/// another user started it.
#[must_use]
pub fn environment_of(uid: u32) -> Option<(u32, Environment)> {
    let pid = find(&ancestors(), uid)?;
    let bytes = fs::read(format!("/proc/{pid}/environ")).ok()?;
    Some((pid, Environment::parse(&bytes)))
}

/// Our ancestors, the nearest first.
fn ancestors() -> Vec<Process> {
    let mut chain = Vec::new();
    let mut next = std::os::unix::process::parent_id();
    while next != 0 && chain.len() < DEPTH {
        let Ok(process) = read(next) else { break };
        next = process.parent;
        chain.push(process);
    }
    chain
}

/// The nearest sudo of a chain, unless somebody other than user `uid` started it. With a terminal of its own sudo is two
/// processes, one below the other, with the same environment. Its parent can be root's: `su` and `runuser` stay above
/// what they start for the user, and `init` adopts what has lost its parent.
fn find(chain: &[Process], uid: u32) -> Option<u32> {
    let is_sudo = |process: &Process| process.sudo && process.euid == 0;
    let nearest = chain.iter().position(is_sudo)?;
    let caller = chain[nearest..].iter().find(|process| !is_sudo(process))?;
    (caller.uid == uid || caller.uid == 0).then(|| chain[nearest].pid)
}

/// Reads what `/proc` says of a process.
fn read(pid: u32) -> io::Result<Process> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let parent = field(&status, "PPid:").and_then(|mut words| words.next()).ok_or_else(invalid)?;
    let mut ids = field(&status, "Uid:").ok_or_else(invalid)?;
    let uid = ids.next().ok_or_else(invalid)?;
    let euid = ids.next().ok_or_else(invalid)?;
    Ok(Process { pid, parent, uid, euid, sudo: is_sudo(pid) })
}

/// The numbers behind a name in `/proc/PID/status`.
fn field<'s>(status: &'s str, name: &str) -> Option<impl Iterator<Item = u32> + 's> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_whitespace().map_while(|word| word.parse().ok()))
}

/// Whether a process runs a program that is called sudo and is setuid root. `/proc/PID/exe` leads to the file that
/// was executed, whatever lies at its path now.
fn is_sudo(pid: u32) -> bool {
    let exe = PathBuf::from(format!("/proc/{pid}/exe"));
    let named = fs::read_link(&exe).is_ok_and(|path| path.file_name().is_some_and(|name| name == "sudo"));
    named && fs::metadata(&exe).is_ok_and(|file| file.uid() == 0 && file.mode() & libc::S_ISUID != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: u32 = 1000;

    fn process(pid: u32, uid: u32, euid: u32, sudo: bool) -> Process {
        Process { pid, parent: pid - 1, uid, euid, sudo }
    }

    #[test]
    fn sudo_below_the_users_shell() {
        let chain = [process(9, 0, 0, true), process(8, USER, USER, false), process(1, 0, 0, false)];
        assert_eq!(find(&chain, USER), Some(9));
    }

    #[test]
    fn sudo_with_a_terminal_of_its_own_and_a_script_between() {
        let chain = [
            process(12, 0, 0, false),
            process(11, 0, 0, true),
            process(10, 0, 0, true),
            process(9, USER, USER, false),
        ];
        assert_eq!(find(&chain, USER), Some(11));
    }

    #[test]
    fn a_sudo_of_somebody_else_is_not_ours() {
        let chain = [process(9, 0, 0, true), process(8, 1001, 1001, false)];
        assert_eq!(find(&chain, USER), None);
    }

    #[test]
    fn sudo_below_su() {
        let chain = [process(9, 0, 0, true), process(8, 0, 0, false), process(7, 1001, 1001, false)];
        assert_eq!(find(&chain, USER), Some(9));
    }

    #[test]
    fn a_program_called_sudo_that_is_not_root_is_not_sudo() {
        let chain = [process(9, USER, USER, true), process(8, USER, USER, false)];
        assert_eq!(find(&chain, USER), None);
        assert_eq!(find(&[], USER), None);
    }

    #[test]
    fn status_fields() {
        let status = "Name:\tsudo\nPPid:\t41\nTracerPid:\t0\nUid:\t1000\t0\t0\t0\n";
        assert_eq!(field(status, "PPid:").and_then(|mut words| words.next()), Some(41));
        let ids: Vec<_> = field(status, "Uid:").into_iter().flatten().collect();
        assert_eq!(ids, [1000, 0, 0, 0]);
        assert!(field(status, "Nothing:").is_none());
    }

    #[test]
    fn our_own_ancestors_can_be_read() {
        let chain = ancestors();
        assert!(!chain.is_empty());
        assert_eq!(chain[0].pid, std::os::unix::process::parent_id());
    }
}
