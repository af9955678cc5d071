// SPDX-License-Identifier: MIT OR Apache-2.0

//! From the rules of a stage and kind to the automaton that decides about them.
//!
//! regex-automata makes a deterministic automaton, which is minimised (`minimize`) and written down (`layout`).

use std::collections::HashMap;

use enforcer_common::{
    Kind,
    argv::SEPARATOR,
    table::{Outcome, STAY},
};
use regex_automata::{
    Anchored, MatchKind,
    dfa::{Automaton as _, StartKind, dense},
    util::{primitives::StateID, start},
};

use super::{
    document::Effect,
    nfa::{Alphabet, Sequence, nfa},
};

/// Bytes that the automaton of one stage and kind may have before it is minimised: some 65,000 states, more than a
/// table holds.
pub(super) const DFA_BYTES: usize = 16 << 20;

/// A rule as the automaton sees it.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// The rule's number.
    pub(super) rule: u16,
    /// What it says.
    pub(super) effect: Effect,
    /// The stage that it leads to, or [`STAY`].
    pub(super) stage: u16,
    /// Whether it is an exception, whose every use is recorded: also where another rule allows the same, because a
    /// deny rule may be about another spelling, and only the exception takes that away.
    pub(super) recorded: bool,
    /// A deny rule that is insistent is taken back by insistent except rules only.
    pub(super) insistent: bool,
    /// The texts that it matches.
    pub(super) texts: Vec<Sequence>,
    /// What must be behind a path that it matches, for a rule about arguments.
    pub(super) arguments: Option<Vec<Sequence>>,
}

impl Pattern {
    /// A pattern that leads nowhere and is no exception.
    pub(super) const fn new(rule: u16, effect: Effect, texts: Vec<Sequence>) -> Self {
        Self { rule, effect, stage: STAY, recorded: false, insistent: false, texts, arguments: None }
    }
}

/// The rules of one stage and kind.
#[derive(Debug)]
pub(super) struct Rules {
    /// The stage.
    pub(super) stage: u8,
    /// The kind.
    pub(super) kind: Kind,
    /// Whether what no rule names is allowed.
    pub(super) default_allows: bool,
    /// The rules, in the order of their numbers.
    pub(super) patterns: Vec<Pattern>,
}

impl Rules {
    /// No rules, of whatever stage and kind: nothing is allowed.
    pub(super) const fn none() -> Self {
        Self { stage: 0, kind: Kind::Exec, default_allows: false, patterns: Vec::new() }
    }
}

/// Why there is no automaton.
#[derive(Debug)]
pub(super) enum TooLarge {
    /// The rules of one stage and kind need too many states: index into the rules.
    Rules(usize),
    /// All of them together do not fit: what there is, and what there may be.
    Table {
        /// Index into the rules: the ones that need most.
        most: usize,
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        found: usize,
        /// How much there may be.
        limit: usize,
    },
}

/// The deterministic automaton of some patterns for texts of a kind; `None` if it is larger than `bytes`.
pub(super) fn determinize(kind: Kind, patterns: &[Pattern], bytes: usize) -> Option<dense::DFA<Vec<u32>>> {
    let nfa = nfa(patterns.iter().map(|p| &*p.texts), Alphabet::of(kind), DFA_BYTES)?;
    dense::Builder::new()
        .configure(
            dense::Config::new()
                .match_kind(MatchKind::All)
                .start_kind(StartKind::Anchored)
                .accelerate(false)
                .dfa_size_limit(Some(bytes))
                .determinize_size_limit(Some(2 * bytes)),
        )
        .build_from_nfa(&nfa)
        .ok()
}

/// The automaton of a stage and kind, as it is and when it is minimised. State 0 says [`Outcome::NONE`] of everything.
#[derive(Debug)]
pub(super) struct Raw {
    /// The class of each byte.
    pub(super) classes: [u8; 256],
    /// How many classes there are; NUL has one of its own, the first.
    pub(super) stride: usize,
    /// The state after each class, `stride` for each state. The NUL column is 0 everywhere.
    pub(super) rows: Vec<u32>,
    /// Index of each state's outcome.
    pub(super) outcome_of: Vec<u32>,
    /// The outcomes; the first is [`Outcome::NONE`].
    pub(super) outcomes: Vec<Outcome>,
    /// The start state.
    pub(super) start: u32,
}

/// The automaton of some rules, before it is minimised; `None` if it is too large. Transitions that never decide go to
/// `shadows`.
pub(super) fn raw(rules: &Rules, shadows: &mut Shadows) -> Option<Raw> {
    raw_of(rules.kind, &rules.patterns, |matching| outcome(&rules.patterns, matching, shadows))
}

/// The automaton of some patterns for texts of a kind, before it is minimised; `None` if it is too large. `outcome` says what
/// those that match say together.
pub(super) fn raw_of(
    kind: Kind,
    patterns: &[Pattern],
    mut outcome: impl FnMut(&[usize]) -> Outcome,
) -> Option<Raw> {
    let (classes, representatives) = classes(kind, patterns);
    let stride = representatives.len();
    let (rows, outcome_of, outcomes) = (vec![0; stride], vec![0], vec![Outcome::NONE]);
    let mut raw = Raw { classes, stride, rows, outcome_of, outcomes, start: 0 };
    if patterns.is_empty() {
        return Some(raw);
    }
    let dfa = determinize(kind, patterns, DFA_BYTES)?;
    let mut numbers = HashMap::from([(Outcome::NONE, 0)]);
    raw.start = append(&mut raw, &dfa, &representatives, |matching| {
        let outcome = outcome(matching);
        let next = numbers.len() as u32;
        let number = *numbers.entry(outcome).or_insert(next);
        (outcome, number)
    });
    Some(raw)
}

