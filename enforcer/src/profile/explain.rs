// SPDX-License-Identifier: MIT OR Apache-2.0

//! Why a profile says what it says about one text.

use std::sync::Arc;

use enforcer_common::{
    Decision, Kind,
    address::Protocol,
    anchor::{ANCHORS, Anchors, symbol},
    argv::{self, SEPARATOR},
    decide::below,
    table::{Outcome, Slices},
};

use super::{
    compile::{Compiled, HostRule, Rule},
    date::Date,
    document::Effect,
    error::{Error, Text},
    glob::ANCHOR_NAMES,
    matching::Single,
    resolve::Names,
    walk::{Walk, ended},
};
use crate::report::{
    escape::escape,
    target::{self, Target},
};

/// A verdict and all that led to it.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The verdict.
    pub decision: Decision,
    /// The text in every spelling.
    pub spellings: Vec<Spelling>,
    /// The rules that match one of the spellings, in the order of their numbers.
    pub rules: Vec<u16>,
    /// The host rules that allow this endpoint, or this name, if it turns out to be the host's in a run.
    pub hosts: Vec<u16>,
    /// File and line of the stage.
    pub stage_place: Option<String>,
}

/// One spelling of a text, and what the automaton makes of it.
#[derive(Clone, Debug)]
pub struct Spelling {
    /// The spelling, for people.
    pub shown: String,
    /// The rules that match it.
    pub rules: Vec<u16>,
    /// The state that the walk begins in.
    pub start: u16,
    /// Each byte that is looked at and the state behind it. An anchor is one byte.
    pub steps: Vec<(String, u16)>,
    /// Whether the walk ended before the text did, because nothing that follows could change what is said.
    pub early: bool,
    /// What is said of the text in this spelling.
    pub outcome: Outcome,
}

/// What a rule has to do with a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It decides.
    Decides,
    /// An allow rule, and a deny rule decides.
    DenyIsStronger,
    /// A rule like it comes before it.
    ComesLater,
    /// A deny rule that an except rule takes back.
    TakenBack,
    /// An except rule that takes a denial back.
    TakesBack,
    /// An except rule without a denial.
    NothingToTakeBack,
}

impl Role {
    /// For people.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Decides => "decides",
            Self::DenyIsStronger => "matches too, but deny is stronger",
            Self::ComesLater => "matches too, but comes later",
            Self::TakenBack => "matches, but an except rule takes it back",
            Self::TakesBack => "takes the denial back",
            Self::NothingToTakeBack => "matches, but there is no denial to take back",
        }
    }
}

impl Explanation {
    /// Explains what a profile says about a text in a stage. `source` is what the profile was compiled from.
    ///
    /// # Errors
    ///
    /// What is wrong with the source.
    pub fn new(
        source: &Arc<Text>,
        profile: &Compiled,
        stage: u8,
        kind: Kind,
        text: &[u8],
        anchors: &Anchors,
    ) -> Result<Self, Error> {
        let single = Single::new(source, Date::today())?;
        let (kind, text) = profile.asked(stage, kind, text);
        let name = String::from_utf8_lossy(text);
        let names = Names::new(profile);
        let decision = match kind {
            Kind::Resolve => names.decide(stage, &name, |_| false),
            _ => profile.decide(stage, kind, text, anchors),
        };
        let walk = Walk::new(&profile.table, stage, kind);
        let spellings: Vec<Spelling> = spellings(profile, kind, text, anchors)
            .into_iter()
            .map(|(shown, spelling)| {
                let rules = single.matching(stage, kind, &spelling);
                Spelling::walk(profile, &walk, shown, rules, &spelling)
            })
            .collect();
        let mut rules: Vec<u16> = spellings.iter().flat_map(|s| s.rules.iter().copied()).collect();
        rules.sort_unstable();
        rules.dedup();
        let hosts = match kind {
            Kind::Connect => hosts(profile, stage, text),
            Kind::Resolve => {
                let own = |rule: &&HostRule| rule.stage == stage;
                rules.extend(names.rules(&name, |_| false).filter(own).map(|rule| rule.rule));
                let registries = names.rules(&name, |_| true).filter(own).map(|rule| rule.rule);
                registries.filter(|rule| !rules.contains(rule)).collect()
            }
            _ => Vec::new(),
        };
        let written = single.document().stages.get(usize::from(stage));
        let stage_place = written.map(|stage| {
            let (line, _) = stage.source.position(stage.name.span.start);
            format!("{}:{line}", stage.source.name())
        });
        Ok(Self { decision, spellings, rules, hosts, stage_place })
    }

