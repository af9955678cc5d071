// SPDX-License-Identifier: MIT OR Apache-2.0

//! The statuses that `enforcer` exits with. They are part of its interface: scripts depend on them.
//!
//! `enforcer run` follows `env` and `timeout` of coreutils: the status is COMMAND's own, and what the wrapper itself
//! has to say is said with 125, 126 and 127, as a shell does. Everything else uses 0, 1 and 2.

use std::process::ExitCode;

/// How `enforcer` ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// COMMAND ended by itself; the status is its own. (A subcommand without a COMMAND that succeeded: 0.)
    Command(u8),
    /// COMMAND was ended by this signal; or `enforcer` was, before COMMAND started. If it is SIGINT, then `enforcer`
    /// ends by it too, so that a script which was interrupted together with COMMAND stops.
    Signal(u8),
    /// Something was denied (in audit mode: would have been), `--fail-on-denial` was given, and COMMAND itself
    /// succeeded.
    Denied,
    /// The run was over one of its budgets and was ended, or frozen.
    Tripped,
    /// Evidence or a statement that was asked for is not complete, and COMMAND itself succeeded.
    Unproven,
    /// Enforcement could not be set up, whatever the reason, wrong usage of `enforcer run` included. COMMAND was
    /// not started.
    NotEnforced,
    /// COMMAND was found but cannot be executed.
    NotExecutable,
    /// COMMAND was not found.
    NotFound,
    /// A subcommand without a COMMAND found what it looks for, or failed.
    Failed,
    /// Wrong usage of a subcommand other than `run`, or a profile with errors.
    Usage,
}

impl Exit {
    /// It worked.
    pub const SUCCESS: Self = Self::Command(0);

    /// The status, as a shell shows it in `$?`.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Command(status) => status,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Denied => 100,
            Self::Tripped => 101,
            Self::Unproven => 102,
            Self::NotEnforced => 125,
            Self::NotExecutable => 126,
            Self::NotFound => 127,
            Self::Signal(signal) => 128 + (signal & 0x7f),
        }
    }

    /// From the status of a COMMAND that was waited for.
    #[must_use]
    pub fn from_status(status: std::process::ExitStatus) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Command((code & 0xff) as u8),
            (None, Some(signal)) => Self::Signal((signal & 0x7f) as u8),
            (None, None) => Self::Failed,
        }
    }

    /// Whether COMMAND ran and succeeded.
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Command(0))
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// What `enforcer run --help` says about the statuses.
pub const RUN_TABLE: &str = "\
Exit status:
  0-124, 128+  COMMAND's own status; 128+N if signal N ended it
  100          something was denied, --fail-on-denial was given, and COMMAND succeeded
  101          the run was over a budget of its profile and was ended, or frozen
  102          the evidence or statement that was asked for is not complete, and COMMAND succeeded
  125          enforcement could not be set up (or wrong usage): COMMAND was not started
  126          COMMAND was found but cannot be executed
  127          COMMAND was not found";

/// What `enforcer doctor --help` says about the statuses.
pub const DOCTOR_TABLE: &str = "\
Exit status:
  0  runs are enforced on this machine
  1  they are not
  2  wrong usage";

/// What `enforcer profile check --help` says about the statuses.
pub const CHECK_TABLE: &str = "\
Exit status:
  0  nothing to say
  1  warnings
  2  errors, or wrong usage";

/// What `enforcer profile explain --help` says about the statuses.
pub const EXPLAIN_TABLE: &str = "\
Exit status:
  0  allowed
  1  denied
  2  the profile has errors, or wrong usage";

/// What `enforcer profile diff --help` says about the statuses.
pub const DIFF_TABLE: &str = "\
Exit status:
  0  no difference
  1  differences
  2  a profile has errors, or wrong usage";

/// What `enforcer replay --help` says about the statuses.
pub const REPLAY_TABLE: &str = "\
Exit status:
  0  nothing is denied (with --against: no difference)
  1  something is denied (with --against: there are differences)
  2  a recording cannot be read or is not reproduced, a profile has errors, or wrong usage";

/// What `enforcer evidence verify --help` says about the statuses.
pub const EVIDENCE_TABLE: &str = "\
Exit status:
  0  everything is as it was written
  1  something is not
  2  a file or a key cannot be read, or wrong usage";

/// What `enforcer compare --help` says about the statuses.
pub const COMPARE_TABLE: &str = "\
Exit status:
  0  nothing is new
  1  something is new
  2  a recording cannot be read, or wrong usage";

/// What `enforcer report --help` says about the statuses.
pub const REPORT_TABLE: &str = "\
Exit status:
  0  the report was written, whatever it says
  1  it could not be written
  2  the recording is damaged (what could be read of it is told) or cannot be read, or wrong usage";

/// What `enforcer learn --help` says about the statuses.
pub const LEARN_TABLE: &str = "\
Exit status:
  0  all that the recordings need was learnt
  1  something was not learnt, and is listed
  2  a recording cannot be read, the base has errors, or wrong usage";

#[cfg(test)]
mod tests {
    use super::*;
    use std::{os::unix::process::ExitStatusExt as _, process::ExitStatus};

    #[test]
    fn statuses_of_a_command_pass_through() {
        assert_eq!(Exit::from_status(ExitStatus::from_raw(0)).code(), 0);
        assert_eq!(Exit::from_status(ExitStatus::from_raw(42 << 8)).code(), 42);
        assert_eq!(Exit::from_status(ExitStatus::from_raw(255 << 8)).code(), 255);
        assert_eq!(Exit::from_status(ExitStatus::from_raw(libc::SIGTERM)).code(), 143);
        assert_eq!(Exit::from_status(ExitStatus::from_raw(libc::SIGSEGV | 0x80)).code(), 139);
    }

    #[test]
    fn the_help_names_every_status_of_run() {
        for exit in [
            Exit::Denied,
            Exit::Tripped,
            Exit::Unproven,
            Exit::NotEnforced,
            Exit::NotExecutable,
            Exit::NotFound,
        ] {
            assert!(RUN_TABLE.contains(&exit.code().to_string()), "{exit:?}");
        }
    }
}
