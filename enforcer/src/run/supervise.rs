// SPDX-License-Identifier: MIT OR Apache-2.0

//! COMMAND's life: the kernel half set up and proven, COMMAND started, events read, signals passed on, the end.

use std::{collections::VecDeque, io, time::Duration};

use enforcer_common::{Kind, Verdict, run::Counters};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    process::Child,
    time::{Instant, MissedTickBehavior},
};

use super::{
    Error, Options,
    breaker::Breaker,
    child::Start,
    egress::{Note, Service},
    evidenced::{End, Evidence},
    plan::Plan,
    readable::readable,
    signals::{Received, Signals},
};
use crate::{
    events::{Pump, Record, pump::Batch},
    evidence::Trace,
    exit::Exit,
    kernel::{EgressMaps, Enforcement, Rings, connection},
    recording::Recorder,
    report::{Ending, Reporter, target, terminal::Terminal},
};

/// How often the rings are looked at without being told.
const TICK: Duration = Duration::from_millis(200);
/// How long what COMMAND started may take to end with it.
const SETTLE: Duration = Duration::from_millis(500);
/// How often that is looked at.
const SETTLE_TICK: Duration = Duration::from_millis(5);
/// Batches that are read at the very end, from a tree that may still be making events.
const LAST_BATCHES: usize = 64;

/// Runs COMMAND as planned.
pub(super) async fn supervise(
    plan: Plan,
    options: &Options,
    terminal: &Terminal,
    signals: &Signals,
) -> Result<Exit, Error> {
    let mut kernel = Enforcement::start(&plan.table, &plan.setup)?;
    let (rings, maps, before) = match prepare(&mut kernel) {
        Ok(ready) => ready,
        Err(error) => return Err(undo(kernel, error)),
    };
    match signals.pending_stop() {
        Ok(None) => {}
        Ok(Some(signal)) => {
            kernel.finish()?;
            return Ok(Exit::Signal(signal as u8));
        }
        Err(source) => return Err(undo(kernel, Error::System { action: "wait for signals", source })),
    }
    let mut reporter = Reporter::new(*terminal, plan.legend.clone(), plan.enforces());
    let (header, enforces) = (plan.header(options), plan.enforces());
    let Plan {
        file,
        inherited,
        invoker,
        credentials,
        destinations,
        resolver,
        breaker,
        json,
        recording,
        evidence,
        ..
    } = plan;
    let mut evidence = evidence;
    reporter.record(json, header);
    let recorder = recording.map(|(writer, facts)| {
        let trace = options.attest.is_some().then(Trace::default);
        Recorder::new(writer, trace, facts)
    });
    let records = recorder.is_some();
    let answering = Service::start(resolver, destinations, maps, enforces, records)
        .map_err(Error::system("start the resolver"));
    let service = match answering {
        Ok(service) => service,
        Err(error) => return Err(undo(kernel, error)),
    };
    if let Err(error) = evidence.begin() {
        return Err(undo(kernel, error));
    }
    let (argv, environment) = (&options.command, &invoker.environment);
    let spawned = kernel.enroller().map_err(Error::from).and_then(|enroller| {
        let cgroup = breaker.entrance()?;
        let credentials = &credentials;
        Start { file: &file, argv, environment, credentials, inherited, cgroup }.spawn(enroller)
    });
    let child = match spawned {
        Ok(child) => child,
        Err(error) => {
            evidence.refused(&error);
            return Err(undo(kernel, error));
        }
    };
    let mut pump = Pump::default();
    if records {
        pump.images().keep_account();
    }
    let notes = VecDeque::new();
    let mut watch = Watch { rings, pump, notes, reporter, recorder, evidence, breaker, service };
    let status = watch.until_exit(child, signals, &kernel).await;
    watch.settle(&kernel).await;
    let status = status.unwrap_or_else(|error| {
        terminal.warning(&format!("failed to wait for COMMAND: {error}"));
        Exit::Failed
    });
    Ok(watch.end(kernel, before, status, options, terminal))
}

