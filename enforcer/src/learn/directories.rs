// SPDX-License-Identifier: MIT OR Apache-2.0

//! Directories of which much was opened: they are named as a whole.

use std::collections::{BTreeMap, BTreeSet};

use super::lacks::{Section, Seen};

/// Files of a directory from which on it is named as a whole, and programs of one.
const MANY: usize = 5;
const MANY_PROGRAMS: usize = 9;
/// Directories of a home directory that all programs share.
const SHARED: [&str; 5] = [".config", ".cache", ".local", ".local/share", ".local/state"];
/// Directories that are never named as a whole, nor what is directly in them.
const NEVER: [&str; 7] = ["dev", "proc", "sys", "etc", "boot", "root", "home"];

#[derive(Default)]
struct Node {
    below: BTreeMap<String, Node>,
    seen: Option<Seen>,
}

/// Joins globs of one directory.
pub(super) fn join(section: Section, globs: BTreeMap<String, Seen>) -> BTreeMap<String, Seen> {
    let mut root = Node::default();
    for (glob, seen) in globs {
        let glob = whole(section, &glob);
        let node =
            glob.split('/').fold(&mut root, |node, name| node.below.entry(name.to_owned()).or_default());
        add(&mut node.seen, seen);
    }
    let mut out = BTreeMap::new();
    let mut path = Vec::new();
    for (name, node) in root.below {
        path.push(name);
        flatten(section, &mut path, node, &mut out);
        path.pop();
    }
    out
}

/// Names below the directory for temporary files are whatever their maker likes: a directory of its own is named as a
/// whole.
fn whole(section: Section, glob: &str) -> String {
    let temporary =
        ["${tmp}/", "/tmp/", "/var/tmp/"].iter().find_map(|tmp| Some((tmp, glob.strip_prefix(tmp)?)));
    match temporary.and_then(|(tmp, rest)| Some((tmp, rest.split_once('/')?.0))) {
        Some((tmp, directory)) if section != Section::Exec && directory != "**" => {
            format!("{tmp}{directory}/**")
        }
        _ => glob.to_owned(),
    }
}

fn add(to: &mut Option<Seen>, seen: Seen) {
    match to {
        Some(known) => known.add(seen),
        None => *to = Some(seen),
    }
}

/// Writes down what is below a path.
fn flatten(section: Section, path: &mut Vec<String>, mut node: Node, out: &mut BTreeMap<String, Seen>) {
    let mut below = BTreeMap::new();
    for (name, child) in std::mem::take(&mut node.below) {
        path.push(name);
        flatten(section, path, child, &mut below);
        path.pop();
    }
    let glob = path.join("/");
    let all = format!("{glob}/**");
    let prefix = format!("{glob}/");
    let names: BTreeSet<&str> =
        below.keys().filter_map(|glob| glob.strip_prefix(&prefix)?.split('/').next()).collect();
    let many = if section == Section::Exec { MANY_PROGRAMS } else { MANY };
    if below.contains_key(&all) || names.len() >= many && may_join(section, path) {
        let mut seen = node.seen.take();
        below.into_values().for_each(|more| add(&mut seen, more));
        out.extend(seen.map(|seen| (all, seen)));
        return;
    }
    out.extend(below);
    out.extend(node.seen.map(|seen| (glob, seen)));
}

/// Whether a directory can be named as a whole without saying more than anybody can have meant.
fn may_join(section: Section, path: &[String]) -> bool {
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    match names[..] {
        [.., last] if section == Section::Exec => last == "node_modules",
        ["${tmp}"] | ["", "tmp"] | ["", "var", "tmp"] => true,
        ["${workspace}", ref rest @ ..] => !rest.is_empty() && *rest != [".git"],
        ["~", ref rest @ ..] => !rest.is_empty() && !SHARED.contains(&rest.join("/").as_str()),
        ["${tmp}", ..] => true,
        ["", first, ..] if NEVER.contains(&first) => false,
        ["", _, _] => section == Section::Read,
        ["", _, _, ..] => true,
        _ => false,
    }
}
