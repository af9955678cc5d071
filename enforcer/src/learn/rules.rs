// SPDX-License-Identifier: MIT OR Apache-2.0

//! From what is needed to rules.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use enforcer_common::table::STAGES;

use super::{
    directories,
    lacks::{Need, Say, Section, Seen},
    named::{DENIED, NamedSets},
    stages::Stages,
};
use crate::{
    behaviour::general::EPHEMERAL,
    profile::{Budgets, Compiled, address::HOST_PORTS_MAX, quote::quoted},
};

/// What is behind a rule about a name that was looked up and led to no connection.
const LOOKED_UP: &str = "only looked up, by ";
/// The port of such a rule, which must have one: nobody answers there.
const NOBODYS: u16 = 9;

/// Where rules are in a stage, in the order in which they are written.
pub(super) const PLACES: [&[&str]; 9] = [
    &["exec", "allow"],
    &["exec", "deny"],
    &["network", "allow"],
    &["files", "read", "allow"],
    &["files", "read", "deny"],
    &["files", "read", "except"],
    &["files", "write", "allow"],
    &["files", "write", "deny"],
    &["files", "write", "except"],
];
const NETWORK: usize = 2;
const READ_DENY: usize = 4;
const WRITE_ALLOW: usize = 6;
const WRITE_DENY: usize = 7;

/// A rule as it is written, and what stands behind it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Item {
    pub(super) text: String,
    pub(super) comment: String,
    /// Whether somebody needed it.
    pub(super) learnt: bool,
}

/// The rules of a stage, by [`PLACES`].
pub(super) type Lists = [Vec<Item>; PLACES.len()];

/// What is to be written.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) stages: Stages,
    /// The budgets of the base.
    pub(super) base: Option<Budgets>,
    needs: BTreeMap<(u8, Need), Seen>,
}

impl Model {
    pub(super) fn new(stages: Stages, base: Option<&Compiled>) -> Self {
        Self { stages, base: base.map(|base| base.budgets), needs: BTreeMap::new() }
    }

    /// More that is needed.
    pub(super) fn add(&mut self, needs: BTreeMap<(u8, Need), Seen>) {
        for (need, seen) in needs {
            match self.needs.entry(need) {
                std::collections::btree_map::Entry::Occupied(known) => known.into_mut().add(seen),
                std::collections::btree_map::Entry::Vacant(place) => _ = place.insert(seen),
            }
        }
    }

    /// The rules of all stages.
    pub(super) fn lists(&self, sets: &NamedSets) -> Vec<Lists> {
        let mut all = Vec::new();
        for stage in 0..self.stages.names.len().min(STAGES) {
            let needs: Vec<_> = self.needs.iter().filter(|((of, _), _)| usize::from(*of) == stage).collect();
            let mut lists = Lists::default();
            for edge in self.stages.edges.iter().filter(|edge| edge.from == stage) {
                let to = &self.stages.names[edge.to];
                let text = format!("{{ path: {}, stage: {to}, widen: true }}", scalar(&edge.program));
                lists[0].push(Item { text, comment: edge.who.shown(), learnt: true });
            }
            for (at, (section, say)) in [
                (0, (Section::Exec, Say::Allow)),
                (1, (Section::Exec, Say::Deny)),
                (3, (Section::Read, Say::Allow)),
                (READ_DENY, (Section::Read, Say::Deny)),
                (5, (Section::Read, Say::Except)),
                (WRITE_ALLOW, (Section::Write, Say::Allow)),
                (WRITE_DENY, (Section::Write, Say::Deny)),
                (8, (Section::Write, Say::Except)),
            ] {
                lists[at].extend(paths(&needs, section, say, sets));
            }
            lists[NETWORK] = network(&needs);
            if self.base.is_none() {
                let denied = DENIED.map(|set| Item {
                    text: format!("\"@{set}\""),
                    comment: String::new(),
                    learnt: false,
                });
                lists[READ_DENY].splice(0..0, denied.clone());
                if !lists[WRITE_ALLOW].is_empty() {
                    lists[WRITE_DENY].splice(0..0, denied);
                }
            }
            all.push(lists);
        }
        all
    }
}

/// What somebody needed, as a comment.
fn comment(seen: &Seen) -> String {
    let then = if seen.denied { " (denied then)" } else { "" };
    format!("{}{then}", seen.who.shown())
}

fn item(text: String, seen: &Seen) -> Item {
    Item { text, comment: comment(seen), learnt: true }
}

/// Rules for paths: sets first, then directories, then the others.
fn paths(needs: &[(&(u8, Need), &Seen)], section: Section, say: Say, sets: &NamedSets) -> Vec<Item> {
    let of = |(key, seen): &(&(u8, Need), &Seen)| match &key.1 {
        Need::Path(of, says, glob) if (*of, *says) == (section, say) => Some((glob.clone(), (*seen).clone())),
        _ => None,
    };
    let mut globs: BTreeMap<String, Seen> = needs.iter().filter_map(of).collect();
    let mut items = Vec::new();
    if say == Say::Allow && section != Section::Read {
        for (bit, name, least) in sets.useful() {
            let covered = globs.values().filter(|seen| seen.sets & bit != 0).count();
            if covered >= least {
                let mut all: Option<Seen> = None;
                globs.retain(|_, seen| {
                    if seen.sets & bit != 0 {
                        match &mut all {
                            Some(all) => all.add(seen.clone()),
                            None => all = Some(seen.clone()),
                        }
                    }
                    seen.sets & bit == 0
                });
                items.extend(all.map(|seen| item(format!("\"@{name}\""), &seen)));
            }
        }
    }
    if say == Say::Allow {
        globs = directories::join(section, globs);
    }
    let (whole, others): (Vec<_>, Vec<_>) = globs.iter().partition(|(glob, _)| glob.ends_with("/**"));
    items.extend(whole.into_iter().chain(others).map(|(glob, seen)| item(scalar(glob), seen)));
    items
}

