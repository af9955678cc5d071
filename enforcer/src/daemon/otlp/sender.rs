// SPDX-License-Identifier: MIT OR Apache-2.0

//! Batches, sent one after the other until the collector has them. It may be away for as long as it wants.

use std::{
    hash::{BuildHasher as _, RandomState},
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use opentelemetry_proto::tonic::{
    collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceRequest},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    resource::v1::Resource,
};
use prost::Message as _;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout_at},
};

use super::{
    collector::Collector,
    post::{Failure, post},
    queue::{Counts, add},
    resource::{resource, scope},
};
use crate::report::{escape::escape, number::grouped, terminal::Terminal};

/// Records of a batch.
pub(super) const BATCH: usize = 512;

/// How long is waited for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// For a batch to become full.
    pub(super) gather: Duration,
    /// Before the second attempt; for each one more, twice as long.
    pub(super) first: Duration,
    /// At most.
    pub(super) longest: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            gather: Duration::from_secs(1),
            first: Duration::from_secs(1),
            longest: Duration::from_secs(30),
        }
    }
}

/// Whoever brings records to the collector.
pub(super) struct Sender {
    pub(super) collector: Collector,
    pub(super) records: mpsc::Receiver<LogRecord>,
    pub(super) counts: Rc<Counts>,
    pub(super) terminal: Terminal,
    pub(super) pace: Pace,
    resource: Resource,
    gathered: Vec<LogRecord>,
    /// What is on its way, and how many records that are.
    batch: Option<(Bytes, u64)>,
    /// What was said last of what is refused: it is not said of each batch.
    told: Option<String>,
}

impl Sender {
    pub(super) fn new(
        collector: Collector,
        records: mpsc::Receiver<LogRecord>,
        counts: Rc<Counts>,
        terminal: Terminal,
        pace: Pace,
    ) -> Self {
        let (resource, gathered) = (resource(), Vec::with_capacity(BATCH));
        Self { collector, records, counts, terminal, pace, resource, gathered, batch: None, told: None }
    }

    /// Sends what comes, for ever. Nothing is lost if this is dropped between.
    pub(super) async fn send(&mut self) {
        loop {
            if self.batch.is_none() {
                self.gather().await;
                self.pack();
            }
            self.deliver().await;
        }
    }

    /// Sends what is there, each batch once, until one is not taken.
    pub(super) async fn last(&mut self) {
        loop {
            while self.gathered.len() < BATCH
                && let Ok(record) = self.records.try_recv()
            {
                self.gathered.push(record);
            }
            self.pack();
            if self.batch.is_none() {
                return;
            }
            if let Err(failure) = self.attempt().await {
                *self.counts.problem.borrow_mut() = Some(escape(failure.to_string().as_bytes()));
                return;
            }
        }
    }

    /// Waits for a record, and a moment more for others.
    async fn gather(&mut self) {
        let mut room = BATCH - self.gathered.len();
        if self.gathered.is_empty() && self.records.recv_many(&mut self.gathered, room).await == 0 {
            // Nobody is left to add any.
            return std::future::pending().await;
        }
        let until = Instant::now() + self.pace.gather;
        while self.gathered.len() < BATCH {
            room = BATCH - self.gathered.len();
            match timeout_at(until, self.records.recv_many(&mut self.gathered, room)).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return,
            }
        }
    }

    /// Makes a batch of what is gathered, if there is none on its way.
    fn pack(&mut self) {
        if self.batch.is_some() || self.gathered.is_empty() {
            return;
        }
        let log_records = std::mem::replace(&mut self.gathered, Vec::with_capacity(BATCH));
        let records = log_records.len() as u64;
        let scope_logs = ScopeLogs { scope: Some(scope()), log_records, ..ScopeLogs::default() };
        let resource_logs = ResourceLogs {
            resource: Some(self.resource.clone()),
            scope_logs: vec![scope_logs],
            ..ResourceLogs::default()
        };
        let request = ExportLogsServiceRequest { resource_logs: vec![resource_logs] };
        self.batch = Some((request.encode_to_vec().into(), records));
    }

    /// Tries until the batch is taken, or refused.
    async fn deliver(&mut self) {
        let mut wait = self.pace.first;
        while let Err(Failure::Later { why, after }) = self.attempt().await {
            self.is_away(&why);
            // Many machines have lost the same collector: they do not come back all at once.
            sleep(after.unwrap_or_else(|| spread(wait))).await;
            wait = (wait * 2).min(self.pace.longest);
        }
    }

    /// Tries once. There is no batch any more unless it is to be tried again.
    async fn attempt(&mut self) -> Result<(), Failure> {
        let Some((batch, records)) = self.batch.clone() else { return Ok(()) };
        let answer = post(&self.collector, batch).await;
        if let Err(failure @ Failure::Later { .. }) = answer {
            return Err(failure);
        }
        self.batch = None;
        self.counts.waiting.set(self.counts.waiting.get().saturating_sub(records));
        match answer {
            Ok(answer) => self.taken(records, &answer),
            Err(failure) => {
                add(&self.counts.refused, records);
                self.refused(&failure.to_string());
            }
        }
        self.is_there();
        Ok(())
    }

    /// The collector has a batch, or part of it.
    fn taken(&mut self, records: u64, answer: &ExportLogsPartialSuccess) {
        let refused = u64::try_from(answer.rejected_log_records).unwrap_or_default().min(records);
        add(&self.counts.sent, records - refused);
        add(&self.counts.refused, refused);
        match (refused, answer.error_message.as_str()) {
            (0, "") => self.told = None,
            (0, why) => self.refused(&format!("it says: {why}")),
            (_, why) => self.refused(&format!("it takes a part only: {why}")),
        }
    }

    /// Says that records are refused, unless that was said last.
    fn refused(&mut self, why: &str) {
        let why = escape(why.as_bytes());
        if self.told.as_ref() != Some(&why) {
            self.terminal.warning(&format!(
                "the collector at {}: {why}; what it refuses is counted, and not sent again",
                self.collector
            ));
            self.told = Some(why);
        }
    }

    /// Says that the collector is away, once.
    fn is_away(&self, why: &str) {
        let why = escape(why.as_bytes());
        if self.counts.problem.borrow_mut().replace(why.clone()).is_none() {
            self.terminal.warning(&format!(
                "the collector at {} is away: {why}; it is tried again, and records wait meanwhile",
                self.collector
            ));
        }
    }

    /// Says that it is there again, if it was away; and what was dropped, when nothing waits any more.
    fn is_there(&self) {
        if self.counts.problem.take().is_some() {
            self.terminal.note(&format!("the collector at {} answers again", self.collector));
        }
        if self.counts.waiting.get() == 0 && self.counts.is_full.replace(false) {
            self.terminal.note(&format!(
                "nothing waits for the collector any more; {} records found no room so far",
                grouped(self.counts.dropped.get())
            ));
        }
    }
}

/// Between half of a time and all of it.
fn spread(time: Duration) -> Duration {
    let share = f64::from(RandomState::new().hash_one(()) as u32) / f64::from(u32::MAX);
    time.mul_f64(0.5 + share / 2.0)
}
