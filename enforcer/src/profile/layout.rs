// SPDX-License-Identifier: MIT OR Apache-2.0

//! From the automata of all stages and kinds to the words that the kernel walks, see [`enforcer_common::table`].
//!
//! States are numbered in the order in which a breadth-first search from the start finds them, so that the same rules
//! give the same bytes on every machine.

use std::collections::HashMap;

use enforcer_common::{
    Kind,
    table::{
        ABSORBING, CHUNK_WORDS, CHUNKS, KINDS, MAGIC, OUTCOMES, Outcome, STAGES, Slot, VERSION, block,
        header, slot,
    },
};

use super::{
    automaton::{Raw, Rules, Shadows, TooLarge, raw},
    minimize::minimize,
};

/// What a compiled profile's table is made of, and what was noticed on the way.
#[derive(Debug)]
pub(super) struct Table {
    /// The words.
    pub(super) words: Vec<u16>,
    /// States of all its automata.
    pub(super) states: usize,
    /// Pairs of rules: one with a stage that matches but never decides, and one that decides in its place.
    pub(super) shadowed: Vec<(u16, u16)>,
}

/// Builds the table.
pub(super) fn build(stages: usize, rules: &[Rules]) -> Result<Table, TooLarge> {
    let mut shadows = Shadows::default();
    let mut words = vec![0; header::END as usize];
    words[header::MAGIC as usize] = MAGIC;
    words[header::VERSION as usize] = VERSION;
    words[header::STAGES_USED as usize] = stages as u16;
    let mut writer = Writer { words, places: HashMap::new(), states: 0 };
    // Stages and kinds that are not used know no rule and allow nothing.
    let nothing = Rules::none();
    for index in 0..(STAGES * KINDS) as u32 {
        let at = |rules: &&Rules| slot(rules.stage, rules.kind) == index;
        let place = rules.iter().position(|rules| at(&rules));
        let silent = |place: &usize| rules[*place].kind == Kind::Argv && rules[*place].patterns.is_empty();
        if let Some(place) = place.filter(silent) {
            // No rule is about arguments, and the kernel does not ask.
            writer.copy(index, slot(rules[place].stage, Kind::Exec));
            continue;
        }
        let (most, rules) = place.map_or((0, &nothing), |place| (place, &rules[place]));
        let small = minimize(&raw(rules, &mut shadows).ok_or(TooLarge::Rules(most))?);
        let large = |(what, found, limit)| TooLarge::Table { most, what, found, limit };
        let block = Block::new(&small).map_err(large)?;
        writer.put(index, block, rules.default_allows).map_err(large)?;
    }
    Ok(Table { words: writer.words, states: writer.states, shadowed: shadows.found() })
}

/// The table, as far as it is written.
struct Writer {
    words: Vec<u16>,
    /// Where blocks are: equal ones are written once.
    places: HashMap<Vec<u16>, u32>,
    states: usize,
}

impl Writer {
    /// Has a slot lead where another does.
    fn copy(&mut self, index: u32, like: u32) {
        let at = |index: u32| (header::SLOTS + index * Slot::WORDS) as usize;
        self.words.copy_within(at(like)..at(like) + Slot::WORDS as usize, at(index));
    }

    /// Writes a block, and the slot that leads to it.
    fn put(&mut self, index: u32, block: Block, default_allows: bool) -> Result<(), Excess> {
        let at = match self.places.get(&block.words) {
            Some(&at) => at,
            None => {
                let room = CHUNK_WORDS - self.words.len() % CHUNK_WORDS;
                if block.words.len() > room {
                    self.words.resize(self.words.len() + room, 0);
                }
                let at = self.words.len();
                limit("words", at + block.words.len(), CHUNKS * CHUNK_WORDS)?;
                self.words.extend(&block.words);
                self.states += block.states;
                self.places.insert(block.words, at as u32);
                at as u32
            }
        };
        let slot = (header::SLOTS + index * Slot::WORDS) as usize;
        let words = [at as u16, (at >> 16) as u16, block.start, u16::from(default_allows)];
        self.words[slot..slot + words.len()].copy_from_slice(&words);
        Ok(())
    }
}

/// An automaton in words.
pub(super) struct Block {
    pub(super) words: Vec<u16>,
    pub(super) start: u16,
    states: usize,
}

impl Block {
    /// Numbers states and outcomes and writes the words.
    pub(super) fn new(raw: &Raw) -> Result<Self, Excess> {
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
        visit(raw.start, &mut order);
        let mut at = 0;
        while let Some(&state) = order.get(at) {
            at += 1;
            for &next in &row(state)[1..] {
                visit(next, &mut order);
            }
        }
        limit("outcomes", outcomes.len(), OUTCOMES)?;
        limit("states", order.len(), usize::from(ABSORBING))?;
        let rows = block::rows(outcomes.len() as u32) as usize;
        // The first block shares its chunk with the header.
        limit("words", rows + order.len() * width, CHUNK_WORDS - header::END as usize)?;

        let end = |state: u32| ABSORBING + outcome_numbers[raw.outcome_of[state as usize] as usize] as u16;
        let code = |state: u32| match numbers[state as usize] {
            u32::MAX => end(state),
            number => number as u16,
        };
        let mut words = Vec::with_capacity(rows + order.len() * width);
        words.extend([width as u16, outcomes.len() as u16]);
        for outcome in &outcomes {
            let Outcome { flags, deny_rule, allow_rule, stage, exception } = *outcome;
            words.extend([flags, deny_rule, allow_rule, stage, exception]);
        }
        words.extend(raw.classes.iter().map(|&class| u16::from(class)));
        for &state in &order {
            words.push(end(state));
            words.extend(row(state)[1..].iter().map(|&next| code(next)));
        }
        Ok(Self { words, start: code(raw.start), states: order.len() })
    }
}

/// What there is too much of, how much, and how much there may be.
pub(super) type Excess = (&'static str, usize, usize);

/// Refuses too much of something.
pub(super) fn limit(what: &'static str, found: usize, limit: usize) -> Result<(), Excess> {
    if found > limit { Err((what, found, limit)) } else { Ok(()) }
}
