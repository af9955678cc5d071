// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the lines of a log tell. Fields may be added in later versions; [`VERSION`] counts what is not compatible.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Hash;
use crate::{
    recording::format::Package,
    report::{
        host::Host,
        json::{Spent, Target, Text, User},
    },
};

/// The version of these lines.
pub const VERSION: u32 = 1;

/// What a line tells.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Entry {
    /// A file begins.
    Log(Begin),
    /// The line before was cut off.
    Torn(Torn),
    /// A profile was compiled, and is in the kernel.
    Profile(Box<Profile>),
    /// A run is about to begin.
    Enrol(Box<Enrol>),
    /// It did not begin.
    Refused(Refused),
    /// An exception was used.
    Exception(Box<Exception>),
    /// A run was over a budget.
    Trip(Trip),
    /// A run is over.
    Verdicts(Box<Verdicts>),
    /// The service has changed what is enrolled.
    Service(Service),
}

impl Entry {
    /// The `type` of the line.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Log(_) => "log",
            Self::Torn(_) => "torn",
            Self::Profile(_) => "profile",
            Self::Enrol(_) => "enrol",
            Self::Refused(_) => "refused",
            Self::Exception(_) => "exception",
            Self::Trip(_) => "trip",
            Self::Verdicts(_) => "verdicts",
            Self::Service(_) => "service",
        }
    }
}

/// What the service has the kernel enrol, from now on.
#[derive(Debug, Serialize)]
pub struct Service {
    /// Version of the enforcer.
    pub enforcer: &'static str,
    /// Whether anything is enrolled.
    pub armed: bool,
    /// The profiles that select commands, and the SHA-256 of what each compiles to.
    pub profiles: BTreeMap<String, String>,
}

/// The first line of a file.
#[derive(Debug, Serialize)]
pub struct Begin {
    /// [`VERSION`].
    pub version: u32,
    /// Version of the enforcer.
    pub enforcer: &'static str,
    /// The machine's name.
    pub node: String,
    /// Its kernel.
    pub host: Host,
}

/// The first line of a file on this machine.
#[must_use]
pub(super) fn begin() -> Entry {
    let (host, node) = (Host::current(), node());
    Entry::Log(Begin { version: VERSION, enforcer: env!("CARGO_PKG_VERSION"), node, host })
}

/// The machine's name.
#[must_use]
pub(super) fn node() -> String {
    nix::sys::utsname::uname()
        .map_or_else(|_| "?".into(), |names| names.nodename().to_string_lossy().into_owned())
}

/// A line that was cut off.
#[derive(Debug, Serialize)]
pub struct Torn {
    /// How much of it is there.
    pub bytes: u64,
    /// The hash of that.
    pub sha256: Hash,
}

/// A profile that was loaded.
#[derive(Debug, Serialize)]
pub struct Profile {
    /// The run that it is for.
    pub run: String,
    /// Its name.
    pub name: String,
    /// Where it was read from.
    pub file: String,
    /// SHA-256 of the compiled profile.
    pub sha256: String,
    /// SHA-256 of the file's text.
    pub text_sha256: Hash,
}

/// A run.
#[derive(Debug, Serialize)]
pub struct Enrol {
    /// Names it, in all lines about it.
    pub run: String,
    /// Version of the enforcer.
    pub enforcer: &'static str,
    /// `enforce` or `audit`.
    pub mode: &'static str,
    /// Who called the enforcer, and whom COMMAND runs as.
    pub user: User,
    /// COMMAND and its arguments, with what looks like a secret hidden.
    pub command: Vec<Text>,
    /// Whether arguments are left out, because there are so many.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub command_cut: bool,
    /// The file that is executed.
    pub executable: Text,
    /// What the profile's variables stand for.
    pub variables: BTreeMap<String, Text>,
}

/// A run that did not begin.
#[derive(Debug, Serialize)]
pub struct Refused {
    /// Which.
    pub run: String,
    /// Why.
    pub why: String,
}

/// An exception that was used: the first time for this exception, package, action and target.
#[derive(Debug, Serialize)]
pub struct Exception {
    /// The run.
    pub run: String,
    /// The exception.
    pub id: String,
    /// Its file and line.
    pub place: String,
    /// What was done.
    pub action: &'static str,
    /// To what.
    pub target: Target,
    /// The stage of the process.
    pub stage: String,
    /// The process.
    pub pid: u32,
    /// The package that it acted for, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<Package>,
}

/// A trip.
#[derive(Debug, Serialize)]
pub struct Trip {
    /// The run.
    pub run: String,
    /// The budget.
    pub budget: String,
    /// Whose attempt it was.
    pub who: String,
    /// What became of the run.
    pub answer: String,
}

/// What was decided in a run.
#[derive(Debug, Serialize)]
pub struct Verdicts {
    /// Which.
    pub run: String,
    /// The status that `enforcer` exits with.
    pub exit: u8,
    /// The signal that ended COMMAND.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<u8>,
    /// What the kernel counted; none if it could not be asked.
    #[serde(flatten)]
    pub counts: Option<Counts>,
    /// How often each exception was used, as far as events arrived.
    pub exceptions: BTreeMap<String, u64>,
    /// SHA-256 of the recording, as it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording_sha256: Option<Hash>,
}

/// What the kernel counted.
#[derive(Clone, Debug, Serialize)]
pub struct Counts {
    /// All verdicts.
    pub decisions: u64,
    /// Denials by action; in audit mode what would have been.
    pub denied: BTreeMap<String, u64>,
    /// What was spent of the profile's budgets.
    pub budgets: BTreeMap<String, Spent>,
    /// The budget that the run was tripped by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tripped: Option<String>,
    /// What was refused after that.
    pub refused_since: u64,
    /// Denials, and uses of exceptions, whose events were lost.
    pub lost_events: u64,
    /// Programs whose record was lost.
    pub lost_images: u64,
    /// Processes that were not created, because they could not be labelled.
    pub refused_forks: u64,
    /// Records that could not be decoded.
    pub malformed: u64,
    /// Tasks that outlived COMMAND.
    pub remaining_tasks: u64,
}

#[cfg(test)]
pub(super) mod samples {
    use super::*;

    pub(in crate::evidence) fn exception(number: u32) -> Entry {
        exception_with(format!("/srv/{number}"))
    }

    pub(in crate::evidence) fn exception_with(path: String) -> Entry {
        let target = Target { path: Some(Text::Utf8(path)), ..Target::default() };
        Entry::Exception(Box::new(Exception {
            run: "r".into(),
            id: "EX-1".into(),
            place: "p.yaml:7".into(),
            action: "read",
            target,
            stage: "script".into(),
            pid: 1,
            package: None,
        }))
    }
}
