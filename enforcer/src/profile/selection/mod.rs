// SPDX-License-Identifier: MIT OR Apache-2.0

//! From the items of `select` of all profiles to what the kernel asks about a command, see [`enforcer_common::select`].
//!
//! The items are in the order of how much they say, so that the first that suits is the most specific. Where two of different
//! profiles say as much and one command could fit both, nobody knows which is meant: that is an error.

mod aspects;
mod rank;

use std::collections::HashMap;

use enforcer_common::{
    anchor::{ANCHORS, Anchors},
    select::{Aspect, ITEMS, Item, Set, Source, VARIABLES, fits, item, suits, words},
    table::{CHUNK_WORDS, MAGIC, Slices, Slot, VERSION, header},
};

use self::{aspects::Aspects, rank::Rank};
use super::{
    Compiled,
    layout::{Block, Excess, limit},
    select::{Select, User},
    variables::split_default,
};

/// The variable that `~` stands for, and that of `${tmp}`.
const HOME: &str = "HOME";
const TMPDIR: &str = "TMPDIR";

/// Why there is no selection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Two items of different profiles mean the same commands.
    #[error(
        "{first} and {second} both select some commands, and neither says more than the other; add to one of them what \
         tells its commands from the other's (`env`, `unit`, `cwd`, `uid` …)"
    )]
    Tie {
        /// The one.
        first: String,
        /// The other.
        second: String,
    },
    /// A user is not known.
    #[error("{place} selects by the user {name:?}, whom this machine does not know")]
    NoUser {
        /// The item.
        place: String,
        /// The name.
        name: String,
    },
    /// Too much of something.
    #[error("all profiles together have {found} {what} in `select`, and there may be {limit}")]
    Excess {
        /// What.
        what: &'static str,
        /// How many.
        found: usize,
        /// How many there may be.
        limit: usize,
    },
}

impl From<Excess> for Error {
    fn from((what, found, limit): Excess) -> Self {
        Self::Excess { what, found, limit }
    }
}

/// A compiled selection.
#[derive(Clone, Debug)]
pub struct Selection {
    /// What the kernel loads: at most one chunk.
    words: Vec<u16>,
    /// The variables whose values it looks for, by number.
    variables: Vec<String>,
}

/// An item, of which profile.
struct Part<'a> {
    profile: &'a Compiled,
    template: u16,
    select: &'a Select,
}

impl Part<'_> {
    /// Where it stands.
    fn place(&self) -> String {
        format!("{}:{}", self.profile.source, self.select.line)
    }
}

/// What the command is that is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Path and arguments, as [`enforcer_common::argv`] has them.
    pub command: &'a [u8],
    /// The working directory.
    pub directory: &'a [u8],
    /// The control group's path from its end.
    pub cgroup: &'a [u8],
    /// The user.
    pub uid: u32,
    /// `NAME=value`.
    pub environment: &'a [&'a [u8]],
}

impl Selection {
    /// Compiles what profiles select, each with the place of its template. `user` knows users by name.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it.
    pub fn new(profiles: &[(&Compiled, u16)], user: impl Fn(&str) -> Option<u32>) -> Result<Self, Error> {
        let mut parts: Vec<Part<'_>> = profiles
            .iter()
            .flat_map(|&(profile, template)| {
                profile.select.iter().map(move |select| Part { profile, template, select })
            })
            .collect();
        limit("items", parts.len(), ITEMS)?;
        // Stable: of one profile's, the first that is written.
        parts.sort_by_key(|part| std::cmp::Reverse(Rank::of(part.select)));
        let variables = variables(profiles.iter().map(|(profile, _)| *profile));
        limit("different variables of the environment", variables.len(), VARIABLES)?;
        let selects: Vec<&Select> = parts.iter().map(|part| part.select).collect();
        let aspects = Aspects::of(&selects, &variables)?;
        let uids = parts.iter().map(|part| uid(part, &user)).collect::<Result<Vec<_>, _>>()?;
        for (second, part) in parts.iter().enumerate() {
            let tied = (0..second).find(|&first| {
                parts[first].template != part.template
                    && Rank::of(parts[first].select) == Rank::of(part.select)
                    && (uids[first] == uids[second])
                    && aspects.overlap(first as u32, second as u32)
            });
            if let Some(first) = tied {
                return Err(Error::Tie { first: parts[first].place(), second: part.place() });
            }
        }
        let items = parts.iter().zip(&uids).enumerate().map(|(index, (part, &uid))| Item {
            uid,
            template: part.template,
            conditions: aspects.conditions(index),
        });
        let mut words = write(&aspects, &items.collect::<Vec<_>>())?;
        words[words::FIRST_TEMPLATE as usize] = profiles.first().map_or(0, |&(_, template)| template);
        Ok(Self { words, variables })
    }

