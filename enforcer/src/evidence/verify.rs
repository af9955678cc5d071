// SPDX-License-Identifier: MIT OR Apache-2.0

//! Whether a log is as it was written, and where it is not.
//!
//! What can be seen: an edit, a line that is missing, moved or there twice, a line put in the place of another, a line
//! that nobody with the key wrote. What cannot be seen from the log alone: that lines are missing at its end, and, if it
//! is not signed, that all of it from some line on was written anew. For that one compares with what is known from
//! elsewhere: a hash, or how many lines there were.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader, Read as _},
    path::Path,
};

use super::{
    Error, Hash, Public,
    chain::{self, Flaw, Head, LONGEST, Whole},
    entry::VERSION,
};

/// Faults that are kept; the rest is counted.
const KEPT: usize = 1000;

/// What is known from elsewhere.
#[derive(Debug, Default)]
pub struct Asked {
    /// Each line must be signed by one of these; none: signatures are not looked at.
    pub keys: Vec<Public>,
    /// A line that must be there.
    pub expect: Option<Hash>,
    /// The last line's number must be this or greater.
    pub at_least: Option<u64>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// Lines that were read.
    pub lines: u64,
    /// Those that carry a signature.
    pub signed: u64,
    /// The last line.
    pub head: Option<Head>,
    /// What is wrong, in order.
    pub faults: Vec<Fault>,
    /// What is wrong besides.
    pub further: u64,
    /// What one should know.
    pub notices: Vec<String>,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file, by number from 0.
    pub file: usize,
    /// The line of it, from 1; 0 if it is not about one.
    pub line: u64,
    /// What.
    pub kind: Kind,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Kind {
    /// It was changed.
    #[error("was edited: its bytes do not give its hash")]
    Edited,
    /// It is nothing that we write.
    #[error("was edited, or never was a line of an evidence log")]
    Form,
    /// Lines are missing.
    #[error("follows a gap: {} missing before it (number {from} to {to})", if from == to { "a line is" } else { "lines are" })]
    Gap {
        /// The first number.
        from: u64,
        /// The last number.
        to: u64,
    },
    /// It stands too far up.
    #[error("is out of order: number {seq} stands before lines that it follows")]
    Early {
        /// Its number.
        seq: u64,
    },
    /// It stands too far down.
    #[error("is out of order: number {seq} stands behind number {after}")]
    Late {
        /// Its number.
        seq: u64,
        /// That of the line before.
        after: u64,
    },
    /// Its number was there before.
    #[error("has the number {seq}, which was there already")]
    Repeated {
        /// Its number.
        seq: u64,
    },
    /// It has the right number and the wrong predecessor.
    #[error("does not follow from the line before it: one of them was put in the place of another")]
    Replaced,
    /// The first line is not the first line of a file.
    #[error("is no beginning of a log: lines are missing before it")]
    Headless,
    /// A version that is not known.
    #[error("is of version {version}; this enforcer reads version {VERSION}")]
    Version {
        /// The version.
        version: u32,
    },
    /// The end is missing.
    #[error("is cut off: its writer crashed, or the log was cut here")]
    Cut,
    /// It is not signed.
    #[error("is not signed")]
    Unsigned,
    /// It is signed by somebody else.
    #[error("is signed by another key: {key}")]
    Foreign {
        /// The key.
        key: Hash,
    },
    /// The signature is wrong.
    #[error("has a signature that is not of this line and key")]
    Signature,
    /// A line that should be there is not.
    #[error("no line has the hash {hash}")]
    Absent {
        /// Its hash.
        hash: Hash,
    },
    /// The end is missing.
    #[error("the last line is number {last}, and there should be {expected}: lines are missing at the end")]
    Short {
        /// The last line's number.
        last: u64,
        /// What was asked for.
        expected: u64,
    },
}

impl Kind {
    /// A word for programs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Edited | Self::Form => "edited",
            Self::Gap { .. } | Self::Headless => "gap",
            Self::Early { .. } | Self::Late { .. } | Self::Repeated { .. } => "order",
            Self::Replaced => "replaced",
            Self::Version { .. } => "version",
            Self::Cut => "cut",
            Self::Unsigned | Self::Foreign { .. } | Self::Signature => "signature",
            Self::Absent { .. } => "absent",
            Self::Short { .. } => "short",
        }
    }
}

