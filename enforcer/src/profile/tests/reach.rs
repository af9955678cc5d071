// SPDX-License-Identifier: MIT OR Apache-2.0

//! Rules for addresses against an evaluation that looks at every one of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use enforcer_common::{
    Kind, Verdict,
    address::{Endpoint, Protocol, TEXT_LEN},
    anchor::Anchors,
};
use proptest::{collection::vec, prelude::*, sample::select};

use super::{compile, naive::config};

/// A rule for addresses: block, ports, protocol.
#[derive(Clone, Debug)]
struct Destination {
    deny: bool,
    address: IpAddr,
    bits: u8,
    ports: Vec<(u16, u16)>,
    protocol: Option<Protocol>,
}

impl Destination {
    fn mask(&self, address: IpAddr) -> u128 {
        let (value, width) = number(address);
        if self.bits == 0 { 0 } else { value >> (width - u32::from(self.bits)) }
    }

    fn text(&self) -> String {
        let (value, width) = number(self.address);
        let gap = width - u32::from(self.bits);
        let network = value.checked_shr(gap).unwrap_or(0).checked_shl(gap).unwrap_or(0);
        let network = if width == 32 {
            IpAddr::V4(Ipv4Addr::from_bits(network as u32))
        } else {
            IpAddr::V6(Ipv6Addr::from_bits(network))
        };
        let mut text = format!("{{ address: '{network}/{}'", self.bits);
        if !self.ports.is_empty() {
            let ports: Vec<_> = self.ports.iter().map(|(a, b)| format!("'{a}-{b}'")).collect();
            text += &format!(", ports: [{}]", ports.join(", "));
        }
        match self.protocol {
            Some(Protocol::Tcp) => text += ", protocol: tcp",
            Some(_) => text += ", protocol: udp",
            None => {}
        }
        text + " }"
    }

    fn applies(&self, address: IpAddr, port: u16, protocol: Protocol) -> bool {
        let spoken = match protocol {
            Protocol::Other => self.deny,
            other => self.protocol.is_none_or(|p| p == other),
        };
        spoken
            && self.address.is_ipv4() == address.is_ipv4()
            && self.mask(self.address) == self.mask(address)
            && (self.ports.is_empty() || self.ports.iter().any(|&(a, b)| (a..=b).contains(&port)))
    }
}

/// An address as a number, and its bits.
fn number(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

/// Addresses that are often near each other.
fn address() -> impl Strategy<Value = IpAddr> {
    let near = 0..8_u32;
    prop_oneof![
        near.clone().prop_map(|n| IpAddr::V4(Ipv4Addr::from_bits(0xc000_0200 ^ (1 << n)))),
        any::<u32>().prop_map(|n| IpAddr::V4(Ipv4Addr::from_bits(n))),
        near.prop_map(|n| IpAddr::V6(Ipv6Addr::from_bits(0x2001_0db8_u128 << 96 | 1 << n))),
        any::<u128>().prop_map(|n| IpAddr::V6(Ipv6Addr::from_bits(n | 1 << 127))),
    ]
}

fn port() -> impl Strategy<Value = u16> {
    prop_oneof![select(vec![1, 15, 16, 80, 255, 256, 443, 4095, 4096, 8080, 65535]), 1..=u16::MAX]
}

fn destination() -> impl Strategy<Value = Destination> {
    let protocol = select(vec![None, None, Some(Protocol::Tcp), Some(Protocol::Udp)]);
    let ports = vec((port(), port()).prop_map(|(a, b)| (a.min(b), a.max(b))), 0..3);
    (any::<bool>(), address(), 0..=128_u8, ports, protocol).prop_map(
        |(deny, address, bits, ports, protocol)| {
            let bits = if address.is_ipv4() { bits % 33 } else { bits };
            Destination { deny, address, bits, ports, protocol }
        },
    )
}

proptest! {
    #![proptest_config(config(200))]

    /// 200 sets of rules, 60 endpoints each.
    #[test]
    fn addresses_are_what_they_are(
        mut rules in vec(destination(), 1..6),
        endpoints in vec((address(), port(), select(vec![Protocol::Tcp, Protocol::Udp, Protocol::Other])), 60),
    ) {
        rules.sort_by_key(|rule| rule.deny);
        let mut text = String::from("network:\n");
        for (key, deny) in [("allow", false), ("deny", true)] {
            text += &format!("  {key}:\n");
            for rule in rules.iter().filter(|rule| rule.deny == deny) {
                text += &format!("    - {}\n", rule.text());
            }
        }
        let profile = compile(&super::stage(&text));
        for (address, port, protocol) in endpoints {
            let endpoint = match address {
                IpAddr::V4(address) => Endpoint::v4(address.octets(), port, protocol),
                IpAddr::V6(address) => Endpoint::v6(address.octets(), port, protocol),
            };
            let mut buffer = [0; TEXT_LEN];
            let len = endpoint.write(|i, b| buffer[i] = b);
            let decision = profile.decide(0, Kind::Connect, &buffer[..=len], &Anchors::NONE);
            let first = |deny: bool| {
                rules.iter().position(|r| r.deny == deny && r.applies(address, port, protocol)).map(|i| i as u16 + 1)
            };
            let expected = match (first(true), first(false)) {
                (Some(rule), _) => (Verdict::Deny, rule),
                (None, Some(rule)) => (Verdict::Allow, rule),
                (None, None) => (Verdict::Deny, 0),
            };
            prop_assert_eq!((decision.verdict, decision.rule), expected, "{}:{} {:?}\n{}", address, port, protocol, text);
        }
    }
}
