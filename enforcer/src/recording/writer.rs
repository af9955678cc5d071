// SPDX-License-Identifier: MIT OR Apache-2.0

//! Writing a recording.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    time::{Duration, Instant},
};

use sha2::{Digest as _, Sha256};
use zstd::stream::write::Encoder;

use super::format::Line;
use crate::evidence::Hash;

/// Bytes that are gathered before the kernel is asked to take them.
const BUFFER: usize = 1 << 16;
/// How often at most what is compressed is made readable: each time costs some compression.
const PAUSE: Duration = Duration::from_millis(500);
/// How hard it is compressed: paths repeat, so that the lowest level takes nine tenths away.
const LEVEL: i32 = 1;

/// Writes lines. The first error ends the writing, and is kept.
pub struct Writer {
    out: Out,
    flushed: Instant,
    failed: Option<io::Error>,
    told: bool,
    sha256: Option<Hash>,
}

enum Out {
    Plain(BufWriter<Hashed>),
    Zstd(Box<Encoder<'static, BufWriter<Hashed>>>),
    Ended,
}

/// A file, and the hash of what was written to it: evidence names a recording by it.
struct Hashed {
    file: File,
    hasher: Sha256,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("failed", &self.failed).finish_non_exhaustive()
    }
}

impl Writer {
    /// Writes to a file, compressed or not.
    ///
    /// # Errors
    ///
    /// The compressor could not be set up.
    pub fn new(file: File, compressed: bool) -> io::Result<Self> {
        let file = BufWriter::with_capacity(BUFFER, Hashed { file, hasher: Sha256::new() });
        let out = match compressed {
            false => Out::Plain(file),
            true => {
                let mut encoder = Encoder::new(file, LEVEL)?;
                encoder.include_checksum(true)?;
                Out::Zstd(Box::new(encoder))
            }
        };
        Ok(Self { out, flushed: Instant::now(), failed: None, told: false, sha256: None })
    }

    /// Writes a line.
    pub fn write(&mut self, line: &Line<'_>) {
        let written = self.with(|out| {
            serde_json::to_writer(&mut *out, line).map_err(io::Error::from)?;
            out.write_all(b"\n")
        });
        self.keep(written);
    }

    /// There is a pause: makes what was written readable. Returns the error that ended the writing, once.
    pub fn flush(&mut self) -> Option<&io::Error> {
        if matches!(self.out, Out::Plain(_)) || self.flushed.elapsed() >= PAUSE {
            let flushed = self.with(|out| out.flush());
            self.keep(flushed);
            self.flushed = Instant::now();
        }
        if self.told {
            return None;
        }
        self.told = self.failed.is_some();
        self.failed.as_ref()
    }

    /// Writes what is left. Returns the error that ended the writing.
    pub fn finish(&mut self) -> Option<&io::Error> {
        let written = match std::mem::replace(&mut self.out, Out::Ended) {
            Out::Plain(out) => Ok(out),
            Out::Zstd(encoder) => encoder.finish(),
            Out::Ended => return self.failed.as_ref(),
        };
        let ended = written.and_then(|out| out.into_inner().map_err(io::IntoInnerError::into_error));
        self.sha256 = ended.as_ref().ok().map(|out| Hash(out.hasher.clone().finalize().into()));
        self.keep(ended.map(drop));
        self.failed.as_ref()
    }

    /// The hash of the file, once it is finished, and whole.
    #[must_use]
    pub fn sha256(&self) -> Option<Hash> {
        self.sha256.filter(|_| self.failed.is_none())
    }

    fn with(&mut self, act: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        if self.failed.is_some() {
            return Ok(());
        }
        match &mut self.out {
            Out::Plain(out) => act(out),
            Out::Zstd(out) => act(out),
            Out::Ended => Ok(()),
        }
    }

    fn keep(&mut self, written: io::Result<()>) {
        if let (Err(error), None) = (written, &self.failed) {
            self.failed = Some(error);
        }
    }
}
