// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which of the shipped sets something is in.

use enforcer_common::{Kind, anchor::Anchors, table::STAGES};

use crate::{
    profile::{Compiled, Error, Text, sets::Sets},
    recording::format::Header,
    replay::places::anchors,
};

/// Sets that are there to be denied. Nothing that is in one of them is learnt.
pub(super) const DENIED: [&str; 2] = ["credentials", "env-files"];
/// What is written, and not executed.
const WRITTEN: &str = "stdio";
/// Programs from which on a set is a large one: it allows much beside what was seen.
const LARGE: usize = 40;

/// The sets, each as a stage of a profile, so that `decide()` says what is in them.
#[derive(Debug)]
pub(super) struct NamedSets {
    names: Vec<(String, bool)>,
    profiles: Vec<Compiled>,
}

impl NamedSets {
    pub(super) fn new() -> Result<Self, Error> {
        let sets = Sets::shipped()?;
        let names: Vec<_> = sets.iter().map(|set| (set.name.clone(), set.alternatives() > LARGE)).collect();
        let mut profiles = Vec::new();
        for names in names.chunks(STAGES) {
            let mut text = String::from("version: 1\nname: sets\nowner: enforcer\nstages:\n");
            for (name, _) in names {
                let kind = if DENIED.contains(&name.as_str()) || name == WRITTEN {
                    "files: { write: { allow: [\"@"
                } else {
                    "exec: { allow: [\"@"
                };
                let end = if kind.starts_with("files") { "\"] } } }\n" } else { "\"] } }\n" };
                text += &format!("  {name}: {{ {kind}{name}{end}");
            }
            profiles.push(Compiled::new(&Text::new("sets", text))?);
        }
        Ok(Self { names, profiles })
    }

    /// The directories of a recorded run.
    pub(super) fn anchors(&self, header: &Header) -> Anchors {
        self.profiles.first().map_or(Anchors::NONE, |profile| anchors(profile, header))
    }

    /// The sets that a path is in, by bits.
    pub(super) fn of(&self, path: &[u8], anchors: &Anchors) -> u32 {
        let is_in = |at: usize| {
            let (profile, stage) = (&self.profiles[at / STAGES], (at % STAGES) as u8);
            let kind = if profile.rules.iter().any(|rule| rule.stage == stage && rule.kind == Kind::Write) {
                Kind::Write
            } else {
                Kind::Exec
            };
            profile.decide(stage, kind, path, anchors).allows()
        };
        (0..self.names.len().min(32)).filter(|&at| is_in(at)).fold(0, |mask, at| mask | 1 << at)
    }

    /// The set that forbids a path.
    pub(super) fn forbids(&self, path: &[u8], anchors: &Anchors) -> Option<&'static str> {
        let mask = self.of(path, anchors);
        DENIED.into_iter().find(|denied| {
            self.names.iter().position(|(name, _)| name == denied).is_some_and(|at| mask & 1 << at != 0)
        })
    }

    /// Sets that can be allowed: the bit, the name, and how many things it must cover to be worth it.
    pub(super) fn useful(&self) -> impl Iterator<Item = (u32, &str, usize)> {
        let useful = |(_, (name, _)): &(usize, &(String, bool))| !DENIED.contains(&name.as_str());
        self.names
            .iter()
            .enumerate()
            .take(32)
            .filter(useful)
            .map(|(at, (name, large))| (1 << at, name.as_str(), if *large { 4 } else { 2 }))
    }
}