/// Reads files, in the order in which they were written.
///
/// # Errors
///
/// One cannot be read.
pub fn verified(paths: &[&Path], asked: &Asked) -> Result<Report, Error> {
    let mut verifier = Verifier::new(asked);
    for path in paths {
        let file = File::open(path).map_err(Error::io(path, "open"))?;
        // Under the lock for as long as it takes to see where whole lines end; what is added later is not read.
        let size =
            file.lock_shared().and_then(|()| file.metadata()).map_err(Error::io(path, "look at"))?.len();
        let _ = file.unlock();
        let input = BufReader::with_capacity(1 << 16, file.take(size));
        verifier.file(input).map_err(Error::io(path, "read"))?;
    }
    Ok(verifier.finish())
}

/// Reads logs.
#[derive(Debug)]
pub struct Verifier<'a> {
    asked: &'a Asked,
    report: Report,
    files: usize,
    line: u64,
    /// What the next line follows.
    last: Option<Last>,
    /// That line, if it is not as it was written.
    broken: Option<Broken>,
    /// Numbers that are missing, with the fault that says so.
    gaps: BTreeMap<u64, (u64, usize)>,
    /// The line before went too far.
    jump: Option<Jump>,
    /// Lines that stood too far up.
    early: BTreeMap<u64, Hash>,
    found: bool,
}

/// A line that stands behind a gap: lines are missing, or it was moved here.
#[derive(Debug)]
struct Jump {
    before: Last,
    head: Head,
    fault: usize,
}

/// A line that another follows.
#[derive(Clone, Debug)]
struct Last {
    seq: u64,
    /// The hashes that it can be known by: two if it does not give the one that it has, none if nobody knows.
    hashes: Vec<Hash>,
}

/// The line before, which is not as it was written.
#[derive(Debug)]
struct Broken {
    sha256: Hash,
    bytes: u64,
    /// How many faults there were before it.
    faults: usize,
    /// What it should have followed.
    before: Option<Last>,
}

impl<'a> Verifier<'a> {
    /// Begins.
    #[must_use]
    pub fn new(asked: &'a Asked) -> Self {
        let found = asked.expect.is_none();
        let (gaps, early) = (BTreeMap::new(), BTreeMap::new());
        Self {
            asked,
            report: Report::default(),
            files: 0,
            line: 0,
            last: None,
            broken: None,
            gaps,
            jump: None,
            early,
            found,
        }
    }

