// SPDX-License-Identifier: MIT OR Apache-2.0

//! The transitions of a profile, and what changes across each.

use std::collections::BTreeMap;

use super::{
    compile::{Compiled, Rule},
    difference::{Difference, Stage, allowed_only_by},
};

/// All the rules that lead from one stage to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The stage that is left.
    pub from: u8,
    /// The stage that is entered.
    pub to: u8,
    /// The numbers of the rules.
    pub rules: Vec<u16>,
    /// What is allowed then and was not before.
    pub more: Vec<Difference>,
    /// What was allowed before and is not any more.
    pub less: Vec<Difference>,
}

/// Every transition.
#[must_use]
pub fn edges(profile: &Compiled) -> Vec<Edge> {
    let between = rules(profile).into_iter().map(|((from, to), rules)| {
        let stage = |number| Stage { profile, number };
        let more = allowed_only_by(stage(to), stage(from));
        let less = allowed_only_by(stage(from), stage(to));
        Edge { from, to, rules, more, less }
    });
    between.collect()
}

/// Whether there are transitions that do not say `widen: true`.
pub(super) fn any_silent(profile: &Compiled) -> bool {
    profile.rules.iter().any(is_silent)
}

/// Whether a rule leads to a stage that may not allow more.
fn is_silent(rule: &Rule) -> bool {
    rule.leads_to.is_some_and(|to| to != rule.stage) && !rule.widen
}

/// The transitions to a stage that allows more, where a rule does not say `widen: true`.
pub(super) fn widening(profile: &Compiled) -> Vec<Edge> {
    let silent = |rules: &Vec<u16>| rules.iter().any(|&number| profile.rule(number).is_some_and(is_silent));
    let edges = rules(profile).into_iter().filter(|(_, rules)| silent(rules)).map(|((from, to), rules)| {
        let stage = |number| Stage { profile, number };
        Edge { from, to, rules, more: allowed_only_by(stage(to), stage(from)), less: Vec::new() }
    });
    edges.filter(|edge| !edge.more.is_empty()).collect()
}

/// The rules that lead from each stage to another one.
fn rules(profile: &Compiled) -> BTreeMap<(u8, u8), Vec<u16>> {
    let mut rules: BTreeMap<_, Vec<u16>> = BTreeMap::new();
    for rule in &profile.rules {
        if let Some(to) = rule.leads_to.filter(|&to| to != rule.stage) {
            rules.entry((rule.stage, to)).or_default().push(rule.number);
        }
    }
    rules
}
