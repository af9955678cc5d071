// SPDX-License-Identifier: MIT OR Apache-2.0

//! A profile as it is written: what `decode` makes of the tree, before globs and addresses are looked into.

use std::sync::Arc;

use enforcer_common::{Budget, Kind};

use super::{
    date::Date,
    error::{Span, Text},
    select::Select,
};

/// The version of the profile language.
pub const LANGUAGE: i64 = 1;

/// Something written, and its place.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    /// Where.
    pub(super) span: Span,
    /// What.
    pub(super) value: T,
}

/// Whether denials are made or only reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Denials are made.
    #[default]
    Enforce,
    /// Denials are reported, nothing is refused.
    Audit,
}

impl Mode {
    /// The word in profiles and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Audit => "audit",
        }
    }
}

/// How much a run may do before it is tripped; by [`Budget`], what has no limit is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budgets(pub [Option<u64>; Budget::ALL.len()]);

/// What happens to a process whose action is denied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDenial {
    /// The action fails with EPERM.
    #[default]
    Errno,
    /// The process is killed.
    Kill,
}

/// What happens to a run that is over one of its budgets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnTrip {
    /// All of its processes are killed.
    #[default]
    KillTree,
    /// They are stopped where they are, for whoever investigates.
    Freeze,
}

/// What is asked of connections to hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// They must begin with a TLS hello that asks for a name which led there.
    pub sni: bool,
    /// That hello may have an encrypted one within.
    pub ech: bool,
}

/// What is done beyond denying.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Respond {
    /// To a denial.
    pub denial: OnDenial,
    /// To a trip.
    pub trip: OnTrip,
}

/// What a rule says of what it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// It may go ahead, unless a deny rule matches.
    Allow,
    /// It may not, unless an except rule matches.
    Deny,
    /// No deny rule applies.
    Except,
}

impl Effect {
    /// The key in profiles.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Except => "except",
        }
    }
}

/// A profile as written.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// Its name.
    pub(super) name: String,
    /// Who answers for it; empty if it is not said.
    pub(super) owner: String,
    /// What it is for; empty if it is not said.
    pub(super) description: String,
    /// Enforce or audit.
    pub(super) mode: Option<Mode>,
    /// The profile that it is built on.
    pub(super) extends: Option<At<String>>,
    /// What the service enrols.
    pub(super) select: Vec<Select>,
    /// The stages, in written order.
    pub(super) stages: Vec<Stage>,
    /// The rules of all stages, in written order.
    pub(super) rules: Vec<Rule>,
    /// The labels, in written order.
    pub(super) labels: Vec<Label>,
    /// The exceptions, in written order.
    pub(super) exceptions: Vec<Exception>,
    /// The run's budgets.
    pub(super) budgets: Budgets,
    /// What is done to who is denied something.
    pub(super) on_denial: Option<OnDenial>,
    /// What is done to a run that is tripped.
    pub(super) on_trip: Option<OnTrip>,
    /// Whether the names in TLS hellos are checked.
    pub(super) sni: Option<bool>,
    /// Whether they may have an encrypted hello within.
    pub(super) ech: Option<bool>,
}

/// What the rules below `network` are about; its `default` is for all of these.
pub const NETWORK: [Kind; 4] = [Kind::Connect, Kind::Unix, Kind::Listen, Kind::Socket];

/// A stage as written, without its rules.
#[derive(Debug)]
pub(super) struct Stage {
    /// The text that it is in.
    pub(super) source: Arc<Text>,
    /// Its name.
    pub(super) name: At<String>,
    /// Whether it allows what no rule names, by kind, where it says so.
    pub(super) defaults: [Option<bool>; Kind::ALL.len()],
}

impl Stage {
    /// Whether it allows what no rule of this kind names. The language's default: reading, and nothing else.
    pub(super) fn default_allows(&self, kind: Kind) -> bool {
        // Arguments are a part of an exec.
        let kind = if kind == Kind::Argv { Kind::Exec } else { kind };
        self.defaults[kind as usize].unwrap_or(kind == Kind::Read)
    }
}

/// A label as written.
#[derive(Debug)]
pub(super) struct Label {
    /// The text that it is in.
    pub(super) source: Arc<Text>,
    /// Its name.
    pub(super) name: At<String>,
    /// The globs of the paths that it stands for.
    pub(super) globs: Vec<At<String>>,
}

/// An exception as written.
#[derive(Debug)]
pub(super) struct Exception {
    /// Its name.
    pub(super) id: At<String>,
    /// The name of its stage.
    pub(super) stage: At<String>,
    /// What it allows, as an allow rule of the first stage.
    pub(super) rule: Rule,
    /// Why it is there.
    pub(super) reason: String,
    /// Who answers for it.
    pub(super) owner: String,
    /// The day from which it no longer applies.
    pub(super) expires: Date,
}

/// A rule as written.
#[derive(Debug)]
pub(super) struct Rule {
    /// The text that it is in.
    pub(super) source: Arc<Text>,
    /// Index of its stage.
    pub(super) stage: u8,
    /// What it is about.
    pub(super) kind: Kind,
    /// What it says.
    pub(super) effect: Effect,
    /// Where it is.
    pub(super) span: Span,
    /// What it matches.
    pub(super) target: Target,
}

