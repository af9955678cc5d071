// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where the host rules of a profile lead in this run: variables are hosts, and ports are known.

use std::net::IpAddr;

use enforcer_common::{
    Decision,
    address::{Endpoint, GRANT_RECORDED, Grant, Protocol},
};

use super::super::registry::{Registries, Registry};
use crate::{
    dns::{Judgement, hosts::Hosts, special::is_special},
    profile::{Compiled, Host, HostRule, Names, Registry as Of},
};

/// Where the rules of a run lead by name.
#[derive(Debug)]
pub(crate) struct Destinations {
    names: Names,
    registries: Registries,
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
    /// [`Grant::NAMED`] and [`Grant::CONNECT`].
    pub(crate) flags: u16,
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

impl Destinations {
    /// Those of a profile. `registries` are what `${npm.registry}` and the like stand for.
    pub(crate) fn new(profile: &Compiled, registries: Registries) -> Self {
        Self { names: Names::new(profile), registries }
    }

    /// Whether a stage may look up a name, and which rule says so.
    pub(crate) fn decide(&self, stage: u8, name: &str) -> Decision {
        self.names.decide(stage, name, |of| self.are_called(of, name).next().is_some())
    }

    /// Whether a stage may look up a name, and whether it may lead to private addresses.
    pub(crate) fn judge(&self, stage: u8, name: &str) -> Judgement {
        let is_registry = |of| self.are_called(of, name).next().is_some();
        if !self.names.decide(stage, name, is_registry).allows() {
            return Judgement::Refused;
        }
        let mut rules = self.names.rules(name, is_registry).filter(|rule| rule.stage == stage);
        Judgement::Allowed { private: self.names.is_open(stage) || rules.any(|rule| rule.private) }
    }

    /// What opens when a name leads to an address.
    pub(crate) fn ways<'a>(&'a self, name: &'a str, address: IpAddr) -> impl Iterator<Item = Way> + 'a {
        let special = is_special(address);
        self.led(name).filter(move |(rule, _)| rule.private || !special).flat_map(|(_, ways)| ways)
    }

    /// What is open from the start: hosts that are addresses, and what the system's file of hosts says. Both are the
    /// operator's word, so they may be private. An address has no name, so no name is asked for there.
    pub(crate) fn fixed<'a>(&'a self, hosts: &'a Hosts) -> impl Iterator<Item = (&'a str, IpAddr, Way)> + 'a {
        let written = hosts.iter().flat_map(move |(name, address)| {
            self.led(name).flat_map(|(_, ways)| ways).map(move |way| (name, address, way))
        });
        let at = self.names.all().iter().flat_map(move |rule| {
            let registries =
                self.registries_of(rule).filter_map(|registry| Some((address(registry)?, registry)));
            registries.flat_map(move |(address, registry)| {
                let protocols = rule.protocols(self.names.tls(rule.stage));
                let open = move |port| protocols.iter().map(move |&protocol| way(rule, port, protocol, 0));
                let ways = ports(rule, Some(registry)).into_iter().flat_map(open);
                ways.map(move |way| ("", address, way))
            })
        });
        written.chain(at)
    }

    /// The rules that a name fits, each with what it opens.
    fn led<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a HostRule, Vec<Way>)> + 'a {
        let rules = self.names.rules(name, move |of| self.are_called(of, name).next().is_some());
        rules.map(move |rule| {
            let ports = match rule.host {
                Host::Registry(of) => {
                    self.are_called(of, name).flat_map(|registry| ports(rule, Some(registry))).collect()
                }
                _ => ports(rule, None),
            };
            (rule, self.opened(rule, &ports))
        })
    }

    /// What a rule opens where a name led.
    fn opened(&self, rule: &HostRule, ports: &[u16]) -> Vec<Way> {
        let tls = self.names.tls(rule.stage);
        let (protocols, asks) = (rule.protocols(tls), rule.asks_names(tls));
        let flags = |protocol| if asks && protocol == Protocol::Tcp { Grant::NAMED } else { 0 };
        let of = |&port| protocols.iter().map(move |&protocol| way(rule, port, protocol, flags(protocol)));
        let mut ways: Vec<Way> = ports.iter().flat_map(of).collect();
        // What the C library tries, and no rule opens.
        let others = if protocols.contains(&Protocol::Udp) { &[] } else { ports };
        ways.extend(others.iter().chain(&[0]).map(|&port| way(rule, port, Protocol::Udp, Grant::CONNECT)));
        ways
    }

    /// The registries that a rule is about.
    fn registries_of(&self, rule: &HostRule) -> impl Iterator<Item = &Registry> {
        let of = match rule.host {
            Host::Registry(of) => Some(of),
            _ => None,
        };
        of.into_iter().flat_map(|of| self.registries.of(of))
    }

    /// The registries of a kind that have this name.
    fn are_called<'a>(&'a self, of: Of, name: &'a str) -> impl Iterator<Item = &'a Registry> {
        self.registries.of(of).filter(move |registry| match &registry.host {
            url::Host::Domain(host) => host.eq_ignore_ascii_case(name),
            _ => false,
        })
    }
}

fn way(rule: &HostRule, port: u16, protocol: Protocol, flags: u16) -> Way {
    let recorded = if rule.recorded { GRANT_RECORDED } else { 0 };
    Way { stage: rule.stage, rule: rule.rule | recorded, port, protocol, flags }
}

/// The ports of a rule; where it names none, that of the registry which it stands for.
fn ports(rule: &HostRule, registry: Option<&Registry>) -> Vec<u16> {
    match rule.ports.as_slice() {
        [] => registry.map(|registry| registry.port).into_iter().collect(),
        ranges => ranges.iter().flat_map(|range| range.ports()).collect(),
    }
}

/// The address of a registry that has one for a name.
fn address(registry: &Registry) -> Option<IpAddr> {
    match registry.host {
        url::Host::Domain(_) => None,
        url::Host::Ipv4(address) => Some(IpAddr::V4(address)),
        url::Host::Ipv6(address) => Some(IpAddr::V6(address)),
    }
}
