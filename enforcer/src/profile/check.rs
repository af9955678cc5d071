// SPDX-License-Identifier: MIT OR Apache-2.0

//! Everything that can be said about a profile without running it: errors, and where it has none, warnings and
//! what its transitions change.

mod wide;

use std::{collections::BTreeSet, sync::Arc};

use enforcer_common::{
    Kind,
    table::{Outcome, STAY},
};

use super::{
    compile::{Compiled, Rule},
    date::Date,
    document::Effect,
    edges::{Edge, edges},
    error::{Code, Error, Problem, Text},
    exception::Exception,
    matching::{Single, sample},
    walk::Walk,
};

/// Days ahead of an exception's last one from which it is warned of.
const SOON: u64 = 14;

/// A profile that has no errors, and what else is to be said about it.
#[derive(Debug)]
pub struct Checked {
    /// The profile.
    pub profile: Compiled,
    /// Its transitions.
    pub edges: Vec<Edge>,
    /// The warnings, if there are any.
    pub warnings: Option<Error>,
}

/// Checks a profile.
///
/// # Errors
///
/// Everything that is wrong with it.
pub fn check(source: &Arc<Text>) -> Result<Checked, Error> {
    check_on(source, Date::today())
}

/// [`check`] on a given day.
pub(super) fn check_on(source: &Arc<Text>, today: Date) -> Result<Checked, Error> {
    let profile = Compiled::on(source, today)?;
    let edges = edges(&profile);
    let single = Single::new(source, today)?;
    let mut lint = Lint { profile: &profile, single: &single, warnings: Vec::new() };
    let reachable = lint.stages();
    lint.shadowed(&reachable);
    lint.everything();
    lint.uploads();
    lint.needless(&edges);
    lint.exceptions(today);
    lint.excepted_by_base();
    let warnings = Some(lint.warnings).filter(|w| !w.is_empty()).map(Error::new);
    Ok(Checked { profile, edges, warnings })
}

struct Lint<'a> {
    profile: &'a Compiled,
    single: &'a Single,
    warnings: Vec<Problem>,
}

