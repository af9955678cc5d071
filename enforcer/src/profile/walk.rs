// SPDX-License-Identifier: MIT OR Apache-2.0

//! The automaton of a compiled profile, one step at a time: for whoever must see its states. Verdicts come from
//! [`enforcer_common::decide()`] and from nowhere else.

use enforcer_common::{
    Kind,
    argv::SEPARATOR,
    table::{ABSORBING, Outcome, Slices, Slot, Space as _, block},
};

/// The automaton of a stage and kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk<'a> {
    table: Slices<'a>,
    block: u32,
    start: u16,
    /// Whether a text ends at a separator.
    ends: bool,
    rows: u32,
    stride: u32,
}

impl<'a> Walk<'a> {
    /// The automaton of a stage and kind in this table.
    pub(super) fn new(table: &'a [u16], stage: u8, kind: Kind) -> Self {
        let table = Slices { table, text: &[] };
        let slot = table.slot(stage, kind);
        // Without rules about arguments a program is decided about by its path, which ends at a separator.
        let ends = kind == Kind::Argv && slot == table.slot(stage, Kind::Exec);
        let Slot { block, start, .. } = slot;
        let rows = block + block::rows(u32::from(table.word(block + block::OUTCOMES_USED)));
        Self { table, block, start, ends, rows, stride: u32::from(table.word(block + block::STRIDE)) }
    }

    /// Where walks begin.
    pub(super) const fn start(&self) -> u16 {
        self.start
    }

    /// The class of a byte: no state tells bytes of one class apart.
    pub(super) fn class(&self, byte: u8) -> u16 {
        let byte = if self.ends && byte == SEPARATOR { 0 } else { byte };
        self.table.word(self.rows - block::CLASSES + u32::from(byte))
    }

    /// The state behind a byte.
    pub(super) fn next(&self, state: u16, byte: u8) -> u16 {
        if ended(state) {
            return state;
        }
        self.table.word(self.rows + u32::from(state) * self.stride + u32::from(self.class(byte)))
    }

    /// The state behind some bytes.
    pub(super) fn run(&self, state: u16, bytes: &[u8]) -> u16 {
        bytes.iter().fold(state, |state, &byte| self.next(state, byte))
    }

    /// What is said of a text that ends in this state.
    pub(super) fn outcome(&self, state: u16) -> Outcome {
        self.table.outcome(self.block, self.next(state, 0).saturating_sub(ABSORBING))
    }

    /// A byte of each class but NUL's.
    pub(super) fn representatives(&self) -> Vec<u8> {
        let mut seen = [false; 256];
        (1..=u8::MAX)
            .filter(|&byte| !std::mem::replace(&mut seen[usize::from(self.class(byte)) & 255], true))
            .collect()
    }

    /// What is said of all texts that there can be, each once.
    pub(super) fn outcomes(&self) -> Vec<Outcome> {
        let bytes = self.representatives();
        let mut seen = std::collections::HashSet::from([self.start]);
        let mut open = vec![self.start];
        let mut outcomes = std::collections::BTreeSet::new();
        while let Some(state) = open.pop() {
            outcomes.insert(self.outcome(state));
            if !ended(state) {
                let next = bytes.iter().map(|&byte| self.next(state, byte));
                open.extend(next.filter(|&next| seen.insert(next)));
            }
        }
        outcomes.into_iter().collect()
    }
}

/// Whether nothing that follows changes what is said.
pub(super) const fn ended(state: u16) -> bool {
    state >= ABSORBING
}
