// SPDX-License-Identifier: MIT OR Apache-2.0

//! Watching a run: events and the resolver's notes are read, told, recorded, and a trip is answered.

use std::{collections::VecDeque, io, time::Duration};

use enforcer_common::{Kind, Verdict, run::Counters, table::KINDS};
use tokio::time::{Instant, MissedTickBehavior};

use super::{
    breaker::Breaker,
    egress::{Note, Service},
    evidenced::{End, Evidence},
    readable::readable,
};
use crate::{
    events::{Pump, Record, pump::Batch},
    exit::Exit,
    kernel::{Enforcement, Rings, connection},
    recording::Recorder,
    report::{Ending, Reporter, target, terminal::Terminal},
};

/// How often the rings are looked at without being told.
pub(crate) const TICK: Duration = Duration::from_millis(200);
/// How long what COMMAND started may take to end with it.
const SETTLE: Duration = Duration::from_millis(500);
/// How often that is looked at.
const SETTLE_TICK: Duration = Duration::from_millis(5);
/// Batches that are read at the very end, from a tree that may still be making events.
const LAST_BATCHES: usize = 64;

/// What happens while a run is under way.
pub(crate) struct Watch {
    pub(crate) rings: Rings,
    pub(crate) pump: Pump,
    /// What the resolver had to tell, and was not told yet.
    pub(crate) notes: VecDeque<Note>,
    pub(crate) reporter: Reporter,
    pub(crate) recorder: Option<Recorder>,
    pub(crate) evidence: Evidence,
    pub(crate) breaker: Breaker,
    /// Who answers its questions; none as long as nobody does.
    pub(crate) service: Option<Service>,
}

/// Why nothing is watched any more.
pub(crate) enum Until<T> {
    /// What was waited for has come.
    Over(T),
    /// The run is frozen: it will not end by itself.
    Frozen,
}

impl Watch {
    /// Of a run of whose programs `pump` knows.
    pub(crate) const fn new(
        rings: Rings,
        pump: Pump,
        reporter: Reporter,
        recorder: Option<Recorder>,
        evidence: Evidence,
        breaker: Breaker,
    ) -> Self {
        Self { rings, pump, notes: VecDeque::new(), reporter, recorder, evidence, breaker, service: None }
    }

