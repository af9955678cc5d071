// SPDX-License-Identifier: MIT OR Apache-2.0

//! Who did what in recordings.

use std::{
    collections::{BTreeMap, HashMap, btree_map::Entry},
    path::{Path, PathBuf},
};

use enforcer_common::{Kind, Reason, Verdict};

use super::general::Places;
use crate::{
    recording::{
        Fault, Reader, Record,
        format::{Image, Package},
    },
    report::{escape::escape, json::Text, target::Target},
};

/// What the C library reads when threads of a program happen to ask for memory at the same time (`__get_nprocs`, for a number of
/// arenas): any program may, this time or the next.
const PROCESSORS: &[u8] = b"/sys/devices/system/cpu/online";
/// Different actions that are kept.
const ACTIONS: usize = 1 << 20;
/// Processes with execs under way that are kept.
const EXECS: usize = 1 << 16;
/// Checks of such a process that are kept.
const CHECKS: usize = 64;

/// Who acted, whatever its version. Texts are fit for a terminal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Actor {
    /// A lifecycle script of a package.
    Package {
        /// The package.
        name: String,
        /// The script.
        script: String,
    },
    /// COMMAND and what it started for no package.
    Outside,
    /// Records were lost.
    Unknown,
}

/// Something that was attempted, without what is no news.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Action {
    /// What kind of thing.
    pub kind: &'static str,
    /// What it was aimed at.
    pub target: String,
}

/// How something was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// How often.
    pub events: u64,
    /// How often it was denied, or in audit mode would have been.
    pub denied: u64,
    /// The version of the package, when it was seen first.
    pub version: String,
    /// The target, as it was then.
    pub example: String,
}

/// What was seen in recordings.
#[derive(Clone, Debug, Default)]
pub struct Behaviour {
    /// Who did what.
    pub actions: BTreeMap<(Actor, Action), Seen>,
    /// Recordings that were read.
    pub recordings: u64,
    /// Events that they lack.
    pub lost: u64,
    /// Recordings that were cut off.
    pub cut: Vec<PathBuf>,
    /// Events of actions that are too many to be kept.
    pub further: u64,
}

/// Reads what recordings say.
///
/// # Errors
///
/// The first recording that cannot be read, and why.
pub fn collect(paths: &[PathBuf]) -> Result<Behaviour, (PathBuf, Fault)> {
    let mut behaviour = Behaviour::default();
    for path in paths {
        behaviour.add(path).map_err(|fault| (path.clone(), fault))?;
    }
    Ok(behaviour)
}

/// A check of an exec that has not loaded a program yet.
struct Exec {
    action: Action,
    denied: bool,
    example: String,
}

/// A program of a recording.
struct Program {
    actor: Actor,
    version: String,
    directory: Option<Vec<u8>>,
}

impl Behaviour {
    fn add(&mut self, path: &Path) -> Result<(), Fault> {
        self.read(Reader::open(path)?).map(|cut| self.cut.extend(cut.then(|| path.to_owned())))
    }

    /// Reads a recording; says whether it was cut off.
    pub(super) fn read(&mut self, mut reader: Reader<'_>) -> Result<bool, Fault> {
        let places = Places::of(reader.header());
        let mut programs: Vec<Program> = Vec::new();
        let mut execs = HashMap::<(u32, u32), Vec<Exec>>::new();
        while let Some(record) = reader.read()? {
            match record {
                Record::Image(image) => {
                    let program = program(&image);
                    // That a package manager starts a script of a package is that package's doing.
                    for exec in execs.remove(&(image.parent.unwrap_or(0), image.pid)).unwrap_or_default() {
                        let denied = exec.denied;
                        self.see(&program.actor, exec.action, denied, &program.version, || exec.example);
                    }
                    programs.push(program);
                }
                Record::Trailer(trailer) => self.lost += trailer.lost_events + trailer.lost_images,
                // Questions to name servers have an event of the name.
                Record::Event(_, words) if words.reason == Reason::Resolver => {}
                Record::Event(_, words) if words.kind == Kind::Read && *words.text == *PROCESSORS => {}
                Record::Event(event, words) => {
                    let Some(Program { actor, version, directory }) = programs.get(event.image as usize - 1)
                    else {
                        continue;
                    };
                    let (host, own) = (event.host.as_deref(), directory.as_deref());
                    let target = places.general(words.kind, &words.text, host, own).to_string();
                    let action = Action { kind: words.kind.name(), target };
                    let denied = words.verdict != Verdict::Allow;
                    if words.kind == Kind::Exec && !denied && *actor == Actor::Outside && execs.len() < EXECS
                    {
                        let (action, example) = (action.clone(), example(words.kind, &words.text));
                        let under_way = execs.entry((event.image, event.pid)).or_default();
                        if under_way.len() < CHECKS {
                            under_way.push(Exec { action, denied, example });
                            continue;
                        }
                    }
                    self.see(actor, action, denied, version, || example(words.kind, &words.text));
                }
                Record::Led(_) => {}
            }
        }
        for Exec { action, denied, example } in execs.into_values().flatten() {
            self.see(&Actor::Outside, action, denied, "", || example);
        }
        self.recordings += 1;
        Ok(reader.is_cut())
    }

