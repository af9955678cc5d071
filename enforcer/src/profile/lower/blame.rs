// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which rules are to blame for what is found out only when all of them are put together.

use std::sync::Arc;

use super::{
    super::{
        automaton::{DFA_BYTES, Pattern, TooLarge, determinize},
        document::{self, Document},
        edges::Edge,
        error::{Code, Error, Problem, Span, Text, count},
    },
    Lowered,
};
use enforcer_common::Kind;

impl Lowered {
    /// Tells which rules need too large an automaton.
    pub(in super::super) fn too_large(&self, document: &Document, large: TooLarge) -> Error {
        let (TooLarge::Rules(index) | TooLarge::Table { most: index, .. }) = large;
        let rules = &self.automata[index];
        let document::Stage { source, name: stage, .. } = &document.stages[usize::from(rules.stage)];
        let described = format!(
            "the {} of stage `{}`",
            count(rules.patterns.len(), &format!("{} rule", rules.kind.action())),
            stage.value
        );
        if let TooLarge::Table { what, found, limit, .. } = large {
            let message = format!("the compiled profile needs {found} {what}; there is room for {limit}");
            let help =
                format!("most of it is for {described}: use fewer or shorter globs, or split the profile");
            return Problem::new(Code::TableFull, message).help(help).at(source, stage.span, "").into();
        }
        let culprits = culprits(rules.kind, &rules.patterns);
        let mut numbers: Vec<u16> = culprits.iter().map(|p| p.rule).collect();
        let wild = |number: u16| self.wildcards.get(usize::from(number) - 1).copied().unwrap_or(0);
        numbers.sort_by_key(|&number| (std::cmp::Reverse(wild(number)), number));
        numbers.truncate(5);
        let message = format!(
            "{described} need too large an automaton; {} of them are enough for that",
            culprits.len()
        );
        let mut places = numbers.iter().filter_map(|&number| self.place(number));
        let mut problem = Problem::new(Code::Explosion, message)
            .help("each wildcard doubles what must be kept in mind about the others: use fewer `*` in a rule, or begin it with a directory instead of `**`");
        if let Some((source, first)) = places.next() {
            problem = problem.at(source, first, "this rule");
            for (_, span) in places.filter(|(other, _)| Arc::ptr_eq(other, source)) {
                problem = problem.and(span, "and this one");
            }
        }
        problem.into()
    }

    /// Tells of a transition that never happens.
    pub(in super::super) fn shadowed(&self, rule: u16, by: u16) -> Option<Problem> {
        let message = format!(
            "this rule never leads to its stage: `{}` allows the same before it",
            self.rules.get(usize::from(by).checked_sub(1)?)?.text
        );
        let ((source, place), (other, earlier)) = (self.place(rule)?, self.place(by)?);
        let problem = Problem::new(Code::ShadowedStage, message).at(source, place, "never decides");
        Some(if Arc::ptr_eq(source, other) {
            problem
                .help("of the allow rules that match, the first decides: move this one up")
                .and(earlier, "decides instead")
        } else {
            let (line, _) = other.position(earlier.start);
            problem.help(format!(
                "{}:{line} decides instead: of the allow rules that match, the first does",
                other.name()
            ))
        })
    }

    /// Tells of a transition that gives more than it takes, without a word about it.
    pub(in super::super) fn widens(&self, document: &Document, edge: &Edge) -> Option<Problem> {
        let silent = |number: &&u16| self.rules.get(usize::from(**number) - 1).is_some_and(|r| !r.widen);
        let mut places = edge.rules.iter().filter(silent).filter_map(|&number| self.place(number));
        let name = |stage: u8| document.stages.get(usize::from(stage)).map(|stage| stage.name.value.as_str());
        let (from, to) = (name(edge.from)?, name(edge.to)?);
        let more: Vec<String> = edge.more.iter().map(ToString::to_string).collect();
        let message = format!(
            "this leads from stage `{from}` to stage `{to}`, which allows what `{from}` does not: {}",
            more.join("; ")
        );
        let (source, first) = places.next()?;
        let mut problem = Problem::new(Code::Widens, message)
            .help(format!("allow less in `{to}`; or write `widen: true` behind `stage: {to}`, and why"))
            .at(source, first, "this rule");
        for (_, span) in places.filter(|(other, _)| Arc::ptr_eq(other, source)) {
            problem = problem.and(span, "and this one");
        }
        Some(problem)
    }

    /// Where a rule is; the enforcer's own are nowhere.
    pub(in super::super) fn place(&self, rule: u16) -> Option<(&Arc<Text>, Span)> {
        let place = self.places.get(usize::from(rule).checked_sub(1)?)?.as_ref()?;
        Some((&place.0, place.1))
    }
}

/// A shortest run of rules whose automaton alone is as large as to be suspicious. The full size would name them
/// no better and take twenty times a second.
fn culprits(kind: Kind, patterns: &[Pattern]) -> &[Pattern] {
    let fits = |patterns: &[Pattern]| determinize(kind, patterns, DFA_BYTES / 16).is_some();
    // The fewest from the beginning that do not fit; then the fewest of those from the end.
    let (mut good, mut bad) = (0, patterns.len());
    while bad - good > 1 {
        let middle = good.midpoint(bad);
        if fits(&patterns[..middle]) { good = middle } else { bad = middle }
    }
    let patterns = &patterns[..bad];
    let (mut bad, mut good) = (0, patterns.len());
    while good - bad > 1 {
        let middle = good.midpoint(bad);
        if fits(&patterns[middle..]) { good = middle } else { bad = middle }
    }
    &patterns[bad..]
}