/// Names and addresses, then local sockets, then sockets that are made.
fn network(needs: &[(&(u8, Need), &Seen)]) -> Vec<Item> {
    type Ports = (BTreeSet<u16>, bool, Seen);
    let mut hosts = BTreeMap::<(&str, bool), Ports>::new();
    let mut looked_up = BTreeMap::<&str, Seen>::new();
    let mut addresses = BTreeMap::<(bool, IpAddr, &str), Ports>::new();
    let mut others = Vec::new();
    fn port<K: Ord>(
        map: &mut BTreeMap<K, (BTreeSet<u16>, bool, Seen)>,
        key: K,
        port: Option<u16>,
        seen: &Seen,
    ) {
        let (ports, any, all) = map.entry(key).or_insert_with(|| (BTreeSet::new(), false, seen.clone()));
        ports.extend(port);
        *any |= port.is_none();
        all.add(seen.clone());
    }
    for ((_, need), seen) in needs.iter().map(|(key, seen)| (*key, *seen)) {
        match need {
            Need::Path(..) => {}
            Need::Host { name, port: None, .. } => match looked_up.get_mut(name.as_str()) {
                Some(all) => all.add(seen.clone()),
                None => _ = looked_up.insert(name, seen.clone()),
            },
            Need::Host { name, port: Some(number), udp } => {
                port(&mut hosts, (name, *udp), Some(*number), seen)
            }
            Need::Address { listen, ip, port: number, protocol } => {
                port(&mut addresses, (*listen, *ip, *protocol), *number, seen);
            }
            Need::Unix(glob) => others.push(item(format!("{{ unix: {} }}", quoted(glob)), seen)),
            Need::Socket(name) => others.push(item(format!("{{ socket: {name} }}"), seen)),
        }
    }
    // By TCP, the same port for datagrams is what the C library tries, and no need of its own.
    let tcp: BTreeMap<String, BTreeSet<u16>> = hosts
        .iter()
        .filter(|((_, udp), _)| !udp)
        .map(|((name, _), (ports, ..))| ((*name).to_owned(), ports.clone()))
        .collect();
    let private = |name: &str, seen: &Seen, looked_up: &BTreeMap<&str, Seen>| {
        let private = seen.private || looked_up.get(name).is_some_and(|seen| seen.private);
        if private { ", private: true" } else { "" }
    };
    let mut items = Vec::new();
    for ((name, udp), (ports, _, seen)) in &hosts {
        let known = tcp.get(*name).filter(|_| *udp);
        let ports: Vec<u16> =
            ports.iter().copied().filter(|port| known.is_none_or(|tcp| !tcp.contains(port))).collect();
        let protocol = if *udp { "udp" } else { "tcp" };
        for ports in ports.chunks(HOST_PORTS_MAX) {
            let private = private(name, seen, &looked_up);
            let text = format!("{{ host: {name}, ports: {ports:?}, protocol: {protocol}{private} }}");
            items.push(item(text, seen));
        }
    }
    for (name, seen) in &looked_up {
        let private = private(name, seen, &looked_up);
        if name.starts_with("${") {
            let text = match private {
                "" => format!("host: \"{name}\""),
                _ => format!("{{ host: \"{name}\"{private} }}"),
            };
            items.push(item(text, seen));
        } else if !hosts.keys().any(|(known, _)| known == name) {
            let text = format!("{{ host: {name}, ports: [{NOBODYS}]{private} }}");
            let Item { text, comment, learnt } = item(text, seen);
            items.push(Item { text, comment: format!("{LOOKED_UP}{comment}"), learnt });
        }
    }
    items.sort();
    for ((listen, ip, protocol), (ports, any, seen)) in &addresses {
        let key = if *listen { "listen" } else { "address" };
        let any = any.then(|| format!("\"{EPHEMERAL}-65535\""));
        let ports: Vec<String> = ports.iter().map(u16::to_string).chain(any).collect();
        let text = format!("{{ {key}: \"{ip}\", ports: [{}], protocol: {protocol} }}", ports.join(", "));
        items.push(item(text, seen));
    }
    items.extend(others);
    items
}

/// A glob as YAML has it: in quotes, unless it is a plain name.
pub(super) fn scalar(glob: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | '.');
    let word = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"].contains(&glob);
    let is_plain = glob.starts_with(|c: char| c.is_ascii_lowercase()) && glob.chars().all(plain) && !word;
    if is_plain { glob.to_owned() } else { quoted(glob) }
}
