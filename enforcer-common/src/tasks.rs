// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the iterators over all tasks are told, and what they tell: how a tree that runs already is put under a run, and what is in
//! runs.

/// What the iterator is told.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Attach {
    /// The process that the tree begins with: its threads are taken in whatever they descend from.
    pub root: u32,
    /// The run that it is put under.
    pub run: u32,
}

/// What the iterator writes of each task of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Attached {
    /// Its process.
    pub tgid: u32,
    /// [`Attached::BEFORE`], [`Attached::NOW`] or [`Attached::NO_ROOM`].
    pub state: u32,
}

impl Attached {
    /// It was in the run before this pass.
    pub const BEFORE: u32 = 0;
    /// This pass has put it there.
    pub const NOW: u32 = 1;
    /// It belongs there, and there was no room for its label.
    pub const NO_ROOM: u32 = 2;
    /// Bytes of one.
    pub const SIZE: usize = size_of::<Self>();

    /// What was written of one.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        let [a, b, c, d, e, f, g, h] = bytes;
        Self { tgid: u32::from_ne_bytes([a, b, c, d]), state: u32::from_ne_bytes([e, f, g, h]) }
    }
}

/// What is written of each task that is in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Labelled {
    /// The run.
    pub run: u32,
    /// Its process.
    pub tgid: u32,
    /// The program that it runs.
    pub image: u64,
    /// The stage that it is in.
    pub stage: u64,
}

impl Labelled {
    /// Bytes of one.
    pub const SIZE: usize = size_of::<Self>();

    /// What was written of one.
    #[must_use]
    pub fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        let half = |at| u32::from_ne_bytes(core::array::from_fn(|index| bytes[at + index]));
        let word = |at| u64::from_ne_bytes(core::array::from_fn(|index| bytes[at + index]));
        Self { run: half(0), tgid: half(4), image: word(8), stage: word(16) }
    }
}
