// SPDX-License-Identifier: MIT OR Apache-2.0

//! How much happened when.

/// Parts that the time of a run is divided into.
pub const BUCKETS: usize = 160;
/// How long each is at first, in nanoseconds.
const SHORTEST: u64 = 1 << 20;

/// Events of one actor in a part of the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bar {
    /// Those that were allowed.
    pub allowed: u32,
    /// Those that were denied.
    pub denied: u32,
}

/// How much happened when, by actor. It does not grow with time: parts become longer.
#[derive(Debug)]
pub struct Timeline {
    width: u64,
    lanes: Vec<[Bar; BUCKETS]>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { width: SHORTEST, lanes: Vec::new() }
    }
}

impl Timeline {
    /// Something happened.
    pub(super) fn add(&mut self, actor: usize, time: i64, denied: bool) {
        let time = u64::try_from(time).unwrap_or(0);
        while time / self.width >= BUCKETS as u64 {
            self.width *= 2;
            for lane in &mut self.lanes {
                for at in 0..BUCKETS {
                    let of = |at: usize| lane.get(at).copied().unwrap_or_default();
                    let (one, other) = (of(2 * at), of(2 * at + 1));
                    lane[at] = Bar {
                        allowed: one.allowed.saturating_add(other.allowed),
                        denied: one.denied.saturating_add(other.denied),
                    };
                }
            }
        }
        if self.lanes.len() <= actor {
            self.lanes.resize(actor + 1, [Bar::default(); BUCKETS]);
        }
        let bar = &mut self.lanes[actor][(time / self.width) as usize];
        let count = if denied { &mut bar.denied } else { &mut bar.allowed };
        *count = count.saturating_add(1);
    }

    /// The parts of an actor's time.
    #[must_use]
    pub fn of(&self, actor: usize) -> &[Bar] {
        self.lanes.get(actor).map_or(&[], <[Bar; BUCKETS]>::as_slice)
    }

    /// How long each part is, in nanoseconds.
    #[must_use]
    pub const fn width(&self) -> u64 {
        self.width
    }

    /// Parts that a time up to this one needs.
    #[must_use]
    pub fn parts(&self, last: i64) -> usize {
        let last = u64::try_from(last).unwrap_or(0);
        usize::try_from(last / self.width + 1).unwrap_or(BUCKETS).min(BUCKETS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_when_parts_become_longer() {
        let mut timeline = Timeline::default();
        for second in 0..1000 {
            timeline.add(0, second * 1_000_000_000, second % 10 == 0);
        }
        timeline.add(1, -5, true);
        timeline.add(1, i64::MAX, true);
        let sum = |actor: usize| {
            timeline.of(actor).iter().fold((0, 0), |(a, d), bar| (a + bar.allowed, d + bar.denied))
        };
        assert_eq!((sum(0), sum(1)), ((900, 100), (0, 2)));
        assert!(timeline.parts(i64::MAX) <= BUCKETS);
    }
}
