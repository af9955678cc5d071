// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reading a recording. Whoever wrote it may be hostile: nothing in it is believed further than it can be checked, and
//! memory does not grow with it.

use std::{
    borrow::Cow,
    fs::File,
    io::{self, BufRead, BufReader, Read, Write as _},
    path::Path,
};

use enforcer_common::{Kind, Reason, Verdict};
use serde::Deserialize;

use super::format::{Event, Header, Image, Led, Trailer, VERSION};

/// Longest line. The longest that is written has a profile in it.
const LINE_MAX: usize = 8 << 20;
/// The first bytes of what zstd compressed.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// What begins a line of an event, as it is written: so most lines are looked at once.
const EVENT: &[u8] = b"{\"type\":\"event\",";
/// Memory that decompressing may take, as a power of two.
const WINDOW_LOG_MAX: u32 = 23;

/// What is wrong with a recording.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// There is nothing in it.
    #[error("is empty")]
    Empty,
    /// Another version wrote it.
    #[error("is of version {0}, and this enforcer reads version {VERSION}")]
    Version(u64),
    /// A line is not what it must be.
    #[error("line {line}: {what}")]
    Line {
        /// Its number, from 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
}

/// A line behind the header.
#[derive(Debug)]
pub enum Record<'a> {
    /// A program.
    Image(Image),
    /// Where a name led.
    Led(Led),
    /// A decision, and what its words stand for.
    Event(Event<'a>, Words<'a>),
    /// The last line.
    Trailer(Box<Trailer>),
}

/// What the words of an event stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words<'a> {
    /// What was attempted.
    pub kind: Kind,
    /// What was answered.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// The stage.
    pub stage: u8,
    /// The bytes that were judged.
    pub text: Cow<'a, [u8]>,
}

/// A recording that is read.
pub struct Reader<'r> {
    input: Box<dyn BufRead + 'r>,
    header: Header,
    line: Vec<u8>,
    number: u64,
    images: u32,
    ended: bool,
    cut: bool,
}

impl std::fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("line", &self.number).field("cut", &self.cut).finish_non_exhaustive()
    }
}

/// What a line says that it is.
#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    version: Option<u64>,
}

impl Reader<'static> {
    /// Opens a file, and reads its header.
    ///
    /// # Errors
    ///
    /// It is no recording, or not one that can be read.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        Self::new(File::open(path)?)
    }
}

impl<'r> Reader<'r> {
    /// Reads the header. Compression is told from the bytes.
    ///
    /// # Errors
    ///
    /// It is no recording, or not one that can be read.
    pub fn new(input: impl Read + 'r) -> Result<Self, Fault> {
        let mut input = BufReader::with_capacity(1 << 16, input);
        let mut input: Box<dyn BufRead + 'r> = if input.fill_buf()?.starts_with(&MAGIC) {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
            decoder.window_log_max(WINDOW_LOG_MAX)?;
            Box::new(BufReader::with_capacity(1 << 16, decoder))
        } else {
            Box::new(input)
        };
        let (mut line, mut cut) = (Vec::new(), false);
        if !read_line(&mut *input, &mut line, 1, &mut cut)? {
            return Err(if cut { fault(1, "the file ends within the header") } else { Fault::Empty });
        }
        let typed: Typed<'_> = parse(&line, 1)?;
        match (&*typed.kind, typed.version) {
            ("recording", Some(version)) if version == u64::from(VERSION) => {}
            ("recording", Some(version)) => return Err(Fault::Version(version)),
            ("header", _) => return Err(fault(1, "this is the record of `--json`, which has denials only")),
            _ => return Err(fault(1, "this is no recording: it begins with something else")),
        }
        let header: Header = parse(&line, 1)?;
        Ok(Self { input, header, line, number: 1, images: 0, ended: false, cut })
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Lines read so far.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.number
    }

    /// Whether the recording was cut off: there was no trailer. To be asked at the end.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.cut || !self.ended
    }

    /// The next line, none at the end. Of a file that was cut off, the end is its last whole line.
    ///
    /// # Errors
    ///
    /// What is wrong with the line. There is no going on behind it.
    pub fn read(&mut self) -> Result<Option<Record<'_>>, Fault> {
        let number = self.number + 1;
        if self.cut || !read_line(&mut *self.input, &mut self.line, number, &mut self.cut)? {
            return Ok(None);
        }
        self.number = number;
        if self.ended {
            return Err(fault(number, "there is something behind the trailer"));
        }
        let line = &*self.line;
        let kind = if line.starts_with(EVENT) {
            Cow::Borrowed("event")
        } else {
            parse::<Typed<'_>>(line, number)?.kind
        };
        Ok(Some(match &*kind {
            "event" => {
                let event: Event<'_> = parse(line, number)?;
                let words = words(&event, &self.header, self.images).map_err(|what| fault(number, what))?;
                Record::Event(event, words)
            }
            "image" => {
                let image: Image = parse(line, number)?;
                if Some(image.id) != self.images.checked_add(1)
                    || image.parent.is_some_and(|parent| parent == 0 || parent >= image.id)
                {
                    return Err(fault(number, "a program is numbered out of order"));
                }
                self.images = image.id;
                Record::Image(image)
            }
            "led" => Record::Led(parse(line, number)?),
            "trailer" => {
                self.ended = true;
                Record::Trailer(Box::new(parse(line, number)?))
            }
            _ => return Err(fault(number, "a line of a type that is not known")),
        }))
    }
}

