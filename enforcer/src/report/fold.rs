// SPDX-License-Identifier: MIT OR Apache-2.0

//! Counting denials, and saying each thing once.
//!
//! A tree that is denied something may try again thousands of times, and hostile code may try thousands of things to
//! hide one. So what is equal is shown once; of each package and kind of action only so many different ones are; and
//! everything is counted.

use std::collections::{BTreeMap, HashMap};

use enforcer_common::Kind;

use super::Denial;
use crate::events::Attribution;

/// Different denials that are shown of each package and kind: a flood of one kind does not hide another.
const OF_EACH: usize = 40;
/// Different denials that are shown at all.
const AT_ALL: usize = 1000;
/// Packages that are counted by name.
const PACKAGES: usize = 1000;

/// What to do about a denial on the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// Show it: it is the first of its kind.
    Yes,
    /// Say that what follows of this package and kind is only counted.
    LastOfKind,
    /// Nothing.
    No,
}

/// How often something happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Different ones. If `unlisted` then there may be more.
    pub unique: u64,
    /// All of them.
    pub events: u64,
    /// Events that belong to none of the listed ones.
    pub unlisted: u64,
}

/// The denials of a run.
#[derive(Debug, Default)]
pub struct Fold {
    /// In the order in which they first happened.
    listed: Vec<(Denial, u64)>,
    index: HashMap<Denial, usize>,
    by_package: BTreeMap<Option<(Attribution, u8)>, Count>,
}

impl Fold {
    /// Counts a denial.
    pub fn add(&mut self, denial: &Denial) -> Show {
        let key = Some((denial.attribution.clone(), denial.kind as u8));
        let known = self.by_package.contains_key(&key) || self.by_package.len() < PACKAGES;
        let count = self.by_package.entry(if known { key } else { None }).or_default();
        count.events += 1;
        if let Some(&at) = self.index.get(denial) {
            self.listed[at].1 += 1;
            return Show::No;
        }
        if count.unique >= OF_EACH as u64 || self.listed.len() >= AT_ALL {
            count.unlisted += 1;
            return if count.unlisted == 1 { Show::LastOfKind } else { Show::No };
        }
        count.unique += 1;
        self.index.insert(denial.clone(), self.listed.len());
        self.listed.push((denial.clone(), 1));
        Show::Yes
    }

    /// The different denials with how often each happened, in the order in which they first did.
    #[must_use]
    pub fn listed(&self) -> &[(Denial, u64)] {
        &self.listed
    }

    /// The place of a denial among those that are listed.
    #[must_use]
    pub fn place(&self, denial: &Denial) -> Option<usize> {
        self.index.get(denial).copied()
    }

    /// Counts by package and kind; `None` is all those beyond what is counted by name.
    pub fn by_package(&self) -> impl Iterator<Item = (Option<(&Attribution, Kind)>, Count)> {
        self.by_package.iter().map(|(key, count)| {
            let key = key.as_ref().and_then(|(who, kind)| Some((who, Kind::from_wire(*kind)?)));
            (key, *count)
        })
    }

    /// All events.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.by_package.values().map(|count| count.events).sum()
    }

    /// Events that belong to none of the listed denials.
    #[must_use]
    pub fn unlisted(&self) -> u64 {
        self.by_package.values().map(|count| count.unlisted).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::line::samples::*, *};

    #[test]
    fn what_is_repeated_is_shown_once_and_counted() {
        let mut fold = Fold::default();
        let shown = (0..30_000).filter(|_| fold.add(&read(trojan(), "/x")) == Show::Yes).count();
        assert_eq!((shown, fold.events(), fold.listed().len(), fold.listed()[0].1), (1, 30_000, 1, 30_000));
    }

    #[test]
    fn a_flood_of_one_kind_is_cut_and_hides_no_other() {
        let mut fold = Fold::default();
        let shows: Vec<_> = (0..1000).map(|i| fold.add(&read(trojan(), &format!("/{i}")))).collect();
        assert_eq!(shows.iter().filter(|&&show| show == Show::Yes).count(), OF_EACH);
        assert_eq!(shows.iter().filter(|&&show| show == Show::LastOfKind).count(), 1);
        assert_eq!(fold.add(&connect(trojan(), "203.0.113.7:8000")), Show::Yes);
        assert_eq!(fold.add(&read(Attribution::Outside, "/x")), Show::Yes);
        assert_eq!((fold.events(), fold.unlisted()), (1002, 1000 - OF_EACH as u64));
        assert_eq!(fold.by_package().map(|(_, count)| count.events).sum::<u64>(), 1002);
    }
}
