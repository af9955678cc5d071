// SPDX-License-Identifier: MIT OR Apache-2.0

//! From a profile's text to what the kernel loads.

use std::{fmt, sync::Arc};

use enforcer_common::{
    Arguments, Budget, Decision, Kind, Reason,
    address::Protocol,
    anchor::Anchors,
    argv, decide,
    table::{STAY, Slices, Space as _, TEXT_MAX},
};
use sha2::{Digest, Sha256};

use super::{
    address::PortRange,
    date::Date,
    document::{Budgets, Document, Effect, Mode, Respond, Tls},
    edges,
    error::{Error, Text},
    exception::Exception,
    extends,
    host::Host,
    layout,
    lower::{Lowered, lower},
    select::Select,
    sets::Sets,
    variables::Variable,
};

/// A rule of a compiled profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its number, from 1, in the order of the file. What no line of the profile says, but the enforcer itself,
    /// comes last.
    pub number: u16,
    /// The stage that it belongs to.
    pub stage: u8,
    /// What it is about.
    pub kind: Kind,
    /// What it says.
    pub effect: Effect,
    /// The rule as it is written.
    pub text: String,
    /// The file, as messages name it.
    pub file: Arc<str>,
    /// The line, from 1; 0 for a rule of the enforcer's own.
    pub line: u32,
    /// The column, from 1; 0 for a rule of the enforcer's own.
    pub column: u32,
    /// The id of the exception that it comes from.
    pub exception: Option<String>,
    /// The stage that it leads to, if it names one.
    pub leads_to: Option<u8>,
    /// Whether that stage may allow what the one that is left does not.
    pub widen: bool,
    /// Whether it is about arguments, too.
    pub arguments: bool,
}

/// `npm-install.yaml:12`.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}", self.file),
        }
    }
}

/// A rule that allows a host. The table does not know it: the run's resolver answers for the host's name, and grants
/// the addresses that it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRule {
    /// The rule's number.
    pub rule: u16,
    /// The stage.
    pub stage: u8,
    /// The host.
    pub host: Host,
    /// The ports, at most [`super::address::HOST_PORTS_MAX`] together. None for [`Host::Registry`] means the port of
    /// the registry's URL.
    pub ports: Vec<PortRange>,
    /// The protocol; `None` is TCP and UDP.
    pub protocol: Option<Protocol>,
    /// Whether the name may lead to loopback, link-local and private addresses.
    pub private: bool,
    /// Whether TLS is spoken there.
    pub tls: bool,
    /// Whether it is an exception, whose every use is recorded.
    pub recorded: bool,
}

impl HostRule {
    /// Whether connections must ask by TLS for a name that led there.
    #[must_use]
    pub const fn asks_names(&self, tls: Tls) -> bool {
        tls.sni && self.tls
    }

    /// The protocols that it allows. Where names are asked for, QUIC is allowed only by its protocol: nobody looks into
    /// its hello, which is not sent in clear text.
    #[must_use]
    pub const fn protocols(&self, tls: Tls) -> &'static [Protocol] {
        match self.protocol {
            Some(Protocol::Udp) => &[Protocol::Udp],
            None if !self.asks_names(tls) => &[Protocol::Tcp, Protocol::Udp],
            _ => &[Protocol::Tcp],
        }
    }
}

/// A compiled profile.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// Its name.
    pub name: String,
    /// Who answers for it.
    pub owner: String,
    /// What it is for; may be empty.
    pub description: String,
    /// Whether denials are made.
    pub mode: Mode,
    /// Where it came from, as messages name it.
    pub source: Arc<str>,
    /// SHA-256 over everything that decides: table, names of stages, mode, rules as written, hosts, budgets, responses,
    /// variables. Comments, layout and the place of the file do not count, nor does what no longer applies.
    pub digest: [u8; 32],
    /// The words of the kernel's table, see [`enforcer_common::table`].
    pub table: Vec<u16>,
    /// States of its automaton.
    pub states: usize,
    /// The names of the stages; the first is the one that a run starts in.
    pub stages: Vec<String>,
    /// The rules, in the order of their numbers.
    pub rules: Vec<Rule>,
    /// The anchors in use: indices into [`Anchors`]. The first are those of [`super::glob::ANCHOR_NAMES`], the others
    /// those of `variables`.
    pub anchors: Vec<usize>,
    /// The rules that name hosts.
    pub hosts: Vec<HostRule>,
    /// How much a run may do before it is tripped.
    pub budgets: Budgets,
    /// What is done beyond denying.
    pub respond: Respond,
    /// What is asked of connections to hosts.
    pub tls: Tls,
    /// The variables of the environment in use.
    pub variables: Vec<Variable>,
    /// The exceptions, those among them that no longer apply.
    pub exceptions: Vec<Exception>,
    /// Which commands the service holds to it.
    pub select: Vec<Select>,
}