impl Lint<'_> {
    fn rule(&mut self, rule: &Rule, problem: Problem) {
        self.warnings.push(match self.single.place(rule.number) {
            Some((source, span)) => problem.at(source, span, ""),
            None => problem,
        });
    }

    fn stage(&mut self, stage: usize, problem: Problem) {
        self.warnings.push(match self.single.document().stages.get(stage) {
            Some(stage) => problem.at(&stage.source, stage.name.span, ""),
            None => problem,
        });
    }

    /// The automaton of a stage and kind.
    fn walk(&self, stage: u8, kind: Kind) -> Walk<'_> {
        Walk::new(&self.profile.table, stage, kind)
    }

    /// Stages that no run can come to; returns the others.
    fn stages(&mut self) -> BTreeSet<u8> {
        let mut reachable = BTreeSet::from([0]);
        let mut open = vec![0];
        while let Some(stage) = open.pop() {
            let exec = self.profile.judged(stage, Kind::Exec);
            let next = self.walk(stage, exec).outcomes().into_iter().filter(|o| allows(*o)).map(|o| o.stage);
            for next in next.filter(|&next| next != STAY).filter_map(|next| u8::try_from(next).ok()) {
                if reachable.insert(next) {
                    open.push(next);
                }
            }
        }
        for (number, name) in self.profile.stages.iter().enumerate() {
            if !reachable.contains(&(number as u8)) && !self.of_base_stage(number) {
                let message = format!("nothing leads to stage `{name}`: no run is ever in it");
                let help = format!("add an exec rule with `stage: {name}`, or remove the stage");
                self.stage(number, Problem::new(Code::UnreachableStage, message).help(help));
            }
        }
        reachable
    }

    /// Rules that never decide. Of except rules and exceptions the automaton does not tell; host rules are not in it.
    fn shadowed(&mut self, stages: &BTreeSet<u8>) {
        for &stage in stages {
            for &kind in Kind::ALL {
                let outcomes = self.walk(stage, self.profile.judged(stage, kind)).outcomes();
                let deciding: BTreeSet<u16> = outcomes.into_iter().filter_map(decides).collect();
                for rule in self.profile.rules.iter().filter(|r| (r.stage, r.kind) == (stage, kind)) {
                    let host = self.profile.hosts.iter().any(|host| host.rule == rule.number);
                    let known = rule.line == 0 || rule.effect == Effect::Except || rule.exception.is_some();
                    let never = !known && !host;
                    if never && !deciding.contains(&rule.number) && !self.is_taken_away(rule) {
                        let (cover, help) = self.cover(rule);
                        let message = format!("this rule never decides: {cover}");
                        self.rule(rule, Problem::new(Code::ShadowedRule, message).help(help));
                    }
                }
            }
        }
    }

    /// Whether a stage is one of a profile that this one extends. Where it is not reached any more, a denial sees to it.
    fn of_base_stage(&self, number: usize) -> bool {
        let stage = self.single.document().stages.get(number);
        stage.is_some_and(|stage| stage.source.name() != &*self.profile.source)
    }

    /// Whether a rule is one of a profile that this one extends, and denials from elsewhere take all of it away: a
    /// profile cannot remove what its base allows, only deny it.
    fn is_taken_away(&self, rule: &Rule) -> bool {
        let kind = self.profile.judged(rule.stage, rule.kind);
        let walk = self.walk(rule.stage, kind);
        let start = walk.start();
        let texts = self.single.texts(rule.stage, kind, rule.number).iter();
        let mut deciders = texts.map(|text| decides(walk.outcome(walk.run(start, &sample(text)))));
        rule.file != self.profile.source
            && deciders.all(|number| {
                let other = number.and_then(|number| self.profile.rule(number));
                other.is_some_and(|other| other.effect == Effect::Deny && other.file != rule.file)
            })
    }

    /// What decides in a rule's place, and what can be done.
    fn cover(&self, rule: &Rule) -> (String, &'static str) {
        let kind = self.profile.judged(rule.stage, rule.kind);
        let walk = self.walk(rule.stage, kind);
        let start = walk.start();
        let texts = self.single.texts(rule.stage, kind, rule.number).iter();
        let outcomes: Vec<Outcome> = texts.map(|text| walk.outcome(walk.run(start, &sample(text)))).collect();
        let others: BTreeSet<u16> = outcomes.iter().filter_map(|o| decides(*o)).collect();
        let excepted =
            |o: &Outcome| o.flags & (Outcome::DENY | Outcome::EXCEPT) == Outcome::DENY | Outcome::EXCEPT;
        if rule.effect == Effect::Deny && outcomes.iter().all(excepted) {
            return (
                "except rules take back all that it denies".to_owned(),
                "remove it, or the except rules",
            );
        }
        let named: Vec<String> = others
            .iter()
            .filter_map(|&number| self.profile.rule(number))
            .map(|other| match other.line {
                line if other.file == rule.file => {
                    format!("{} `{}` in line {line}", other.effect.name(), other.text)
                }
                _ => format!("{} `{}` ({other})", other.effect.name(), other.text),
            })
            .collect();
        let denied = others.iter().filter_map(|&n| self.profile.rule(n)).any(|r| r.effect == Effect::Deny);
        let help = match rule.effect {
            Effect::Allow if denied => "remove it, or take back the denial with an except rule",
            Effect::Allow => "remove it, or move it before what decides in its place",
            _ => "remove it",
        };
        let cover = match named.as_slice() {
            [] => "other rules match all that it matches".to_owned(),
            [one] => format!("{one} matches all that it matches"),
            [one, two] => format!("{one} and {two} match all that it matches"),
            [one, rest @ ..] => {
                format!("{one} and {} others match all that it matches", rest.len())
            }
        };
        (cover, help)
    }

    /// Transitions that say that they widen, and do not.
    fn needless(&mut self, edges: &[Edge]) {
        for edge in edges.iter().filter(|edge| edge.more.is_empty()) {
            let name = |stage: u8| self.profile.stages[usize::from(stage)].as_str();
            let message = format!(
                "`widen: true` has no effect: stage `{}` allows nothing that stage `{}` does not",
                name(edge.to),
                name(edge.from)
            );
            for rule in edge.rules.iter().filter_map(|&rule| self.profile.rule(rule)).filter(|r| r.widen) {
                let help = "remove it, so that a change that does widen is noticed";
                self.rule(rule, Problem::new(Code::NeedlessWiden, &message).help(help));
            }
        }
    }

    /// Denials of this profile that an except rule of one that it extends takes back.
    fn excepted_by_base(&mut self) {
        let profile = self.profile;
        let own = |rule: &&Rule| rule.effect == Effect::Deny && rule.file == profile.source;
        for deny in profile.rules.iter().filter(own) {
            let like = |rule: &&Rule| {
                (rule.stage, rule.kind, rule.effect) == (deny.stage, deny.kind, Effect::Except)
            };
            let excepts: Vec<&Rule> = profile.rules.iter().filter(like).collect();
            // Who excepts too has thought of it.
            if excepts.iter().any(|rule| rule.file == profile.source) {
                continue;
            }
            let numbers: Vec<u16> = excepts.iter().map(|rule| rule.number).collect();
            let kind = profile.judged(deny.stage, deny.kind);
            let met = self.single.meets(deny.stage, kind, deny.number, &numbers);
            let Some(except) = met.and_then(|number| profile.rule(number)) else { continue };
            let message =
                format!("except `{}` of the base ({except}) takes back what this denies", except.text);
            let help = "a profile cannot remove what its base excepts: deny what is read or written there otherwise, or \
                        say that it is meant with an except rule of its own";
            self.rule(deny, Problem::new(Code::BaseExcepts, message).help(help));
        }
    }

    /// Exceptions that no longer apply, or soon will not.
    fn exceptions(&mut self, today: Date) {
        for exception in &self.profile.exceptions {
            let days = exception.expires.days_since(today);
            if days > SOON {
                continue;
            }
            let Exception { id, expires, owner, reason, .. } = exception;
            let message = match days {
                0 => format!("the exception `{id}` no longer applies since {expires}"),
                1 => format!("the exception `{id}` expires tomorrow"),
                _ => format!("the exception `{id}` expires on {expires}, in {days} days"),
            };
            let help = format!("{owner} answers for it ({reason}): ask for a new day, or remove it");
            let problem = Problem::new(Code::ExceptionExpires, message).help(help);
            let written = self.single.document().exceptions.iter().find(|written| written.id.value == *id);
            self.warnings.push(match written {
                Some(written) => problem.at(&written.rule.source, written.id.span, ""),
                None => problem,
            });
        }
    }
}

/// The rule that decides about a text with this outcome.
fn decides(outcome: Outcome) -> Option<u16> {
    let rule = if outcome.flags & (Outcome::DENY | Outcome::EXCEPT) == Outcome::DENY {
        outcome.deny_rule
    } else {
        outcome.allow_rule
    };
    Some(rule).filter(|&rule| rule != 0)
}

/// Whether a text with this outcome is allowed by a rule.
fn allows(outcome: Outcome) -> bool {
    outcome.allow_rule != 0 && decides(outcome) == Some(outcome.allow_rule)
}
