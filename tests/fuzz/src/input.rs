// SPDX-License-Identifier: MIT OR Apache-2.0

//! Bytes taken apart from the front. What is not there any more is 0, so that every input means something.

/// What is left of an input.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or(0)
    }

    /// The next two bytes, in little-endian order.
    pub fn word(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// The next bytes, at most so many.
    pub fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// All that is left, as words.
    pub fn words(mut self) -> Vec<u16> {
        let mut words = Vec::with_capacity(self.0.len().div_ceil(2));
        while !self.0.is_empty() {
            words.push(self.word());
        }
        words
    }
}
