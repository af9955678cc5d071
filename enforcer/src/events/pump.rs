// SPDX-License-Identifier: MIT OR Apache-2.0

//! From the ring buffers to whoever reports.
//!
//! An image's record is written before the first event that refers to it, but into another ring. So a batch of events
//! is taken first, then every image record that is there, and only then are the events looked at: whatever they
//! refer to has arrived, or was lost.

use aya::maps::{MapData, RingBuf};
use bytes::Bytes;

use super::{
    decode::{Malformed, Part, Record},
    table::{Image, Images},
};

/// Events of a batch.
const BATCH: usize = 256;
/// Bytes of image records that are taken before looking at a batch: more than fits into the ring, so everything that
/// was there when the batch was taken.
const IMAGE_BYTES: usize = 8 << 20;

/// Where records come from, in order.
pub trait Source {
    /// Hands the next record to `take`; false if there is none now.
    fn next(&mut self, take: &mut dyn FnMut(&[u8])) -> bool;
}

impl Source for RingBuf<MapData> {
    fn next(&mut self, take: &mut dyn FnMut(&[u8])) -> bool {
        match Self::next(self) {
            Some(record) => {
                take(&record);
                true
            }
            None => false,
        }
    }
}

/// An event and who caused it.
#[derive(Debug)]
pub struct Observed<'a> {
    /// The event.
    pub record: Record<'a>,
    /// The program that caused it, unless its record was lost.
    pub image: Option<&'a Image>,
    /// All programs.
    pub images: &'a Images,
}

/// Events that were taken from the ring.
#[derive(Debug)]
pub struct Batch(Vec<Bytes>);

impl Batch {
    /// Takes some.
    pub fn take(events: &mut dyn Source) -> Self {
        let mut batch = Vec::new();
        while batch.len() < BATCH && events.next(&mut |bytes| batch.push(Bytes::copy_from_slice(bytes))) {}
        Self(batch)
    }

    /// Whether there may be more.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.0.len() == BATCH
    }

    /// The records; those that cannot be decoded are counted.
    pub fn records(&self, pump: &mut Pump) -> Vec<Record<'_>> {
        let mut records = Vec::with_capacity(self.0.len());
        for bytes in &self.0 {
            match Record::decode(bytes) {
                Ok(record) => records.push(record),
                Err(malformed) => pump.count(malformed),
            }
        }
        records
    }
}

/// Takes records from both rings and puts them together.
#[derive(Debug, Default)]
pub struct Pump {
    images: Images,
    malformed: u64,
}

impl Pump {
    /// Hands a batch of events to `each`. True if there may be more.
    pub fn pump(
        &mut self,
        events: &mut dyn Source,
        images: &mut dyn Source,
        mut each: impl FnMut(Observed<'_>),
    ) -> bool {
        let batch = Batch::take(events);
        let more_images = self.take_images(images);
        for record in batch.records(self) {
            each(self.observed(record));
        }
        more_images || batch.is_full()
    }

    /// All programs.
    pub fn images(&mut self) -> &mut Images {
        &mut self.images
    }

    /// A program, as far as it is known.
    pub fn image(&mut self, number: u64) -> Option<&Image> {
        self.images.ready(number).peek(number)
    }

    /// An event that did not come through the rings, and who caused it.
    pub fn observed<'a>(&'a mut self, record: Record<'a>) -> Observed<'a> {
        let images = self.images.ready(record.image);
        Observed { record, image: images.peek(record.image), images }
    }

    /// Records that could not be decoded.
    #[must_use]
    pub fn malformed(&self) -> u64 {
        self.malformed
    }

    /// Takes in what the images ring holds: behind a batch of events, and before they are looked at. True if there may
    /// be more.
    pub fn take_images(&mut self, source: &mut dyn Source) -> bool {
        let mut taken = 0;
        while taken < IMAGE_BYTES {
            let more = source.next(&mut |bytes| {
                taken += bytes.len();
                match Part::decode(bytes) {
                    Ok(part) => self.images.add(&part),
                    Err(malformed) => self.count(malformed),
                }
            });
            if !more {
                return false;
            }
        }
        true
    }

    fn count(&mut self, malformed: Malformed) {
        if self.malformed == 0 {
            tracing::warn!("{malformed}; further ones are only counted");
        }
        self.malformed += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::{super::decode::build, *};
    use enforcer_common::Kind;
    use std::collections::VecDeque;

    /// Records in memory; more can be on their way until the others have been taken.
    #[derive(Default)]
    struct Memory(VecDeque<Vec<u8>>);

    impl Source for Memory {
        fn next(&mut self, take: &mut dyn FnMut(&[u8])) -> bool {
            self.0.pop_front().map(|bytes| take(&bytes)).is_some()
        }
    }

    #[test]
    fn events_find_images_that_arrive_with_them() {
        let (mut events, mut images) = (Memory::default(), Memory::default());
        events.0.push_back(build::event(build::denial(5, Kind::Read), b"/etc/shadow"));
        images.0.extend(build::image(5, 0, "/bin/cat", &["cat"], &[]));
        let mut seen = Vec::new();
        let more = Pump::default().pump(&mut events, &mut images, |observed| {
            let path = observed.image.map(|image| image.path.clone());
            seen.push((observed.record.text.to_vec(), path));
        });
        assert!(!more);
        assert_eq!(seen, [(b"/etc/shadow".to_vec(), Some(b"/bin/cat".to_vec()))]);
    }

    #[test]
    fn a_flood_comes_in_batches_and_rubbish_is_counted() {
        let (mut events, mut images) = (Memory::default(), Memory::default());
        for _ in 0..BATCH * 2 {
            events.0.push_back(build::event(build::denial(5, Kind::Read), b"/x"));
        }
        events.0.push_back(vec![1, 2, 3]);
        images.0.push_back(vec![]);
        let (mut pump, mut seen, mut rounds) = (Pump::default(), 0, 1);
        while pump.pump(&mut events, &mut images, |observed| {
            assert!(observed.image.is_none());
            seen += 1;
        }) {
            rounds += 1;
        }
        assert_eq!((seen, rounds, pump.malformed()), (BATCH * 2, 3, 2));
    }
}