/// The coarsest classes that keep apart what any step keeps apart, and NUL from everything; and a byte of each.
fn classes(kind: Kind, patterns: &[Pattern]) -> ([u8; 256], Vec<u8>) {
    // Whether a class ends with this byte.
    let mut ends = [false; 256];
    ends[0] = true;
    if kind == Kind::Argv {
        ends[usize::from(SEPARATOR) - 1] = true;
        ends[usize::from(SEPARATOR)] = true;
    }
    let sequences = patterns.iter().flat_map(|pattern| &pattern.texts);
    for step in sequences.flatten() {
        step.ranges(|first, last| {
            ends[usize::from(first.saturating_sub(1))] = true;
            ends[usize::from(last)] = true;
        });
    }
    let mut classes = [0; 256];
    let mut representatives = vec![0];
    for byte in 1..256 {
        if ends[byte - 1] {
            representatives.push(byte as u8);
        }
        classes[byte] = (representatives.len() - 1) as u8;
    }
    (classes, representatives)
}

/// Copies the states of an automaton that can be reached; returns where its start is.
fn append(
    raw: &mut Raw,
    dfa: &dense::DFA<Vec<u32>>,
    representatives: &[u8],
    mut outcome: impl FnMut(&[usize]) -> (Outcome, u32),
) -> u32 {
    let start = start::Config::new().anchored(Anchored::Yes);
    // An anchored start is what the automaton was built with.
    let Ok(start) = dfa.start_state(&start) else { return 0 };
    // By state; 0 is the dead one, and what was not found yet.
    let mut numbers: Vec<u32> = Vec::new();
    let mut found: Vec<StateID> = Vec::new();
    let mut number = |id: StateID, found: &mut Vec<StateID>| {
        if dfa.is_dead_state(id) {
            return 0;
        }
        let index = id.as_usize() >> dfa.stride2();
        if index >= numbers.len() {
            numbers.resize(index + 1, 0);
        }
        if numbers[index] == 0 {
            numbers[index] = 1 + found.len() as u32;
            found.push(id);
        }
        numbers[index]
    };
    let first = number(start, &mut found);
    let mut at = 0;
    let mut matching = Vec::new();
    while let Some(&id) = found.get(at) {
        at += 1;
        // A match shows one step late; the step behind the end of the text tells what matches here.
        let end = dfa.next_eoi_state(id);
        matching.clear();
        if dfa.is_match_state(end) {
            matching.extend((0..dfa.match_len(end)).map(|i| dfa.match_pattern(end, i).as_usize()));
        }
        let (value, index) = outcome(&matching);
        if index as usize == raw.outcomes.len() {
            raw.outcomes.push(value);
        }
        raw.outcome_of.push(index);
        raw.rows.push(0);
        for &byte in &representatives[1..] {
            let next = number(dfa.next_state(id, byte), &mut found);
            raw.rows.push(next);
        }
    }
    first
}

/// What the rules that match say together.
fn outcome(patterns: &[Pattern], matching: &[usize], shadows: &mut Shadows) -> Outcome {
    let mut outcome = Outcome::NONE;
    let mut matching: Vec<&Pattern> = matching.iter().map(|&i| &patterns[i]).collect();
    matching.sort_unstable_by_key(|p| p.rule);
    let insist = matching.iter().any(|p| p.effect == Effect::Deny && p.insistent);
    // First those about arguments: where there is one, a path alone says nothing of transitions.
    matching.sort_by_key(|p| p.arguments.is_none());
    for pattern in matching {
        if pattern.arguments.is_some() {
            // Whether it matches is known only with the arguments.
            outcome.flags |= Outcome::ARGUMENTS;
            outcome.flags |= match pattern.effect {
                Effect::Allow => Outcome::ARGUMENTS_ALLOW,
                Effect::Except if !insist || pattern.insistent => Outcome::ARGUMENTS_EXCEPT,
                Effect::Except | Effect::Deny => 0,
            };
            continue;
        }
        if pattern.recorded && outcome.exception == 0 {
            outcome.exception = pattern.rule;
        }
        match pattern.effect {
            Effect::Deny => {
                outcome.flags |= Outcome::DENY;
                if outcome.deny_rule == 0 {
                    outcome.deny_rule = pattern.rule;
                }
            }
            Effect::Except if insist && !pattern.insistent => {}
            Effect::Except => outcome.flags |= Outcome::EXCEPT,
            Effect::Allow => {
                outcome.flags |= Outcome::ALLOW;
                let decides = outcome.allow_rule == 0;
                if decides {
                    outcome.allow_rule = pattern.rule;
                    outcome.stage = pattern.stage;
                }
                if pattern.stage != STAY && outcome.flags & Outcome::ARGUMENTS == 0 {
                    shadows.seen(pattern, decides, outcome);
                }
            }
        }
    }
    outcome
}

/// Transitions that never decide.
#[derive(Debug, Default)]
pub(super) struct Shadows {
    /// By rule: what decided instead, or `None` once the rule decided itself.
    rules: HashMap<u16, Option<u16>>,
}

impl Shadows {
    fn seen(&mut self, pattern: &Pattern, decides: bool, outcome: Outcome) {
        let other = Some(outcome.allow_rule).filter(|_| !decides && outcome.stage != pattern.stage);
        let entry = self.rules.entry(pattern.rule).or_insert(other);
        if other.is_none() {
            *entry = None;
        }
    }

    /// Pairs of rules: one with a stage that matches but never decides, and one that decides in its place.
    pub(super) fn found(self) -> Vec<(u16, u16)> {
        let mut found: Vec<_> = self.rules.into_iter().filter_map(|(r, o)| o.map(|o| (r, o))).collect();
        found.sort_unstable();
        found
    }
}