/// Proves that denials happen, and takes the maps. What the proof itself is counted for is not the run's.
fn prepare(kernel: &mut Enforcement) -> Result<(Rings, EgressMaps, Counters), Error> {
    kernel.probe()?;
    let (rings, maps) = kernel.take()?;
    Ok((rings, maps, kernel.counters()?))
}

/// Takes the kernel half down again after an error; nothing was started.
fn undo(kernel: Enforcement, error: Error) -> Error {
    if let Err(error) = kernel.finish() {
        tracing::warn!("failed to clean up: {error}");
    }
    error
}

/// What happens while COMMAND runs.
struct Watch {
    rings: Rings,
    pump: Pump,
    /// What the resolver had to tell, and was not told yet.
    notes: VecDeque<Note>,
    reporter: Reporter,
    recorder: Option<Recorder>,
    evidence: Evidence,
    breaker: Breaker,
    service: Service,
}

impl Watch {
    /// Reads events and passes signals on until COMMAND has ended, or is frozen.
    async fn until_exit(
        &mut self,
        mut child: Child,
        signals: &Signals,
        kernel: &Enforcement,
    ) -> io::Result<Exit> {
        let events = readable(&self.rings.events)?;
        let images = readable(&self.rings.images)?;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                status = child.wait() => return status.map(Exit::from_status),
                received = signals.next() => pass_on(received?, &child),
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
                Some(note) = self.service.note() => { self.notes.push_back(note); self.read(); }
                _ = tick.tick() => { self.read(); }
            }
            self.break_off(kernel);
            if self.breaker.is_frozen() {
                return Ok(Exit::Tripped);
            }
        }
    }

    /// Ends, or freezes, a run that the kernel has tripped.
    fn break_off(&mut self, kernel: &Enforcement) {
        let counters = match kernel.counters() {
            Ok(counters) => counters,
            Err(error) => {
                tracing::warn!("whether the run is tripped cannot be seen: {error}");
                return;
            }
        };
        if let Some(done) = self.breaker.check(&counters) {
            self.read();
            let image = self.pump.image(counters.tripped_by);
            self.reporter.tripped(&counters, image, &done);
            self.evidence.tripped(&counters, image, &done);
        }
    }

    /// Reads a batch. True if there may be more.
    ///
    /// An image's record is written before anything that refers to it, so images are taken last. What the resolver told
    /// before an event was made comes before it.
    fn read(&mut self) -> bool {
        let batch = Batch::take(&mut self.rings.events);
        while let Some(note) = self.service.try_note() {
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
    async fn settle(&mut self, kernel: &Enforcement) {
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
    fn end(
        mut self,
        kernel: Enforcement,
        before: Counters,
        status: Exit,
        options: &Options,
        terminal: &Terminal,
    ) -> Exit {
        let (counters, counted, status) = match kernel.counters() {
            Ok(mut counters) => {
                counters.lost_events += self.service.lost() + self.service.lost_to_recording();
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
        let exit =
            if denied && options.fail_on_denial && status.is_success() { Exit::Denied } else { status };
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
        let counts = self.service.counts();
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

/// Passes a signal on to COMMAND, if it has not got it already. COMMAND has not been waited for, so its pid is its own.
fn pass_on(received: Received, child: &Child) {
    let signal: Option<Signal> = received.to_pass_on();
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    if let (Some(signal), Some(pid)) = (signal, pid) {
        tracing::debug!("passing {signal} on");
        // It may have ended this moment.
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

/// What was counted since `before`.
fn since(before: Counters, now: Counters) -> Counters {
    let mut denied = now.denied;
    denied.iter_mut().zip(before.denied).for_each(|(now, before)| *now = now.saturating_sub(before));
    Counters {
        tasks: now.tasks,
        decisions: now.decisions.saturating_sub(before.decisions),
        denied,
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