    fn see(
        &mut self,
        actor: &Actor,
        action: Action,
        denied: bool,
        version: &str,
        example: impl FnOnce() -> String,
    ) {
        let full = self.actions.len() >= ACTIONS;
        match self.actions.entry((actor.clone(), action)) {
            Entry::Occupied(seen) => {
                let seen = seen.into_mut();
                seen.events += 1;
                seen.denied += u64::from(denied);
            }
            Entry::Vacant(_) if full => self.further += 1,
            Entry::Vacant(place) => {
                let (version, example) = (version.to_owned(), example());
                place.insert(Seen { events: 1, denied: u64::from(denied), version, example });
            }
        }
    }
}

fn example(kind: Kind, text: &[u8]) -> String {
    Target::of(kind, text).to_string()
}

fn program(image: &Image) -> Program {
    let shown = |text: &Option<Text>| escape(&text.as_ref().and_then(Text::bytes).unwrap_or_default());
    let actor = match &image.package {
        Some(Package { name, script, .. }) => {
            Actor::Package { name: escape(&name.bytes().unwrap_or_default()), script: shown(script) }
        }
        None if image.attribution == "outside" => Actor::Outside,
        None => Actor::Unknown,
    };
    let package = image.package.as_ref();
    Program {
        actor,
        version: package.map(|package| shown(&package.version)).unwrap_or_default(),
        directory: package.and_then(|package| Some(package.path.as_ref()?.bytes()?.into_owned())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// What was seen in a recording of these lines.
    fn seen(lines: &[Value]) -> Vec<String> {
        let header = json!({
            "type": "recording", "version": 1, "enforcer": "0.1.0", "started": "2026-03-31T00:00:00Z", "boottime_ns": 5,
            "mode": "enforce", "command": [], "executable": "/bin/npm", "masked": true, "user": { "uid": 1, "gid": 1 },
            "host": { "kernel": "k", "version": "v", "machine": "m" }, "hooks": [], "registries": [], "hosts": [],
            "variables": [{ "name": "${workspace}", "value": "/w" }],
            "profile": {
                "name": "p", "file": "p.yaml", "sha256": "", "text": "", "stages": ["s"], "rules": [],
            },
        });
        let first = json!({
            "type": "image", "id": 1, "t": 0, "pid": 1, "stage": "s", "exe": "/bin/npm", "attribution": "outside",
        });
        let lines: String =
            [&header, &first].into_iter().chain(lines).map(|line| format!("{line}\n")).collect();
        let mut behaviour = Behaviour::default();
        let reader = Reader::new(lines.as_bytes()).unwrap_or_else(|fault| panic!("{fault}"));
        behaviour.read(reader).unwrap_or_else(|fault| panic!("{fault}"));
        let shown = |((actor, action), seen): (&(Actor, Action), &Seen)| {
            let who = match actor {
                Actor::Package { name, script } => format!("{name} {script}"),
                other => format!("{other:?}"),
            };
            format!("{who}: {} {} {}/{}", action.kind, action.target, seen.denied, seen.events)
        };
        behaviour.actions.iter().map(shown).collect()
    }

    fn event(image: u32, kind: &str, text: &str, verdict: &str) -> Value {
        json!({
            "type": "event", "t": 1, "image": image, "pid": 2, "tid": 2, "kind": kind, "text": text, "stage": "s",
            "verdict": verdict, "reason": "rule",
        })
    }

    fn script(version: &str) -> Value {
        json!({
            "type": "image", "id": 2, "parent": 1, "t": 1, "pid": 2, "stage": "s", "exe": "/bin/sh",
            "attribution": "package",
            "package": { "name": "p", "version": version, "script": "install", "path": "/w/node_modules/p" },
        })
    }

    #[test]
    fn what_starts_a_script_is_its_packages_and_versions_do_not_count() {
        let lines = |version: &str, pid: u32| {
            [
                event(1, "exec", "/bin/sh", "allow"),
                script(version),
                event(2, "read", &format!("/proc/{pid}/maps"), "allow"),
                event(2, "read", "/w/node_modules/p/x.js", "deny"),
                event(2, "read", "/w/node_modules/p/y.js", "allow"),
                event(2, "read", "/sys/devices/system/cpu/online", "allow"),
                event(1, "exec", "/bin/git", "allow"),
            ]
        };
        let expected = [
            "p install: exec /bin/sh 0/1",
            "p install: read (package)/** 1/2",
            "p install: read /proc/*/maps 0/1",
            "Outside: exec /bin/git 0/1",
        ];
        assert_eq!(seen(&lines("1.14.0", 7)), expected);
        assert_eq!(seen(&lines("1.14.1", 12_345)), expected);
    }
}
