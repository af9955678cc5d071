// SPDX-License-Identifier: MIT OR Apache-2.0

//! The host rules of a profile, as this run takes them: variables are hosts, and ports are known.

use std::net::IpAddr;

use enforcer_common::{
    Decision, Kind,
    address::{Endpoint, GRANT_RECORDED, Protocol},
    decide::resolve,
    table::{Outcome, STAGES},
};

use super::super::registry::Registries;
use crate::{
    dns::{Judgement, hosts::Hosts, special::is_special},
    profile::{Compiled, Host, HostRule},
};

/// What a rule without a protocol means.
const BOTH: &[Protocol] = &[Protocol::Tcp, Protocol::Udp];

/// Where the rules of a run lead by name.
#[derive(Debug)]
pub(crate) struct Destinations {
    list: Vec<Destination>,
    /// Stages that may reach every address, so that names tell nothing.
    open: [bool; STAGES],
}

/// One of them.
#[derive(Clone, Debug)]
struct Destination {
    host: Whom,
    stage: u8,
    /// As the kernel's grants have it.
    rule: u16,
    ports: Vec<u16>,
    protocols: Vec<Protocol>,
    private: bool,
}

/// Something that a stage may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    /// The stage.
    pub(crate) stage: u8,
    /// The rule, as the kernel's grants have it.
    pub(crate) rule: u16,
    /// The port.
    pub(crate) port: u16,
    /// The protocol.
    pub(crate) protocol: Protocol,
}

impl Way {
    /// What it leads to at an address.
    pub(crate) const fn endpoint(&self, address: IpAddr) -> Endpoint {
        match address {
            IpAddr::V4(address) => Endpoint::v4(address.octets(), self.port, self.protocol),
            IpAddr::V6(address) => Endpoint::v6(address.octets(), self.port, self.protocol),
        }
    }
}

/// Whom a destination names.
#[derive(Clone, Debug)]
enum Whom {
    /// Names.
    Named(Host),
    /// An address, as the user's configuration may have it.
    At(IpAddr),
}

impl Whom {
    fn matches(&self, name: &str) -> bool {
        matches!(self, Self::Named(host) if host.matches(name))
    }
}

impl From<&url::Host> for Whom {
    fn from(host: &url::Host) -> Self {
        match host {
            url::Host::Domain(name) => Self::Named(Host::Name(name.to_ascii_lowercase())),
            url::Host::Ipv4(address) => Self::At(IpAddr::V4(*address)),
            url::Host::Ipv6(address) => Self::At(IpAddr::V6(*address)),
        }
    }
}

impl Destinations {
    /// Those of a profile. `registries` are what `${npm.registry}` and the like stand for.
    pub(crate) fn new(profile: &Compiled, registries: &Registries) -> Self {
        let mut list = Vec::new();
        for rule in &profile.hosts {
            match &rule.host {
                Host::Registry(of) => {
                    list.extend(registries.of(*of).map(|registry| {
                        Destination::new(rule, Whom::from(&registry.host), Some(registry.port))
                    }))
                }
                host => list.push(Destination::new(rule, Whom::Named(host.clone()), None)),
            }
        }
        let mut open = [false; STAGES];
        for (stage, open) in (0..).zip(open.iter_mut()).take(profile.stages.len()) {
            *open = profile.default_allows(stage, Kind::Connect);
        }
        Self { list, open }
    }

    /// Whether a stage may look up a name, and which rule says so.
    pub(crate) fn decide(&self, stage: u8, name: &str) -> Decision {
        let mut found = self.list.iter().filter(|d| d.stage == stage && d.host.matches(name)).map(|d| d.rule);
        let open = self.open.get(usize::from(stage)) == Some(&true);
        resolve(Outcome::NONE, open, || found.next().unwrap_or(0))
    }

    /// Whether a stage may look up a name, and whether it may lead to private addresses.
    pub(crate) fn judge(&self, stage: u8, name: &str) -> Judgement {
        if self.open.get(usize::from(stage)) == Some(&true) {
            return Judgement::Allowed { private: true };
        }
        let mut private = None;
        for found in self.list.iter().filter(|d| d.stage == stage && d.host.matches(name)) {
            private = Some(private == Some(true) || found.private);
        }
        private.map_or(Judgement::Refused, |private| Judgement::Allowed { private })
    }

    /// What opens when a name leads to an address.
    pub(crate) fn ways<'a>(&'a self, name: &'a str, address: IpAddr) -> impl Iterator<Item = Way> + 'a {
        let special = is_special(address);
        let led = self.list.iter().filter(move |d| (d.private || !special) && d.host.matches(name));
        led.flat_map(Destination::ways)
    }

    /// What is open from the start: hosts that are addresses, and what the system's file of hosts says. Both are the
    /// operator's word, so they may be private.
    pub(crate) fn fixed<'a>(&'a self, hosts: &'a Hosts) -> impl Iterator<Item = (IpAddr, Way)> + 'a {
        self.list.iter().flat_map(|destination| {
            let addresses: Vec<IpAddr> = match &destination.host {
                Whom::At(address) => vec![*address],
                host => {
                    hosts.iter().filter(|(name, _)| host.matches(name)).map(|(_, address)| address).collect()
                }
            };
            addresses.into_iter().flat_map(|address| destination.ways().map(move |way| (address, way)))
        })
    }
}

impl Destination {
    fn new(rule: &HostRule, host: Whom, usual: Option<u16>) -> Self {
        let ports = match rule.ports.as_slice() {
            [] => usual.into_iter().collect(),
            ranges => ranges.iter().flat_map(|range| range.ports()).collect(),
        };
        Self {
            host,
            stage: rule.stage,
            rule: rule.rule | if rule.recorded { GRANT_RECORDED } else { 0 },
            ports,
            protocols: rule.protocol.map_or(BOTH.to_vec(), |protocol| vec![protocol]),
            private: rule.private,
        }
    }

    fn ways(&self) -> impl Iterator<Item = Way> + '_ {
        let Self { stage, rule, .. } = *self;
        self.ports.iter().flat_map(move |&port| {
            self.protocols.iter().map(move |&protocol| Way { stage, rule, port, protocol })
        })
    }
}