    /// What a rule that matches has to do with the verdict.
    #[must_use]
    pub fn role(&self, profile: &Compiled, rule: &Rule) -> Role {
        let any = |effect| {
            let mut rules = self.rules.iter().filter_map(|&number| profile.rule(number));
            // An exception takes denials back, too, where it is about a path.
            let takes_back = |r: &Rule| r.exception.is_some() && r.kind.is_path();
            rules.any(|r| r.effect == effect || effect == Effect::Except && takes_back(r))
        };
        match rule.effect {
            _ if rule.number == self.decision.rule => Role::Decides,
            Effect::Deny if any(Effect::Except) => Role::TakenBack,
            Effect::Except if any(Effect::Deny) => Role::TakesBack,
            Effect::Except => Role::NothingToTakeBack,
            Effect::Allow if !self.decision.allows() => Role::DenyIsStronger,
            Effect::Allow | Effect::Deny => Role::ComesLater,
        }
    }

    /// The spellings that a rule matches, for people.
    pub fn matched_as(&self, rule: u16) -> impl Iterator<Item = &str> {
        self.spellings.iter().filter(move |s| s.rules.contains(&rule)).map(|s| s.shown.as_str())
    }
}

impl Spelling {
    fn walk(profile: &Compiled, walk: &Walk<'_>, shown: String, rules: Vec<u16>, text: &[u8]) -> Self {
        let start = walk.start();
        let mut state = start;
        let mut steps = Vec::new();
        for &byte in text {
            if ended(state) {
                break;
            }
            state = walk.next(state, byte);
            let byte = anchor_name(profile, byte).unwrap_or_else(|| escape(&[byte]));
            steps.push((byte, state));
        }
        let early = steps.len() < text.len();
        Self { shown, rules, start, steps, early, outcome: walk.outcome(state) }
    }
}

/// The texts that are judged, each with how people write it.
fn spellings(profile: &Compiled, kind: Kind, text: &[u8], anchors: &Anchors) -> Vec<(String, Vec<u8>)> {
    let mut spellings = vec![(Target::of(kind, text).to_string(), text.to_vec())];
    let space = Slices { table: &[], text };
    let end = if kind == Kind::Argv { SEPARATOR } else { 0 };
    for index in (0..ANCHORS).filter(|_| kind.is_path()) {
        let rest = below(&space, anchors, index, end).and_then(|at| text.get(at as usize..));
        if let (Some(rest), Some(name)) = (rest, anchor_name(profile, symbol(index))) {
            spellings
                .push((format!("{name}{}", below_anchor(kind, rest)), [&[symbol(index)], rest].concat()));
        }
    }
    spellings
}

/// How people write what is behind an anchor.
fn below_anchor(kind: Kind, rest: &[u8]) -> String {
    match kind {
        Kind::Argv => {
            let (path, arguments) = argv::read(rest);
            format!("{}{}", escape(path), target::arguments(arguments))
        }
        _ => escape(rest),
    }
}

/// How people write the anchor that a byte stands for.
fn anchor_name(profile: &Compiled, byte: u8) -> Option<String> {
    if let Some(variable) = profile.variables.iter().find(|variable| symbol(variable.anchor) == byte) {
        return Some(variable.to_string());
    }
    let name = ANCHOR_NAMES.iter().enumerate().find(|(index, _)| symbol(*index) == byte)?.1;
    Some(if *name == "home" { "~".to_owned() } else { format!("${{{name}}}") })
}

/// The host rules of a stage that fit the port and the protocol of an endpoint.
fn hosts(profile: &Compiled, stage: u8, text: &[u8]) -> Vec<u16> {
    let port = text.rsplit(|&byte| byte == b':').next().and_then(|port| std::str::from_utf8(port).ok());
    let Some(port) = port.and_then(|port| u16::from_str_radix(port, 16).ok()) else { return Vec::new() };
    let protocol = [Protocol::Tcp, Protocol::Udp].into_iter().find(|p| text.first() == Some(&p.letter()));
    let Some(protocol) = protocol else { return Vec::new() };
    let fits = |host: &&HostRule| {
        host.stage == stage
            && host.protocol.is_none_or(|p| p == protocol)
            && (host.ports.is_empty() || host.ports.iter().any(|r| (r.first..=r.last).contains(&port)))
    };
    profile.hosts.iter().filter(fits).map(|host| host.rule).collect()
}
