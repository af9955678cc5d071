// SPDX-License-Identifier: MIT OR Apache-2.0

//! Hosts and files by package.

use enforcer_common::Kind;
use maud::{Markup, html};

use super::{
    super::{KINDS, noun},
    badges, files,
};
use crate::{
    account::{Account, Actor, Seen},
    report::number::grouped,
};

/// Rows of a table.
const ROWS: usize = 300;

pub(super) fn section(account: &Account) -> Markup {
    let few = account.actors.len() <= 4;
    html! {
        section id="targets" {
            h2 { "Hosts and files, by package" }
            @for (_, actor) in account.ranked() {
                details.actor open[few || actor.total().denied > 0] {
                    summary { b { (actor.name) } (badges(actor.total())) }
                    @for kind in KINDS {
                        @if !actor.targets(kind).is_empty() { (group(actor, kind)) }
                    }
                    @if actor.further > 0 { p.none { (grouped(actor.further)) " events of further targets" } }
                }
            }
        }
    }
}

fn group(actor: &Actor, kind: Kind) -> Markup {
    let seen = actor.targets(kind);
    let count = actor.count(kind);
    let is_file = matches!(kind, Kind::Exec | Kind::Read | Kind::Write);
    html! {
        details.group open[!is_file || count.denied > 0 || seen.len() <= 12] {
            summary { (noun(kind)) " " span.times { (grouped(seen.len() as u64)) } (badges(count)) }
            @if is_file { (files::tree(seen)) } @else { (table(seen)) }
        }
    }
}

/// One below the other, those first that were denied.
fn table(seen: &Seen) -> Markup {
    let mut rows: Vec<_> = seen.iter().collect();
    rows.sort_by_key(|(_, count)| count.denied == 0);
    let more = rows.len().saturating_sub(ROWS);
    html! {
        ul.files {
            @for (target, count) in rows.iter().take(ROWS) {
                li.refused[count.denied > 0] { code { (target) } (badges(**count)) }
            }
        }
        @if more > 0 { p.none { "and " (grouped(more as u64)) " more" } }
    }
}
