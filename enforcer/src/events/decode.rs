// SPDX-License-Identifier: MIT OR Apache-2.0

//! From the bytes of a ring buffer record to the record: every length checked, no alignment assumed.

use std::mem::offset_of;

use enforcer_common::{
    Kind, Reason, Verdict,
    event::{Event, ImagePart},
};

/// A record that is not what the kernel programs write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Shorter than its header, or than its header says.
    #[error("a record of {len} bytes where {needed} are needed")]
    Short {
        /// Its length.
        len: usize,
        /// The least it should be.
        needed: usize,
    },
    /// A number that stands for nothing.
    #[error("a record with the unknown {what} {number}")]
    Unknown {
        /// What the number should say.
        what: &'static str,
        /// The number.
        number: u8,
    },
}

/// A verdict, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Nanoseconds since boot.
    pub time: u64,
    /// The program image of the task.
    pub image: u64,
    /// The process.
    pub tgid: u32,
    /// The thread.
    pub tid: u32,
    /// The rule that decided, or 0.
    pub rule: u16,
    /// The exception that was used, or 0.
    pub exception: u16,
    /// Of an exec: how many checks of the same exec came before.
    pub step: u16,
    /// What was attempted.
    pub kind: Kind,
    /// What was answered.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// The stage that the task was in.
    pub stage: u8,
    /// The text that was judged, without NUL.
    pub text: &'a [u8],
}

/// A part of a program image, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// Nanoseconds since boot.
    pub time: u64,
    /// The process.
    pub tgid: u32,
    /// The number of the exec.
    pub image: u64,
    /// The image that did the exec, or 0.
    pub parent: u64,
    /// How many of the strings are arguments.
    pub argc: u32,
    /// Where these bytes belong among the strings; `None` says that they are the path.
    pub offset: Option<u32>,
    /// All bytes of the strings.
    pub total: u32,
    /// The stage after the exec.
    pub stage: u8,
    /// The bytes.
    pub bytes: &'a [u8],
}

/// Reads an integer member of a wire struct.
macro_rules! read {
    ($bytes:expr, $of:ty, $member:ident: $int:ty) => {{
        let mut raw = [0; size_of::<$int>()];
        let at = offset_of!($of, $member);
        raw.copy_from_slice(&$bytes[at..at + size_of::<$int>()]);
        <$int>::from_ne_bytes(raw)
    }};
}

/// Splits a record into header and what follows.
fn split<Header>(bytes: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let needed = size_of::<Header>();
    bytes.split_at_checked(needed).ok_or(Malformed::Short { len: bytes.len(), needed })
}

/// What follows a header, as long as the header says. Records are padded, so more may be there.
fn tail<Header>(rest: &[u8], len: usize) -> Result<&[u8], Malformed> {
    let header = size_of::<Header>();
    rest.get(..len).ok_or(Malformed::Short { len: header + rest.len(), needed: header + len })
}

/// The value that a number stands for.
fn known<T>(what: &'static str, number: u8, from: fn(u8) -> Option<T>) -> Result<T, Malformed> {
    from(number).ok_or(Malformed::Unknown { what, number })
}

impl<'a> Record<'a> {
    /// Decodes a record of the events ring.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (head, rest) = split::<Event>(bytes)?;
        let text = tail::<Event>(rest, usize::from(read!(head, Event, text_len: u16)))?;
        Ok(Self {
            time: read!(head, Event, time: u64),
            image: read!(head, Event, image: u64),
            tgid: read!(head, Event, tgid: u32),
            tid: read!(head, Event, tid: u32),
            rule: read!(head, Event, rule: u16),
            exception: read!(head, Event, exception: u16),
            step: read!(head, Event, step: u16),
            kind: known("kind", read!(head, Event, kind: u8), Kind::from_wire)?,
            verdict: known("verdict", read!(head, Event, verdict: u8), Verdict::from_wire)?,
            reason: known("reason", read!(head, Event, reason: u8), Reason::from_wire)?,
            stage: read!(head, Event, stage: u8),
            text: text.split(|&byte| byte == 0).next().unwrap_or_default(),
        })
    }
}

impl<'a> Part<'a> {
    /// Decodes a record of the images ring.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (head, rest) = split::<ImagePart>(bytes)?;
        let offset = read!(head, ImagePart, offset: u32);
        Ok(Self {
            time: read!(head, ImagePart, time: u64),
            tgid: read!(head, ImagePart, tgid: u32),
            image: read!(head, ImagePart, image: u64),
            parent: read!(head, ImagePart, parent: u64),
            argc: read!(head, ImagePart, argc: u32),
            offset: (offset != ImagePart::PATH).then_some(offset),
            total: read!(head, ImagePart, total: u32),
            stage: read!(head, ImagePart, stage: u8),
            bytes: tail::<ImagePart>(rest, read!(head, ImagePart, len: u32) as usize)?,
        })
    }
}