impl Rule {
    /// What messages about the rule underline.
    pub(super) fn place(&self) -> Span {
        match &self.target {
            Target::Glob { glob: named, .. }
            | Target::Label(named)
            | Target::Net { address: Some(named), .. }
            | Target::Net { host: Some(named), .. }
            | Target::Unix(named)
            | Target::Listen { address: named, .. }
            | Target::Socket(named) => named.span,
            Target::Types(_) | Target::Net { .. } => self.span,
        }
    }
}

/// What a rule matches.
#[derive(Debug)]
pub(super) enum Target {
    /// Paths.
    Glob {
        /// The glob, the name of a program or `@set`.
        glob: At<String>,
        /// Globs for the arguments of an exec; `None` if the rule is not about them.
        args: Option<At<Vec<At<String>>>>,
        /// The stage that an exec leads to.
        leads_to: Option<At<String>>,
        /// Whether that stage may allow what the one that is left does not.
        widen: bool,
    },
    /// Files whose names end so.
    Types(Vec<At<String>>),
    /// The paths of a label.
    Label(At<String>),
    /// Addresses.
    Net {
        /// The address, the block or `any`.
        address: Option<At<String>>,
        /// The host.
        host: Option<At<String>>,
        /// The ports; `None` is all of them.
        ports: Option<At<Vec<At<String>>>>,
        /// The protocol; `None` is TCP and UDP.
        protocol: Option<At<String>>,
        /// Whether the host may have addresses of a private network.
        private: bool,
        /// Whether TLS is spoken there.
        tls: bool,
    },
    /// Local sockets: a glob for the paths that they are bound to, or `@` and a glob for abstract names.
    Unix(At<String>),
    /// Addresses of this machine.
    Listen {
        /// The address, the block or `any`.
        address: At<String>,
        /// The ports; `None` is all of them.
        ports: Option<At<Vec<At<String>>>>,
        /// The protocol; `None` is TCP and UDP.
        protocol: Option<At<String>>,
    },
    /// Sockets that are made, by their name in [`super::sockets`].
    Socket(At<String>),
}

impl Target {
    /// What a network rule with this target is about.
    pub(super) const fn network_kind(&self) -> Kind {
        match self {
            Self::Unix(_) => Kind::Unix,
            Self::Listen { .. } => Kind::Listen,
            Self::Socket(_) => Kind::Socket,
            _ => Kind::Connect,
        }
    }

    /// A glob that leads nowhere.
    pub(super) fn path(glob: At<String>) -> Self {
        Self::Glob { glob, args: None, leads_to: None, widen: false }
    }

    /// The rule as it is written, on one line.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Glob { glob, args: None, leads_to: None, .. } => glob.value.clone(),
            Self::Glob { glob, args, leads_to, widen } => {
                let args =
                    args.as_ref().map_or(String::new(), |args| format!(", args: [{}]", quoted(&args.value)));
                let stage =
                    leads_to.as_ref().map_or(String::new(), |stage| format!(", stage: {}", stage.value));
                let widen = if *widen { ", widen: true" } else { "" };
                format!("{{ path: \"{}\"{args}{stage}{widen} }}", glob.value)
            }
            Self::Types(types) => match &types[..] {
                [one] => format!("{{ type: \"{}\" }}", one.value),
                all => format!("{{ types: [{}] }}", quoted(all)),
            },
            Self::Label(label) => format!("{{ label: {} }}", label.value),
            Self::Net { address, host, ports, protocol, private, tls } => {
                let address = address.iter().map(|address| format!("address: {}", address.value));
                let host = host.iter().map(|host| format!("host: \"{}\"", host.value));
                destination(address.chain(host), ports.as_ref(), protocol.as_ref(), [*private, !*tls])
            }
            Self::Unix(glob) => format!("{{ unix: \"{}\" }}", glob.value),
            Self::Listen { address, ports, protocol } => {
                let address = format!("listen: {}", address.value);
                destination([address].into_iter(), ports.as_ref(), protocol.as_ref(), [false; 2])
            }
            Self::Socket(name) => format!("{{ socket: {} }}", name.value),
        }
    }
}

/// Items of a list, each in quotes.
fn quoted(items: &[At<String>]) -> String {
    let list: Vec<_> = items.iter().map(|one| format!("\"{}\"", one.value)).collect();
    list.join(", ")
}

/// A rule for addresses or hosts on one line.
fn destination(
    named: impl Iterator<Item = String>,
    ports: Option<&At<Vec<At<String>>>>,
    protocol: Option<&At<String>>,
    [private, plain]: [bool; 2],
) -> String {
    let ports = ports.map(|ports| {
        let list: Vec<_> = ports.value.iter().map(|p| p.value.as_str()).collect();
        format!("ports: [{}]", list.join(", "))
    });
    let protocol = protocol.map(|protocol| format!("protocol: {}", protocol.value));
    let private = private.then(|| "private: true".to_owned());
    let plain = plain.then(|| "tls: false".to_owned());
    let parts: Vec<_> = named.chain(ports).chain(protocol).chain(private).chain(plain).collect();
    format!("{{ {} }}", parts.join(", "))
}
