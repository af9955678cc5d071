// SPDX-License-Identifier: MIT OR Apache-2.0

//! From the rules of all stages to the one automaton that the kernel walks.
//!
//! regex-automata makes a deterministic automaton of the rules of each stage and kind. They are joined over common
//! byte classes, minimised together, and numbered in the order in which a breadth-first search from the start
//! states finds them, so that the same rules give the same bytes on every machine.

use std::collections::HashMap;

use enforcer_common::{
    Kind,
    table::{ABSORBING, KINDS, MAGIC, OUTCOMES, Outcome, STAGES, STAY, TABLE_WORDS, VERSION, slot, word},
};
use regex_automata::{
    Anchored, MatchKind,
    dfa::{Automaton as _, StartKind, dense},
    util::{primitives::StateID, start},
};

use super::{
    document::Effect,
    minimize::minimize,
    nfa::{Sequence, nfa},
};

/// Bytes that the automaton of one stage and kind may have before it is minimised: some 65,000 states, more than a
/// table holds.
pub(super) const DFA_BYTES: usize = 16 << 20;

/// Words that all automata may have together before they are minimised: eight tables.
const RAW_WORDS: usize = 8 * TABLE_WORDS;

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
    /// The texts that it matches.
    pub(super) texts: Vec<Sequence>,
}

