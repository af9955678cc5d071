// SPDX-License-Identifier: MIT OR Apache-2.0

//! A [`Space`] that answers as [`Slices`] does, and takes note of what is read.
//!
//! Slices answer reads beyond the end with 0, and the kernel's maps by starting over. Neither shows: this one does.

use std::cell::Cell;

use enforcer_common::table::{CHUNK_WORDS, Slices, Space, Step, TEXT_SIZE};

/// Words that a verdict may read: two for each byte of each spelling of the longest text, and some for each walk's
/// beginning and end.
pub const WORDS_MAX: u64 = 9 * (2 * TEXT_SIZE as u64 + 16) + 16;

/// What was read.
#[derive(Debug, Default)]
pub struct Seen {
    /// Words of the table.
    pub words: Cell<u64>,
    /// Whether one of them lies beyond the table or in another chunk than the block.
    pub outside: Cell<bool>,
}

/// Slices that are watched.
#[derive(Clone, Copy, Debug)]
pub struct Watched<'a> {
    slices: Slices<'a>,
    chunk: usize,
    seen: &'a Seen,
}

impl<'a> Watched<'a> {
    /// Watches these.
    #[must_use]
    pub const fn new(slices: Slices<'a>, seen: &'a Seen) -> Self {
        Self { slices, chunk: 0, seen }
    }
}

impl Space for Watched<'_> {
    fn word(&self, index: u32) -> u16 {
        let at = index as usize;
        self.seen.words.set(self.seen.words.get() + 1);
        if at >= self.slices.table.len() || at / CHUNK_WORDS != self.chunk {
            self.seen.outside.set(true);
        }
        self.slices.word(index)
    }

    fn enter(self, block: u32) -> Option<(Self, u32)> {
        let (slices, block) = self.slices.enter(block)?;
        Some((Self { slices, chunk: block as usize / CHUNK_WORDS, ..self }, block))
    }

    fn byte(&self, index: u32) -> u8 {
        self.slices.byte(index)
    }

    fn eight(&self, index: u32) -> u64 {
        self.slices.eight(index)
    }

    fn repeat<C: Step>(count: u32, context: &mut C) {
        Slices::repeat(count, context);
    }
}
