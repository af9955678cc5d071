// SPDX-License-Identifier: MIT OR Apache-2.0

//! The run, as its resolver asks it.

use std::{
    cell::RefCell,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use aya::maps::{HashMap, MapData};
use enforcer_common::{
    Decision, Reason, Verdict,
    address::Protocol,
    lookup::{Asker, Port},
};
use tokio::sync::mpsc::Sender;

use super::{
    Destinations, Leases, Note,
    leases::{self, now},
    service::Lost,
};
use crate::{
    dns::{self, Judgement, Refusal, Transport},
    kernel::Charger,
};

/// A run that may look up some names.
#[derive(Debug)]
pub(super) struct Policy {
    /// Its number.
    pub(super) run: u32,
    /// Whether refusals are made.
    pub(super) enforces: bool,
    /// Whether what is allowed is told, too.
    pub(super) records: bool,
    /// Which names.
    pub(super) destinations: Destinations,
    /// What they opened.
    pub(super) leases: RefCell<Leases>,
    /// Whose port it is, as the kernel programs write it.
    pub(super) askers: HashMap<MapData, Port, Asker>,
    /// Counts refusals.
    pub(super) charger: Charger,
    /// Who is told.
    pub(super) notes: Sender<Note>,
    /// What nobody could be told of.
    pub(super) lost: Arc<Lost>,
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
        match self.destinations.judge(stage(asker), name) {
            Judgement::Refused if !self.enforces => {
                self.tell(asker, name, &Decision::denied(Reason::Default));
                Judgement::Allowed { private: true }
            }
            judgement => judgement,
        }
    }

    fn grant(&self, asked: &str, address: IpAddr, ttl: Duration) -> io::Result<()> {
        let time = now()?;
        let until = leases::end(time, ttl);
        let mut leases = self.leases.borrow_mut();
        for way in self.destinations.ways(asked, address) {
            leases.until(asked, address, way, until)?;
        }
        self.led(time, asked, address, Some(until));
        Ok(())
    }

    fn looked_up(&self, asker: &Asker, name: &str) {
        let decision = self.destinations.decide(stage(asker), name);
        // In audit mode, that others would be refused was told when they were judged.
        if self.records && decision.allows() {
            self.tell(asker, name, &decision);
        }
    }

    fn refused(&self, asker: &Asker, name: &str, record_type: &str, why: Refusal) {
        match why {
            // A class beside that of the internet.
            Refusal::NotAllowed if record_type.contains(' ') => {
                self.tell(asker, name, &Decision::denied(Reason::Family));
            }
            Refusal::NotAllowed => self.tell(asker, name, &Decision::denied(Reason::Default)),
            Refusal::Private(address) => {
                self.led(now().unwrap_or_default(), name, address, None);
                self.tell(asker, &format!("{name} {address}"), &Decision::denied(Reason::Private));
            }
        }
    }
}

impl Policy {
    fn tell(&self, asker: &Asker, text: &str, decision: &Decision) {
        if !decision.allows()
            && let Err(error) = self.charger.refused(asker)
        {
            tracing::warn!("a refused lookup could not be counted: {error}");
        }
        let verdict = match decision.allows() {
            true => Verdict::Allow,
            false if self.enforces => Verdict::Deny,
            false => Verdict::WouldDeny,
        };
        let Decision { reason, rule, exception, .. } = *decision;
        let (time, text) = (nanoseconds(now().unwrap_or_default()), text.to_owned());
        let note = Note::Asked { time, asker: *asker, text, verdict, reason, rule, exception };
        if self.notes.try_send(note).is_err() {
            let lost = if decision.allows() { &self.lost.other } else { &self.lost.refused };
            lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Where a name led makes reports better, and may be lost, unless a recording needs it.
    fn led(&self, time: Duration, name: &str, address: IpAddr, until: Option<u64>) {
        let note = Note::Led { time: nanoseconds(time), until, name: name.to_owned(), address };
        if self.notes.try_send(note).is_err() && self.records {
            self.lost.other.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn stage(asker: &Asker) -> u8 {
    u8::try_from(asker.stage).unwrap_or(u8::MAX)
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
