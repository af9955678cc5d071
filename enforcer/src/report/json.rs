// SPDX-License-Identifier: MIT OR Apache-2.0

//! `--json`: the record of a run as JSON Lines.
//!
//! One object a line, told apart by `type`: a [`Header`], an [`Event`] for each denial and for each use of an exception as
//! it happens, a [`Trailer`]. A
//! file without a trailer was cut short. Text that is not UTF-8 is an object of a lossy and a lossless form, see
//! [`Text`]. Fields may be added in later versions; `schema` counts what is not compatible.

mod target;

use std::{
    borrow::Cow,
    collections::BTreeMap,
    ffi::OsStr,
    fs::File,
    io::{self, BufWriter, Write},
    os::unix::ffi::OsStrExt as _,
};

use enforcer_common::{Budget, run::Counters};
use serde::{Deserialize, Serialize};

pub use target::{Address, Socket, Target};

use super::{Legend, host::Host};
use crate::profile::Budgets;

/// The version of these objects.
pub const SCHEMA: u32 = 1;

/// A line.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Line {
    /// The first.
    Header(Box<Header>),
    /// One for each denial.
    Event(Box<Event>),
    /// The last.
    Trailer(Trailer),
}

/// Bytes that are text most of the time: a string, or `{"lossy": "…", "hex": "…"}` if they are not UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Text {
    /// It is text.
    Utf8(String),
    /// It is not.
    Bytes {
        /// With U+FFFD for what is not UTF-8.
        lossy: String,
        /// Every byte, in hexadecimal.
        hex: String,
    },
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Utf8(text.to_owned()),
            Err(_) => Self::Bytes {
                lossy: String::from_utf8_lossy(bytes).into_owned(),
                hex: bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            },
        }
    }
}

impl Text {
    /// The text, with U+FFFD for what is none.
    #[must_use]
    pub fn lossy(&self) -> &str {
        match self {
            Self::Utf8(text) | Self::Bytes { lossy: text, .. } => text,
        }
    }

    /// The bytes; none if they are not what they should be.
    #[must_use]
    pub fn bytes(&self) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Utf8(text) => Some(Cow::Borrowed(text.as_bytes())),
            Self::Bytes { hex, .. } => bytes_of(hex).map(Cow::Owned),
        }
    }
}

/// The bytes that hexadecimal digits stand for.
#[must_use]
pub fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16).map(|digit| digit as u8);
    let pair = |pair: &[u8]| match *pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    hex.as_bytes().chunks(2).map(pair).collect()
}

impl From<&OsStr> for Text {
    fn from(text: &OsStr) -> Self {
        text.as_bytes().into()
    }
}

/// The run.
#[derive(Debug, Serialize)]
pub struct Header {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Version of the enforcer.
    pub enforcer: &'static str,
    /// When COMMAND was about to start: RFC 3339, UTC.
    pub started: String,
    /// `enforce` or `audit`.
    pub mode: &'static str,
    /// Whether connections to hosts must ask by TLS for a name that led there.
    pub sni: bool,
    /// The profile.
    pub profile: Profile,
    /// COMMAND and its arguments, as typed.
    pub command: Vec<Text>,
    /// The file that was executed.
    pub executable: Text,
    /// The user that it ran as.
    pub user: User,
    /// The values of the profile's variables.
    pub variables: Vec<Variable>,
    /// The kernel.
    pub host: Host,
}

/// The profile that was enforced.
#[derive(Debug, Serialize)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// Where it was read from.
    pub file: String,
    /// SHA-256 of the compiled profile.
    pub sha256: String,
}

impl From<&Legend> for Profile {
    fn from(legend: &Legend) -> Self {
        Self { name: legend.name.clone(), file: legend.file.clone(), sha256: legend.digest.clone() }
    }
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Login name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A variable of the profile.
#[derive(Debug, Serialize)]
pub struct Variable {
    /// As profiles write it.
    pub name: String,
    /// Its value in this run.
    pub value: Text,
}

/// A denial.
#[derive(Debug, Serialize)]
pub struct Event {
    /// Counts from 1. A gap cannot occur: what the ring buffer lost was never numbered, see [`Trailer::lost_events`].
    pub seq: u64,
    /// When: RFC 3339, UTC.
    pub time: String,
    /// Nanoseconds since boot, as the kernel had it.
    pub boottime_ns: u64,
    /// `deny`, `would-deny` in audit mode, or `allow` when an exception was used.
    pub verdict: &'static str,
    /// What was attempted: `exec`, `read`, `write`, `connect`, `unix`, `listen`, `socket` or `resolve`.
    pub action: &'static str,
    /// What it was aimed at: those of its keys that are for the action.
    #[serde(flatten)]
    pub target: Target,
    /// The stage of the process.
    pub stage: String,
    /// Why: `rule`, `default`, `unresolved`, `too-long`, `no-scratch`, `family`, `budget` or `no-run`.
    pub reason: &'static str,
    /// The same for people: with the file and line of the rule, or of where a rule would be added.
    pub explanation: String,
    /// The rule, if one decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Rule>,
    /// Whether it is known for whom the process acted: `package`, `outside` any package, or `unknown`.
    pub attribution: &'static str,
    /// The package, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<Package>,
    /// The process.
    pub process: Process,
}

/// A rule of the profile.
#[derive(Debug, Serialize)]
pub struct Rule {
    /// Its number.
    pub number: u16,
    /// Its file and line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// As it is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The id of the exception that it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exception: Option<String>,
}

/// A package.
#[derive(Debug, Serialize)]
pub struct Package {
    /// Its name.
    pub name: Text,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Text>,
    /// The lifecycle script.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script: Option<Text>,
    /// The directory that it is installed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Text>,
}

/// A process.
#[derive(Debug, Serialize)]
pub struct Process {
    /// Its id, in the initial pid namespace.
    pub pid: u32,
    /// The thread's.
    pub tid: u32,
    /// Its program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exe: Option<Text>,
    /// Its arguments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub argv: Vec<Text>,
    /// Whether `argv` was cut.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub argv_cut: bool,
    /// The programs that it descends from, the nearest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ancestors: Vec<Text>,
}

/// How it ended.
#[derive(Debug, Serialize)]
pub struct Trailer {
    /// When COMMAND ended: RFC 3339, UTC.
    pub ended: String,
    /// The status that `enforcer` exits with.
    pub exit: u8,
    /// The signal that ended COMMAND.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<u8>,
    /// Denials by action, as the kernel counted them: those whose events were lost are among them.
    pub denied: Denied,
    /// All verdicts.
    pub decisions: u64,
    /// Denials that have no event here, because the ring buffer was full.
    pub lost_events: u64,
    /// Programs whose record was lost; events of theirs have no package.
    pub lost_images: u64,
    /// Processes that were not created, because they could not be labelled.
    pub refused_forks: u64,
    /// Records that could not be decoded.
    pub malformed: u64,
    /// Tasks that outlived COMMAND. They stay enforced, and what they are denied is not recorded here.
    pub remaining_tasks: u64,
    /// What was spent of the profile's budgets.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub budgets: BTreeMap<String, Spent>,
    /// The budget that the run was tripped by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tripped: Option<&'static str>,
    /// What was attempted, and refused, after that; there are no events of it.
    #[serde(skip_serializing_if = "is_zero")]
    pub refused_since: u64,
}

/// A budget and what was spent of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// What was spent: more than the limit if that was exceeded.
    pub spent: u64,
    /// The limit.
    pub limit: u64,
}

