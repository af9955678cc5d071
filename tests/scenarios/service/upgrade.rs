// SPDX-License-Identifier: MIT OR Apache-2.0

//! The service replaced by another version: one whose programs the kernel takes, and one whose programs it refuses.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use super::{Service, copy, denies, quiet, runs, status};
use crate::{
    guest::{Place, finish, sh, until},
    keeper,
};

/// The licence of the kernel programs.
const LICENCE: &[u8] = b"Dual MIT/GPL\0";

/// Another version of the enforcer: its programs are the same, but for their licence.
fn version(place: &Place, licence: &[u8]) -> PathBuf {
    let ours = sh("command -v enforcer").success().stdout;
    let mut bytes = fs::read(ours.trim()).unwrap();
    let at: Vec<usize> = bytes
        .windows(LICENCE.len())
        .enumerate()
        .filter(|(_, window)| *window == LICENCE)
        .map(|(at, _)| at)
        .collect();
    assert!(!at.is_empty());
    for at in at {
        bytes[at..at + LICENCE.len()].copy_from_slice(licence);
    }
    let version = place.path("other-enforcer");
    fs::write(&version, bytes).unwrap();
    fs::set_permissions(&version, fs::Permissions::from_mode(0o755)).unwrap();
    version
}

/// A job that tries all the time to read what it may not.
struct Job {
    child: Child,
    place: Place,
}

impl Job {
    fn start(shell: &Path, secret: &Path) -> Self {
        let place = Place::new();
        let script = format!(
            "until [ -e over ]; do cat {} >/dev/null 2>&1 && echo >read || echo >denied; sleep 0.2; done",
            secret.display()
        );
        let mut job = Command::new(shell);
        job.args(["-c", &script]).current_dir(place.path("")).stdin(Stdio::null());
        Self { child: job.spawn().unwrap(), place }
    }

    /// It has tried again since, and this came of it.
    fn has(&self, what: &str) {
        let said = self.place.path(what);
        let _ = fs::remove_file(&said);
        until(what, || said.exists());
    }

    /// It has tried again since, and was denied, as all the time before.
    fn is_held(&self) {
        self.has("denied");
        assert!(!self.place.path("read").exists());
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.place.file("over", "");
        self.child.wait().unwrap();
    }
}

/// A service, and a job in a run of it.
fn begun(place: &Place) -> (Service, Job, impl Fn() -> Job) {
    let (shell, secret) = (copy(place, "/bin/bash".as_ref(), "job"), place.file("secret", "x"));
    let profile = denies(&format!("  - exe: {}", shell.display()), secret.to_str().unwrap());
    let start = move || Job::start(&shell, &secret);
    let service = Service::start(place, &[("jobs", &profile)]);
    let job = start();
    until("it is held", || runs().len() == 1);
    job.is_held();
    (service, job, start)
}

#[test]
fn a_version_whose_programs_are_refused_changes_nothing() {
    let place = Place::new();
    let (mut service, lasting, start) = begun(&place);
    let run = runs()[0]["run"].clone();
    let refused = version(&place, b"Dual MIT/XYZ\0");
    service.end(libc::SIGTERM);
    let mut daemon = Command::new(&refused);
    daemon.args(["daemon", "--profiles"]).arg(&service.profiles);
    let ended = finish(daemon);
    assert!(ended.status == 1 && ended.stderr.contains("failed to load"), "{ended:#?}");
    lasting.is_held();
    let fresh = start();
    fresh.is_held();
    // Who was there before takes over what it had, and what has begun meanwhile.
    service.begin();
    until("both are known", || runs().len() == 2);
    assert!(runs().iter().any(|known| known["run"] == run));
    for job in [lasting, fresh] {
        job.is_held();
    }
    quiet();
    assert_eq!(keeper::loaded(), 1);
}

#[test]
fn a_version_with_other_programs_takes_over_what_begins_and_lets_go_of_nothing() {
    let place = Place::new();
    let (mut service, lasting, start) = begun(&place);
    let other = version(&place, b"Dual MPL/GPL\0");
    service.end(libc::SIGTERM);
    let within = format!("shift; exec {} \"$@\"", other.display());
    service.within = ["sh", "-c", &within, "sh"].map(str::to_owned).into();
    service.begin();
    assert_eq!(keeper::loaded(), 2);
    // What runs is held by the programs that have it, and what begins has one run, of the new ones.
    lasting.is_held();
    let fresh = start();
    until("it is known", || runs().len() == 1);
    assert_eq!(status()["selected"]["enrolled"], 1);
    for job in [lasting, fresh] {
        job.is_held();
    }
    quiet();
    drop(service);
    assert_eq!(keeper::loaded(), 1);
}

#[test]
fn letting_go_is_of_every_version() {
    let place = Place::new();
    let (mut service, lasting, start) = begun(&place);
    service.end(libc::SIGTERM);
    drop(lasting);
    sh("enforcer daemon stop --disarm").success();
    // A version that nobody can start any more has armed the kernel.
    let other = version(&place, b"Dual MPL/GPL\0");
    let within = format!("shift; exec {} \"$@\"", other.display());
    service.within = ["sh", "-c", &within, "sh"].map(str::to_owned).into();
    service.begin();
    service.end(libc::SIGKILL);
    fs::remove_file(other).unwrap();
    start().is_held();
    sh("enforcer daemon stop --disarm").success();
    start().has("read");
    assert_eq!(keeper::loaded(), 1);
}