    /// Reads events until `over` has come, or the run is frozen, unless that is no reason to stop.
    pub(crate) async fn until<T>(
        &mut self,
        over: impl Future<Output = T>,
        kernel: &Enforcement,
        stops_frozen: bool,
    ) -> io::Result<Until<T>> {
        let mut over = std::pin::pin!(over);
        let events = readable(&self.rings.events)?;
        let images = readable(&self.rings.images)?;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                done = &mut over => return Ok(Until::Over(done)),
                ready = events.readable() => {
                    let mut ready = ready?;
                    if !self.read() {
                        ready.clear_ready();
                    }
                }
                ready = images.readable() => {
                    let mut ready = ready?;
                    if !self.read() {
                        ready.clear_ready();
                    }
                }
                Some(note) = note(&mut self.service) => { self.notes.push_back(note); self.read(); }
                _ = tick.tick() => { self.read(); }
            }
            self.break_off(kernel);
            if stops_frozen && self.breaker.is_frozen() {
                return Ok(Until::Frozen);
            }
        }
    }

    /// Ends, or freezes, a run that the kernel has tripped.
    fn break_off(&mut self, kernel: &Enforcement) {
        let answered = kernel.counters().and_then(|counters| {
            let done = self.breaker.check(&counters, kernel)?;
            Ok(done.map(|done| (counters, done)))
        });
        match answered {
            Ok(None) => {}
            Ok(Some((counters, done))) => {
                self.read();
                let image = self.pump.image(counters.tripped_by);
                self.reporter.tripped(&counters, image, &done);
                self.evidence.tripped(&counters, image, &done);
            }
            Err(error) => tracing::warn!("whether the run is tripped cannot be seen: {error}"),
        }
    }

    /// Reads a batch. True if there may be more.
    ///
    /// An image's record is written before anything that refers to it, so images are taken last. What the resolver told
    /// before an event was made comes before it.
    fn read(&mut self) -> bool {
        let batch = Batch::take(&mut self.rings.events);
        while let Some(note) = self.service.as_mut().and_then(Service::try_note) {
            self.notes.push_back(note);
        }
        let more = self.pump.take_images(&mut self.rings.images) | batch.is_full();
        for record in batch.records(&mut self.pump) {
            while let Some(note) = self.notes.pop_front_if(|note| note.time() <= record.time) {
                self.heed(note);
            }
            end_denied(&record);
            self.observe(record);
        }
        if !more {
            while let Some(note) = self.notes.pop_front() {
                self.heed(note);
            }
            if let Some(log) = &mut self.rings.log {
                log.flush();
            }
            self.reporter.flush();
            if let Some(error) = self.recorder.as_mut().and_then(Recorder::flush) {
                self.reporter.warning(&format!("failed to write the recording: {error}; it ends here"));
            }
        }
        more
    }

    /// Tells of a decision.
    fn observe(&mut self, record: Record<'_>) {
        if let Some(recorder) = &mut self.recorder {
            recorder.executed(self.pump.images(), record.time);
            recorder.observe(&record, self.pump.observed(record).images);
        }
        if record.exception != 0 {
            self.evidence.observe(&self.pump.observed(record));
        }
        let excepted = record.exception != 0 && record.kind != Kind::Resolve;
        if record.verdict != Verdict::Allow || excepted {
            self.reporter.observe(&self.pump.observed(record));
        }
    }

    /// Takes in what the resolver has to tell. The programs that it concerns have been read.
    fn heed(&mut self, note: Note) {
        match note {
            Note::Led { time, until, name, address } => {
                if let Some(recorder) = &mut self.recorder {
                    recorder.led(time, &name, address, until);
                }
                self.reporter.led(name, address);
            }
            Note::Asked { time, asker, text, verdict, reason, rule, exception } => {
                self.observe(Record {
                    time,
                    image: asker.image,
                    tgid: asker.tgid,
                    tid: asker.tid,
                    rule,
                    exception,
                    step: 0,
                    kind: Kind::Resolve,
                    verdict,
                    reason,
                    stage: u8::try_from(asker.stage).unwrap_or(u8::MAX),
                    text: text.as_bytes(),
                });
            }
        }
    }

    /// Reads on for a moment: what COMMAND started often ends just after it.
    pub(crate) async fn settle(&mut self, kernel: &Enforcement) {
        let deadline = Instant::now() + SETTLE;
        loop {
            self.break_off(kernel);
            let left = kernel.counters().map_or(0, |counters| counters.tasks);
            for _ in 0..LAST_BATCHES {
                if !self.read() {
                    break;
                }
            }
            if left == 0 || Instant::now() >= deadline {
                return;
            }
            tokio::time::sleep(SETTLE_TICK).await;
        }
    }

    /// Lets go of the run and sums up.
    pub(crate) fn end(
        mut self,
        kernel: Enforcement,
        before: Counters,
        status: Exit,
        fail_on_denial: bool,
        terminal: &Terminal,
    ) -> Exit {
        let (counters, counted, status) = match kernel.counters() {
            Ok(mut counters) => {
                if let Some(service) = &self.service {
                    counters.lost_events += service.lost() + service.lost_to_recording();
                }
                (since(before, counters), true, status)
            }
            Err(error) => {
                terminal.warning(&format!("the counts below are incomplete: {error}"));
                // Nobody knows what was denied, or whether the run was tripped.
                (Counters::default(), false, if status.is_success() { Exit::Failed } else { status })
            }
        };
        let remaining = match kernel.finish() {
            Ok(remaining) => remaining.tasks,
            Err(error) => {
                terminal.warning(&format!("failed to clean up: {error}"));
                0
            }
        };
        let status = if counters.tripped != 0 { Exit::Tripped } else { status };
        let denied = counters.denied.iter().sum::<u64>() > 0 || self.reporter.saw_denials();
        let exit = if denied && fail_on_denial && status.is_success() { Exit::Denied } else { status };
        let (subjects, exit) = match self.evidence.subjects(exit) {
            Ok(subjects) => (subjects, exit),
            Err(()) => (None, Exit::Unproven),
        };
        let malformed = self.pump.malformed();
        self.lookups(terminal);
        let ending = Ending { exit, counters, malformed, remaining };
        self.reporter.finish(&ending);
        if let Some(recorder) = &mut self.recorder
            && let Some(error) = recorder.finish(self.pump.images(), &ending)
        {
            terminal.warning(&format!("the recording is incomplete: {error}"));
        }
        let recording = self.recorder.as_ref().and_then(Recorder::sha256);
        let trace = self.recorder.as_ref().and_then(Recorder::trace);
        let ending = &ending;
        let complete = self.evidence.end(End { ending, counted, recording, trace, subjects });
        if !complete && exit.is_success() { Exit::Unproven } else { exit }
    }
}

impl Watch {
    /// Says which lookups went wrong.
    fn lookups(&self, terminal: &Terminal) {
        let Some(counts) = self.service.as_ref().map(Service::counts) else { return };
        for (count, why) in [
            (counts.overloaded(), "too many were under way at once"),
            (counts.unanswered(), "no name server gave an answer that can be used"),
            (counts.ungranted(), "their addresses could not be given to the kernel"),
        ] {
            if count > 0 {
                terminal.warning(&format!("{count} lookups of allowed names failed: {why}"));
            }
        }
    }
}

/// Ends a connection that was denied after it was made: whoever waits for an answer there would wait in vain.
fn end_denied(record: &Record<'_>) {
    let denied = (record.kind, record.verdict) == (Kind::Connect, Verdict::Deny);
    if let Some((here, there)) = target::ends(record.text).filter(|_| denied)
        && let Err(error) = connection::end(here, there)
    {
        tracing::debug!("the connection from {here} to {there} was not ended: {error}");
    }
}

/// What was counted since `before`.
fn since(before: Counters, now: Counters) -> Counters {
    let grown = |now: [u64; KINDS], before: [u64; KINDS]| {
        std::array::from_fn(|kind| now[kind].saturating_sub(before[kind]))
    };
    Counters {
        tasks: now.tasks,
        decided: grown(now.decided, before.decided),
        denied: grown(now.denied, before.denied),
        lost_events: now.lost_events.saturating_sub(before.lost_events),
        lost_images: now.lost_images.saturating_sub(before.lost_images),
        refused_forks: now.refused_forks.saturating_sub(before.refused_forks),
        // The proof spends nothing.
        spent: now.spent,
        tripped: now.tripped,
        tripped_by: now.tripped_by,
        refused_since: now.refused_since,
    }
}

/// What the resolver has to tell, when there is one and it has something.
async fn note(service: &mut Option<Service>) -> Option<Note> {
    match service {
        Some(service) => service.note().await,
        None => std::future::pending().await,
    }
}
