// SPDX-License-Identifier: MIT OR Apache-2.0

//! What one stage allows and another does not, all kinds and hosts.

use std::{collections::HashSet, fmt};

use enforcer_common::{Kind, address::Protocol};

use super::{
    compare::{Found, View, Wanted, search},
    compile::{Compiled, HostRule},
    example::Example,
    host::Host,
};

/// A stage of a profile.
#[derive(Clone, Copy, Debug)]
pub struct Stage<'a> {
    /// The profile.
    pub profile: &'a Compiled,
    /// The number of the stage.
    pub number: u8,
}

impl<'a> Stage<'a> {
    /// Its rules of one kind.
    const fn view(self, kind: Kind) -> View<'a> {
        View { profile: self.profile, stage: self.number, kind }
    }
}

/// One thing that is allowed here and not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What it is about.
    pub kind: Kind,
    /// An example.
    pub what: What,
}

/// An example of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A path or an endpoint.
    Text(Example),
    /// A host, with one of the ports.
    Host(String),
    /// The rules are too large to be compared: there may be a difference.
    Unknown,
}

/// `exec, such as /usr/bin/gcc`.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.action();
        match &self.what {
            What::Text(example) => write!(f, "{kind}, such as {example}"),
            What::Host(host) => write!(f, "{kind}, such as {host}"),
            What::Unknown => write!(f, "{kind}, perhaps: the rules are too large to be compared"),
        }
    }
}

impl Difference {
    /// The example alone.
    #[must_use]
    pub fn example(&self) -> Option<String> {
        match &self.what {
            What::Text(example) => Some(example.to_string()),
            What::Host(host) => Some(host.clone()),
            What::Unknown => None,
        }
    }
}

/// What `two` allows and `one` does not.
#[must_use]
pub fn allowed_only_by(two: Stage<'_>, one: Stage<'_>) -> Vec<Difference> {
    let mut differences = texts(Wanted::Allowed, one, two);
    // Where every address is allowed, so are those of hosts.
    if !one.view(Kind::Connect).allows_everything() {
        let asked = one.profile.tls.sni || two.profile.tls.sni;
        let known: HashSet<HostPort> = hosts(one, asked).collect();
        let globs: Vec<&HostPort> =
            known.iter().filter(|known| matches!(known.host, Host::Below(_))).collect();
        let allowed = |host: &HostPort| {
            let wider = |private, any_name| HostPort { private, any_name, ..host.clone() };
            let all =
                [(host.private, host.any_name), (true, host.any_name), (host.private, true), (true, true)];
            all.iter().any(|&(private, any_name)| known.contains(&wider(private, any_name)))
                || globs.iter().any(|glob| glob.covers(host))
        };
        let what = hosts(two, asked).find(|host| !allowed(host)).map(|new| What::Host(new.to_string()));
        differences.extend(what.map(|what| Difference { kind: Kind::Connect, what }));
    }
    differences
}

/// What both allow, but what leads to stages of different names.
#[must_use]
pub fn leads_elsewhere(one: Stage<'_>, two: Stage<'_>) -> Vec<Difference> {
    texts(Wanted::LeadsElsewhere, one, two)
}

/// A text of each kind.
fn texts(wanted: Wanted, one: Stage<'_>, two: Stage<'_>) -> Vec<Difference> {
    // Where rules of either are about arguments, a program is looked for with its arguments.
    let exec = match [one, two].iter().any(|stage| stage.profile.judges_arguments(stage.number)) {
        true => Kind::Argv,
        false => Kind::Exec,
    };
    let asked = |kind: &&Kind| match **kind {
        Kind::Exec | Kind::Argv => **kind == exec,
        Kind::Resolve | Kind::Escape => false,
        _ => wanted != Wanted::LeadsElsewhere,
    };
    let kinds = Kind::ALL.iter().filter(asked);
    let found = kinds.filter_map(|&kind| {
        let what = match search(wanted, one.view(kind), two.view(kind)) {
            Found::Text(example) => What::Text(example),
            Found::GaveUp => What::Unknown,
            Found::Nothing => return None,
        };
        Some(Difference { kind, what })
    });
    found.collect()
}

/// What a host rule allows: one protocol and port of a host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct HostPort {
    host: Host,
    protocol: Protocol,
    /// `None` is that of the registry's URL.
    port: Option<u16>,
    private: bool,
    /// Whether any name may be asked for there.
    any_name: bool,
}

impl HostPort {
    /// Whether this allows all that the other one allows.
    fn covers(&self, other: &Self) -> bool {
        (self.protocol, self.port) == (other.protocol, other.port)
            && (self.private || !other.private)
            && (self.any_name || !other.any_name)
            && self.host.covers(&other.host)
    }
}

/// `mirror.example:443 tcp`.
impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, protocol, port, private, any_name } = self;
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let protocol = if *protocol == Protocol::Udp { "udp" } else { "tcp" };
        let private = if *private { ", private addresses too" } else { "" };
        let any_name = if *any_name { ", by any TLS name" } else { "" };
        write!(f, "{host}{port} {protocol}{private}{any_name}")
    }
}

/// What the host rules of a stage allow; `asked` if either profile asks for names.
fn hosts(stage: Stage<'_>, asked: bool) -> impl Iterator<Item = HostPort> + '_ {
    let rules = stage.profile.hosts.iter().filter(move |rule| rule.stage == stage.number);
    rules.flat_map(move |rule| {
        let tls = stage.profile.tls;
        let ports: Vec<Option<u16>> = match rule.ports.as_slice() {
            [] => vec![None],
            ranges => ranges.iter().flat_map(|range| range.ports()).map(Some).collect(),
        };
        rule.protocols(tls).iter().flat_map(move |&protocol| {
            let any_name = asked && !rule.asks_names(tls) && protocol == Protocol::Tcp;
            let HostRule { host, private, .. } = rule;
            let port =
                move |port| HostPort { host: host.clone(), protocol, port, private: *private, any_name };
            ports.clone().into_iter().map(port)
        })
    })
}