#[cfg(test)]
pub(crate) mod build {
    //! Records as the kernel writes them.

    use super::*;

    /// The bytes of a wire struct. Both have no padding: their sizes are asserted where they are defined.
    fn bytes_of<T: Copy>(value: &T) -> Vec<u8> {
        // SAFETY: plain old data without padding.
        unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast(), size_of::<T>()) }.to_vec()
    }

    /// A record of the events ring.
    pub(crate) fn event(event: Event, text: &[u8]) -> Vec<u8> {
        let mut bytes = bytes_of(&Event { text_len: text.len() as u16, ..event });
        bytes.extend_from_slice(text);
        bytes
    }

    /// A denial of the first stage by no rule.
    pub(crate) fn denial(image: u64, kind: Kind) -> Event {
        Event {
            time: 1_000_000_000,
            image,
            run: 0,
            tgid: 100,
            tid: 101,
            rule: 0,
            exception: 0,
            text_len: 0,
            kind: kind as u8,
            verdict: Verdict::Deny as u8,
            reason: Reason::Default as u8,
            stage: 1,
            step: 0,
        }
    }

    /// The records of an exec.
    pub(crate) fn image(image: u64, parent: u64, path: &str, argv: &[&str], env: &[&str]) -> Vec<Vec<u8>> {
        let mut strings = Vec::new();
        for string in argv.iter().chain(env) {
            strings.extend_from_slice(string.as_bytes());
            strings.push(0);
        }
        let head = ImagePart {
            time: 1,
            image,
            parent,
            run: 0,
            tgid: 100,
            argc: argv.len() as u32,
            offset: ImagePart::PATH,
            len: path.len() as u32,
            total: strings.len() as u32,
            stage: 0,
            reserved: [0; 7],
        };
        let mut records = vec![[bytes_of(&head), path.as_bytes().to_vec()].concat()];
        for (index, chunk) in strings.chunks(ImagePart::BYTES).take(ImagePart::PARTS).enumerate() {
            let offset = (index * ImagePart::BYTES) as u32;
            let head = ImagePart { offset, len: chunk.len() as u32, ..head };
            records.push([bytes_of(&head), chunk.to_vec()].concat());
        }
        records
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_comes_back_from_unaligned_and_padded_bytes() {
        let mut bytes = vec![0xee];
        bytes.extend(build::event(build::denial(7, Kind::Read), b"/etc/shadow\0"));
        bytes.extend([0xee; 5]);
        let record = Record::decode(&bytes[1..]).unwrap();
        assert_eq!((record.image, record.tgid, record.tid, record.stage), (7, 100, 101, 1));
        assert_eq!(
            (record.kind, record.verdict, record.reason),
            (Kind::Read, Verdict::Deny, Reason::Default)
        );
        assert_eq!(record.text, b"/etc/shadow");
    }

    #[test]
    fn every_truncation_is_an_error_and_no_panic() {
        let event = build::event(build::denial(7, Kind::Exec), b"/bin/sh");
        for len in 0..event.len() {
            assert!(matches!(Record::decode(&event[..len]), Err(Malformed::Short { .. })), "{len}");
        }
        for part in build::image(9, 0, "/bin/sh", &["sh"], &["A=1"]) {
            for len in 0..part.len() {
                assert!(matches!(Part::decode(&part[..len]), Err(Malformed::Short { .. })), "{len}");
            }
        }
    }

    #[test]
    fn numbers_that_stand_for_nothing_are_errors() {
        let denial = build::denial(7, Kind::Exec);
        for (what, event) in [
            ("kind", Event { kind: 200, ..denial }),
            ("verdict", Event { verdict: 200, ..denial }),
            ("reason", Event { reason: 200, ..denial }),
        ] {
            let bytes = build::event(event, b"x");
            assert_eq!(Record::decode(&bytes), Err(Malformed::Unknown { what, number: 200 }));
        }
    }

    #[test]
    fn parts_say_where_they_belong() {
        let parts = build::image(9, 3, "/bin/sh", &["sh", "-c"], &["A=1"]);
        let parts: Vec<_> = parts.iter().map(|bytes| Part::decode(bytes).unwrap()).collect();
        assert_eq!((parts[0].offset, parts[0].bytes), (None, &b"/bin/sh"[..]));
        assert_eq!((parts[1].offset, parts[1].bytes), (Some(0), &b"sh\0-c\0A=1\0"[..]));
        assert_eq!((parts[1].image, parts[1].parent, parts[1].argc, parts[1].total), (9, 3, 2, 10));
    }
}
