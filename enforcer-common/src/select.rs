// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which commands the service enrols, and under which profile.
//!
//! A *selection* is made of all items of `select` of all profiles. It has the layout of a compiled profile (see [`crate::table`]),
//! in one chunk, with an automaton for each [`Aspect`] of a command. What an automaton says of a text is a [`Set`]: of the
//! items that it fits, or for the environment of the conditions that it meets. An item is chosen if every aspect fits it, and
//! all of its conditions are met; of several the first, which is the most specific.

use crate::{
    anchor::{ANCHOR_WORDS, ANCHORS},
    run::{PROFILES, Run},
    table::{Cursor, STAY, Slot, Space, header},
};

/// Items that a selection may have, and different conditions on variables.
pub const ITEMS: usize = 128;
/// Different variables that profiles and items may name.
pub const VARIABLES: usize = 16;
/// Room for templates: those in use, and those that are about to take their place.
pub const TEMPLATES: u32 = 2 * PROFILES;
/// Processes that may wait for the service to enrol what they start.
pub const CLAIMS: u32 = 256;
/// Room for what the service is told of a user's home directory.
pub const HOMES: u32 = 4096;

/// Words of the header that only a selection has.
pub mod words {
    /// Items in use.
    pub const ITEMS_USED: u32 = 3;
    /// Where the items are: low half, then high half.
    pub const ITEMS: u32 = 4;
    /// Where the sets of each aspect are, likewise. The first of them is what holds of a text that nothing matches.
    pub const SETS: u32 = 6;
    /// Whether an item asks for the control group.
    pub const ASKS_CGROUP: u32 = 14;
    /// The first of the templates that profiles are offered by, those too that no item chooses.
    pub const FIRST_TEMPLATE: u32 = 15;
}

/// What is looked at of a command; the number of its automaton.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Aspect {
    /// Path and arguments, as [`crate::argv`] has them.
    Command = 0,
    /// The working directory.
    Directory = 1,
    /// The path of the control group, from its end: `/b/a` for the group `/a/b`.
    Cgroup = 2,
    /// A variable of the environment, `NAME=value`.
    Variable = 3,
}

impl Aspect {
    /// All, by number.
    pub const ALL: [Self; 4] = [Self::Command, Self::Directory, Self::Cgroup, Self::Variable];
}

/// A set of items, or of conditions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Set(pub [u64; ITEMS / 64]);

impl Set {
    /// Words of a set in a selection.
    pub const WORDS: u32 = (ITEMS / 16) as u32;
    /// Nothing.
    pub const NONE: Self = Self([0; ITEMS / 64]);

    /// What is in both.
    #[inline(always)]
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self([self.0[0] & other.0[0], self.0[1] & other.0[1]])
    }

    /// What is in either.
    #[inline(always)]
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self([self.0[0] | other.0[0], self.0[1] | other.0[1]])
    }

    /// Whether nothing is in it.
    #[inline(always)]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0[0] | self.0[1] == 0
    }

    /// Whether all of another is in it.
    #[inline(always)]
    #[must_use]
    pub const fn holds(self, other: Self) -> bool {
        self.and(other).0[0] == other.0[0] && self.and(other).0[1] == other.0[1]
    }

    /// Whether a member is in it.
    #[inline(always)]
    #[must_use]
    pub const fn has(self, index: u32) -> bool {
        self.0[(index >> 6 & 1) as usize] >> (index & 63) & 1 == 1
    }

    /// Puts a member in.
    pub const fn insert(&mut self, index: u32) {
        self.0[(index >> 6 & 1) as usize] |= 1 << (index & 63);
    }

    /// The one that begins at a word of the selection.
    #[inline(always)]
    fn read<S: Space>(space: &S, at: u32) -> Self {
        let half = |at: u32| {
            u64::from(space.word(at))
                | u64::from(space.word(at + 1)) << 16
                | u64::from(space.word(at + 2)) << 32
                | u64::from(space.word(at + 3)) << 48
        };
        Self([half(at), half(at + 4)])
    }

    /// Its words.
    #[must_use]
    pub fn words(self) -> [u16; Self::WORDS as usize] {
        core::array::from_fn(|index| (self.0[index / 4] >> (index % 4 * 16)) as u16)
    }
}

