// SPDX-License-Identifier: MIT OR Apache-2.0

//! The service: the kernel enrols what profiles select, whether or not the service is there.

mod asked;
mod container;
mod control;
mod endurance;
mod fleet;
mod install;
mod metrics;
mod otlp;
mod selection;
mod upgrade;

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::guest::{Ended, Place, finish, sh, signal, until};

const SOCKET: &str = "/run/enforcer/control.sock";
/// A script that shows which of some files it cannot read.
const JOB: &str = "#!/bin/sh\nfor file; do cat -- \"$file\" >/dev/null 2>&1 && echo \"read $file\" || echo \"denied $file\"; done\n";
/// Places that are kept ready.
const RESERVE: usize = 8;

/// A service with profiles of its own. Nothing of it is left when this is dropped.
struct Service {
    child: Option<Child>,
    profiles: PathBuf,
    log: PathBuf,
    options: Vec<String>,
    /// What starts it, if it does not start here.
    within: Vec<String>,
}

impl Service {
    /// With these profiles, each a name and what comes behind its owner.
    fn start(place: &Place, profiles: &[(&str, &str)]) -> Self {
        Self::start_with(place, profiles, &[])
    }

    fn start_with(place: &Place, profiles: &[(&str, &str)], options: &[&str]) -> Self {
        Self::start_within(&[], place, profiles, options)
    }

    /// By a command that becomes the service, in other namespaces than ours.
    fn start_within(within: &[&str], place: &Place, profiles: &[(&str, &str)], options: &[&str]) -> Self {
        let [options, within] =
            [options, within].map(|words| words.iter().map(|&word| word.to_owned()).collect());
        let (directory, log) = (place.path("profiles"), place.path("service.log"));
        let mut service = Self { child: None, profiles: directory, log, options, within };
        fs::create_dir_all(&service.profiles).unwrap();
        for (name, rest) in profiles {
            service.profile(name, rest);
        }
        service.begin();
        service
    }

    /// Writes a profile, all at once.
    fn profile(&self, name: &str, rest: &str) {
        let new = self.profiles.join("new");
        let head = format!("version: 1\nname: {name}\nowner: tests@enforcer.example\n");
        fs::write(&new, head + rest).unwrap();
        fs::rename(new, self.profiles.join(format!("{name}.yaml"))).unwrap();
    }

    /// Begins to serve, and waits until it does.
    fn begin(&mut self) {
        let log = File::options().create(true).append(true).open(&self.log).unwrap();
        let mut words = self.within.iter().map(String::as_str).chain(["enforcer"]);
        let mut daemon = Command::new(words.next().unwrap());
        daemon.args(words).args(["-v", "daemon", "--reserve", &RESERVE.to_string(), "--profiles"]);
        daemon.arg(&self.profiles).args(&self.options);
        daemon.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut child = daemon.spawn().unwrap();
        until("the service answers", || {
            assert!(child.try_wait().unwrap().is_none(), "{}", self.told());
            answers().is_some_and(|status| status["status"]["pid"] == child.id())
        });
        self.child = Some(child);
    }

    /// Ends it by a signal.
    fn end(&mut self, by: i32) {
        if let Some(mut child) = self.child.take() {
            signal(child.id(), by);
            child.wait().unwrap();
        }
    }

    /// What it has said.
    fn told(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it has said this.
    fn tells(&self, what: &str) {
        until(what, || self.told().contains(what));
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        println!("{}", self.told());
        // Of a scenario that has failed: the next one begins with none.
        for run in asked("status").iter().filter_map(|status| status["runs"].as_array()).flatten() {
            sh(&format!("enforcer kill {} || true", run["run"]));
        }
        if std::thread::panicking() {
            // A run is over when somebody has waited for the last of it, which the scenario did not come to.
            // SAFETY: no pointer is passed but null; scenarios run one after the other, so nobody waits for these.
            while unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) } > 0 {}
        }
        self.end(libc::SIGTERM);
        sh("enforcer daemon stop --disarm").success();
    }
}

/// What a service that listens answers.
fn answers() -> Option<Value> {
    let mut stream = UnixStream::connect(SOCKET).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(b"{\"version\":1,\"ask\":\"status\"}\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    serde_json::from_str(&answer).ok()
}

/// What the service says of something.
fn asked(what: &str) -> Option<Value> {
    let mut ask = Command::new("enforcer");
    ask.args([what, "--json"]);
    serde_json::from_str(&finish(ask).stdout).ok()
}

/// How things are.
fn status() -> Value {
    asked("status").unwrap()
}

/// The runs that are under way.
fn runs() -> Vec<Value> {
    status()["runs"].as_array().unwrap().clone()
}

/// Waits until no run is under way.
fn quiet() {
    until("all runs are over", || runs().is_empty());
}

/// A copy of a program, to be selected by its path.
fn copy(place: &Place, program: &Path, name: &str) -> PathBuf {
    let to = place.path(name);
    fs::copy(program, &to).unwrap();
    to
}

/// A command as the user `builder`.
fn as_builder(command: &str) -> Ended {
    let mut run = Command::new("runuser");
    run.args(["-u", "builder", "--", "bash", "-c", command]);
    finish(run)
}

/// Everything may be read but what is named.
fn denies(select: &str, what: &str) -> String {
    format!(
        "select:\n{select}\nstages:\n  all:\n    exec: {{ default: allow }}\n    files: {{ read: {{ default: allow, deny: [{what}] }}, write: {{ default: allow }} }}\n"
    )
}
