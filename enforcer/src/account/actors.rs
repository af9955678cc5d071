// SPDX-License-Identifier: MIT OR Apache-2.0

//! Who acted: the scripts of packages, and what belongs to none.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use enforcer_common::Kind;

use crate::{
    events::{self, Attribution},
    recording::format::Image,
    report::{denial::package_label, escape::escape, json::Text},
};

/// Actors that are told apart.
const MOST: usize = 1000;
/// Different targets of an actor that are kept of each kind of action: a flood of one hides no other.
const OF_EACH: usize = 30_000;
/// Different targets that are kept at all.
const AT_ALL: usize = 60_000;

/// Decisions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Those that allowed.
    pub allowed: u64,
    /// Those that denied, or in audit mode would have.
    pub denied: u64,
}

impl Count {
    /// One more.
    pub fn add(&mut self, denied: bool) {
        *(if denied { &mut self.denied } else { &mut self.allowed }) += 1;
    }

    /// All.
    #[must_use]
    pub const fn events(self) -> u64 {
        self.allowed + self.denied
    }
}

/// What was aimed at, and how often.
pub type Seen = BTreeMap<String, Count>;

/// A script of a package, or what belongs to none.
#[derive(Clone, Debug, Default)]
pub struct Actor {
    /// `name@version script`, or what else it is.
    pub name: String,
    /// Whether it is a script of a package.
    pub is_package: bool,
    /// The directory of the package.
    pub path: Option<String>,
    /// Its programs.
    pub programs: u64,
    /// When it was first seen.
    pub first: i64,
    /// Decisions by [`Kind`].
    pub counts: [Count; Kind::ALL.len()],
    /// What it aimed at, by [`Kind`].
    pub targets: [Seen; Kind::ALL.len()],
    /// Events whose targets were too many to be kept.
    pub further: u64,
    pub(super) attribution: Attribution,
}

impl Actor {
    /// All decisions.
    #[must_use]
    pub fn total(&self) -> Count {
        self.counts.iter().fold(Count::default(), |sum, count| Count {
            allowed: sum.allowed + count.allowed,
            denied: sum.denied + count.denied,
        })
    }

    /// What it aimed at by an action.
    #[must_use]
    pub fn targets(&self, kind: Kind) -> &Seen {
        &self.targets[kind as usize]
    }

    /// Decisions about an action.
    #[must_use]
    pub fn count(&self, kind: Kind) -> Count {
        self.counts[kind as usize]
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Actors {
    pub(super) list: Vec<Actor>,
    index: HashMap<(u8, String), usize>,
    targets: usize,
}

impl Actors {
    /// Whose program this is.
    pub(super) fn of(&mut self, image: &Image) -> usize {
        let attribution = attribution(image);
        let (sort, name) = match &attribution {
            Attribution::Package(package) => (0, package_label(package)),
            Attribution::Outside => (1, "outside any package".to_owned()),
            Attribution::Unknown => (2, "unknown package".to_owned()),
        };
        let mut key = (sort, name);
        let mut kept = attribution;
        if !self.index.contains_key(&key) && self.list.len() >= MOST {
            (key, kept) = ((3, "further packages".to_owned()), Attribution::Unknown);
        }
        let next = self.list.len();
        let at = *self.index.entry(key.clone()).or_insert(next);
        if at == next {
            let path = image.package.as_ref().and_then(|package| package.path.as_ref());
            self.list.push(Actor {
                name: key.1,
                is_package: key.0 == 0,
                path: path.filter(|_| key.0 == 0).map(|path| escape(&path.bytes().unwrap_or_default())),
                first: image.t,
                attribution: kept,
                ..Actor::default()
            });
        }
        self.list[at].programs += 1;
        at
    }

    /// Something was decided; `target` is none if that is of no interest.
    pub(super) fn see(&mut self, actor: usize, kind: Kind, denied: bool, target: Option<String>) {
        let Some(actor) = self.list.get_mut(actor) else { return };
        actor.counts[kind as usize].add(denied);
        let Some(target) = target else { return };
        let seen = &mut actor.targets[kind as usize];
        if let Some(count) = seen.get_mut(&target) {
            count.add(denied);
        } else if seen.len() < OF_EACH && self.targets < AT_ALL {
            self.targets += 1;
            seen.entry(target).or_default().add(denied);
        } else {
            actor.further += 1;
        }
    }
}

/// For whom a recorded program acted.
fn attribution(image: &Image) -> Attribution {
    let bytes = |text: &Text| text.bytes().unwrap_or_default().into_owned();
    match &image.package {
        Some(package) => Attribution::Package(Arc::new(events::Package {
            name: bytes(&package.name),
            version: package.version.as_ref().map(bytes),
            script: package.script.as_ref().map(bytes),
            path: package.path.as_ref().map(bytes),
        })),
        None if image.attribution == "outside" => Attribution::Outside,
        None => Attribution::Unknown,
    }
}
