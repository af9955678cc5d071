// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a profile lacks for recorded runs, and what of that is not learnt.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::IpAddr,
    path::Path,
    sync::Arc,
};

use enforcer_common::{Decision, Kind, Reason, Verdict, anchor::Anchors};

use super::{globs, named::NamedSets, who};
use crate::{
    behaviour::general::{General, Places},
    dns::special::is_special,
    profile::{Compiled, Host, sockets},
    recording::{
        Fault, Reader, Record,
        format::{Event, Header, Image},
        reader::Words,
    },
    replay::{Judge, places::anchors},
    report::target::Target,
};

/// Different actions that are kept.
pub(super) const MOST: usize = 1 << 18;
/// Local sockets of whoever acts for others, outside of the run: container engines, the service manager, message buses.
const DAEMONS: [&str; 9] = [
    "/run/docker.sock",
    "/run/docker/",
    "/run/containerd/",
    "/run/podman/",
    "/run/crio/",
    "/run/dbus/",
    "/run/systemd/private",
    "/run/user/",
    "@/org/freedesktop/",
];

/// Which rules for paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Section {
    Exec,
    Read,
    Write,
}

/// What such a rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Say {
    Allow,
    Deny,
    Except,
}

/// Something that a rule is needed for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Need {
    /// Paths.
    Path(Section, Say, String),
    /// A name; without a port where it was only looked up, or is a variable.
    Host { name: String, port: Option<u16>, udp: bool },
    /// An address; without a port where that was the kernel's choice.
    Address { listen: bool, ip: IpAddr, port: Option<u16>, protocol: &'static str },
    /// A local socket.
    Unix(String),
    /// A socket that is made.
    Socket(&'static str),
}

/// How something was seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) who: who::Who,
    /// Whether all of it was denied then.
    pub(super) denied: bool,
    /// Whether the host is in a private network.
    pub(super) private: bool,
    /// The sets that all of it is in.
    pub(super) sets: u32,
}

impl Seen {
    pub(super) fn add(&mut self, other: Self) {
        self.who.add(other.who);
        self.denied &= other.denied;
        self.private |= other.private;
        self.sets &= other.sets;
    }
}

/// Something that was not learnt. Texts are fit for a terminal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Never {
    /// Package and script, or the program.
    pub who: String,
    /// What was attempted.
    pub action: &'static str,
    /// What it was aimed at.
    pub target: String,
    /// The stage.
    pub stage: String,
    /// Why it is not learnt.
    pub why: String,
}

/// What a profile lacks.
#[derive(Debug, Default)]
pub(super) struct Lacks {
    /// By stage.
    pub(super) needs: BTreeMap<(u8, Need), Seen>,
    pub(super) never: BTreeMap<Never, u64>,
    pub(super) undecided: u64,
}

impl Lacks {
    pub(super) fn and(mut self, other: Self) -> Self {
        for (need, seen) in other.needs {
            self.need(need, seen);
        }
        for (never, count) in other.never {
            *self.never.entry(never).or_default() += count;
        }
        self.undecided += other.undecided;
        self
    }

    fn need(&mut self, need: (u8, Need), seen: Seen) {
        match self.needs.entry(need) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut().add(seen),
            std::collections::btree_map::Entry::Vacant(place) => _ = place.insert(seen),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.needs.len() >= MOST || self.never.len() >= MOST
    }
}

/// Who is asked, and how.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) profile: &'a Compiled,
    /// Whether it is built on one that somebody wrote.
    pub(super) base: bool,
    pub(super) sets: &'a NamedSets,
    pub(super) shipped: &'a BTreeMap<&'static str, Compiled>,
    /// Whether what is lacking is to be named as it is.
    pub(super) exact: bool,
}

/// What a profile lacks for a recorded run.
pub(super) fn read(path: &Path, asked: &Asked<'_>) -> Result<Lacks, Fault> {
    let mut reader = Reader::open(path)?;
    let mut judge = Judge::new(asked.profile, reader.header(), true);
    let mut run = Run::new(reader.header(), asked);
    while let Some(record) = reader.read()? {
        match record {
            Record::Image(image) => {
                judge.image(&image);
                run.image(&image);
            }
            Record::Led(led) => judge.led(&led),
            Record::Event(event, words) => match judge.event(&event, &words) {
                None => run.out.undecided += 1,
                Some(_) if run.out.is_full() => {}
                Some(answer) => run.event(answer.stage, &answer.decision, answer.carried, &event, &words),
            },
            Record::Trailer(_) => {}
        }
    }
    Ok(run.out)
}

/// A program of a recording.
struct Program {
    who: Arc<str>,
    own: Option<Vec<u8>>,
}

/// A recorded run that is asked about.
struct Run<'a> {
    asked: &'a Asked<'a>,
    out: Lacks,
    places: Places,
    anchors: Anchors,
    /// The profile that is shipped for the command, and its directories.
    shipped: Option<(&'a Compiled, Anchors)>,
    /// Variable, host and port, the command's own first.
    registries: Vec<(String, String, u16)>,
    hosts: HashSet<(String, IpAddr)>,
    programs: Vec<Program>,
    known: HashMap<String, Arc<str>>,
}

