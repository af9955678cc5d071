// SPDX-License-Identifier: MIT OR Apache-2.0

//! An account in the formats that people and their tools read, one a file.

pub mod html;
pub mod junit;
pub mod markdown;
pub mod sarif;
pub mod text;

use enforcer_common::Kind;

use super::{Account, Actor, Count, Program, Refused, seconds};
use crate::report::number::grouped;

/// Kinds of actions, in the order in which people read of them: files last, there are many.
const KINDS: [Kind; 10] = [
    Kind::Exec,
    Kind::Argv,
    Kind::Resolve,
    Kind::Connect,
    Kind::Listen,
    Kind::Unix,
    Kind::Socket,
    Kind::Escape,
    Kind::Write,
    Kind::Read,
];
/// Those that are about hosts.
const HOSTS: [Kind; 3] = [Kind::Resolve, Kind::Connect, Kind::Listen];

/// What an action is called in a table.
const fn noun(kind: Kind) -> &'static str {
    match kind {
        Kind::Exec => "programs",
        Kind::Argv => "arguments",
        Kind::Read => "files read",
        Kind::Write => "files written",
        Kind::Connect => "connections",
        Kind::Unix => "local sockets",
        Kind::Listen => "listening",
        Kind::Socket => "sockets made",
        Kind::Resolve => "names looked up",
        Kind::Escape => "ways out",
    }
}

/// A table of who did what: of each action the decisions, and how many of them denied.
fn overview(account: &Account) -> Vec<Vec<String>> {
    let kinds: Vec<_> = KINDS
        .into_iter()
        .filter(|&kind| account.actors.iter().any(|actor| actor.count(kind).events() > 0))
        .collect();
    let head = std::iter::once("who").chain(kinds.iter().map(|&kind| noun(kind)));
    let mut rows = vec![head.map(str::to_owned).collect::<Vec<_>>()];
    for (_, actor) in account.ranked() {
        let cells = kinds.iter().map(|&kind| decisions(actor, kind));
        rows.push(std::iter::once(actor.name.clone()).chain(cells).collect());
    }
    rows
}

/// How often an actor did something.
fn decisions(actor: &Actor, kind: Kind) -> String {
    let count = actor.count(kind);
    match (count.allowed, count.denied) {
        (0, 0) => String::new(),
        (allowed, 0) => grouped(allowed),
        (0, denied) => format!("{} denied", grouped(denied)),
        (allowed, denied) => format!("{}, {} denied", grouped(allowed), grouped(denied)),
    }
}

/// What one actor was denied, as far as it is shown.
struct Denied<'a> {
    actor: &'a Actor,
    shown: Vec<&'a Refused>,
    /// How many more there are.
    more: u64,
    /// The rules that would allow all of it.
    remedy: Option<String>,
}

/// What was denied, by actor; of all of it so many at most.
fn denied(account: &Account, most: usize) -> Vec<Denied<'_>> {
    let mut left = most;
    let mut denied = Vec::new();
    for (at, actor) in account.ranked() {
        let mut shown: Vec<_> = account.denied_to(at).collect();
        if shown.is_empty() || left == 0 {
            continue;
        }
        let more = shown.len().saturating_sub(left);
        shown.truncate(left);
        left -= shown.len();
        denied.push(Denied { actor, shown, more: more as u64, remedy: account.remedy(at) });
    }
    denied
}

/// When, what, why, and how often.
fn cells(account: &Account, refused: &Refused) -> [String; 4] {
    [seconds(refused.first), refused.denial.what(), account.why(refused), grouped(refused.events)]
}

/// Who had to do with which hosts.
fn hosts(account: &Account) -> impl Iterator<Item = (&Actor, Kind, &str, &Count)> {
    account.ranked().into_iter().flat_map(|(_, actor)| {
        HOSTS.into_iter().flat_map(move |kind| {
            actor.targets(kind).iter().map(move |(target, count)| (actor, kind, target.as_str(), count))
        })
    })
}

/// All programs, each behind its parent and before its parent's next one.
fn tree(account: &Account) -> impl Iterator<Item = &Program> {
    let roots = (0..account.programs.len()).rev().filter(|&at| account.programs[at].parent.is_none());
    let mut stack: Vec<usize> = roots.collect();
    std::iter::from_fn(move || {
        let program = &account.programs[stack.pop()?];
        stack.extend(program.children.iter().rev());
        Some(program)
    })
}

/// A program with its arguments.
fn invocation(program: &Program) -> String {
    let times = if program.times > 1 { format!("  ×{}", grouped(program.times)) } else { String::new() };
    match program.args.is_empty() {
        true => format!("{}{times}", program.name),
        false => format!("{} {}{times}", program.name, program.args),
    }
}