impl Pattern {
    /// A pattern that leads nowhere and is no exception.
    pub(super) const fn new(rule: u16, effect: Effect, texts: Vec<Sequence>) -> Self {
        Self { rule, effect, stage: STAY, recorded: false, texts }
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

/// The deterministic automaton of some patterns; `None` if it is larger than `bytes`.
pub(super) fn determinize(patterns: &[Pattern], bytes: usize) -> Option<dense::DFA<Vec<u32>>> {
    let nfa = nfa(patterns.iter().map(|p| &*p.texts), DFA_BYTES)?;
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

/// The automaton of all stages, before it is minimised. State 0 says [`Outcome::NONE`] of everything.
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
    /// The start state for each of the rules, as given.
    pub(super) starts: Vec<u32>,
}

/// What a compiled profile's table is made of, and what was noticed on the way.
#[derive(Debug)]
pub(super) struct Table {
    /// The words.
    pub(super) words: Vec<u16>,
    /// States that it has.
    pub(super) states: usize,
    /// Pairs of rules: one with a stage that matches but never decides, and one that decides in its place.
    pub(super) shadowed: Vec<(u16, u16)>,
}

/// Builds the table.
pub(super) fn build(stages: usize, rules: &[Rules]) -> Result<Table, TooLarge> {
    let mut shadows = Shadows::default();
    let (raw, most) = join(rules, &mut shadows)?;
    let small = minimize(&raw);
    let table = lay_out(stages, rules, &small).map_err(|(what, found, limit)| TooLarge::Table {
        most,
        what,
        found,
        limit,
    })?;
    Ok(Table { shadowed: shadows.found(), ..table })
}

/// Puts the automata of all rules next to each other; tells which is the largest.
fn join(rules: &[Rules], shadows: &mut Shadows) -> Result<(Raw, usize), TooLarge> {
    let (classes, representatives) = classes(rules);
    let stride = representatives.len();
    let mut raw = Raw {
        classes,
        stride,
        rows: vec![0; stride],
        outcome_of: vec![0],
        outcomes: vec![Outcome::NONE],
        starts: Vec::with_capacity(rules.len()),
    };
    let mut numbers = HashMap::from([(Outcome::NONE, 0)]);
    let (mut most, mut size) = (0, 0);
    for (i, rules) in rules.iter().enumerate() {
        let before = raw.rows.len();
        let start = if rules.patterns.is_empty() {
            0
        } else {
            let dfa = determinize(&rules.patterns, DFA_BYTES).ok_or(TooLarge::Rules(i))?;
            append(&mut raw, &dfa, &representatives, |matching| {
                let outcome = outcome(&rules.patterns, matching, shadows);
                let next = numbers.len() as u32;
                let number = *numbers.entry(outcome).or_insert(next);
                (outcome, number)
            })
        };
        raw.starts.push(start);
        let added = raw.rows.len() - before;
        if added > size {
            (most, size) = (i, added);
        }
        limit("words before minimisation", raw.rows.len(), RAW_WORDS)
            .map_err(|(what, found, limit)| TooLarge::Table { most, what, found, limit })?;
    }
    Ok((raw, most))
}

/// The coarsest classes that keep apart what any step keeps apart, and NUL from everything; and a byte of each.
fn classes(rules: &[Rules]) -> ([u8; 256], Vec<u8>) {
    // Whether a class ends with this byte.
    let mut ends = [false; 256];
    ends[0] = true;
    let sequences = rules.iter().flat_map(|rules| &rules.patterns).flat_map(|pattern| &pattern.texts);
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
    let base = raw.outcome_of.len() as u32;
    let mut number = |id: StateID, found: &mut Vec<StateID>| {
        if dfa.is_dead_state(id) {
            return 0;
        }
        let index = id.as_usize() >> dfa.stride2();
        if index >= numbers.len() {
            numbers.resize(index + 1, 0);
        }
        if numbers[index] == 0 {
            numbers[index] = base + found.len() as u32;
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
    for pattern in matching {
        match pattern.effect {
            Effect::Deny => {
                outcome.flags |= Outcome::DENY;
                if outcome.deny_rule == 0 {
                    outcome.deny_rule = pattern.rule;
                }
            }
            Effect::Except => outcome.flags |= Outcome::EXCEPT,
            Effect::Allow => {
                outcome.flags |= Outcome::ALLOW;
                if pattern.recorded {
                    outcome.flags |= Outcome::RECORD;
                }
                let decides = outcome.allow_rule == 0;
                if decides {
                    outcome.allow_rule = pattern.rule;
                    outcome.stage = pattern.stage;
                }
                if pattern.stage != STAY {
                    shadows.seen(pattern, decides, outcome);
                }
            }
        }
    }
    outcome
}

/// Transitions that never decide.
#[derive(Debug, Default)]
struct Shadows {
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

    fn found(self) -> Vec<(u16, u16)> {
        let mut found: Vec<_> = self.rules.into_iter().filter_map(|(r, o)| o.map(|o| (r, o))).collect();
        found.sort_unstable();
        found
    }
}

/// Numbers states and outcomes and writes the words.
fn lay_out(stages: usize, rules: &[Rules], raw: &Raw) -> Result<Table, Excess> {
    let width = raw.stride;
    let row = |state: u32| &raw.rows[state as usize * width..][..width];
    // Nothing that follows changes what such a state says.
    let absorbs = |state: u32| row(state)[1..].iter().all(|&next| next == state);
    let mut order: Vec<u32> = Vec::new();
    let mut numbers = vec![u32::MAX; raw.outcome_of.len()];
    let mut outcome_numbers = vec![u32::MAX; raw.outcomes.len()];
    let mut outcomes = vec![Outcome::NONE];
    outcome_numbers[0] = 0;
    let mut visit = |state: u32, order: &mut Vec<u32>| {
        let outcome = raw.outcome_of[state as usize] as usize;
        if outcome_numbers[outcome] == u32::MAX {
            outcome_numbers[outcome] = outcomes.len() as u32;
            outcomes.push(raw.outcomes[outcome]);
        }
        if numbers[state as usize] == u32::MAX && !absorbs(state) {
            numbers[state as usize] = order.len() as u32;
            order.push(state);
        }
    };
    for &start in &raw.starts {
        visit(start, &mut order);
    }
    let mut at = 0;
    while let Some(&state) = order.get(at) {
        at += 1;
        for &next in &row(state)[1..] {
            visit(next, &mut order);
        }
    }
    limit("outcomes", outcomes.len(), OUTCOMES)?;
    limit("states", order.len(), usize::from(ABSORBING))?;
    let rows = word::OUTCOMES as usize + outcomes.len() * Outcome::WORDS as usize;
    let total = rows + order.len() * width;
    limit("words", total, TABLE_WORDS)?;

    let end = |state: u32| ABSORBING + outcome_numbers[raw.outcome_of[state as usize] as usize] as u16;
    let code = |state: u32| match numbers[state as usize] {
        u32::MAX => end(state),
        number => number as u16,
    };
    let mut words = vec![0; word::OUTCOMES as usize];
    words[word::MAGIC as usize] = MAGIC;
    words[word::VERSION as usize] = VERSION;
    words[word::STRIDE as usize] = width as u16;
    words[word::STAGES_USED as usize] = stages as u16;
    words[word::ROWS as usize] = rows as u16;
    words[word::ROWS as usize + 1] = (rows >> 16) as u16;
    words[word::OUTCOMES_USED as usize] = outcomes.len() as u16;
    for (byte, class) in raw.classes.iter().enumerate() {
        words[word::CLASSES as usize + byte] = u16::from(*class);
    }
    for index in 0..STAGES * KINDS {
        // Stages and kinds that are not used know no rule.
        words[word::STARTS as usize + index] = ABSORBING;
    }
    for (rules, &start) in rules.iter().zip(&raw.starts) {
        let index = slot(rules.stage, rules.kind) as usize;
        words[word::STARTS as usize + index] = code(start);
        words[word::DEFAULTS as usize + index] = u16::from(rules.default_allows);
    }
    for outcome in &outcomes {
        words.extend([outcome.flags, outcome.deny_rule, outcome.allow_rule, outcome.stage]);
    }
    for &state in &order {
        words.push(end(state));
        words.extend(row(state)[1..].iter().map(|&next| code(next)));
    }
    Ok(Table { words, states: order.len(), shadowed: Vec::new() })
}

/// What there is too much of, how much, and how much there may be.
type Excess = (&'static str, usize, usize);

/// Refuses too much of something.
fn limit(what: &'static str, found: usize, limit: usize) -> Result<(), Excess> {
    if found > limit { Err((what, found, limit)) } else { Ok(()) }
}
