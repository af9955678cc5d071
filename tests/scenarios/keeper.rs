// SPDX-License-Identifier: MIT OR Apache-2.0

//! A run that does nothing, so that the kernel programs stay loaded from one scenario to the next: loading them takes an
//! emulated machine seconds, finding them loaded a tenth of one. Scenarios about loading [`end`] it.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use crate::guest::{signal, until};

static KEEPER: Mutex<Option<Child>> = Mutex::new(None);

const PROFILE: &str = "version: 1\nname: keeper\nowner: tests@enforcer.example\n\
                       stages: { only: { exec: { default: allow } } }\n";

/// Starts it if it is not there; on a kernel that would not enforce there is nothing to keep.
pub(crate) fn keep() {
    let mut keeper = KEEPER.lock().unwrap_or_else(PoisonError::into_inner);
    let active = fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    if keeper.is_some() || !active.contains("bpf") {
        return;
    }
    fs::write("/run/keeper.yaml", PROFILE).unwrap();
    let mut command = Command::new("enforcer");
    command.args(["run", "-q", "--profile", "/run/keeper.yaml", "--"]);
    command.args(["sh", "-c", "echo up; exec sleep infinity"]);
    // It outlives this program, which must not keep the output of both open.
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "up\n", "the keeper did not start");
    *keeper = Some(child);
}

/// Ends it, and with it the last run: nothing is loaded any more.
pub(crate) fn end() {
    if let Some(mut child) = KEEPER.lock().unwrap_or_else(PoisonError::into_inner).take() {
        signal(child.id(), libc::SIGTERM);
        child.wait().unwrap();
    }
    until("the programs are unloaded", || loaded() == 0);
}

/// Versions of the programs that are loaded.
pub(crate) fn loaded() -> usize {
    count("/sys/fs/bpf/enforcer", "")
}

/// Runs that have a wrapper, or had one and are not cleared away.
pub(crate) fn runs() -> usize {
    count("/run/enforcer", "run-")
}

fn count(dir: impl AsRef<Path>, prefix: &str) -> usize {
    let Ok(entries) = fs::read_dir(dir) else {
        return 0;
    };
    entries.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(prefix)).count()
}
