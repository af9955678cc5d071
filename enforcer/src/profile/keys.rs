// SPDX-License-Identifier: MIT OR Apache-2.0

//! The keys of the language, in one place: `decode` reads profiles by them, `schema` tells editors of them.

use enforcer_common::{Budget, budget::FILES_MAX};

use super::{
    document::{Mode, OnDenial, OnTrip},
    sockets,
};

/// A map with keys that the language gives.
#[derive(Debug)]
pub(super) struct Shape {
    /// The keys.
    pub(super) fields: &'static [Field],
    /// Those that must be there.
    pub(super) required: &'static [&'static str],
    /// Of these, exactly one must be there.
    pub(super) one_of: &'static [&'static str],
}

impl Shape {
    /// A map whose keys may all be left out.
    const fn new(fields: &'static [Field]) -> Self {
        Self { fields, required: &[], one_of: &[] }
    }

    /// The names of the keys.
    pub(super) fn names(&self) -> Vec<&'static str> {
        self.fields.iter().map(|field| field.name).collect()
    }

    /// What a key is for.
    pub(super) fn about(&self, name: &str) -> &'static str {
        self.fields.iter().find(|field| field.name == name).map_or("", |field| field.about)
    }
}

/// A key.
#[derive(Debug)]
pub(super) struct Field {
    /// Its name.
    pub(super) name: &'static str,
    /// What it is for, as the end of a sentence that begins with "add".
    pub(super) about: &'static str,
    /// What it takes.
    pub(super) takes: Takes,
}

/// A key, what it is for and what it takes.
const fn field(name: &'static str, about: &'static str, takes: Takes) -> Field {
    Field { name, about, takes }
}

