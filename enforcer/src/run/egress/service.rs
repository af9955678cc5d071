// SPDX-License-Identifier: MIT OR Apache-2.0

//! The resolver at work: in a thread of its own, so that answers do not wait for reports.

use std::{
    cell::RefCell,
    io,
    net::IpAddr,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use enforcer_common::{Reason, Verdict, lookup::Asker};
use tokio::sync::{mpsc, oneshot};

use super::{Destinations, Leases, policy::Policy};
use crate::{
    dns::{Counts, Resolver, hosts::Hosts, resolv::Configuration},
    kernel::EgressMaps,
};

/// Notes that may wait to be read.
const WAITING: usize = 4096;

/// What the resolver has to tell.
#[derive(Debug)]
pub(crate) enum Note {
    /// A lookup was refused, or in audit mode would have been; in a run that is recorded, also one that was not.
    Asked {
        /// When, in nanoseconds since boot.
        time: u64,
        /// Whose.
        asker: Asker,
        /// The name, and behind a space the address that it led to, if that is why.
        text: String,
        /// Denied or not.
        verdict: Verdict,
        /// Why.
        reason: Reason,
        /// The rule, or 0.
        rule: u16,
        /// The exception, or 0.
        exception: u16,
    },
    /// A name led to an address.
    Led {
        /// When, in nanoseconds since boot.
        time: u64,
        /// Until when that opens it, if it does.
        until: Option<u64>,
        /// The name that was asked for.
        name: String,
        /// The address.
        address: IpAddr,
    },
}

impl Note {
    /// When it was, in nanoseconds since boot.
    pub(crate) const fn time(&self) -> u64 {
        match self {
            Self::Asked { time, .. } | Self::Led { time, .. } => *time,
        }
    }
}

/// What could not be told.
#[derive(Debug, Default)]
pub(crate) struct Lost {
    /// Refusals.
    pub(super) refused: AtomicU64,
    /// What only recordings need.
    pub(super) other: AtomicU64,
}

/// A resolver at work. It ends when this is dropped; what is looked up after that fails.
#[derive(Debug)]
pub(crate) struct Service {
    notes: mpsc::Receiver<Note>,
    counts: Arc<Counts>,
    lost: Arc<Lost>,
    _end: oneshot::Sender<()>,
}

impl Service {
    /// Opens what is open from the start, and lets the resolver answer.
    pub(crate) fn start(
        resolver: Resolver,
        destinations: Destinations,
        maps: EgressMaps,
        enforces: bool,
        records: bool,
    ) -> io::Result<Self> {
        let mut leases = Leases::new(maps.run, maps.grants, maps.names);
        let hosts = Hosts::read();
        for (name, address, way) in destinations.fixed(&hosts) {
            leases.forever(name, address, way)?;
        }
        let (sender, notes) = mpsc::channel(WAITING);
        let (end, ended) = oneshot::channel::<()>();
        let counts = resolver.counts();
        // Now, before anything of the run can change the file.
        let Configuration { servers, search } = Configuration::read();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (run, askers, charger, lost) = (maps.run, maps.askers, maps.charger, Arc::<Lost>::default());
        let uncounted = Arc::clone(&lost);
        thread::Builder::new().name("resolver".to_owned()).spawn(move || {
            let policy = Policy {
                run,
                enforces,
                records,
                destinations,
                leases: RefCell::new(leases),
                askers,
                charger,
                notes: sender,
                lost: uncounted,
            };
            runtime.block_on(async {
                tokio::select! {
                    served = resolver.serve(Rc::new(policy), servers, search) => {
                        let why = served.err().map_or(String::new(), |error| format!(": {error}"));
                        tracing::error!("the resolver ended, names can no longer be looked up{why}");
                    }
                    _ = ended => {}
                }
            });
        })?;
        Ok(Self { notes, counts, lost, _end: end })
    }

    /// What it has to tell, when it has something.
    pub(crate) async fn note(&mut self) -> Option<Note> {
        self.notes.recv().await
    }

    /// What it has to tell now.
    pub(crate) fn try_note(&mut self) -> Option<Note> {
        self.notes.try_recv().ok()
    }

    /// Refusals that were made and could not be told.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.refused.load(Ordering::Relaxed)
    }

    /// What a recording lacks besides.
    pub(crate) fn lost_to_recording(&self) -> u64 {
        self.lost.other.load(Ordering::Relaxed)
    }

    /// What went wrong so far.
    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }
}
