// SPDX-License-Identifier: MIT OR Apache-2.0

//! The layout of a compiled profile, and the walk over it.
//!
//! A compiled profile is an array of 16-bit words: a header, in it a slot for every stage and kind, and blocks, each a
//! deterministic automaton that decides for a slot: byte classes, outcomes, transitions. A walk reads one byte at a time;
//! a byte's class selects the column, the state the row. States from [`ABSORBING`] up end the walk and name the outcome.
//! The NUL that ends a text is a byte like any other, and every transition on it is absorbing, so the walk needs one test
//! a byte and no length.
//!
//! The array is in chunks of a fixed size, as many as the profile needs: the kernel's verifier wants to know how large
//! what is read from is. No block lies in two of them.

use crate::action::Kind;

/// First word of a compiled profile ("eb").
pub const MAGIC: u16 = 0x6562;
/// Version of this layout.
pub const VERSION: u16 = 3;
/// Words in a chunk: 2 MiB. A power of two, so that the kernel can mask.
pub const CHUNK_WORDS: usize = 1 << 20;
/// Chunks that a compiled profile may have.
pub const CHUNKS: usize = 32;
/// Stages that a profile may have.
pub const STAGES: usize = 16;
/// Room for kinds in each stage.
pub const KINDS: usize = 16;
/// States from here up end the walk; the rest of the number is the outcome.
pub const ABSORBING: u16 = 0xE000;
/// Outcomes that a block may have.
pub const OUTCOMES: usize = (u16::MAX - ABSORBING) as usize + 1;
/// Rules that a profile may have: their numbers leave a bit free for [`crate::address::GRANT_RECORDED`].
pub const RULES: usize = 0x7fff;
/// Bytes of the longest text that can be judged, and its NUL (`PATH_MAX`).
pub const TEXT_SIZE: usize = 4096;
/// Bytes of the longest text that can be judged.
pub const TEXT_MAX: usize = TEXT_SIZE - 1;
/// Bytes that one step of a walk takes. More would cost the verifier time at every start, fewer the walk a call more often.
pub const CHUNK: usize = 16;

/// Word indices of the header.
pub mod header {
    use super::{KINDS, STAGES};
    /// [`super::MAGIC`].
    pub const MAGIC: u32 = 0;
    /// [`super::VERSION`].
    pub const VERSION: u32 = 1;
    /// Stages in use.
    pub const STAGES_USED: u32 = 2;
    /// The slots, [`super::Slot::WORDS`] each, by `stage * KINDS + kind`.
    pub const SLOTS: u32 = 16;
    /// Where the first block begins.
    pub const END: u32 = SLOTS + (STAGES * KINDS) as u32 * super::Slot::WORDS;
}

/// Word indices of a block.
pub mod block {
    /// Columns of a row: the number of byte classes.
    pub const STRIDE: u32 = 0;
    /// Outcomes in use.
    pub const OUTCOMES_USED: u32 = 1;
    /// Outcomes, [`super::Outcome::WORDS`] each. Behind them the class of each byte, and then the transitions.
    pub const OUTCOMES: u32 = 2;
    /// Words of the classes.
    pub const CLASSES: u32 = 256;

    /// Where the transitions begin, by the number of outcomes.
    #[inline(always)]
    #[must_use]
    pub const fn rows(outcomes: u32) -> u32 {
        OUTCOMES + outcomes * super::Outcome::WORDS + CLASSES
    }
}

/// What is known of a stage and kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The first word of its block.
    pub block: u32,
    /// The state that its walks begin in.
    pub start: u16,
    /// Whether the stage allows what no rule of this kind names.
    pub default_allows: bool,
}

impl Slot {
    /// Words of a slot: the block's low and high half, the start, and 1 for a default of allow.
    pub const WORDS: u32 = 4;
}

/// The outcome's stage when an exec does not change it.
pub const STAY: u16 = u16::MAX;

/// What the automaton says of one spelling of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Outcome {
    /// [`Outcome::DENY`], [`Outcome::EXCEPT`] and [`Outcome::ALLOW`]; for [`Kind::Exec`] those of rules about arguments too.
    pub flags: u16,
    /// The first deny rule that matches, or 0.
    pub deny_rule: u16,
    /// The first allow rule that matches, or 0.
    pub allow_rule: u16,
    /// The stage that the allow rule leads to, or [`STAY`].
    pub stage: u16,
    /// The first exception that matches, whose use is recorded, or 0.
    pub exception: u16,
}

impl Outcome {
    /// Words of an outcome.
    pub const WORDS: u32 = 5;
    /// A deny rule matches.
    pub const DENY: u16 = 1;
    /// An `except` matches: deny rules do not apply.
    pub const EXCEPT: u16 = 2;
    /// An allow rule matches.
    pub const ALLOW: u16 = 4;
    /// A rule about arguments matches the path.
    pub const ARGUMENTS: u16 = 8;
    /// One of these is an `except`.
    pub const ARGUMENTS_EXCEPT: u16 = 16;
    /// One of these allows.
    pub const ARGUMENTS_ALLOW: u16 = 32;
    /// No rule matches. Always outcome 0.
    pub const NONE: Self = Self { flags: 0, deny_rule: 0, allow_rule: 0, stage: STAY, exception: 0 };
}

/// The body of a loop. In the kernel a loop is a call with a callback, so that the verifier reads the body once.
pub trait Step {
    /// One turn; true ends the loop.
    fn step(&mut self, index: u32) -> bool;
}