/// What was spent of the budgets that have a limit.
#[must_use]
pub fn spent(counters: &Counters, budgets: &Budgets) -> BTreeMap<String, Spent> {
    let spent = |&budget: &Budget| {
        let (spent, limit) = (counters.spent[budget as usize], budgets.0[budget as usize]?);
        Some((budget.name().to_owned(), Spent { spent, limit }))
    };
    Budget::ALL.iter().filter_map(spent).collect()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Denials by action.
#[derive(Debug, Default, Serialize)]
pub struct Denied {
    /// Programs.
    pub exec: u64,
    /// Files opened for reading.
    pub read: u64,
    /// Files opened for writing.
    pub write: u64,
    /// Addresses.
    pub connect: u64,
    /// Local sockets.
    pub unix: u64,
    /// Addresses of this machine.
    pub listen: u64,
    /// Sockets that were to be made.
    pub socket: u64,
}

/// Writes the record. The first error ends the writing, and is kept.
#[derive(Debug)]
pub struct Writer<W: Write = File> {
    out: BufWriter<W>,
    failed: Option<io::Error>,
}

impl<W: Write> Writer<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out: BufWriter::new(out), failed: None }
    }

    /// Writes a line.
    pub fn write(&mut self, line: &Line) {
        if self.failed.is_some() {
            return;
        }
        let written = serde_json::to_writer(&mut self.out, line)
            .map_err(io::Error::from)
            .and_then(|()| self.out.write_all(b"\n"));
        self.failed = written.err();
    }

    /// Hands what was written to the kernel: called whenever there is a pause. Returns the error that ended the
    /// writing, once.
    pub fn flush(&mut self) -> Option<&io::Error> {
        if self.failed.is_some() {
            return None;
        }
        self.failed = self.out.flush().err();
        self.failed.as_ref()
    }

    /// The error that ended the writing.
    pub fn error(&self) -> Option<&io::Error> {
        self.failed.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_lossless() {
        let json = |bytes: &[u8]| serde_json::to_string(&Text::from(bytes)).unwrap();
        assert_eq!(json(b"/a\n\x1b"), r#""/a\n\u001b""#);
        assert_eq!(json(b"/\xff"), "{\"lossy\":\"/\u{fffd}\",\"hex\":\"2fff\"}");
    }

    /// An event without anything optional.
    fn event() -> Event {
        Event {
            seq: 1,
            time: "2026-03-31T00:00:01.000000005Z".into(),
            boottime_ns: 5,
            verdict: "deny",
            action: "read",
            target: Target::default(),
            stage: "script".into(),
            reason: "unresolved",
            explanation: "the kernel could not name the file".into(),
            rule: None,
            attribution: "unknown",
            package: None,
            process: Process { pid: 1, tid: 2, exe: None, argv: vec![], argv_cut: false, ancestors: vec![] },
        }
    }

    #[test]
    fn an_event_without_anything_optional() {
        let line = serde_json::to_string(&Line::Event(Box::new(event()))).unwrap();
        insta::assert_snapshot!(line, @r##"{"type":"event","seq":1,"time":"2026-03-31T00:00:01.000000005Z","boottime_ns":5,"verdict":"deny","action":"read","stage":"script","reason":"unresolved","explanation":"the kernel could not name the file","attribution":"unknown","process":{"pid":1,"tid":2}}"##);
    }

    #[test]
    fn a_full_disk_is_told_once_and_stops_nothing() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::Error::from(io::ErrorKind::StorageFull))
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut writer = Writer::new(Full);
        let long = Line::Event(Box::new(Event { stage: "x".repeat(1 << 16), ..event() }));
        writer.write(&long);
        assert_eq!(writer.error().map(io::Error::kind), Some(io::ErrorKind::StorageFull));
        writer.write(&long);
        assert!(writer.flush().is_none());
    }
}