/// What a key takes.
#[derive(Debug)]
pub(super) enum Takes {
    /// The version of the language.
    Version,
    /// Text that is not empty.
    Text,
    /// A name.
    Name,
    /// A day.
    Date,
    /// True or false.
    Truth,
    /// A whole number between these, both included.
    Number(u64, u64),
    /// One of some words.
    Word(fn() -> Vec<&'static str>),
    /// Any number of these; at least one if the flag says so.
    List(&'static Takes, bool),
    /// A map with the language's keys.
    Map(&'static Shape),
    /// A map with keys that the profile chooses.
    Named(&'static Takes),
    /// One of these.
    Either(&'static [Takes]),
}

/// Words and what they mean.
pub(super) type Words<T> = &'static [(&'static str, T)];

/// The words alone.
pub(super) fn words<T>(words: Words<T>) -> Vec<&'static str> {
    words.iter().map(|(word, _)| *word).collect()
}

/// `mode`.
pub(super) const MODE: Words<Mode> = &[("enforce", Mode::Enforce), ("audit", Mode::Audit)];
/// `default`: whether what no rule names is allowed.
pub(super) const DEFAULT: Words<bool> = &[("allow", true), ("deny", false)];
/// `respond.denial`.
pub(super) const ON_DENIAL: Words<OnDenial> = &[("errno", OnDenial::Errno), ("kill", OnDenial::Kill)];
/// `respond.trip`.
pub(super) const ON_TRIP: Words<OnTrip> = &[("kill-tree", OnTrip::KillTree), ("freeze", OnTrip::Freeze)];
/// `tls.sni`.
pub(super) const SNI: Words<bool> = &[("ignored", false), ("required", true)];
/// `tls.ech`.
pub(super) const ECH: Words<bool> = &[("deny", false), ("allow", true)];
/// `protocol`. What the words mean is `address`'s matter.
pub(super) const PROTOCOL: Words<()> = &[("tcp", ()), ("udp", ())];
/// The highest number of what is not files.
pub(super) const COUNT_MAX: u64 = i64::MAX as u64;

/// The highest limit of a budget.
pub(super) const fn budget_max(budget: Budget) -> u64 {
    match budget {
        Budget::FilesRead | Budget::FilesWritten => FILES_MAX,
        Budget::Processes | Budget::Connections | Budget::Denials => COUNT_MAX,
    }
}

/// The highest user id.
pub(super) const UID_MAX: u64 = u32::MAX as u64 - 1;

const DEFAULTS: Takes = Takes::Word(|| words(DEFAULT));

/// A profile. Without `extends`, `owner` and `stages` are required too.
pub(super) static PROFILE: Shape = Shape {
    fields: &[
        field("version", "the version of the language: `version: 1`", Takes::Version),
        field("name", "the name that reports use", Takes::Name),
        field("owner", "who answers for it, such as a team's address", Takes::Text),
        field("description", "what it is for", Takes::Text),
        field("mode", "whether denials are made or only reported", Takes::Word(|| words(MODE))),
        field(
            "extends",
            "the profile that this one is built on: its name, or the path of a file",
            Takes::Text,
        ),
        field(
            "select",
            "which commands the service holds to this profile",
            Takes::List(&Takes::Map(&SELECT), false),
        ),
        field(
            "stages",
            "at least one stage; the first is the one that the command starts in",
            Takes::Named(&Takes::Map(&STAGE)),
        ),
        field(
            "classify",
            "labels and the paths that they stand for",
            Takes::Named(&Takes::List(&Takes::Text, true)),
        ),
        field("budgets", "how much a run may do before it is tripped", Takes::Map(&BUDGETS)),
        field("respond", "what is done beyond denying", Takes::Map(&RESPOND)),
        field("tls", "what is asked of connections to hosts", Takes::Map(&TLS)),
        field(
            "exceptions",
            "what is allowed until a day, and who answers for that",
            Takes::List(&Takes::Map(&EXCEPTION), false),
        ),
    ],
    required: &["version", "name"],
    one_of: &[],
};

/// What a profile that extends no other must have too.
pub(super) const REQUIRED_ALONE: &[&str] = &["owner", "stages"];

/// A stage.
pub(super) static STAGE: Shape = Shape::new(&[
    field("exec", "what may be executed", Takes::Map(&EXEC_RULES)),
    field("network", "what may be reached", Takes::Map(&NETWORK_RULES)),
    field("files", "what may be read and written", Takes::Map(&FILES)),
]);

/// The rules for executing.
pub(super) static EXEC_RULES: Shape = Shape::new(&[
    field("default", "what happens to what no rule names", DEFAULTS),
    field("allow", "what may be executed", PROGRAMS),
    field("deny", "what may not, although it is allowed", PROGRAMS),
    field("except", "what no deny rule is about", PROGRAMS),
]);
const PROGRAMS: Takes = Takes::List(&Takes::Either(&[Takes::Text, Takes::Map(&EXEC)]), false);

/// An exec rule that is a map.
pub(super) static EXEC: Shape = Shape {
    fields: &[
        field("path", "`path: \"…\"`: a glob, the name of a program or `@set`", Takes::Text),
        field(
            "args",
            "globs for the arguments, one for each; `**` is any number of them",
            Takes::List(&Takes::Text, false),
        ),
        field("stage", "the stage that the process goes to", Takes::Text),
        field("widen", "whether that stage may allow what this one does not", Takes::Truth),
    ],
    required: &["path"],
    one_of: &[],
};

/// The rules for the network.
pub(super) static NETWORK_RULES: Shape = Shape::new(&[
    field("default", "what happens to what no rule names", DEFAULTS),
    field("allow", "what may be reached", Takes::List(&Takes::Map(&DESTINATION), false)),
    field("deny", "what may not, although it is allowed", Takes::List(&Takes::Map(&DESTINATION), false)),
]);

/// A network rule.
pub(super) static DESTINATION: Shape = Shape {
    fields: &[
        field("address", "an address, a CIDR block or `any`", Takes::Text),
        field(
            "host",
            "a host: a name, `*.` and a name, or a variable such as `${npm.registry}`",
            Takes::Text,
        ),
        field(
            "unix",
            "a glob for the path of a local socket, or `@` and one for an abstract name",
            Takes::Text,
        ),
        field("listen", "an address of this machine that may be taken, a CIDR block or `any`", Takes::Text),
        field("socket", "a socket that may be made", Takes::Word(sockets::names)),
        field("ports", "ports and ranges of ports", Takes::List(&PORT, true)),
        field("protocol", "one protocol instead of both", Takes::Word(|| words(PROTOCOL))),
        field(
            "private",
            "beside `host`: whether the name may lead to loopback, link-local and private addresses",
            Takes::Truth,
        ),
        field(
            "tls",
            "beside `host`: `false` if something else is spoken there, which `tls.sni` is not asked of",
            Takes::Truth,
        ),
    ],
    required: &[],
    one_of: &["address", "host", "unix", "listen", "socket"],
};
const PORT: Takes = Takes::Either(&[Takes::Number(1, 65535), Takes::Text]);

/// `files`.
pub(super) static FILES: Shape = Shape::new(&[
    field("read", "what may be read", Takes::Map(&FILE_RULES)),
    field("write", "what may be written", Takes::Map(&FILE_RULES)),
]);

/// The rules for reading or writing.
pub(super) static FILE_RULES: Shape = Shape::new(&[
    field("default", "what happens to what no rule names", DEFAULTS),
    field("allow", "what may be opened", PATHS),
    field("deny", "what may not, although it is allowed", PATHS),
    field("except", "what no deny rule is about", PATHS),
]);
const PATHS: Takes = Takes::List(&Takes::Either(&[Takes::Text, Takes::Map(&FILE)]), false);

/// A rule for files that is a map.
pub(super) static FILE: Shape = Shape {
    fields: &[
        field("type", "how the names of files end", Takes::Text),
        field("types", "how the names of files end", Takes::List(&Takes::Text, true)),
        field("label", "a label of `classify`", Takes::Text),
    ],
    required: &[],
    one_of: &["type", "types", "label"],
};

/// `budgets`.
pub(super) static BUDGETS: Shape = Shape::new(&[
    budget(Budget::Processes, "processes that may be started"),
    budget(Budget::FilesRead, "different files that may be opened for reading"),
    budget(Budget::FilesWritten, "different files that may be opened for writing"),
    budget(Budget::Connections, "connections that may be made"),
    budget(Budget::Denials, "denials that are borne"),
]);

const fn budget(budget: Budget, about: &'static str) -> Field {
    field(budget.name(), about, Takes::Number(1, budget_max(budget)))
}

/// `respond`.
pub(super) static RESPOND: Shape = Shape::new(&[
    field("denial", "what happens to a process whose action is denied", Takes::Word(|| words(ON_DENIAL))),
    field("trip", "what happens to a run over its budget", Takes::Word(|| words(ON_TRIP))),
]);

/// `tls`.
pub(super) static TLS: Shape = Shape::new(&[
    field("sni", "whether the name in a TLS hello must have led to its address", Takes::Word(|| words(SNI))),
    field("ech", "whether a TLS hello may have an encrypted one within", Takes::Word(|| words(ECH))),
]);

/// An exception.
pub(super) static EXCEPTION: Shape = Shape {
    fields: &[
        field("id", "the name that records use for it", Takes::Name),
        field("stage", "the stage that it is for", Takes::Text),
        field("network", "what may be reached", Takes::Map(&DESTINATION)),
        field("read", "what may be read", Takes::Text),
        field("write", "what may be written", Takes::Text),
        field("exec", "what may be executed", Takes::Text),
        field("reason", "why it is there", Takes::Text),
        field("owner", "who answers for it, such as a team's address", Takes::Text),
        field(
            "expires",
            "the day from which it no longer applies, such as `expires: 2027-01-31`",
            Takes::Date,
        ),
    ],
    required: &["id", "stage", "reason", "owner", "expires"],
    one_of: &["network", "read", "write", "exec"],
};

/// Which commands the service enrols.
pub(super) static SELECT: Shape = Shape::new(&[
    field(
        "argv",
        "globs for the command and its first arguments, options left out; `**` is any number of them, `$` at the end says that there are no more",
        Takes::List(&Takes::Text, true),
    ),
    field("exe", "a glob for the program", Takes::Text),
    field("uid", "the user: a number or a name", Takes::Either(&[Takes::Number(0, UID_MAX), Takes::Name])),
    field("cwd", "a glob for the working directory", Takes::Text),
    field("cgroup", "a glob for the control group", Takes::Text),
    field("unit", "a glob for the name of the systemd unit", Takes::Text),
    field("env", "variables of the environment, and globs for their values", Takes::Named(&Takes::Text)),
]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_budget_has_a_key() {
        let names: Vec<_> = Budget::ALL.iter().map(|budget| budget.name()).collect();
        assert_eq!(BUDGETS.names(), names);
    }
}
