// SPDX-License-Identifier: MIT OR Apache-2.0

//! Addresses that names opened in a recorded run, as a profile's rules have it.

use std::{collections::HashMap, net::IpAddr};

use enforcer_common::{
    Decision, Reason,
    address::{Grant, TEXT_LEN},
};

use crate::{
    dns::{Judgement, hosts::Hosts, special::is_special},
    profile::{Compiled, Registry as Of},
    recording::format::{Header, Led},
    run::{
        egress::{Destinations, join},
        registry::{Registries, Registry},
    },
};

/// Endpoints that are remembered: more than the kernel's map has.
const MOST: usize = 1 << 17;

/// For which stage, since when, and the grant.
type Opened = (u8, i64, Grant);

/// What is open.
#[derive(Debug)]
pub(super) struct Grants {
    destinations: Destinations,
    /// By the text of the endpoint.
    open: HashMap<Box<[u8]>, Vec<Opened>>,
}

impl Grants {
    /// What is open from the start.
    pub(super) fn new(profile: &Compiled, header: &Header) -> Self {
        let registry = |recorded: &crate::recording::format::Registry| {
            let host = url::Host::parse(&recorded.host).ok()?;
            Some((Of::of_variable(&recorded.name)?, Registry { host, port: recorded.port }))
        };
        let registries: Registries = header.registries.iter().filter_map(registry).collect();
        let destinations = Destinations::new(profile, registries);
        let lines: String =
            header.hosts.iter().map(|(name, address)| format!("{address} {name}\n")).collect();
        let mut grants = Self { destinations, open: HashMap::new() };
        let hosts = Hosts::parse(&lines);
        let fixed: Vec<_> =
            grants.destinations.fixed(&hosts).map(|(_, address, way)| (address, way)).collect();
        for (address, way) in fixed {
            grants.add(&way, address, i64::MIN, u64::MAX);
        }
        grants
    }

    /// A name led to an address.
    pub(super) fn led(&mut self, led: &Led) {
        let Some(until) = led.until else { return };
        let ways: Vec<_> = self.destinations.ways(&led.name, led.address).collect();
        for way in ways {
            self.add(&way, led.address, led.t, u64::try_from(until).unwrap_or(0));
        }
    }

    fn add(&mut self, way: &crate::run::egress::Way, address: IpAddr, from: i64, until: u64) {
        let mut text = [0; TEXT_LEN];
        let len = way.endpoint(address).write(|index, byte| text[index] = byte);
        if self.open.len() >= MOST && !self.open.contains_key(&text[..len]) {
            return;
        }
        let stages = self.open.entry(text[..len].into()).or_default();
        let new = Grant { until, rule: way.rule, flags: way.flags, reserved: [0; 2] };
        match stages.iter_mut().find(|(stage, ..)| *stage == way.stage) {
            Some((_, since, grant)) if i64::try_from(grant.until).map_or(true, |until| from < until) => {
                *since = (*since).min(from);
                *grant = join(*grant, new);
            }
            Some((_, since, grant)) => (*since, *grant) = (from, new),
            None => stages.push((way.stage, from, new)),
        }
    }

    /// The rule that opened an endpoint for a stage, as the kernel's grants have it, or 0.
    pub(super) fn granted(&self, stage: u8, endpoint: &[u8], time: i64) -> u16 {
        let stages = self.open.get(endpoint).map_or(&[][..], Vec::as_slice);
        let found = stages.iter().find(|(of, ..)| *of == stage);
        let holds =
            |(_, since, grant): &&Opened| *since <= time && u64::try_from(time).unwrap_or(0) < grant.until;
        found.filter(holds).map_or(0, |(.., grant)| grant.rule)
    }

    /// Decides about a lookup: the name, and behind a space the address that it led to if that was refused.
    pub(super) fn resolve(&self, stage: u8, text: &[u8]) -> Decision {
        let text = String::from_utf8_lossy(text);
        let (name, address) =
            text.split_once(' ').map_or((&*text, None), |(name, address)| (name, Some(address)));
        if !is_plain(name) {
            return Decision::denied(Reason::Default); // Whatever the profile says, see `handle_packet`.
        }
        let decision = self.destinations.decide(stage, name);
        let private = matches!(self.destinations.judge(stage, name), Judgement::Allowed { private: true });
        let special = address.and_then(|address| address.parse().ok()).is_some_and(is_special);
        if decision.allows() && special && !private { Decision::denied(Reason::Private) } else { decision }
    }
}

/// Whether a name is one that rules can name.
fn is_plain(name: &str) -> bool {
    let of_label = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    name.split('.').all(|label| !label.is_empty() && label.bytes().all(of_label))
}
