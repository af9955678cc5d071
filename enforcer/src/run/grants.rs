// SPDX-License-Identifier: MIT OR Apache-2.0

//! Where host rules lead: the addresses that a run is granted, because a rule names their host.
//!
//! Names are resolved once, before COMMAND starts. Stages that may reach hosts may also ask the system's name
//! servers, else they could not find them.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use enforcer_common::{
    address::{Endpoint, GRANT_RECORDED, Grant, GrantKey, Protocol},
    table::STAGES,
};

use super::{Error, registry::Registry};
use crate::{
    dns::resolv,
    profile::{self, Host, HostRule, PortRange},
    report::Legend,
};

/// How long resolving a name may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many grants the kernel's map takes.
const MOST: usize = 1 << 14;
/// The port of name servers.
const DNS: u16 = 53;
/// What a rule without a protocol means.
const BOTH: &[Protocol] = &[Protocol::Tcp, Protocol::Udp];

/// What a run is granted, and what one should know about it.
#[derive(Debug, Default)]
pub struct Grants {
    by_endpoint: HashMap<Endpoint, [u16; STAGES]>,
    /// Names that led nowhere, in sentences.
    pub warnings: Vec<String>,
}

impl Grants {
    /// Finds them. `registry` is what `${npm.registry}` stands for, if a rule uses it.
    pub async fn find(rules: &[HostRule], registry: Option<&Registry>, legend: &Legend) -> Self {
        let mut grants = Self::default();
        for rule in rules {
            let addresses = match &rule.host {
                Host::Name(name) => grants.resolve(name, rule, legend).await,
                Host::Registry(of) if !asks_npm(*of) => {
                    let place = legend.place_of_rule(rule.rule).unwrap_or_default();
                    let message = format!("{} ({place}) is not known yet and cannot be reached", rule.host);
                    grants.warnings.push(message);
                    Vec::new()
                }
                // Which names there are is known only when they are looked up.
                Host::Below(_) => Vec::new(),
                Host::Registry(_) => match registry.map(|registry| &registry.host) {
                    Some(url::Host::Domain(name)) => grants.resolve(name, rule, legend).await,
                    Some(url::Host::Ipv4(address)) => vec![IpAddr::V4(*address)],
                    Some(url::Host::Ipv6(address)) => vec![IpAddr::V6(*address)],
                    None => Vec::new(),
                },
            };
            let of_registry = registry
                .filter(|_| matches!(rule.host, Host::Registry(of) if asks_npm(of)))
                .map(|registry| registry.port);
            grants.add_rule(rule, &addresses, of_registry);
        }
        if !rules.is_empty() {
            let servers = resolv::name_servers();
            rules.iter().for_each(|rule| grants.add(rule, &servers, DNS, BOTH));
        }
        grants
    }

    /// As the kernel takes them.
    ///
    /// # Errors
    ///
    /// There are more than it can hold.
    pub fn for_kernel(&self) -> Result<Vec<(GrantKey, Grant)>, Error> {
        let grants = self.by_endpoint.iter().flat_map(|(&endpoint, rules)| {
            let given = (0..).zip(rules).filter(|(_, rule)| **rule != 0);
            given.map(move |(stage, &rule)| {
                (GrantKey { run: 0, stage, endpoint }, Grant { until: u64::MAX, rule, reserved: [0; 3] })
            })
        });
        let grants: Vec<_> = grants.collect();
        let count = grants.len();
        if count > MOST { Err(Error::TooManyGrants { count, most: MOST }) } else { Ok(grants) }
    }

    fn add_rule(&mut self, rule: &HostRule, addresses: &[IpAddr], of_registry: Option<u16>) {
        let protocol = rule.protocol;
        let protocols = protocol.as_ref().map_or(BOTH, std::slice::from_ref);
        let ports = rule.ports.iter().flat_map(|&PortRange { first, last }| first..=last);
        for port in ports.chain(of_registry.filter(|_| rule.ports.is_empty())) {
            self.add(rule, addresses, port, protocols);
        }
    }

    fn add(&mut self, rule: &HostRule, addresses: &[IpAddr], port: u16, protocols: &[Protocol]) {
        for address in addresses {
            for &protocol in protocols {
                let grant = self.by_endpoint.entry(endpoint(*address, port, protocol)).or_default();
                let Some(slot) = grant.get_mut(usize::from(rule.stage)) else { continue };
                if *slot == 0 || rule.rule < *slot & !GRANT_RECORDED {
                    // The rule that was written first.
                    *slot = rule.rule | if rule.recorded { GRANT_RECORDED } else { 0 };
                }
            }
        }
    }

