// SPDX-License-Identifier: MIT OR Apache-2.0

//! What happens in runs, for a collector: OTLP over HTTP, as log records. Off unless it is asked for.
//!
//! Nothing waits for it. Records wait for the collector, so many at most; what is more is counted and gone.

mod aim;
mod attributes;
mod collector;
mod post;
mod queue;
mod record;
mod resource;
mod sender;

use std::{cell::RefCell, rc::Rc, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::{sync::Notify, task::JoinHandle, time::timeout};

pub use self::collector::{Collector, CollectorError};
pub(crate) use self::{queue::Export, record::About};
use self::{
    queue::{Queue, ROOM},
    sender::{Pace, Sender},
};
use crate::report::{number::grouped, terminal::Terminal};

/// How long the service waits for the last batches when it ends.
const LAST: Duration = Duration::from_secs(2);

/// The way to a collector.
#[derive(Debug)]
pub(super) struct Otlp {
    collector: Collector,
    queue: Queue,
    terminal: Terminal,
    end: Rc<Notify>,
    sender: RefCell<Option<JoinHandle<()>>>,
}

/// What became of records since the service began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Where they go.
    pub collector: String,
    /// Those that the collector has.
    pub sent: u64,
    /// Those that are still to be sent.
    pub waiting: u64,
    /// Those that the collector did not want.
    pub refused: u64,
    /// Those that found no room.
    pub dropped: u64,
    /// Why they wait, if the last attempt has failed.
    pub problem: Option<String>,
}

impl Otlp {
    /// Begins to send. The collector need not be there.
    pub(super) fn start(collector: Collector, terminal: Terminal) -> Self {
        Self::with(collector, terminal, ROOM, Pace::default())
    }

    fn with(collector: Collector, terminal: Terminal, room: usize, pace: Pace) -> Self {
        let (queue, records) = Queue::new(room, terminal);
        let end = Rc::new(Notify::new());
        let mut sender = Sender::new(collector.clone(), records, Rc::clone(&queue.counts), terminal, pace);
        let ends = Rc::clone(&end);
        let task = tokio::task::spawn_local(async move {
            tokio::select! {
                () = ends.notified() => {}
                () = sender.send() => {}
            }
            sender.last().await;
        });
        Self { collector, queue, terminal, end, sender: RefCell::new(Some(task)) }
    }

    /// Where the records of a run go in.
    pub(super) fn of_run(&self, about: About) -> Export {
        Export { queue: self.queue.clone(), about }
    }

    /// What became of records so far.
    pub(super) fn told(&self) -> Told {
        let counts = &self.queue.counts;
        Told {
            collector: self.collector.to_string(),
            sent: counts.sent.get(),
            waiting: counts.waiting.get(),
            refused: counts.refused.get(),
            dropped: counts.dropped.get(),
            problem: counts.problem.borrow().clone(),
        }
    }

    /// Sends what waits, if that goes quickly, and says what is lost otherwise.
    pub(super) async fn finish(&self) {
        self.end.notify_one();
        let sender = self.sender.take();
        if let Some(mut sender) = sender
            && timeout(LAST, &mut sender).await.is_err()
        {
            sender.abort();
        }
        let Told { waiting, problem, .. } = self.told();
        if waiting > 0 {
            let why = problem.map(|why| format!(": {why}")).unwrap_or_default();
            self.terminal.warning(&format!(
                "{} records did not get to the collector at {}{why}",
                grouped(waiting),
                self.collector
            ));
        }
    }
}

#[cfg(test)]
mod tests;
