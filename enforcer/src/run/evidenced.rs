// SPDX-License-Identifier: MIT OR Apache-2.0

//! The evidence of a run: its lines in the log, and the statement about what it made.
//!
//! The first lines are on the disk before COMMAND starts. What fails later is told once, and the run's status says so.

use std::{
    collections::{BTreeMap, HashSet},
    fs::File,
    io::Write as _,
    path::PathBuf,
};

use enforcer_common::{Kind, Verdict};

use super::{Error, credentials::Credentials};
use crate::{
    events::{Image, pump::Observed},
    evidence::{
        self, Entry, Hash, Log, Signer, Trace,
        chain::Head,
        entry::{Counts, Exception, Refused, Trip, Verdicts},
        envelope,
        statement::{Subject, statement},
    },
    exit::Exit,
    recording::recorder::package,
    report::{
        Denial, Ending, Legend, denial::who, escape::escape_all, json, reporter::tripped_by,
        terminal::Terminal,
    },
};

/// Uses of exceptions that get a line, of one run; all are counted.
const EXCEPTIONS: usize = 1000;

/// What is kept of a run.
pub(crate) struct Evidence {
    pub(crate) run: String,
    pub(crate) log: Option<Log>,
    /// What is told before COMMAND starts.
    pub(crate) opening: Vec<Entry>,
    pub(crate) attest: Option<Attest>,
    pub(crate) legend: Legend,
    pub(crate) terminal: Terminal,
    pub(crate) told: Told,
}

/// What was told so far.
#[derive(Default)]
pub(crate) struct Told {
    exceptions: HashSet<Denial>,
    uses: BTreeMap<String, u64>,
    last: Option<Head>,
    failed: bool,
}

/// A statement that was asked for.
pub(crate) struct Attest {
    pub(crate) file: File,
    pub(crate) products: Vec<PathBuf>,
    pub(crate) signer: Option<Signer>,
    pub(crate) credentials: Credentials,
}

/// How a run ended, for evidence.
pub(crate) struct End<'a> {
    pub(crate) ending: &'a Ending,
    /// Whether the kernel could be asked for its counts.
    pub(crate) counted: bool,
    pub(crate) recording: Option<Hash>,
    pub(crate) trace: Option<&'a Trace>,
    /// What the run made; none if there is to be no statement.
    pub(crate) subjects: Option<Vec<Subject>>,
}

impl Evidence {
    /// Before COMMAND starts.
    pub(crate) fn begin(&mut self) -> Result<(), Error> {
        let opening = std::mem::take(&mut self.opening);
        if let Some(log) = &self.log {
            self.told.last = Some(log.append(&opening)?);
        }
        Ok(())
    }

    /// COMMAND was not started after all.
    pub(crate) fn refused(&mut self, error: &Error) {
        let (run, why) = (self.run.clone(), escape_all(error.to_string().as_bytes()));
        self.tell(Entry::Refused(Refused { run, why }));
    }

    /// A decision was made.
    pub(crate) fn observe(&mut self, observed: &Observed<'_>) {
        let record = &observed.record;
        if self.log.is_none() || record.exception == 0 || record.verdict != Verdict::Allow {
            return;
        }
        let rule = self.legend.rule(record.exception);
        let id = rule.and_then(|rule| rule.exception.clone()).unwrap_or_default();
        *self.told.uses.entry(id.clone()).or_default() += 1;
        let used = Denial::of(observed);
        if self.told.exceptions.len() >= EXCEPTIONS || !self.told.exceptions.insert(used.clone()) {
            return;
        }
        let entry = Exception {
            run: self.run.clone(),
            id,
            place: rule.map(|rule| rule.place.clone()).unwrap_or_default(),
            action: record.kind.name(),
            target: (&used.target).into(),
            stage: self.legend.stage(record.stage).to_owned(),
            pid: record.tgid,
            package: used.attribution.package().map(package),
        };
        self.tell(Entry::Exception(Box::new(entry)));
    }

