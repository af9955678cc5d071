// SPDX-License-Identifier: MIT OR Apache-2.0

//! Who did what in recordings.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    path::{Path, PathBuf},
};

use enforcer_common::{Kind, Reason, Verdict};

use super::general::Places;
use crate::{
    recording::{
        Fault, Reader, Record,
        format::{Header, Image, Package},
    },
    report::{escape::escape, json::Text, target::Target},
};

/// Different actions that are kept.
const ACTIONS: usize = 1 << 20;

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
        let places = places(reader.header());
        let mut programs: Vec<Program> = Vec::new();
        while let Some(record) = reader.next()? {
            match record {
                Record::Image(image) => programs.push(program(&image)),
                Record::Trailer(trailer) => self.lost += trailer.lost_events + trailer.lost_images,
                // Questions to name servers have an event of the name.
                Record::Event(_, words) if words.reason == Reason::Resolver => {}
                Record::Event(event, words) => {
                    let Some(Program { actor, version, directory }) = programs.get(event.image as usize - 1)
                    else {
                        continue;
                    };
                    let target =
                        places.general(words.kind, &words.text, event.host.as_deref(), directory.as_deref());
                    let action = Action { kind: words.kind.name(), target };
                    let denied = words.verdict != Verdict::Allow;
                    self.see(actor, action, denied, version, || example(words.kind, &words.text));
                }
                Record::Led(_) => {}
            }
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

/// The directories of a recorded run.
fn places(header: &Header) -> Places {
    let value = |variable: &crate::recording::format::Variable| {
        Some((variable.name.clone(), variable.value.bytes()?.into_owned()))
    };
    Places::new(header.variables.iter().filter(|v| !v.name.starts_with("${env.")).filter_map(value).collect())
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
