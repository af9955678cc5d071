// SPDX-License-Identifier: MIT OR Apache-2.0

//! How long decisions take, as the kernel counts it: by powers of two.

/// What is told apart: a power of two of them, so that the kernel's verifier can be shown that an index is one.
pub const BUCKETS: usize = 16;
/// The first bucket is of what takes at most 2 to the power of this, in nanoseconds; each of the others, of at most twice as much
/// as the one before. The last has no bound.
const FIRST: u32 = 8;

/// How long decisions of one kind took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Latency {
    /// All together, in nanoseconds.
    pub sum: u64,
    /// How many there were, by how long they took; each counts once.
    pub buckets: [u64; BUCKETS],
}

impl Latency {
    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: &Self) {
        self.sum += other.sum;
        self.buckets.iter_mut().zip(other.buckets).for_each(|(sum, other)| *sum += other);
    }
}

/// The bucket of what takes so long.
#[must_use]
#[inline(always)]
pub const fn bucket(nanoseconds: u64) -> usize {
    let index = (u64::BITS - (nanoseconds.saturating_sub(1) >> FIRST).leading_zeros()) as usize;
    if index < BUCKETS { index } else { BUCKETS - 1 }
}

/// The most that something in a bucket takes, in nanoseconds; `None` for the last.
#[must_use]
pub const fn bound(bucket: usize) -> Option<u64> {
    if bucket + 1 < BUCKETS { Some(1 << (FIRST + bucket as u32)) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bucket_ends_where_the_next_begins() {
        assert_eq!(bucket(0), 0);
        for index in 0..BUCKETS - 1 {
            let bound = bound(index).unwrap();
            assert_eq!((bucket(bound), bucket(bound + 1)), (index, index + 1));
        }
        assert_eq!((bucket(u64::MAX), bound(BUCKETS - 1)), (BUCKETS - 1, None));
    }
}