/// What the words of an event stand for.
fn words<'a>(event: &Event<'a>, header: &Header, images: u32) -> Result<Words<'a>, String> {
    fn known<T: Copy>(what: &str, word: &str, all: &[T], name: fn(T) -> &'static str) -> Result<T, String> {
        let found = all.iter().copied().find(|&one| name(one) == word);
        found.ok_or_else(|| format!("there is no such {what}"))
    }
    if event.image == 0 || event.image > images {
        return Err("it names a program that no line before it has".to_owned());
    }
    let stage = header.profile.stages.iter().position(|stage| *stage == event.stage);
    let text = match &event.hex {
        Some(hex) => Cow::Owned(crate::report::json::bytes_of(hex).ok_or("`hex` is not hexadecimal")?),
        None => match &event.text {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.clone().into_bytes()),
        },
    };
    if text.contains(&0) {
        return Err("a text has a NUL, which ends it".to_owned());
    }
    Ok(Words {
        kind: known("action", &event.kind, Kind::ALL, Kind::name)?,
        verdict: known("verdict", &event.verdict, Verdict::ALL, Verdict::name)?,
        reason: known("reason", &event.reason, Reason::ALL, Reason::name)?,
        stage: stage.and_then(|stage| u8::try_from(stage).ok()).ok_or("the profile has no such stage")?,
        text,
    })
}

fn fault(line: u64, what: impl Into<String>) -> Fault {
    Fault::Line { line, what: what.into() }
}

fn parse<'a, T: Deserialize<'a>>(line: &'a [u8], number: u64) -> Result<T, Fault> {
    serde_json::from_slice(line).map_err(|error| {
        // Its own line number counts from this line. What it quotes may be anything.
        let text = error.to_string();
        let what = text.split(" at line ").next().unwrap_or_default();
        fault(
            number,
            format!("{} (column {})", crate::report::escape::escape(what.as_bytes()), error.column()),
        )
    })
}

/// Reads a whole line. False at the end; `cut` then says whether there was the beginning of one more.
fn read_line(
    input: &mut dyn BufRead,
    line: &mut Vec<u8>,
    number: u64,
    cut: &mut bool,
) -> Result<bool, Fault> {
    line.clear();
    loop {
        let available = match input.fill_buf() {
            Ok(available) => available,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // A compressed file that ends in the middle of a block.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                *cut = true;
                return Ok(false);
            }
            Err(error) => return Err(fault(number, format!("cannot be read: {error}"))),
        };
        if available.is_empty() {
            *cut |= !line.is_empty();
            return Ok(false);
        }
        let end = available.iter().position(|&byte| byte == b'\n');
        let taken = end.unwrap_or(available.len());
        if line.len() + taken > LINE_MAX {
            return Err(fault(number, "it is longer than any line of a recording"));
        }
        line.write_all(&available[..taken])?;
        input.consume(end.map_or(taken, |end| end + 1));
        if end.is_some() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests;
