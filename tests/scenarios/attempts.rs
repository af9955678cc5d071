// SPDX-License-Identifier: MIT OR Apache-2.0

//! Many attempts in one run, each with the number of its error.

use std::{
    os::fd::OwnedFd,
    path::Path,
    process::{Command, Stdio},
};

use crate::guest::{Ended, Place, attack, collect};

/// What a denied attempt gets.
pub(crate) const DENIED: i32 = libc::EPERM;

/// Attempts, and how they ended.
#[derive(Debug)]
pub(crate) struct Attempts {
    pub(crate) list: Vec<(String, i32)>,
}

impl Attempts {
    /// Fails the test unless each ended so.
    #[track_caller]
    pub(crate) fn all(&self, number: i32) {
        let others: Vec<_> = self.list.iter().filter(|(_, its)| *its != number).collect();
        assert!(others.is_empty(), "not {number}: {others:?}");
    }

    /// How one of them ended.
    pub(crate) fn of(&self, attempt: &str) -> i32 {
        self.list.iter().find(|(its, _)| its == attempt).unwrap_or_else(|| panic!("no {attempt}")).1
    }

    fn read(attempts: &[String], ended: &Ended) -> Self {
        let line = ended.stdout.lines().last().unwrap_or_default();
        let numbers: Vec<i32> = line.split_whitespace().map(|number| number.parse().unwrap()).collect();
        assert_eq!(numbers.len(), attempts.len(), "{ended:#?}");
        Self { list: attempts.iter().cloned().zip(numbers).collect() }
    }
}

/// The attempts with the enforcer out of the way.
pub(crate) fn bare(attempts: &[String]) -> Attempts {
    bare_on(Stdio::null(), attempts)
}

/// The same with this as standard input.
pub(crate) fn bare_on(input: impl Into<Stdio>, attempts: &[String]) -> Attempts {
    start(Command::new(attack()), input.into(), attempts)
}

impl Place {
    /// The attempts in a run.
    pub(crate) fn each(&self, profile: &Path, attempts: &[String]) -> Attempts {
        self.each_with(profile, &[], Stdio::null(), attempts)
    }

    /// The same with this as standard input.
    pub(crate) fn each_on(&self, profile: &Path, input: OwnedFd, attempts: &[String]) -> Attempts {
        self.each_with(profile, &[], input.into(), attempts)
    }

    /// The same, with options.
    pub(crate) fn each_with(
        &self,
        profile: &Path,
        options: &[&str],
        input: Stdio,
        attempts: &[String],
    ) -> Attempts {
        let mut run = Command::new("enforcer");
        run.arg("run").args(options).arg("--profile").arg(profile).arg("--").arg(attack());
        start(run, input, attempts)
    }
}

fn start(mut command: Command, input: Stdio, attempts: &[String]) -> Attempts {
    command.arg("each").args(attempts);
    command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
    Attempts::read(attempts, &collect(command.spawn().unwrap()))
}