impl<'a> Run<'a> {
    fn new(header: &Header, asked: &'a Asked<'a>) -> Self {
        let command = super::stages::words(header);
        let chosen = crate::run::choose::by_command(&command).filter(|_| !asked.base);
        let shipped = chosen.and_then(|name| asked.shipped.get(name));
        let program = command.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
        let program = program.rsplit('/').next().unwrap_or_default().to_owned();
        let registry = |of: &crate::recording::format::Registry| {
            let known = crate::profile::Registry::of_variable(&of.name)?;
            Some((known.variable().to_owned(), of.host.to_ascii_lowercase(), of.port))
        };
        let mut registries: Vec<_> = header.registries.iter().filter_map(registry).collect();
        registries.sort_by_key(|(name, ..)| (!name.starts_with(&format!("${{{program}.")), name.clone()));
        Self {
            asked,
            out: Lacks::default(),
            places: Places::of(header),
            anchors: asked.sets.anchors(header),
            shipped: shipped.map(|shipped| (shipped, anchors(shipped, header))),
            registries,
            hosts: header.hosts.iter().cloned().collect(),
            programs: Vec::new(),
            known: HashMap::new(),
        }
    }

    fn image(&mut self, image: &Image) {
        let name = who::name(image);
        let who = self.known.entry(name).or_insert_with_key(|name| name.as_str().into());
        self.programs.push(Program { who: Arc::clone(who), own: globs::own(image) });
    }

    fn event(&mut self, stage: u8, decision: &Decision, carried: bool, event: &Event<'_>, words: &Words<'_>) {
        // Somebody denied it on purpose.
        let denied = !self.asked.base && words.verdict != Verdict::Allow && words.reason == Reason::Rule;
        if decision.allows() && !denied {
            return;
        }
        match self.needs(stage, decision, carried, denied, event, words) {
            Ok(needs) => {
                let Some(program) = self.programs.get(event.image as usize - 1) else { return };
                let who = who::Who::of(Arc::clone(&program.who));
                let then = words.verdict != Verdict::Allow;
                for (need, private) in needs {
                    let key = (stage, need);
                    let known = self.out.needs.get(&key).map_or(u32::MAX, |seen| seen.sets);
                    let in_sets = known != 0 && matches!(&key.1, Need::Path(_, Say::Allow, _));
                    let sets = if in_sets { self.asked.sets.of(&words.text, &self.anchors) } else { 0 };
                    self.out.need(key, Seen { who: who.clone(), denied: then, private, sets });
                }
            }
            Err(why) => self.never(stage, why, event, words),
        }
    }

    /// The rules that are needed, and whether they are about a private network; or why there will be none.
    fn needs(
        &self,
        stage: u8,
        decision: &Decision,
        carried: bool,
        denied: bool,
        event: &Event<'_>,
        words: &Words<'_>,
    ) -> Result<Vec<(Need, bool)>, String> {
        if carried {
            return Err(format!("no rule can allow it: {}", words.reason.name()));
        }
        let section = match words.kind {
            Kind::Exec => Some(Section::Exec),
            Kind::Read => Some(Section::Read),
            Kind::Write => Some(Section::Write),
            _ => None,
        };
        let glob = || {
            let own = self.programs.get(event.image as usize - 1).and_then(|program| program.own.as_deref());
            let exact = self.asked.exact || denied;
            let glob = globs::glob(&self.places, words.kind, &words.text, own, exact);
            glob.ok_or_else(|| "no rule can name it".to_owned())
        };
        if denied {
            // It stays so, whatever else is allowed. There are no denials of names: if others needed this one, it is allowed.
            match section.filter(|_| decision.allows()) {
                Some(section) => return Ok(vec![(Need::Path(section, Say::Deny, glob()?), false)]),
                None if decision.allows() => return Ok(Vec::new()),
                None => {}
            }
            return Err("a rule of the profile that it was recorded under denied it".to_owned());
        }
        if words.kind.is_path()
            && let Some(set) = self.asked.sets.forbids(&words.text, &self.anchors)
        {
            return match section.filter(|_| self.lets(stage, words)) {
                Some(Section::Read) => Ok(vec![(Need::Path(Section::Read, Say::Except, glob()?), false)]),
                Some(Section::Write) => {
                    let glob = glob()?;
                    let say = |say| (Need::Path(Section::Write, say, glob.clone()), false);
                    Ok(vec![say(Say::Allow), say(Say::Except)])
                }
                _ => Err(format!("it is in @{set}")),
            };
        }
        if decision.reason == Reason::Rule {
            let rule = self.asked.profile.rule(decision.rule);
            let rule = rule.map(|rule| format!("{} ({rule})", rule.text)).unwrap_or_default();
            return Err(format!("a rule denies it: {rule}"));
        }
        if !matches!(decision.reason, Reason::Default | Reason::Private) {
            return Err(format!("no rule can allow it: {}", decision.reason.name()));
        }
        match (words.kind, section) {
            (_, Some(section)) => Ok(vec![(Need::Path(section, Say::Allow, glob()?), false)]),
            (Kind::Unix, _) => {
                let daemon = |daemon: &&&str| words.text.starts_with(daemon.as_bytes());
                match DAEMONS.iter().find(daemon) {
                    Some(_) => Err("whoever listens there acts for others, outside of the run".to_owned()),
                    None => Ok(vec![(Need::Unix(glob()?), false)]),
                }
            }
            (Kind::Socket, _) => match Target::of(Kind::Socket, &words.text) {
                Target::Socket { family, kind, protocol } => {
                    let socket = enforcer_common::socket::Socket { family, kind, protocol };
                    let name = sockets::name(socket).ok_or_else(|| "no rule can name it".to_owned())?;
                    Ok(vec![(Need::Socket(name), false)])
                }
                _ => Err("no rule can name it".to_owned()),
            },
            (Kind::Resolve, _) => {
                let Target::Name { name, leads_to } = Target::of(Kind::Resolve, &words.text) else {
                    return Err("no rule can name it".to_owned());
                };
                let name = String::from_utf8_lossy(&name).into_owned();
                let need = self.host(&name, None, false).ok_or_else(|| "no rule can name it".to_owned())?;
                Ok(vec![(need, leads_to.is_some())])
            }
            (Kind::Connect | Kind::Listen, _) => self.endpoint(event, words),
            (Kind::Argv, _) => Err("rules about arguments are not learnt".to_owned()),
            _ => Err("no rule can allow it".to_owned()),
        }
    }