/// A compiled profile together with the text that is judged. In the kernel both are map values; elsewhere, slices.
pub trait Space: Copy {
    /// Word `index` of the chunk that was entered, at first the one with the header; 0 beyond its end.
    fn word(&self, index: u32) -> u16;
    /// Enters the chunk that the block lies in: the same with its words, and where among them the block begins. `None`
    /// beyond the end.
    fn enter(self, block: u32) -> Option<(Self, u32)>;
    /// Byte `index` of the text; anything beyond its end.
    fn byte(&self, index: u32) -> u8;
    /// Eight bytes of the text from byte `index`, a multiple of eight, in little-endian order.
    fn eight(&self, index: u32) -> u64;
    /// Calls `step` with 0, 1, … below `count` until it returns true.
    ///
    /// The verifier of 6.1 follows one turn only, the first, and removes branches that it does not take. So whatever a
    /// turn compares of what earlier turns left must not be known to the verifier when the loop begins.
    fn repeat<C: Step>(count: u32, context: &mut C);

    /// Outcome `index` of the block that begins at `block`.
    #[inline(always)]
    fn outcome(&self, block: u32, index: u16) -> Outcome {
        let at = block + block::OUTCOMES + u32::from(index) * Outcome::WORDS;
        Outcome {
            flags: self.word(at),
            deny_rule: self.word(at + 1),
            allow_rule: self.word(at + 2),
            stage: self.word(at + 3),
            exception: self.word(at + 4),
        }
    }

    /// What the header says of a stage and kind. Asked before any block is entered.
    #[inline(always)]
    fn slot(&self, stage: u8, kind: Kind) -> Slot {
        let at = header::SLOTS + slot(stage, kind) * Slot::WORDS;
        Slot {
            block: u32::from(self.word(at)) | u32::from(self.word(at + 1)) << 16,
            start: self.word(at + 2),
            default_allows: self.word(at + 3) == 1,
        }
    }
}

/// Number of the slot of a stage and kind.
#[inline(always)]
#[must_use]
pub const fn slot(stage: u8, kind: Kind) -> u32 {
    (stage as u32 & (STAGES as u32 - 1)) * KINDS as u32 + kind as u32
}

/// A walk in progress.
pub struct Cursor<S> {
    space: S,
    block: u32,
    rows: u32,
    stride: u32,
    at: u32,
    state: u32,
}

impl<S: Space> Cursor<S> {
    /// A walk over the space's text from byte `at`, in `state` of the automaton that begins at word `block`.
    #[inline(always)]
    pub fn new(space: S, block: u32, state: u16, at: u32) -> Self {
        let rows = block + block::rows(u32::from(space.word(block + block::OUTCOMES_USED)));
        let stride = u32::from(space.word(block + block::STRIDE));
        Self { space, block, rows, stride, at, state: u32::from(state) }
    }

    /// The state after `byte`.
    #[inline(always)]
    fn next(&self, state: u32, byte: u8) -> u32 {
        let class = u32::from(self.space.word(self.rows - block::CLASSES + u32::from(byte)));
        u32::from(self.space.word(self.rows + state * self.stride + class))
    }

    /// Takes one byte that is not in the text: an anchor's symbol.
    #[inline(always)]
    pub fn take(&mut self, byte: u8) {
        if self.state < u32::from(ABSORBING) {
            self.state = self.next(self.state, byte);
        }
    }

    /// Walks to the end; `None` if the text has no end within [`TEXT_SIZE`] bytes.
    #[inline(always)]
    pub fn finish(mut self) -> Option<Outcome> {
        S::repeat((TEXT_SIZE / CHUNK) as u32, &mut self);
        let absorbing = u32::from(ABSORBING);
        (self.state >= absorbing).then(|| self.space.outcome(self.block, (self.state - absorbing) as u16))
    }
}

impl<S: Space> Step for Cursor<S> {
    /// Walks up to [`CHUNK`] bytes; true when an absorbing state was reached.
    #[inline(always)]
    fn step(&mut self, _index: u32) -> bool {
        let mut state = self.state;
        let mut taken = 0;
        while taken < CHUNK as u32 && state < u32::from(ABSORBING) {
            state = self.next(state, self.space.byte(self.at + taken));
            taken += 1;
        }
        self.state = state;
        self.at += CHUNK as u32;
        state >= u32::from(ABSORBING)
    }
}

/// A [`Space`] over slices, for userspace.
#[derive(Clone, Copy, Debug)]
pub struct Slices<'a> {
    /// The compiled profile.
    pub table: &'a [u16],
    /// The text, with or without its NUL.
    pub text: &'a [u8],
}

impl Space for Slices<'_> {
    fn word(&self, index: u32) -> u16 {
        self.table.get(index as usize).copied().unwrap_or(0)
    }

    fn enter(self, block: u32) -> Option<(Self, u32)> {
        ((block as usize) < self.table.len()).then_some((self, block))
    }

    fn byte(&self, index: u32) -> u8 {
        self.text.get(index as usize).copied().unwrap_or(0)
    }

    fn eight(&self, index: u32) -> u64 {
        let bytes = [0, 1, 2, 3, 4, 5, 6, 7].map(|offset| self.byte(index + offset));
        u64::from_le_bytes(bytes)
    }

    fn repeat<C: Step>(count: u32, context: &mut C) {
        for index in 0..count {
            if context.step(index) {
                break;
            }
        }
    }
}