    /// The run was tripped.
    pub(crate) fn tripped(
        &mut self,
        counters: &enforcer_common::run::Counters,
        image: Option<&Image>,
        answer: &str,
    ) {
        let budget = tripped_by(counters).map(|budget| budget.name().to_owned()).unwrap_or_default();
        let (run, who, answer) = (self.run.clone(), who(image), answer.to_owned());
        self.tell(Entry::Trip(Trip { run, budget, who, answer }));
    }

    /// What a run made that ended so. An error has been told.
    pub(crate) fn subjects(&self, exit: Exit) -> Result<Option<Vec<Subject>>, ()> {
        let Some(attest) = &self.attest else { return Ok(None) };
        if !exit.is_success() {
            self.terminal.note("there is no statement: COMMAND did not succeed");
            return Ok(None);
        }
        let read = |path: &PathBuf| {
            let read = attest.credentials.act(|| Subject::read(path)).and_then(|read| read);
            read.map_err(|error| {
                let path = escape_all(path.as_os_str().as_encoded_bytes());
                self.terminal.warning(&format!("there is no statement: {path} cannot be read: {error}"));
            })
        };
        attest.products.iter().map(read).collect::<Result<_, _>>().map(Some)
    }

    /// The run is over. Whether all that was asked for is there.
    pub(crate) fn end(mut self, end: End<'_>) -> bool {
        let End { ending, counted, recording, trace, subjects } = end;
        let verdicts = Verdicts {
            run: self.run.clone(),
            exit: ending.exit.code(),
            signal: match ending.exit {
                Exit::Signal(signal) => Some(signal),
                _ => None,
            },
            counts: counted.then(|| self.counts(ending)),
            exceptions: std::mem::take(&mut self.told.uses),
            recording_sha256: recording,
        };
        self.tell(Entry::Verdicts(Box::new(verdicts)));
        if let (Some(subjects), Some(trace)) = (subjects, trace)
            && let Err(error) = self.attest(trace, &subjects)
        {
            self.terminal.warning(&format!("there is no statement: {error}"));
            self.told.failed = true;
        }
        if let (Some(log), Some(Head { seq, hash })) = (&self.log, self.told.last) {
            let log = escape_all(log.path().as_os_str().as_encoded_bytes());
            self.terminal.verbose(&format!("evidence: {log} up to line number {seq}, {hash}"));
        }
        !self.told.failed
    }

    fn counts(&self, ending: &Ending) -> Counts {
        let counters = &ending.counters;
        let denied = Kind::ALL.iter().map(|&kind| (kind.name().to_owned(), counters.denied[kind as usize]));
        Counts {
            decisions: counters.decisions(),
            denied: denied.filter(|&(_, count)| count > 0).collect(),
            budgets: json::spent(counters, &self.legend.budgets),
            tripped: tripped_by(counters).map(|budget| budget.name().to_owned()),
            refused_since: counters.refused_since,
            lost_events: counters.lost_events,
            lost_images: counters.lost_images,
            refused_forks: counters.refused_forks,
            malformed: ending.malformed,
            remaining_tasks: ending.remaining,
        }
    }

    fn attest(&mut self, trace: &Trace, subjects: &[Subject]) -> std::io::Result<()> {
        let Some(attest) = &mut self.attest else { return Ok(()) };
        let made = statement(&self.run, trace, subjects, self.told.last)
            .ok_or_else(|| std::io::Error::other("the run was not seen to its end"))?;
        let mut text = made.to_string();
        if let Some(signer) = &attest.signer {
            text = envelope(&text, signer).to_string();
        }
        text.push('\n');
        attest.file.write_all(text.as_bytes())?;
        attest.file.sync_data()
    }

    /// Adds a line. The first error ends the evidence of this run: what came after a gap would say nothing of it.
    fn tell(&mut self, entry: Entry) {
        let Some(log) = self.log.as_ref().filter(|_| !self.told.failed) else { return };
        match log.append(&[entry]) {
            Ok(head) => self.told.last = Some(head),
            Err(error) => {
                self.told.failed = true;
                self.terminal
                    .warning(&format!("{error}; the evidence of this run ends here, enforcement goes on"));
            }
        }
    }
}

impl From<evidence::Error> for Error {
    fn from(error: evidence::Error) -> Self {
        Self::Evidence(error)
    }
}
