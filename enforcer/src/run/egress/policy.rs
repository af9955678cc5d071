// SPDX-License-Identifier: MIT OR Apache-2.0

//! The run, as its resolver asks it.

use std::{
    cell::RefCell,
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aya::maps::{HashMap, MapData};
use enforcer_common::{
    Reason, Verdict,
    address::Protocol,
    lookup::{Asker, Port},
};
use tokio::sync::mpsc::Sender;

use super::{Destinations, Leases, Note, leases::now};
use crate::dns::{self, Judgement, Refusal, Transport};

/// A run that may look up some names.
#[derive(Debug)]
pub(super) struct Policy {
    /// Its number.
    pub(super) run: u32,
    /// Whether refusals are made.
    pub(super) enforces: bool,
    /// Which names.
    pub(super) destinations: Destinations,
    /// What they opened.
    pub(super) leases: RefCell<Leases>,
    /// Whose port it is, as the kernel programs write it.
    pub(super) askers: HashMap<MapData, Port, Asker>,
    /// Who is told.
    pub(super) notes: Sender<Note>,
    /// Refusals that nobody could be told of.
    pub(super) lost: Arc<AtomicU64>,
}

impl dns::Policy for Policy {
    type Asker = Asker;

    fn asker(&self, transport: Transport, source: SocketAddr) -> Option<Asker> {
        let protocol = match transport {
            Transport::Udp => Protocol::Udp,
            Transport::Tcp => Protocol::Tcp,
        };
        let port = Port { number: source.port(), protocol: [protocol.letter(), 0] };
        // Another run's question is for another resolver.
        self.askers.get(&port, 0).ok().filter(|asker| asker.run == self.run)
    }

    fn judge(&self, asker: &Asker, name: &str) -> Judgement {
        let stage = u8::try_from(asker.stage).unwrap_or(u8::MAX);
        match self.destinations.judge(stage, name) {
            Judgement::Refused if !self.enforces => {
                self.tell(asker, name, Reason::Default);
                Judgement::Allowed { private: true }
            }
            judgement => judgement,
        }
    }

    fn grant(&self, asked: &str, address: IpAddr, ttl: Duration) -> io::Result<()> {
        let mut leases = self.leases.borrow_mut();
        for way in self.destinations.ways(asked, address) {
            leases.open(address, way, ttl)?;
        }
        self.led(asked, address);
        Ok(())
    }

    fn refused(&self, asker: &Asker, name: &str, _record_type: &str, why: Refusal) {
        match why {
            Refusal::NotAllowed => self.tell(asker, name, Reason::Default),
            Refusal::Private(address) => {
                self.led(name, address);
                self.tell(asker, &format!("{name} {address}"), Reason::Private);
            }
        }
    }
}

impl Policy {
    fn tell(&self, asker: &Asker, text: &str, reason: Reason) {
        let verdict = if self.enforces { Verdict::Deny } else { Verdict::WouldDeny };
        let time = now().map_or(0, |now| u64::try_from(now.as_nanos()).unwrap_or(u64::MAX));
        let note = Note::Refused { time, asker: *asker, text: text.to_owned(), verdict, reason };
        if self.notes.try_send(note).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Where a name led only makes reports better: it may be lost.
    fn led(&self, name: &str, address: IpAddr) {
        let _ = self.notes.try_send(Note::Led { name: name.to_owned(), address });
    }
}
