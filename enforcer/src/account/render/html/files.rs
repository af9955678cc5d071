// SPDX-License-Identifier: MIT OR Apache-2.0

//! Files as directories that can be opened.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::badges;
use crate::{
    account::{Count, Seen},
    report::number::counted,
};

/// Levels of directories; what lies deeper stands on the last one.
const DEEPEST: usize = 24;
/// Files of a directory that are listed, unless they were denied.
const LISTED: usize = 100;
/// Files up to which everything is open.
const FEW: usize = 12;

/// A directory.
#[derive(Default)]
struct Directory<'s> {
    directories: BTreeMap<&'s str, Self>,
    files: Vec<(&'s str, Count)>,
    /// Files below it.
    all: usize,
    count: Count,
}

impl<'s> Directory<'s> {
    fn add(&mut self, path: &'s str, count: Count, depth: usize) {
        self.all += 1;
        self.count.allowed += count.allowed;
        self.count.denied += count.denied;
        // A slash at the beginning belongs to the first name.
        let end = path.char_indices().skip(1).find(|(_, character)| *character == '/').map(|(at, _)| at);
        match end.filter(|_| depth < DEEPEST) {
            Some(end) => {
                self.directories.entry(&path[..end]).or_default().add(&path[end..], count, depth + 1)
            }
            None => self.files.push((path, count)),
        }
    }

    /// What is in it. Directories with nothing but one directory are one line with it.
    fn markup(&self, open: bool, is_root: bool) -> Markup {
        // Only what lies below nothing begins with a slash.
        let shown = |name: &'s str| if is_root { name } else { name.trim_start_matches('/') };
        let (denied, allowed): (Vec<_>, Vec<_>) = self.files.iter().partition(|(_, count)| count.denied > 0);
        let more = allowed.len().saturating_sub(LISTED);
        html! {
            ul.files {
                @for (name, directory) in &self.directories {
                    @let (name, directory) = directory.shortened(shown(name));
                    li {
                        details open[open || directory.count.denied > 0] {
                            summary { code { (name) "/" } " " span.times { (counted(directory.all as u64, "file")) } (badges(directory.count)) }
                            (directory.markup(open, false))
                        }
                    }
                }
                @for (name, count) in &denied { li.refused { code { (shown(name)) } (badges(*count)) } }
                @for (name, count) in allowed.iter().take(LISTED) {
                    li { code { (shown(name)) } @if count.allowed > 1 { " " span.times { "×" (count.allowed) } } }
                }
                @if more > 0 { li.none { "and " (counted(more as u64, "more file")) } }
            }
        }
    }

    fn shortened(&self, name: &str) -> (String, &Self) {
        let (mut name, mut at) = (name.to_owned(), self);
        while at.files.is_empty() && at.directories.len() == 1 {
            let Some((next, directory)) = at.directories.first_key_value() else { break };
            name += next;
            at = directory;
        }
        (name, at)
    }
}

/// These files.
pub(super) fn tree(seen: &Seen) -> Markup {
    let mut root = Directory::default();
    for (path, count) in seen {
        root.add(path, *count, 0);
    }
    root.markup(seen.len() <= FEW, true)
}
