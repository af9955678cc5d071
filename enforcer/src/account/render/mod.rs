// SPDX-License-Identifier: MIT OR Apache-2.0

//! An account in the formats that people and their tools read, one a file.

pub mod html;
pub mod junit;
pub mod markdown;
pub mod sarif;
pub mod text;

use enforcer_common::Kind;

use super::{Account, Actor, Program};
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

/// A program with its arguments.
fn invocation(program: &Program) -> String {
    let times = if program.times > 1 { format!("  ×{}", grouped(program.times)) } else { String::new() };
    match program.args.is_empty() {
        true => format!("{}{times}", program.name),
        false => format!("{} {}{times}", program.name, program.args),
    }
}
