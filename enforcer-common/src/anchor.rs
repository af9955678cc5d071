// SPDX-License-Identifier: MIT OR Apache-2.0

//! Anchors: the variables of a profile (`${workspace}`, `~`, `${tmp}`), as values that a run carries.
//!
//! A profile compiles once, to the same bytes everywhere: in its automata an anchor is one byte that no path can
//! begin with. A run's values are fixed when it is enrolled. A path that lies below an anchor's value is judged
//! twice: as it is, and as the anchor's byte followed by the rest.

/// How many anchors a run can carry.
pub const ANCHORS: usize = 8;
/// Longest value of an anchor, in bytes. A longer one is refused when the run is set up.
pub const ANCHOR_MAX: usize = 255;

/// Eight-byte words of an anchor's value.
pub const ANCHOR_WORDS: usize = (ANCHOR_MAX + 1) / 8;

/// The values of a run's anchors, without trailing slash, at index `symbol - 1`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Anchors {
    /// Length of each value in bytes; 0 means that the anchor has no value in this run and matches nothing.
    pub len: [u16; ANCHORS],
    /// The values, in little-endian words, so that they are compared eight bytes at a time.
    pub words: [[u64; ANCHOR_WORDS]; ANCHORS],
}

impl Anchors {
    /// No anchor has a value.
    pub const NONE: Self = Self { len: [0; ANCHORS], words: [[0; ANCHOR_WORDS]; ANCHORS] };

    /// Gives anchor `index` a value.
    ///
    /// # Errors
    ///
    /// The value is returned if it cannot be an anchor: not absolute, the root directory itself (everything would
    /// be below it), or longer than [`ANCHOR_MAX`].
    pub fn set<'v>(&mut self, index: usize, value: &'v [u8]) -> Result<(), &'v [u8]> {
        let trimmed = match value {
            [rest @ .., b'/'] => rest,
            all => all,
        };
        if !trimmed.starts_with(b"/") || trimmed.len() > ANCHOR_MAX {
            return Err(value);
        }
        for (word, bytes) in self.words[index].iter_mut().zip(trimmed.chunks(8)) {
            let mut padded = [0; 8];
            padded[..bytes.len()].copy_from_slice(bytes);
            *word = u64::from_le_bytes(padded);
        }
        self.len[index] = trimmed.len() as u16;
        Ok(())
    }
}

/// The byte that stands for anchor `index` in the automata.
#[must_use]
#[inline(always)]
pub const fn symbol(index: usize) -> u8 {
    index as u8 + 1
}
