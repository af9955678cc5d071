// SPDX-License-Identifier: MIT OR Apache-2.0

//! Any bytes as the beginning of a TLS connection: they come to the same in any pieces, and to what a reader says that has
//! them all at once.
//!
//! An input is the size of the pieces, 0 for one, and the bytes.

use enforcer_common::hello::{HELLO_MAX, Hello, NAME_MAX, NAME_SIZE, Progress};

use crate::input::Input;

/// What comes of bytes: how far they lead; and of a whole hello, the name, and whether there is another within.
type Outcome = (Progress, Option<(Vec<u8>, bool)>);

/// Reads, in two ways.
pub fn target(input: &[u8]) {
    let mut input = Input(input);
    let piece = usize::from(input.byte());
    let bytes = input.0;
    let whole = whole(bytes);
    for piece in [usize::MAX, 1, if piece == 0 { usize::MAX } else { piece }] {
        assert_eq!(pieces(bytes, piece), whole, "in pieces of {piece}");
    }
}

/// As the kernel does it.
fn pieces(bytes: &[u8], piece: usize) -> Outcome {
    let (mut hello, mut name) = (Hello::default(), [0; NAME_SIZE]);
    for part in bytes.chunks(piece) {
        let mut rest = part;
        while !rest.is_empty() && hello.progress() == Progress::More {
            let count = rest.len().min(hello.passable() as usize);
            if count > 0 {
                hello.pass(count as u32);
                rest = &rest[count..];
            } else {
                hello.take(rest[0], |index, byte| name[index] = byte);
                rest = &rest[1..];
            }
        }
    }
    let done = hello.progress() == Progress::Done;
    let name = name[..hello.name_len() as usize].to_vec();
    (hello.progress(), done.then(|| (name, hello.is_encrypted())))
}

/// With all bytes at once.
fn whole(bytes: &[u8]) -> Outcome {
    match message(bytes) {
        Ok(found) => (Progress::Done, Some(found)),
        Err(progress) => (progress, None),
    }
}

/// Bytes that are taken from the front, and may not be there yet.
struct Stream<'a> {
    /// What was not looked at yet.
    bytes: &'a [u8],
    /// Bytes that are left of the record.
    record: usize,
    /// Bytes that are left of the message, once its length is known.
    message: Option<usize>,
}

impl Stream<'_> {
    fn byte(&mut self) -> Result<u8, Progress> {
        while self.record == 0 {
            self.header()?;
        }
        let (&byte, rest) = self.bytes.split_first().ok_or(Progress::More)?;
        if self.message == Some(0) {
            return Err(Progress::Bad);
        }
        (self.bytes, self.record, self.message) = (rest, self.record - 1, self.message.map(|left| left - 1));
        Ok(byte)
    }

    fn header(&mut self) -> Result<(), Progress> {
        let bytes = self.bytes;
        let wrong = |at: usize, expected: u8| bytes.get(at).is_some_and(|&byte| byte != expected);
        if wrong(0, 22) || wrong(1, 3) {
            return Err(Progress::Bad);
        }
        let (head, rest) = bytes.split_at_checked(5).ok_or(Progress::More)?;
        let len = usize::from(u16::from_be_bytes([head[3], head[4]]));
        if len == 0 || len > 1 << 14 {
            return Err(Progress::Bad);
        }
        (self.bytes, self.record) = (rest, len);
        Ok(())
    }

    fn number(&mut self, width: usize) -> Result<usize, Progress> {
        (0..width).try_fold(0, |number, _| Ok(number << 8 | usize::from(self.byte()?)))
    }

    /// So many bytes, if the message has as many.
    fn some(&mut self, count: usize) -> Result<Vec<u8>, Progress> {
        if self.message.is_some_and(|left| left < count) {
            return Err(Progress::Bad);
        }
        (0..count).map(|_| self.byte()).collect()
    }
}

/// The name in a hello, and whether there is another within.
fn message(bytes: &[u8]) -> Result<(Vec<u8>, bool), Progress> {
    let mut stream = Stream { bytes, record: 0, message: None };
    let must = |so: bool| if so { Ok(()) } else { Err(Progress::Bad) };
    must(stream.number(1)? == 1)?;
    let len = stream.number(3)?;
    must(len <= HELLO_MAX as usize && len >= 34)?;
    stream.message = Some(len);
    stream.some(34)?;
    for width in [1, 2, 1] {
        let count = stream.number(width)?;
        stream.some(count)?;
    }
    let (mut name, mut encrypted) = (Vec::new(), false);
    if stream.message == Some(0) {
        return Ok((name, encrypted));
    }
    let extensions = stream.number(2)?;
    must(stream.message == Some(extensions))?;
    while stream.message != Some(0) {
        let (kind, len) = (stream.number(2)?, stream.number(2)?);
        encrypted |= kind == 0xfe0d;
        if kind != 0 {
            stream.some(len)?;
            continue;
        }
        must(name.is_empty() && len > 5 && stream.message.is_some_and(|left| left >= len))?;
        must(stream.number(2)? == len - 2)?;
        must(stream.number(1)? == 0)?;
        must(stream.number(2)? == len - 5 && len - 5 <= NAME_MAX as usize)?;
        for _ in 5..len {
            let byte = stream.byte()?;
            must(byte.is_ascii_alphanumeric() || b".-_".contains(&byte))?;
            name.push(byte.to_ascii_lowercase());
        }
    }
    Ok((name, encrypted))
}
