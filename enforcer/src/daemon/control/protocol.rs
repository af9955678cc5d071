// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is said over the service's socket: one JSON object a line. A client sends one [`Request`] and reads [`Reply`] lines:
//! one, or of [`Ask::Events`] as many as come.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::{known::Known, otlp::Told};

/// The version of what is said. Another one is refused.
pub const VERSION: u32 = 1;
/// Bytes that a request may have.
pub const REQUEST_MAX: usize = 4096;

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// [`VERSION`].
    pub version: u32,
    /// What.
    pub ask: Ask,
}

/// What can be wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Ask {
    /// How things are.
    Status,
    /// What happens from now on.
    Events,
    /// That what the client starts next is enrolled. The answer goes on until the run is over.
    Run {
        /// The name of a profile.
        profile: String,
    },
    /// That a run is ended.
    Kill {
        /// The run.
        run: u32,
    },
    /// That a run is stopped where it is.
    Freeze {
        /// The run.
        run: u32,
    },
    /// That profiles are read anew.
    Reload,
    /// That the service ends. Runs stay enforced.
    Stop {
        /// And that nothing is enrolled any more.
        disarm: bool,
    },
}

impl Ask {
    /// Whether only root may want it: it changes something for others.
    #[must_use]
    pub const fn changes(&self) -> bool {
        !matches!(self, Self::Status | Self::Events | Self::Run { .. })
    }
}

/// What the service says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// How things are.
    Status(Box<Status>),
    /// Something happened in a run: the event, as the record of `enforcer run --json` has it.
    Event {
        /// The run.
        run: u32,
        /// The event.
        event: serde_json::Value,
    },
    /// Events that this client was too slow for.
    Missed(u64),
    /// What the client starts next will be enrolled.
    Claimed,
    /// It has been: under the profile that was asked for, or the one that the service selects it for.
    Begun {
        /// The run.
        run: u32,
        /// The profile.
        profile: String,
    },
    /// What is to be said of the run, for people.
    Told(String),
    /// The run is over.
    Over {
        /// Whether anything was denied.
        denied: bool,
        /// Whether it was over a budget, or ended.
        tripped: bool,
    },
    /// It is done.
    Done(String),
    /// It is not, and why.
    Error(String),
}

/// How things are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// [`VERSION`].
    pub version: u32,
    /// The version of the enforcer.
    pub enforcer: String,
    /// The service's process.
    pub pid: u32,
    /// Hooks that are attached.
    pub hooks: usize,
    /// Whether the kernel enrols commands.
    pub armed: bool,
    /// The profiles.
    pub profiles: Vec<Profile>,
    /// What was wrong when they were last read; then those of before are in force.
    pub problem: Option<String>,
    /// The runs that are under way.
    pub runs: Vec<RunStatus>,
    /// What came of selected commands since the programs were loaded.
    pub selected: Selected,
    /// What became of records for a collector, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otlp: Option<Told>,
}

/// A profile that is loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// Its file.
    pub file: String,
    /// SHA-256 of what it compiles to.
    pub sha256: String,
    /// `enforce` or `audit`.
    pub mode: String,
    /// Items of `select`.
    pub selects: usize,
}

/// A run that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStatus {
    /// Its number.
    pub run: u32,
    /// What is known of it.
    #[serde(flatten)]
    pub known: Known,
    /// The tasks in each stage.
    pub stages: BTreeMap<String, u64>,
    /// The packages that processes act for now, with version and script, and how many processes.
    pub packages: BTreeMap<String, u64>,
    /// Tasks in it.
    pub tasks: u64,
    /// Verdicts made.
    pub decisions: u64,
    /// Denials among them.
    pub denied: u64,
    /// Events that could not be told.
    pub lost: u64,
    /// Whether it is over a budget, or was ended.
    pub tripped: bool,
}

/// What came of selected commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selected {
    /// Enrolled.
    pub enrolled: u64,
    /// Killed, for want of a place.
    pub full: u64,
    /// Killed, because of a directory that cannot be a variable's value.
    pub unusable: u64,
    /// Not looked at.
    pub missed: u64,
    /// Killed, because the profile that was asked for had gone.
    pub gone: u64,
}

/// A line of a request or a reply.
///
/// # Errors
///
/// None in practice: the types can be written.
pub fn line(of: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string(of).map(|text| text + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_as_documented() {
        for (text, ask) in [
            (r#"{"version":1,"ask":"status"}"#, Ask::Status),
            (
                r#"{"version":1,"ask":{"run":{"profile":"npm-install"}}}"#,
                Ask::Run { profile: "npm-install".to_owned() },
            ),
            (r#"{"version":1,"ask":{"kill":{"run":256}}}"#, Ask::Kill { run: 256 }),
            (r#"{"version":1,"ask":{"stop":{"disarm":true}}}"#, Ask::Stop { disarm: true }),
        ] {
            assert_eq!(serde_json::from_str::<Request>(text).unwrap(), Request { version: 1, ask });
        }
        for wrong in [
            "",
            "{}",
            r#"{"version":1}"#,
            r#"{"version":1,"ask":"x"}"#,
            r#"{"version":1,"ask":"status","x":1}"#,
        ] {
            assert!(serde_json::from_str::<Request>(wrong).is_err(), "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_request_is_a_panic(bytes: Vec<u8>) {
            let _ = serde_json::from_slice::<Request>(&bytes);
        }
    }
}
