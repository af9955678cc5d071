// SPDX-License-Identifier: MIT OR Apache-2.0

//! Starting COMMAND: enrolled first, then with the user's rights, then as we were started ourselves.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, PipeReader, Read as _, Write as _},
    os::unix::process::CommandExt as _,
    path::Path,
    process::Command,
};

use enforcer_common::run::Label;
use tokio::process::Child;

use super::{Error, credentials::Credentials, environment::Environment, inherited::Inherited};
use crate::kernel::Enroller;

/// What the child has done so far; it tells us by a byte each, since an error number alone does not say which step
/// it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Nothing yet: it may not even exist.
    Begin,
    /// It is in the run's cgroup, if there is one.
    Entered,
    /// It is enrolled.
    Enrolled,
    /// It has the user's rights.
    User,
    /// It has our signal mask; what follows is the exec.
    Exec,
}

/// What is started.
#[derive(Debug)]
pub struct Start<'a> {
    /// The file, absolute.
    pub file: &'a Path,
    /// The command as it was typed, and its arguments.
    pub argv: &'a [OsString],
    /// Its environment.
    pub environment: &'a Environment,
    /// Its rights.
    pub credentials: &'a Credentials,
    /// Its signal mask.
    pub inherited: Inherited,
    /// The run's cgroup, if it has one: where the child writes `0` to enter.
    pub cgroup: Option<File>,
}

impl Start<'_> {
    /// Starts it under the run that `enroller` stands for.
    ///
    /// # Errors
    ///
    /// [`Error::Start`] if it was not started for a reason of ours, [`Error::NotExecutable`] and [`Error::NotFound`] if
    /// the kernel would not execute it.
    pub fn spawn(&self, enroller: Enroller) -> Result<Child, Error> {
        let (steps, writer) = io::pipe().map_err(|source| Error::Start { action: "make a pipe", source })?;
        let mut command = Command::new(self.file);
        if let [name, args @ ..] = self.argv {
            command.arg0(name).args(args);
        }
        command.env_clear().envs(self.environment.iter());
        let (credentials, inherited) = (self.credentials.clone(), self.inherited);
        let cgroup = self.cgroup.as_ref().map(File::try_clone).transpose();
        let cgroup = cgroup.map_err(|source| Error::Start { action: "enter the run's cgroup", source })?;
        let prepare = move || {
            if let Some(mut cgroup) = cgroup.as_ref() {
                cgroup.write_all(b"0")?;
            }
            (&writer).write_all(&[0])?;
            enroller.enrol(0, Label::ENTRY)?;
            (&writer).write_all(&[0])?;
            credentials.assume()?;
            (&writer).write_all(&[0])?;
            inherited.restore()?;
            (&writer).write_all(&[0])
        };
        // SAFETY: `prepare` makes system calls and nothing else: no allocation, no lock.
        unsafe { command.pre_exec(prepare) };
        let mut command = tokio::process::Command::from(command);
        let spawned = command.spawn();
        drop(command); // With it our end of the pipe's writing side.
        spawned.map_err(|source| self.explain(reached(steps), source))
    }

    /// The error of a step.
    fn explain(&self, reached: Step, source: io::Error) -> Error {
        match reached {
            Step::Begin => Error::Start { action: "make a process for it, in the run's cgroup", source },
            Step::Entered => Error::Start { action: "put it under the profile", source },
            Step::Enrolled => Error::Start { action: "give it the user's rights", source },
            Step::User => Error::Start { action: "restore its signal mask", source },
            Step::Exec if source.kind() == io::ErrorKind::NotFound => {
                Error::Vanished { path: self.file.into() }
            }
            Step::Exec => Error::NotExecutable { path: self.file.into(), source },
        }
    }
}

/// The last step that the child reached.
fn reached(mut steps: PipeReader) -> Step {
    let mut bytes = Vec::new();
    match steps.read_to_end(&mut bytes) {
        Ok(1) => Step::Entered,
        Ok(2) => Step::Enrolled,
        Ok(3) => Step::User,
        Ok(4) => Step::Exec,
        _ => Step::Begin,
    }
}