    async fn resolve(&mut self, name: &str, rule: &HostRule, legend: &Legend) -> Vec<IpAddr> {
        let found = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((name, 0))).await;
        let why = match found {
            Ok(Ok(addresses)) => {
                let addresses: Vec<IpAddr> = addresses.map(|address: SocketAddr| address.ip()).collect();
                if !addresses.is_empty() {
                    return addresses;
                }
                "it has no address".to_owned()
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer in {} s", PATIENCE.as_secs()),
        };
        let place = legend.place_of_rule(rule.rule).unwrap_or_default();
        self.warnings.push(format!("{name} ({place}) could not be resolved and cannot be reached: {why}"));
        Vec::new()
    }
}

/// Whether a registry is that of npm's configuration, which pnpm and yarn are asked by too.
pub(super) const fn asks_npm(of: profile::Registry) -> bool {
    matches!(of, profile::Registry::Npm | profile::Registry::Pnpm | profile::Registry::Yarn)
}

fn endpoint(address: IpAddr, port: u16, protocol: Protocol) -> Endpoint {
    match address {
        IpAddr::V4(address) => Endpoint::v4(address.octets(), port, protocol),
        IpAddr::V6(address) => Endpoint::v6(address.octets(), port, protocol),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(number: u16, stage: u8, ports: &[(u16, u16)]) -> HostRule {
        let ports = ports.iter().map(|&(first, last)| PortRange { first, last }).collect();
        HostRule {
            rule: number,
            stage,
            host: Host::Registry(profile::Registry::Npm),
            ports,
            protocol: Some(Protocol::Tcp),
            private: false,
            recorded: false,
        }
    }

    fn granted(grants: &Grants, address: &str, port: u16, protocol: Protocol) -> Option<(u16, u16)> {
        let grant = grants.by_endpoint.get(&endpoint(address.parse().unwrap(), port, protocol))?;
        Some((grant[0], grant[1]))
    }

    #[tokio::test]
    async fn a_registry_with_an_address_and_its_port() {
        let registry = Registry { host: url::Host::parse("192.0.2.1").unwrap(), port: 4873 };
        let rules = [rule(7, 1, &[]), rule(3, 1, &[]), rule(9, 0, &[(80, 81)])];
        let grants = Grants::find(&rules, Some(&registry), &Legend::default()).await;
        assert_eq!(granted(&grants, "192.0.2.1", 4873, Protocol::Tcp), Some((0, 3)));
        assert_eq!(granted(&grants, "::ffff:192.0.2.1", 81, Protocol::Tcp), Some((9, 0)));
        assert_eq!(granted(&grants, "192.0.2.1", 4873, Protocol::Udp), None);
        for server in resolv::name_servers() {
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                assert_eq!(granted(&grants, &server.to_string(), DNS, protocol), Some((9, 3)));
            }
        }
        assert!(grants.warnings.is_empty() && grants.for_kernel().is_ok());
    }

    #[test]
    fn an_exception_is_recorded_unless_another_rule_grants_the_same() {
        let address = [IpAddr::from([192, 0, 2, 1])];
        let exception = HostRule { recorded: true, ..rule(9, 0, &[(80, 81)]) };
        let mut grants = Grants::default();
        grants.add_rule(&exception, &address, None);
        grants.add_rule(&rule(3, 0, &[(81, 81)]), &address, None);
        assert_eq!(granted(&grants, "192.0.2.1", 80, Protocol::Tcp), Some((9 | GRANT_RECORDED, 0)));
        assert_eq!(granted(&grants, "192.0.2.1", 81, Protocol::Tcp), Some((3, 0)));
        grants.add_rule(&exception, &address, None);
        assert_eq!(granted(&grants, "192.0.2.1", 81, Protocol::Tcp), Some((3, 0)));
    }

    #[tokio::test]
    async fn no_host_rules_no_grants() {
        assert!(Grants::find(&[], None, &Legend::default()).await.by_endpoint.is_empty());
    }

    #[tokio::test]
    async fn names_are_resolved_and_what_leads_nowhere_is_told() {
        let host = |name: &str| HostRule { host: Host::Name(name.into()), ..rule(1, 0, &[(443, 443)]) };
        let rules = [host("localhost"), host("no-such-host.invalid")];
        let grants = Grants::find(&rules, None, &Legend::default()).await;
        let local = ["127.0.0.1", "::1"].iter().any(|a| granted(&grants, a, 443, Protocol::Tcp).is_some());
        assert!(local);
        assert_eq!(grants.warnings.len(), 1, "{:?}", grants.warnings);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let mut grants = Grants::default();
        grants.add_rule(&rule(1, 0, &[(1, 20_000)]), &[IpAddr::from([192, 0, 2, 1])], None);
        assert!(matches!(grants.for_kernel(), Err(Error::TooManyGrants { count: 20_000, .. })));
    }
}