    fn endpoint(&self, event: &Event<'_>, words: &Words<'_>) -> Result<Vec<(Need, bool)>, String> {
        let none = || "no rule can name it".to_owned();
        let host = event.host.as_deref().filter(|_| words.kind == Kind::Connect && !self.asked.exact);
        let General::Endpoint { host, ip, port, protocol } =
            self.places.general(words.kind, &words.text, host, None)
        else {
            return Err(none());
        };
        if protocol == "other" {
            return Err(none());
        }
        let listen = words.kind == Kind::Listen;
        let at = ip.to_string();
        let registry = self.registries.iter().find(|(_, host, of)| *host == at && port == Some(*of));
        if let (Some((variable, ..)), false) = (registry, listen) {
            return Ok(vec![(Need::Host { name: variable.clone(), port: None, udp: false }, false)]);
        }
        let exact_port = match Target::of(words.kind, &words.text) {
            Target::Address { address, .. } => Some(address.port()),
            _ => None,
        };
        let udp = protocol == "udp";
        // What the C library tries to find out its own address.
        let tried = udp && exact_port == Some(0);
        let need = host.as_ref().filter(|_| tried || exact_port != Some(0)).and_then(|host| {
            let need = self.host(host, exact_port.filter(|_| !tried), udp)?;
            let private = is_special(ip) && !self.hosts.contains(&(host.clone(), ip));
            Some((need, private))
        });
        if need.is_none() && exact_port == Some(0) {
            return Err("no rule can name port 0".to_owned());
        }
        Ok(vec![need.unwrap_or((Need::Address { listen, ip, port, protocol }, false))])
    }

    /// The rule for a name: a variable where it is a registry of the run.
    fn host(&self, name: &str, port: Option<u16>, udp: bool) -> Option<Need> {
        let name = name.to_ascii_lowercase();
        let registry =
            self.registries.iter().find(|(_, host, of)| *host == name && port.is_none_or(|port| port == *of));
        if let Some((variable, ..)) = registry {
            return Some(Need::Host { name: variable.clone(), port: None, udp: false });
        }
        match Host::parse(&name) {
            Ok(Host::Name(name)) => Some(Need::Host { name, port, udp }),
            _ => None,
        }
    }

    /// Whether the profile that is shipped for the command lets it do this in a stage.
    fn lets(&self, stage: u8, words: &Words<'_>) -> bool {
        let Some((shipped, anchors)) = &self.shipped else { return false };
        let name = self.asked.profile.stages.get(usize::from(stage)).map_or("", String::as_str);
        let stage = shipped.stage(name).or((stage == 0).then_some(0));
        stage.is_some_and(|stage| shipped.decide(stage, words.kind, &words.text, anchors).allows())
    }

    fn never(&mut self, stage: u8, why: String, event: &Event<'_>, words: &Words<'_>) {
        let program = self.programs.get(event.image as usize - 1);
        let own = program.and_then(|program| program.own.as_deref());
        let stages = &self.asked.profile.stages;
        let never = Never {
            who: program.map(|program| program.who.to_string()).unwrap_or_default(),
            action: words.kind.name(),
            target: match words.kind {
                Kind::Read | Kind::Write | Kind::Exec => {
                    self.places.general(words.kind, &words.text, None, None).to_string()
                }
                kind => self.places.general(kind, &words.text, event.host.as_deref(), own).to_string(),
            },
            stage: stages.get(usize::from(stage)).cloned().unwrap_or_default(),
            why,
        };
        *self.out.never.entry(never).or_default() += 1;
    }
}