    /// What the kernel loads.
    #[must_use]
    pub fn words(&self) -> &[u16] {
        &self.words
    }

    /// The template that a command is chosen for, by what the kernel asks.
    #[must_use]
    pub fn choose(&self, asked: &Asked<'_>) -> Option<u16> {
        let about = |text| Slices { table: &self.words, text };
        let candidates = fits(about(asked.command), Aspect::Command)
            .0
            .and(fits(about(asked.directory), Aspect::Directory).0)
            .and(fits(about(asked.cgroup), Aspect::Cgroup).0);
        let met = asked
            .environment
            .iter()
            .fold(Set::NONE, |met, variable| met.or(fits(about(variable), Aspect::Variable).0));
        (0..ITEMS as u32)
            .filter(|&index| candidates.has(index))
            .map(|index| item(&about(&[]), index))
            .find(|item| suits(item, asked.uid, met))
            .map(|item| item.template)
    }

    /// Where the values of a profile's anchors come from.
    #[must_use]
    pub fn sources(&self, profile: &Compiled) -> [Source; ANCHORS] {
        let number = |name: &str| {
            self.variables.iter().position(|known| known == name).map_or(Source::NONE, |index| index as u32)
        };
        let mut sources = [Source::NOTHING; ANCHORS];
        sources[1].variable = number(HOME);
        sources[2] = source(number(TMPDIR), Some("/tmp"));
        for variable in &profile.variables {
            sources[variable.anchor] = source(number(&variable.name), variable.default.as_deref());
        }
        sources
    }
}

/// An anchor's value: a variable's, or a default.
fn source(variable: u32, default: Option<&str>) -> Source {
    let (base, rest) = split_default(default.unwrap_or_default());
    // What cannot be an anchor's value is none, as elsewhere.
    let mut value = Anchors::NONE;
    let fits = rest.is_empty() || value.set(0, rest.as_bytes()).is_ok();
    if !fits {
        return Source { variable, ..Source::NOTHING };
    }
    Source {
        variable,
        base: base.map_or(Source::NONE, |index| index as u32),
        len: value.len[0].into(),
        words: value.words[0],
    }
}

/// The variables that profiles use, those of the first two anchors among them.
fn variables<'a>(profiles: impl Iterator<Item = &'a Compiled>) -> Vec<String> {
    let mut names = vec![HOME.to_owned(), TMPDIR.to_owned()];
    // Of those that select nothing, too: they can be asked for.
    for variable in profiles.flat_map(|profile| &profile.variables) {
        if !names.contains(&variable.name) {
            names.push(variable.name.clone());
        }
    }
    names
}

/// The user that an item asks for.
fn uid(part: &Part<'_>, user: &impl Fn(&str) -> Option<u32>) -> Result<u32, Error> {
    match &part.select.uid {
        None => Ok(Item::ANYBODY),
        Some(User::Id(uid)) => Ok(*uid),
        Some(User::Name(name)) => {
            user(name).ok_or_else(|| Error::NoUser { place: part.place(), name: name.clone() })
        }
    }
}

/// The words of a selection.
fn write(aspects: &Aspects, items: &[Item]) -> Result<Vec<u16>, Error> {
    let mut words = vec![0; header::END as usize];
    words[header::MAGIC as usize] = MAGIC;
    words[header::VERSION as usize] = VERSION;
    words[words::ITEMS_USED as usize] = items.len() as u16;
    words[words::ASKS_CGROUP as usize] = u16::from(aspects.asks_cgroup);
    let point = |words: &mut Vec<u16>, from: u32| {
        let at = words.len();
        words[from as usize] = at as u16;
        words[from as usize + 1] = (at >> 16) as u16;
    };
    point(&mut words, words::ITEMS);
    items.iter().for_each(|item| words.extend(item.words()));
    for (aspect, automaton) in Aspect::ALL.iter().zip(&aspects.automata) {
        let slot = header::SLOTS + *aspect as u32 * Slot::WORDS;
        let block = Block::new(&automaton.small)?;
        point(&mut words, slot);
        words[slot as usize + 2] = block.start;
        words.extend(block.words);
        point(&mut words, words::SETS + 2 * *aspect as u32);
        automaton.sets.iter().for_each(|set| words.extend(set.words()));
    }
    limit("words", words.len(), CHUNK_WORDS)?;
    Ok(words)
}

/// Numbers for sets, in the order in which they are met.
#[derive(Debug, Default)]
struct Sets {
    known: HashMap<Set, u16>,
    order: Vec<Set>,
}

impl Sets {
    fn number(&mut self, set: Set) -> u16 {
        *self.known.entry(set).or_insert_with(|| {
            self.order.push(set);
            (self.order.len() - 1) as u16
        })
    }
}

#[cfg(test)]
mod tests;