/// A profile that was read and looked into; its automata are not built yet.
#[derive(Debug)]
pub(super) struct Front {
    pub(super) document: Document,
    pub(super) lowered: Lowered,
}

impl Front {
    /// Reads a profile, with the exceptions that apply on a day.
    pub(super) fn new(source: &Arc<Text>, day: Date) -> Result<Self, Error> {
        let (document, mut problems) = extends::read(source)?;
        let sets = Sets::shipped()?;
        let lowered = lower(&document, &sets, day, &mut problems);
        if problems.is_empty() { Ok(Self { document, lowered }) } else { Err(Error::new(problems)) }
    }
}

impl Compiled {
    /// Compiles a profile, with the exceptions that apply today.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn new(source: &Arc<Text>) -> Result<Self, Error> {
        Self::on(source, Date::today())
    }

    /// Compiles a profile, with the exceptions that apply on a day.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn on(source: &Arc<Text>, day: Date) -> Result<Self, Error> {
        let front = Front::new(source, day)?;
        let compiled = Self::build(source, &front)?;
        if !edges::any_silent(&compiled) {
            return Ok(compiled);
        }
        // Exceptions say for themselves that they allow more, and until when. Nor does a profile become wrong on the day
        // that one ends.
        let lasting = match compiled.exceptions.iter().any(|exception| !exception.expired) {
            true => Some(Self::build(source, &Front::new(source, Date::MAX)?)?),
            false => None,
        };
        let widening = edges::widening(lasting.as_ref().unwrap_or(&compiled));
        let tell = |edge| front.lowered.widens(&front.document, edge);
        let problems: Vec<_> = widening.iter().filter_map(tell).collect();
        if problems.is_empty() { Ok(compiled) } else { Err(Error::new(problems)) }
    }

    /// Builds the table.
    fn build(source: &Arc<Text>, Front { document, lowered }: &Front) -> Result<Self, Error> {
        let mut problems = Vec::new();
        let table = layout::build(document.stages.len(), &lowered.automata)
            .map_err(|large| lowered.too_large(document, large))?;
        for &(rule, by) in &table.shadowed {
            problems.extend(lowered.shadowed(rule, by));
        }
        if !problems.is_empty() {
            return Err(Error::new(problems));
        }
        let mut compiled = Self {
            name: document.name.clone(),
            owner: document.owner.clone(),
            description: document.description.clone(),
            mode: document.mode.unwrap_or_default(),
            source: source.name().into(),
            digest: [0; 32],
            table: table.words,
            states: table.states,
            stages: document.stages.iter().map(|stage| stage.name.value.clone()).collect(),
            rules: lowered.rules.clone(),
            anchors: lowered.anchors.clone(),
            hosts: lowered.hosts.clone(),
            budgets: document.budgets,
            respond: Respond {
                denial: document.on_denial.unwrap_or_default(),
                trip: document.on_trip.unwrap_or_default(),
            },
            tls: Tls { sni: document.sni.unwrap_or_default(), ech: document.ech.unwrap_or_default() },
            variables: lowered.variables.clone(),
            exceptions: lowered.exceptions.clone(),
            select: document.select.clone(),
        };
        compiled.digest = compiled.hash();
        Ok(compiled)
    }

    /// The rule with this number.
    #[must_use]
    pub fn rule(&self, number: u16) -> Option<&Rule> {
        self.rules.get(usize::from(number).checked_sub(1)?)
    }

    /// The stage with this name.
    #[must_use]
    pub fn stage(&self, name: &str) -> Option<u8> {
        self.stages.iter().position(|stage| stage == name).and_then(|index| u8::try_from(index).ok())
    }

    /// Whether a stage allows what no rule of this kind names.
    #[must_use]
    pub fn default_allows(&self, stage: u8, kind: Kind) -> bool {
        Slices { table: &self.table, text: &[] }.slot(stage, kind).default_allows
    }

    /// Whether a stage has rules about arguments.
    #[must_use]
    pub fn judges_arguments(&self, stage: u8) -> bool {
        self.rules.iter().any(|rule| rule.stage == stage && rule.arguments)
    }

    /// The kind whose automaton knows all that rules of a kind say: of executing, the one for arguments where rules are
    /// about these.
    #[must_use]
    pub fn judged(&self, stage: u8, kind: Kind) -> Kind {
        if kind == Kind::Exec && self.judges_arguments(stage) { Kind::Argv } else { kind }
    }

    /// Decides as the kernel does about executing a program, which is no script, with the arguments behind its name.
    #[must_use]
    pub fn decide_exec(&self, stage: u8, path: &[u8], arguments: &[&[u8]], anchors: &Anchors) -> Decision {
        let decision = self.decide(stage, Kind::Exec, path, anchors);
        if decision.arguments == Arguments::Ignored {
            return decision;
        }
        let mut text = Vec::new();
        argv::write(path, arguments.iter().copied(), |byte| text.push(byte));
        self.decide(stage, Kind::Argv, &text, anchors)
    }

    /// Decides as the kernel does. `text` is a path, or for an address the text of the endpoint; what a host
    /// rule would grant is not known here.
    #[must_use]
    pub fn decide(&self, stage: u8, kind: Kind, text: &[u8], anchors: &Anchors) -> Decision {
        // A walk may end before such a text does; the kernel does not begin one.
        if text.len() > TEXT_MAX {
            return Decision::denied(Reason::TooLong);
        }
        let (kind, text) = self.asked(stage, kind, text);
        let space = Slices { table: &self.table, text };
        let anchors = kind.is_path().then_some(anchors);
        decide(space, stage, kind, anchors, || 0)
    }

    /// What a stage is asked about a text: without rules about arguments, about the program's path.
    #[must_use]
    pub fn asked<'t>(&self, stage: u8, kind: Kind, text: &'t [u8]) -> (Kind, &'t [u8]) {
        match kind {
            Kind::Argv if !self.judges_arguments(stage) => (Kind::Exec, argv::read(text).0),
            kind => (kind, text),
        }
    }

    /// The digest in hexadecimal.
    #[must_use]
    pub fn digest_text(&self) -> String {
        self.digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut text = |text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        };
        text(&self.name);
        text(self.mode.name());
        self.stages.iter().for_each(|stage| text(stage));
        for rule in &self.rules {
            text(&format!("{} {} {} {}", rule.number, rule.stage, rule.kind.name(), rule.effect.name()));
            text(&rule.text);
        }
        for host in &self.hosts {
            text(&format!("{} {} {} {:?} {:?}", host.rule, host.stage, host.host, host.ports, host.protocol));
            text(if host.recorded { "recorded" } else { "" });
            text(if host.private { "private" } else { "" });
            if !host.tls {
                text("plain");
            }
        }
        for budget in Budget::ALL {
            text(&format!("{} {:?}", budget.name(), self.budgets.0[*budget as usize]));
        }
        text(&format!("{:?} {:?}", self.respond.denial, self.respond.trip));
        // Profiles that ask nothing of TLS keep the digest that they had.
        if self.tls != Tls::default() {
            text(&format!("{} {}", self.tls.sni, self.tls.ech));
        }
        for variable in &self.variables {
            text(&format!("{} {variable}", variable.anchor));
        }
        for word in &self.table {
            hash.update(word.to_le_bytes());
        }
        hash.finalize().into()
    }
}

/// The stage of an outcome, if it is one.
#[must_use]
pub fn leads_to(decision: &Decision) -> Option<u8> {
    if decision.stage == STAY { None } else { u8::try_from(decision.stage).ok() }
}
