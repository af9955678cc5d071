// SPDX-License-Identifier: MIT OR Apache-2.0

//! The end of a log, which the next line follows.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use super::{
    Hash,
    chain::{self, Head, LONGEST},
};

/// Bytes that are read at once.
const CHUNK: u64 = 1 << 12;

/// How a log ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// There is nothing in it.
    Empty,
    /// With this line.
    Line(Head),
    /// With this line, of which only the line feed is missing.
    Unended(Head),
    /// With a line that was cut off in the middle of being written.
    Torn {
        /// The last whole line.
        head: Head,
        /// What is behind it.
        bytes: u64,
        /// The hash of that.
        sha256: Hash,
    },
    /// With something that nobody wrote so.
    Damaged,
}

impl Tail {
    pub(super) fn of(file: &File) -> io::Result<Self> {
        let size = file.metadata()?.len();
        if size == 0 {
            return Ok(Self::Empty);
        }
        let mut end = Vec::new();
        let mut from = size;
        loop {
            let more = CHUNK.min(from);
            from -= more;
            let mut chunk = vec![0; usize::try_from(more).unwrap_or_default()];
            file.read_exact_at(&mut chunk, from)?;
            chunk.extend_from_slice(&end);
            end = chunk;
            match Self::read(&end, from == 0) {
                Some(tail) => return Ok(tail),
                // A line, and another that was cut off, are no longer.
                None if from == 0 || end.len() > 2 * LONGEST => return Ok(Self::Damaged),
                None => {}
            }
        }
    }

    /// The tail, if these bytes at the end are enough to tell.
    fn read(end: &[u8], all: bool) -> Option<Self> {
        let feed = |bytes: &[u8]| bytes.iter().rposition(|&byte| byte == b'\n');
        let (lines, torn) = end.split_at(feed(end).map_or(0, |at| at + 1));
        let last = lines.strip_suffix(b"\n")?;
        let begin = match feed(last) {
            Some(at) => at + 1,
            None if all => 0,
            None => return None,
        };
        let Ok(whole) = chain::open(&last[begin..]) else { return Some(Self::Damaged) };
        Some(match (torn, chain::open(torn)) {
            ([], _) => Self::Line(whole.head),
            (_, Ok(next)) if next.links.prev == whole.head.hash => Self::Unended(next.head),
            (_, Ok(_)) => Self::Damaged,
            (torn, Err(_)) => {
                Self::Torn { head: whole.head, bytes: torn.len() as u64, sha256: Hash::of(torn) }
            }
        })
    }
}