    /// Reads a file, which follows on the one before.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn file(&mut self, mut input: impl BufRead) -> io::Result<()> {
        self.line = 0;
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = (&mut input).take(2 * LONGEST as u64).read_until(b'\n', &mut line)?;
            if read == 0 {
                break;
            }
            self.line += 1;
            self.report.lines += 1;
            match line.strip_suffix(b"\n") {
                Some(line) => self.whole(line),
                None => self.broken(&line, Kind::Cut, vec![]),
            }
        }
        if self.line == 0 {
            self.fault(Kind::Headless);
        }
        self.files += 1;
        Ok(())
    }

    /// Everything was read.
    #[must_use]
    pub fn finish(mut self) -> Report {
        self.line = 0;
        self.files = self.files.saturating_sub(1);
        let last = self.report.head.map_or(0, |head| head.seq);
        if let Some(expected) = self.asked.at_least.filter(|&expected| last < expected) {
            self.fault(Kind::Short { last, expected });
        }
        if let Some(hash) = self.asked.expect.filter(|_| !self.found) {
            self.fault(Kind::Absent { hash });
        }
        self.report
    }

    fn whole(&mut self, line: &[u8]) {
        match chain::open(line) {
            Err(Flaw::Form) => self.broken(line, Kind::Form, vec![]),
            Err(Flaw::Edited { stated, given }) => self.broken(line, Kind::Edited, vec![stated, given]),
            Ok(whole) => {
                self.mended(&whole);
                self.signature(&whole);
                self.begins(&whole);
                self.follows(&whole);
                self.found |= self.asked.expect == Some(whole.head.hash);
            }
        }
    }

    /// A line that is not as it was written. It counts as the one that should be here.
    fn broken(&mut self, line: &[u8], kind: Kind, hashes: Vec<Hash>) {
        let (before, faults) = (self.last.take(), self.report.faults.len());
        self.fault(kind);
        let seq = before.as_ref().map_or(1, |last| last.seq + 1);
        self.last = Some(Last { seq, hashes });
        self.broken = Some(Broken { sha256: Hash::of(line), bytes: line.len() as u64, faults, before });
    }

    /// If this line tells that the one before was cut off, and it was: that is no fault.
    fn mended(&mut self, whole: &Whole<'_>) {
        let Some(Broken { sha256, bytes, faults, before }) = self.broken.take() else { return };
        let told = (whole.links.kind == "torn").then_some((whole.links.sha256, whole.links.bytes));
        if told == Some((Some(sha256), Some(bytes))) && self.report.further == 0 {
            self.report.faults.truncate(faults);
            self.last = before;
            let (line, after) = (self.line - 1, self.line);
            self.report.notices.push(format!(
                "line {line} was cut off in the middle of being written, as line {after} says"
            ));
        }
    }

    fn signature(&mut self, whole: &Whole<'_>) {
        self.report.signed += u64::from(whole.signed.is_some());
        if self.asked.keys.is_empty() {
            return;
        }
        let (Some((said, signature)), Some(id)) = (whole.signed, whole.links.key) else {
            return self.fault(Kind::Unsigned);
        };
        match self.asked.keys.iter().find(|key| key.id() == id) {
            None => self.fault(Kind::Foreign { key: id }),
            Some(key) if !key.verifies(said, &signature) => self.fault(Kind::Signature),
            Some(_) => {}
        }
    }

    fn begins(&mut self, whole: &Whole<'_>) {
        let begins = whole.links.kind == "log";
        if self.line == 1 && !begins {
            self.fault(Kind::Headless);
        }
        if let Some(version) = whole.links.version.filter(|&version| begins && version != VERSION) {
            self.fault(Kind::Version { version });
        }
    }

    fn follows(&mut self, whole: &Whole<'_>) {
        let (seq, prev) = (whole.head.seq, whole.links.prev);
        if let Some(jump) = self.jump.take().filter(|jump| jump.before.seq < seq && seq < jump.head.seq) {
            // That line is out of place, and not all that follow.
            self.moved(jump);
        }
        let next = self.last.as_ref().map(|last| last.seq + 1);
        match (&self.last, next) {
            (Some(_), Some(next)) if seq == next + 1 && self.early.contains_key(&next) => {
                if self.early.remove(&next) != Some(prev) {
                    self.fault(Kind::Replaced);
                }
            }
            (Some(last), Some(next)) if seq > next => {
                let before = last.clone();
                let fault = self.report.faults.len();
                self.gaps.insert(next, (seq - 1, fault));
                self.fault(Kind::Gap { from: next, to: seq - 1 });
                if seq > next + 1 {
                    self.jump = Some(Jump { before, head: whole.head, fault });
                }
            }
            (Some(last), Some(next)) if seq < next => {
                // What follows goes on from the line before this one.
                let after = last.seq;
                return self.late(seq, after);
            }
            (Some(last), _) => {
                if !last.hashes.is_empty() && !last.hashes.contains(&prev) {
                    self.fault(Kind::Replaced);
                }
            }
            (None, _) if seq == 1 && prev != Hash::NONE => self.fault(Kind::Replaced),
            (None, _) if seq > 1 => {
                let file = self.files + 1;
                self.report.notices.push(format!(
                    "file {file} begins with number {seq}: it goes on from a file that is not looked at"
                ));
            }
            (None, _) => {}
        }
        self.last = Some(Last { seq, hashes: vec![whole.head.hash] });
        self.report.head = Some(whole.head);
    }

    /// The line behind a gap stands before its turn.
    fn moved(&mut self, Jump { before, head, fault }: Jump) {
        self.gaps.remove(&(before.seq + 1));
        if let Some(fault) = self.report.faults.get_mut(fault) {
            fault.kind = Kind::Early { seq: head.seq };
        }
        self.early.insert(head.seq, head.hash);
        self.last = Some(before);
    }

    /// A line whose turn is over: if it was missed, it was moved here.
    fn late(&mut self, seq: u64, after: u64) {
        let gap = self.gaps.range(..=seq).next_back().filter(|(_, (to, _))| *to >= seq);
        let Some((&from, &(to, fault))) = gap else {
            return self.fault(Kind::Repeated { seq });
        };
        self.gaps.remove(&from);
        for (from, to) in [(from, seq - 1), (seq + 1, to)] {
            if from <= to {
                self.gaps.insert(from, (to, fault));
            }
        }
        let left = self.gaps.values().any(|&(_, of)| of == fault);
        if let Some(fault) = self.report.faults.get_mut(fault).filter(|_| !left)
            && let Kind::Gap { to, .. } = fault.kind
        {
            fault.kind = Kind::Early { seq: to + 1 };
        }
        self.fault(Kind::Late { seq, after });
    }

    fn fault(&mut self, kind: Kind) {
        if self.report.faults.len() < KEPT {
            self.report.faults.push(Fault { file: self.files, line: self.line, kind });
        } else {
            self.report.further += 1;
        }
    }
}

#[cfg(test)]
mod tests;
