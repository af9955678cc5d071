// SPDX-License-Identifier: MIT OR Apache-2.0

//! What rules for addresses and hosts match.

use std::sync::Arc;

use enforcer_common::{Kind, address::Protocol};

use super::{
    super::{
        address::{self, Block, HOST_PORTS_MAX, PortRange},
        compile::HostRule,
        document::{self, At, Effect},
        error::{Code, Problem, Text},
        host::Host,
    },
    Lowering, Matched,
};

impl Lowering<'_> {
    /// What a rule for addresses matches.
    pub(super) fn block(
        &mut self,
        rule: &document::Rule,
        address: &At<String>,
        ports: Option<Vec<PortRange>>,
        protocol: Option<Protocol>,
    ) -> Option<Matched> {
        let block = Block::parse(&address.value).map_err(|problem| match rule.kind {
            // Names are for where one goes.
            Kind::Listen if problem.code == Code::Address => {
                problem.help("an address of this machine, a CIDR block or any; loopback is allowed as it is")
            }
            _ => problem,
        });
        let block = self.keep(block, &rule.source, address.span)?;
        Some(Matched::Texts(block.sequences(&ports.unwrap_or_default(), protocol, rule.effect)))
    }

    /// The ports and the protocol of a network rule; `None` where it names none.
    pub(super) fn ports_and_protocol(
        &mut self,
        source: &Arc<Text>,
        ports: Option<&At<Vec<At<String>>>>,
        protocol: Option<&At<String>>,
    ) -> (Option<Vec<PortRange>>, Option<Protocol>) {
        let ports = self.ports(source, ports);
        (ports, protocol.and_then(|p| self.keep(address::protocol(&p.value), source, p.span)))
    }

    /// The ports of a network rule; `None` if it names none.
    fn ports(&mut self, source: &Arc<Text>, ports: Option<&At<Vec<At<String>>>>) -> Option<Vec<PortRange>> {
        let mut ranges: Vec<PortRange> = ports?
            .value
            .iter()
            .filter_map(|port| self.keep(PortRange::parse(&port.value), source, port.span))
            .collect();
        ranges.sort_unstable();
        Some(ranges)
    }

    /// A rule that names a host.
    pub(super) fn host(
        &mut self,
        rule: &document::Rule,
        host: &At<String>,
        ports: Option<Vec<PortRange>>,
        protocol: Option<Protocol>,
    ) -> Option<HostRule> {
        let source = &rule.source;
        let name = self.keep(Host::parse(&host.value), source, host.span)?;
        if rule.effect == Effect::Deny {
            let problem = Problem::new(Code::Destination, "a deny rule names addresses, not a host")
                .help("what no rule allows is denied already; a name can lead anywhere");
            self.fault(problem, source, host.span);
            return None;
        }
        let count: usize = ports.iter().flatten().map(|range| range.count()).sum();
        let wrong = match (&ports, &name) {
            (None, Host::Name(_) | Host::Below(_)) => {
                Some(format!("a rule for a host names its ports; this one for `{name}` does not"))
            }
            _ if count > HOST_PORTS_MAX => Some(format!(
                "a rule for a host names at most {HOST_PORTS_MAX} ports; this one names {count}"
            )),
            _ => None,
        };
        if let Some(message) = wrong {
            let problem = Problem::new(Code::Port, message).help("such as `ports: [443]`");
            self.fault(problem, source, rule.place());
            return None;
        }
        Some(HostRule {
            rule: 0,
            stage: rule.stage,
            host: name,
            ports: ports.unwrap_or_default(),
            protocol,
            private: false,
            tls: true,
            recorded: false,
        })
    }
}
