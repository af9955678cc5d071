// SPDX-License-Identifier: MIT OR Apache-2.0

//! Single rules: which of them match a text, whatever the others say. The compiled profile knows only the one that
//! decides.

use std::{collections::HashSet, sync::Arc};

use enforcer_common::Kind;
use regex_automata::{Anchored, dfa::Automaton as _, util::start};

use super::{
    automaton::{DFA_BYTES, Pattern, determinize},
    compile::Front,
    date::Date,
    document::Document,
    error::{Error, Span, Text},
    nfa::{Sequence, Step},
};

/// The rules of a profile, each by itself.
#[derive(Debug)]
pub(super) struct Single(Front);

impl Single {
    /// Reads a profile, with the exceptions that apply on a day.
    pub(super) fn new(source: &Arc<Text>, day: Date) -> Result<Self, Error> {
        Front::new(source, day).map(Self)
    }

    /// The profile as it is written.
    pub(super) const fn document(&self) -> &Document {
        &self.0.document
    }

    /// Where a rule is.
    pub(super) fn place(&self, rule: u16) -> Option<(&Arc<Text>, Span)> {
        self.0.lowered.place(rule)
    }

    fn patterns(&self, stage: u8, kind: Kind) -> &[Pattern] {
        let mut rules = self.0.lowered.automata.iter();
        rules.find(|rules| (rules.stage, rules.kind) == (stage, kind)).map_or(&[], |rules| &rules.patterns)
    }

    /// The rules that match this spelling of a text, in the order of their numbers.
    pub(super) fn matching(&self, stage: u8, kind: Kind, spelling: &[u8]) -> Vec<u16> {
        let patterns = self.patterns(stage, kind);
        // What was compiled once is not too large now.
        let Some(dfa) = determinize(kind, patterns, DFA_BYTES) else { return Vec::new() };
        let start = start::Config::new().anchored(Anchored::Yes);
        let Ok(start) = dfa.start_state(&start) else { return Vec::new() };
        let state = spelling.iter().fold(start, |state, &byte| dfa.next_state(state, byte));
        let end = dfa.next_eoi_state(state);
        if !dfa.is_match_state(end) {
            return Vec::new();
        }
        let found = (0..dfa.match_len(end)).map(|i| dfa.match_pattern(end, i).as_usize());
        let mut numbers: Vec<u16> = found.filter_map(|i| patterns.get(i)).map(|p| p.rule).collect();
        numbers.sort_unstable();
        // An exception for paths is an except rule and an allow rule.
        numbers.dedup();
        numbers
    }

    /// The first of some rules that matches a text which a rule matches too, if there is one.
    pub(super) fn meets(&self, stage: u8, kind: Kind, rule: u16, others: &[u16]) -> Option<u16> {
        let asked = |pattern: &&Pattern| pattern.rule == rule || others.contains(&pattern.rule);
        let patterns: Vec<Pattern> = self.patterns(stage, kind).iter().filter(asked).cloned().collect();
        if others.is_empty() || patterns.len() < 2 {
            return None;
        }
        let dfa = determinize(kind, &patterns, DFA_BYTES)?;
        let start = start::Config::new().anchored(Anchored::Yes);
        let start = dfa.start_state(&start).ok()?;
        let mut seen = HashSet::from([start]);
        let mut open = vec![start];
        let mut met = None;
        while let Some(state) = open.pop() {
            let end = dfa.next_eoi_state(state);
            if dfa.is_match_state(end) {
                let matching =
                    (0..dfa.match_len(end)).map(|i| patterns[dfa.match_pattern(end, i).as_usize()].rule);
                let matching: Vec<u16> = matching.collect();
                if matching.contains(&rule) {
                    met = matching.into_iter().filter(|&other| other != rule).chain(met).min();
                }
            }
            // No text has a NUL.
            let next = (1..=u8::MAX).map(|byte| dfa.next_state(state, byte));
            open.extend(next.filter(|&next| !dfa.is_dead_state(next) && seen.insert(next)));
        }
        met
    }

    /// The texts that a rule matches; none if it is about a host.
    pub(super) fn texts(&self, stage: u8, kind: Kind, rule: u16) -> &[Sequence] {
        self.patterns(stage, kind).iter().find(|p| p.rule == rule).map_or(&[], |p| &p.texts)
    }
}

/// One of the texts that a sequence matches.
pub(super) fn sample(sequence: &[Step]) -> Vec<u8> {
    let mut text = Vec::new();
    for step in sequence {
        match step {
            Step::Byte(byte) => text.push(*byte),
            Step::Class(ranges) => text.extend(ranges.first().map(|&(first, last)| match last {
                b'x'..=u8::MAX if first <= b'x' => b'x',
                _ => last,
            })),
            Step::Name | Step::Anything => text.push(b'x'),
            Step::Directories | Step::Arguments | Step::Options | Step::Interpreter => {}
            Step::ProgramDirectory => text.extend(b"/usr/bin/"),
        }
    }
    text
}

/// Whether a sequence is all paths, all abstract names, or all ports of all addresses of a family.
pub(super) fn is_everything(kind: Kind, sequence: &[Step]) -> bool {
    let any = |step: &Step| matches!(step, Step::Anything | Step::Directories);
    match (kind, sequence) {
        (kind, [_, rest @ ..]) if kind.is_address() => {
            matches!(rest, [Step::Anything] | [Step::Byte(_), Step::Anything])
        }
        (Kind::Socket, _) => false,
        (Kind::Unix, [Step::Byte(b'@'), rest @ ..]) => matches!(rest, [Step::Anything]),
        _ => {
            sequence.iter().any(any)
                && sequence.iter().all(|step| any(step) || matches!(step, Step::Name | Step::Byte(b'/')))
        }
    }
}
