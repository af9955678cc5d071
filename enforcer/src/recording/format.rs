// SPDX-License-Identifier: MIT OR Apache-2.0

//! The lines of a recording.
//!
//! One object a line, told apart by `type`: a [`Header`]; then, in the order in which the agent learnt of them, an
//! [`Image`] for each program that was executed, a [`Led`] for each address that a name led to, an [`Event`] for each
//! decision; and a [`Trailer`]. An image stands behind the events of the exec that loaded it and before its own. What a
//! line names by number was named before. Fields may be added in later versions; [`VERSION`] counts what is not compatible,
//! new types of lines among it.

use std::{borrow::Cow, collections::BTreeMap, net::IpAddr};

use serde::{Deserialize, Serialize};

use crate::report::{
    host::Host,
    json::{Spent, Text, User},
};

/// The version of these lines.
pub const VERSION: u32 = 1;

/// A line, as it is written.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Line<'a> {
    /// The first.
    Recording(&'a Header),
    /// A program.
    Image(&'a Image),
    /// Where a name led.
    Led(&'a Led),
    /// A decision.
    Event(&'a Event<'a>),
    /// The last.
    Trailer(&'a Trailer),
}

/// The run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`VERSION`].
    pub version: u32,
    /// Version of the enforcer.
    pub enforcer: String,
    /// When COMMAND was about to start: RFC 3339, UTC.
    pub started: String,
    /// The same in nanoseconds since boot. The lines count from here.
    pub boottime_ns: u64,
    /// `enforce` or `audit`.
    pub mode: String,
    /// COMMAND and its arguments, as typed.
    pub command: Vec<Text>,
    /// The file that was executed.
    pub executable: Text,
    /// Whether what looks like a secret was masked in arguments.
    pub masked: bool,
    /// The user that it ran as.
    pub user: User,
    /// The kernel.
    pub host: Host,
    /// The hooks that were attached.
    pub hooks: Vec<String>,
    /// The profile.
    pub profile: Profile,
    /// The values of the profile's variables.
    pub variables: Vec<Variable>,
    /// What `${npm.registry}` and the like stood for.
    pub registries: Vec<Registry>,
    /// The system's file of hosts.
    pub hosts: Vec<(String, IpAddr)>,
    /// What had been counted by the time that this one begins, if a service that ended had the run before and left a recording of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<Before>,
}

/// What the kernel had counted of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// Decisions.
    pub decisions: u64,
    /// Events that found no room, and are in no recording.
    pub lost_events: u64,
    /// The same of programs.
    pub lost_images: u64,
}

/// The profile that decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// Where it was read from.
    pub file: String,
    /// SHA-256 of the compiled profile.
    pub sha256: String,
    /// The text of the file. What it extends is not in it.
    pub text: String,
    /// The stages, by number.
    pub stages: Vec<String>,
    /// The rules, by number from 1: file and line, and the rule as it is written.
    pub rules: Vec<(String, String)>,
}

/// A variable of the profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variable {
    /// As profiles write it.
    pub name: String,
    /// Its value in this run.
    pub value: Text,
}

/// A registry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Registry {
    /// As profiles write it.
    pub name: String,
    /// A name or an address, as in a URL.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// A program that was executed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// Its number: from 1, without a gap.
    pub id: u32,
    /// The image that executed it; none for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u32>,
    /// Nanoseconds since the start.
    pub t: i64,
    /// The process, as the initial pid namespace numbers it.
    pub pid: u32,
    /// The stage that it was executed into.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stage: String,
    /// Its program; none if the kernel could not name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exe: Option<Text>,
    /// Its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub argv: Vec<Text>,
    /// Whether `argv` was cut.
    #[serde(default, skip_serializing_if = "is_false")]
    pub argv_cut: bool,
    /// For whom it acts: `package`, `outside` any package, or `unknown`.
    pub attribution: Cow<'static, str>,
    /// The package, if it is known. It stays that of whatever the program executes in turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Package>,
    /// Its record was lost: nothing of the above is known.
    #[serde(default, skip_serializing_if = "is_false")]
    pub lost: bool,
}

/// A package, as the package manager named it when the script started.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: Text,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Text>,
    /// The lifecycle script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<Text>,
    /// The directory that it is installed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Text>,
}

/// A name led to an address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Led {
    /// When: nanoseconds since the start.
    pub t: i64,
    /// The name that was asked for.
    pub name: String,
    /// The address.
    pub address: IpAddr,
    /// Until when the address was open for it, if it was; nanoseconds since the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
}

/// A decision.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Event<'a> {
    /// When: nanoseconds since the start.
    pub t: i64,
    /// The program whose process attempted it; names the package.
    pub image: u32,
    /// The process.
    pub pid: u32,
    /// The thread.
    pub tid: u32,
    /// What was attempted: `exec`, `read`, `write`, `connect`, `unix`, `listen`, `socket` or `resolve`.
    #[serde(borrow)]
    pub kind: Cow<'a, str>,
    /// The text that was judged: a path, a name, an endpoint (`t4c0000201:01bb` is TCP to 192.0.2.1:443), a socket
    /// (`02:1:0006` is family 2, type 1, protocol 6). With U+FFFD for what is not UTF-8.
    #[serde(borrow)]
    pub text: Cow<'a, str>,
    /// Every byte of it in hexadecimal, if it is not UTF-8.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub hex: Option<Cow<'a, str>>,
    /// Of an endpoint: as people write it.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Cow<'a, str>>,
    /// Of an endpoint: the name that led there.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Cow<'a, str>>,
    /// The stage of the process.
    #[serde(borrow)]
    pub stage: Cow<'a, str>,
    /// `allow`, `deny`, or in audit mode `would-deny`.
    #[serde(borrow)]
    pub verdict: Cow<'a, str>,
    /// Why: `rule`, `default`, `resolver`, `unresolved`, `too-long`, `no-scratch`, `family`, `private`, `route`, `budget` or
    /// `no-run`.
    #[serde(borrow)]
    pub reason: Cow<'a, str>,
    /// The rule that decided; of `budget` the number of the budget.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rule: u16,
    /// The exception that was used.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub exception: u16,
    /// Of an exec: how many checks of the same exec came before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub step: u16,
}

/// How it ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trailer {
    /// When COMMAND ended: RFC 3339, UTC.
    pub ended: String,
    /// The status that `enforcer` exits with.
    pub exit: u8,
    /// The signal that ended COMMAND.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<u8>,
    /// Events in this recording.
    pub events: u64,
    /// Programs in this recording.
    pub images: u64,
    /// Decisions that the kernel counted.
    pub decisions: u64,
    /// Denials by action, as the kernel counted them.
    pub denied: BTreeMap<String, u64>,
    /// Decisions that have no event here, because the ring buffer was full or the resolver could not tell them.
    pub lost_events: u64,
    /// Programs whose record was lost.
    pub lost_images: u64,
    /// Processes that were not created, because they could not be labelled.
    pub refused_forks: u64,
    /// Records that could not be decoded.
    pub malformed: u64,
    /// Tasks that outlived COMMAND. What they do is not recorded.
    pub remaining_tasks: u64,
    /// What was spent of the profile's budgets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub budgets: BTreeMap<String, Spent>,
    /// The budget that the run was tripped by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tripped: Option<String>,
    /// What was attempted, and refused, after that; there are no events of it.
    #[serde(default, skip_serializing_if = "is_zero_64")]
    pub refused_since: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(number: &u16) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero_64(number: &u64) -> bool {
    *number == 0
}
