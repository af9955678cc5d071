// SPDX-License-Identifier: MIT OR Apache-2.0

//! Putting a program image together from its parts.

use enforcer_common::event::ImagePart;

use super::decode::Part;

/// The most bytes of strings that the kernel sends of one image.
const MOST: usize = ImagePart::BYTES * ImagePart::PARTS;

/// An image whose parts are arriving. They come in order, from one task in one hook, so one that is out of order means
/// that another was lost.
#[derive(Clone, Debug)]
pub struct Partial {
    /// Nanoseconds since boot.
    pub time: u64,
    /// The process.
    pub tgid: u32,
    /// The image that did the exec, or 0.
    pub parent: u64,
    /// The stage after the exec.
    pub stage: u8,
    path: Option<Vec<u8>>,
    strings: Vec<u8>,
    argc: usize,
    total: usize,
    gap: bool,
}

impl Partial {
    /// From the first part that arrived.
    #[must_use]
    pub fn new(part: &Part<'_>) -> Self {
        let mut partial = Self {
            time: part.time,
            tgid: part.tgid,
            parent: part.parent,
            stage: part.stage,
            path: None,
            strings: Vec::new(),
            argc: part.argc as usize,
            total: part.total as usize,
            gap: false,
        };
        partial.add(part);
        partial
    }

    /// Adds a part. What comes after a gap is dropped: nobody could tell where its strings begin.
    pub fn add(&mut self, part: &Part<'_>) {
        match part.offset {
            None => self.path = Some(part.bytes.to_vec()),
            Some(offset) if !self.gap && offset as usize == self.strings.len() => {
                let room = MOST.saturating_sub(self.strings.len());
                self.strings.extend_from_slice(&part.bytes[..part.bytes.len().min(room)]);
            }
            Some(_) => self.gap = true,
        }
    }

    /// Whether everything that the kernel sends has arrived.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.path.is_some() && !self.gap && self.strings.len() >= self.total.min(MOST)
    }

    /// Whether everything that the exec was given has arrived.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.is_done() && self.strings.len() == self.total
    }

    /// The path of the program; empty if it was lost or the kernel could not name it.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        self.path.as_deref().unwrap_or_default()
    }

    /// The arguments that arrived whole.
    pub fn argv(&self) -> impl Iterator<Item = &[u8]> {
        self.whole().take(self.argc)
    }

    /// The variables that arrived whole, `NAME=value`.
    pub fn environment(&self) -> impl Iterator<Item = &[u8]> {
        self.whole().skip(self.argc)
    }

    /// The strings that have their NUL.
    fn whole(&self) -> impl Iterator<Item = &[u8]> {
        self.strings.split_inclusive(|&byte| byte == 0).filter_map(|string| string.strip_suffix(b"\0"))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::decode::build, *};

    fn assemble(records: &[Vec<u8>]) -> Partial {
        let mut parts = records.iter().map(|bytes| Part::decode(bytes).unwrap());
        let mut partial = Partial::new(&parts.next().unwrap());
        parts.for_each(|part| partial.add(&part));
        partial
    }

    #[test]
    fn an_image_of_many_parts() {
        let long = "x".repeat(3 * ImagePart::BYTES);
        let big = format!("BIG={long}");
        let records = build::image(1, 0, "/bin/sh", &["sh", "", "-c"], &[&big, "A=1"]);
        assert_eq!(records.len(), 5);
        let image = assemble(&records);
        assert!(image.is_complete());
        assert_eq!(image.path(), b"/bin/sh");
        assert_eq!(image.argv().collect::<Vec<_>>(), [&b"sh"[..], b"", b"-c"]);
        assert_eq!(image.environment().collect::<Vec<_>>(), [big.as_bytes(), b"A=1"]);
    }

    #[test]
    fn a_lost_part_ends_the_strings() {
        let long = "x".repeat(3 * ImagePart::BYTES);
        let mut records = build::image(1, 0, "/bin/sh", &["sh"], &["A=1", &long, "B=2"]);
        records.remove(2);
        let image = assemble(&records);
        assert!(!image.is_done() && !image.is_complete());
        assert_eq!(image.environment().collect::<Vec<_>>(), [b"A=1"]);
    }

    #[test]
    fn an_image_that_is_too_long_is_done_but_not_complete() {
        let longer = "x".repeat(MOST);
        let image = assemble(&build::image(1, 0, "/bin/sh", &["sh"], &["A=1", &longer]));
        assert!(image.is_done() && !image.is_complete());
        assert_eq!(image.environment().collect::<Vec<_>>(), [b"A=1"]);
    }

    #[test]
    fn a_lost_path_leaves_the_arguments() {
        let records = build::image(1, 0, "/bin/sh", &["sh"], &[]);
        let image = assemble(&records[1..]);
        assert!(!image.is_done());
        assert_eq!((image.path(), image.argv().count()), (&b""[..], 1));
    }
}