/// An item, besides what the automata know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// The user, or [`Item::ANYBODY`].
    pub uid: u32,
    /// The place of its profile's [`Template`].
    pub template: u16,
    /// The conditions that the environment must meet.
    pub conditions: Set,
}

impl Item {
    /// Whoever it is.
    pub const ANYBODY: u32 = u32::MAX;
    /// Words of an item.
    pub const WORDS: u32 = 3 + Set::WORDS;

    /// Its words.
    #[must_use]
    pub fn words(&self) -> [u16; Self::WORDS as usize] {
        let conditions = self.conditions.words();
        core::array::from_fn(|index| match index {
            0 => self.uid as u16,
            1 => (self.uid >> 16) as u16,
            2 => self.template,
            _ => conditions[index - 3],
        })
    }
}

/// A word and the one behind it.
#[inline(always)]
fn both<S: Space>(space: &S, at: u32) -> u32 {
    u32::from(space.word(at)) | u32::from(space.word(at + 1)) << 16
}

/// What an aspect's automaton says of the text in `space`: the items that it fits, or the conditions that it meets; and of a
/// variable that profiles use its number, and where its value begins.
#[inline(always)]
pub fn fits<S: Space>(space: S, aspect: Aspect) -> (Set, Option<(u16, u16)>) {
    let at = header::SLOTS + aspect as u32 * Slot::WORDS;
    let (block, start) = (both(&space, at), space.word(at + 2));
    // A text that goes on beyond what can be judged says nothing.
    let Some(outcome) = Cursor::new(space, block, start, 0).finish() else {
        return (Set::NONE, None);
    };
    let set = Set::read(
        &space,
        both(&space, words::SETS + 2 * aspect as u32) + u32::from(outcome.allow_rule) * Set::WORDS,
    );
    let variable = (outcome.stage, outcome.exception);
    (set, if outcome.stage == STAY { None } else { Some(variable) })
}

/// Item `index` of a selection.
#[inline(always)]
pub fn item<S: Space>(space: &S, index: u32) -> Item {
    let at = both(space, words::ITEMS) + index * Item::WORDS;
    Item { uid: both(space, at), template: space.word(at + 2), conditions: Set::read(space, at + 3) }
}

/// Whether a candidate is chosen for a user whose environment meets these conditions.
#[inline(always)]
#[must_use]
pub fn suits(item: &Item, uid: u32, met: Set) -> bool {
    (item.uid == Item::ANYBODY || item.uid == uid) && met.holds(item.conditions)
}

/// Where the value of an anchor comes from, when the kernel enrols.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Source {
    /// The variable whose value it is, if it has one: its number, or [`Source::NONE`].
    pub variable: u32,
    /// The anchor that the default begins with, or [`Source::NONE`].
    pub base: u32,
    /// Bytes of what follows.
    pub len: u64,
    /// What follows.
    pub words: [u64; ANCHOR_WORDS],
}

impl Source {
    /// No variable, or no anchor.
    pub const NONE: u32 = u32::MAX;
    /// Nothing: the anchor has no value.
    pub const NOTHING: Self =
        Self { variable: Self::NONE, base: Self::NONE, len: 0, words: [0; ANCHOR_WORDS] };
}

/// What a run is made from, when the kernel enrols a command under a profile.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Template {
    /// Its record, but for number, place and anchors. Its [`Run::live`] is 0 where there is no template.
    pub run: Run,
    /// Where the anchors come from. The first is the working directory, the second the user's home directory.
    pub sources: [Source; ANCHORS],
}

/// A user's home directory.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Home {
    /// As the system lists it, 0 behind it.
    pub listed: [u64; ANCHOR_WORDS],
    /// The same with symbolic links resolved.
    pub words: [u64; ANCHOR_WORDS],
    /// Bytes of that.
    pub len: u64,
}

/// What came of the commands that an item chose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Chosen {
    /// Enrolled.
    pub enrolled: u64,
    /// Killed, because there was no place for another run, or no room for another label.
    pub full: u64,
    /// Killed, because a directory cannot be a variable's value: it is too long, or not absolute.
    pub unusable: u64,
    /// Not looked at, because there was no buffer to do that in.
    pub missed: u64,
    /// Killed, because the profile that was asked for has gone meanwhile.
    pub gone: u64,
}

const _: () = assert!(size_of::<Template>() == size_of::<Run>() + ANCHORS * (16 + ANCHOR_WORDS * 8));
