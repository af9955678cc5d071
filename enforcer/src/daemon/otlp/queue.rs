// SPDX-License-Identifier: MIT OR Apache-2.0

//! What waits for the collector. Whoever adds to it never waits: what finds no room is counted, and gone.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::SystemTime,
};

use opentelemetry_proto::tonic::logs::v1::LogRecord;
use tokio::sync::mpsc;

use super::record::{self, About};
use crate::report::{Ending, json::Event, number::grouped, terminal::Terminal};

/// Records that may wait. The first ones are kept: how something began tells more than how it went on.
pub(super) const ROOM: usize = 4096;

/// Where records go in.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    records: mpsc::Sender<LogRecord>,
    pub(super) counts: Rc<Counts>,
    terminal: Terminal,
}

/// What became of records.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// They are not sent yet.
    pub(super) waiting: Cell<u64>,
    /// The collector has them.
    pub(super) sent: Cell<u64>,
    /// The collector did not want them.
    pub(super) refused: Cell<u64>,
    /// There was no room.
    pub(super) dropped: Cell<u64>,
    /// It was told that there is none.
    pub(super) is_full: Cell<bool>,
    /// Why they wait.
    pub(super) problem: RefCell<Option<String>>,
}

/// Adds to a count.
pub(super) fn add(count: &Cell<u64>, more: u64) {
    count.set(count.get() + more);
}

impl Queue {
    /// An empty one, and where its records come out.
    pub(super) fn new(room: usize, terminal: Terminal) -> (Self, mpsc::Receiver<LogRecord>) {
        let (records, out) = mpsc::channel(room);
        (Self { records, counts: Rc::default(), terminal }, out)
    }

    /// Adds a record, if there is room: else it is not even made.
    pub(super) fn add(&self, record: impl FnOnce() -> LogRecord) {
        match self.records.try_reserve() {
            Ok(place) => {
                add(&self.counts.waiting, 1);
                place.send(record());
            }
            Err(_) => self.is_full(),
        }
    }

    fn is_full(&self) {
        add(&self.counts.dropped, 1);
        if !self.counts.is_full.replace(true) {
            self.terminal.warning(&format!(
                "{} records wait for the collector, and there is room for no more: what happens meanwhile is not sent to it, and counted",
                grouped(self.counts.waiting.get())
            ));
        }
    }
}

/// Where the records of one run go in.
#[derive(Clone, Debug)]
pub(crate) struct Export {
    pub(super) queue: Queue,
    pub(super) about: About,
}

impl Export {
    /// Something happened at this time.
    pub(crate) fn event(&self, event: &Event, time: SystemTime) {
        self.queue.add(|| record::of_event(&self.about, event, time));
    }

    /// The run is over.
    pub(crate) fn ended(&self, ending: &Ending) {
        self.queue.add(|| record::of_ending(&self.about, ending));
    }
}
