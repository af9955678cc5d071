// SPDX-License-Identifier: MIT OR Apache-2.0

//! Why COMMAND was not started.

use std::{ffi::OsString, io, path::PathBuf};

use crate::{daemon::control::client, exit::Exit, kernel, profile, report::escape::escape};
use std::os::unix::ffi::OsStrExt as _;

/// Why COMMAND was not started. Each message says how to mend it, where that can be known.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The profile has errors, or there is none of this name.
    #[error(transparent)]
    Profile(#[from] profile::Error),
    /// No profile was named, and none goes without saying.
    #[error(
        "no profile for `{}`: name one with --profile NAME|FILE or $ENFORCER_PROFILE; there are: {available}",
        shown(.command)
    )]
    NoProfile {
        /// COMMAND.
        command: OsString,
        /// What could be named.
        available: String,
    },
    /// We are not root.
    #[error(
        "enforcing takes root privileges; run it as\n  {command_line}\n(COMMAND itself will run as you), or start the service \
         (`systemctl start enforcer`), by which members of the group enforcer may run commands"
    )]
    NotPrivileged {
        /// What to type.
        command_line: String,
    },
    /// The service runs COMMAND, which cannot do this.
    #[error(
        "{option} takes root, also where the service runs COMMAND: call it by sudo, or leave that to the service"
    )]
    RootOnly {
        /// What was asked for.
        option: &'static str,
    },
    /// The service has refused, or cannot be reached.
    #[error("{0}; or run it as root, by sudo")]
    Service(client::Error),
    /// The service did not do what it should.
    #[error("the service did not run COMMAND: {0}")]
    NotServed(&'static str),
    /// There is no such process.
    #[error("there is no process {pid}")]
    NoProcess {
        /// Its number.
        pid: u32,
    },
    /// We would be held ourselves.
    #[error(
        "process {pid} is this one, or one that has started it: enforcer would be held to the profile itself"
    )]
    Ours {
        /// Its number.
        pid: u32,
    },
    /// sudo's variables make no sense.
    #[error("{name} is `{}`, so the user who called sudo is not known; without sudo unset SUDO_UID and SUDO_GID", shown(.value))]
    SudoVariable {
        /// The variable.
        name: &'static str,
        /// Its value; empty if it is missing.
        value: OsString,
    },
    /// COMMAND does not exist.
    #[error("command not found: {}", shown(.command))]
    NotFound {
        /// As it was typed.
        command: OsString,
    },
    /// COMMAND was there, and at its exec it, or its interpreter, was not.
    #[error("failed to execute {}: it, or the interpreter that its first line names, does not exist", shown(.path.as_os_str()))]
    Vanished {
        /// The file.
        path: PathBuf,
    },
    /// COMMAND cannot be executed.
    #[error("failed to execute {}: {source}", shown(.path.as_os_str()))]
    NotExecutable {
        /// The file.
        path: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// A variable of the profile cannot have its value.
    #[error("`{name}` would stand for {}, {why}", shown(.value.as_os_str()))]
    Anchor {
        /// The variable, as profiles write it.
        name: String,
        /// The value.
        value: PathBuf,
        /// What is wrong with it, and what to do.
        why: &'static str,
    },
    /// The user has no home.
    #[error("the home directory of user {uid} is not known, so `~` in the profile has no meaning; set HOME")]
    NoHome {
        /// The user.
        uid: u32,
    },
    /// A package manager's configuration could not be asked.
    #[error(
        "failed to find out what `{variable}` in the profile stands for: {reason}; where that cannot be mended, write \
         `host: NAME` and `ports: [PORT]` in the profile instead"
    )]
    Registry {
        /// As profiles write it.
        variable: &'static str,
        /// What went wrong.
        reason: String,
    },
    /// The record cannot be written.
    #[error("failed to open {} for the record (as user {uid}): {source}", shown(.path.as_os_str()))]
    Record {
        /// The file.
        path: PathBuf,
        /// Who tried.
        uid: u32,
        /// What went wrong.
        source: io::Error,
    },
    /// There would be no evidence.
    #[error("there would be no evidence of the run: {0}")]
    Evidence(crate::evidence::Error),
    /// The kernel half could not be set up.
    #[error(transparent)]
    Kernel(#[from] kernel::Error),
    /// There is no cgroup for a run with budgets.
    #[error(
        "failed to make a cgroup for the run, by which it is ended when it is over a budget of the profile: {source}; \
         cgroup v2 must be mounted and writable (`mount -t cgroup2 cgroup2 /sys/fs/cgroup`)"
    )]
    Cgroup {
        /// What went wrong.
        source: io::Error,
    },
    /// The child could not be made ready.
    #[error("failed to start COMMAND: failed to {action}: {source}")]
    Start {
        /// What was attempted.
        action: &'static str,
        /// What went wrong.
        source: io::Error,
    },
    /// Something of our own failed.
    #[error("failed to {action}: {source}")]
    System {
        /// What was attempted.
        action: &'static str,
        /// What went wrong.
        source: io::Error,
    },
}

impl Error {
    /// The status to exit with.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::NotFound { .. } | Self::Vanished { .. } => Exit::NotFound,
            Self::NotExecutable { .. } => Exit::NotExecutable,
            _ => Exit::NotEnforced,
        }
    }

    /// An error of our own.
    pub(super) fn system(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { action, source }
    }
}

/// Text that others chose.
fn shown(text: impl AsRef<std::ffi::OsStr>) -> String {
    escape(text.as_ref().as_bytes())
}
