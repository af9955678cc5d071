// SPDX-License-Identifier: MIT OR Apache-2.0

//! What was denied, to whom, and the rule to add.

use maud::{Markup, html};

use super::anchor;
use crate::{
    account::{Account, Actor, Refused, seconds},
    report::number::{counted, grouped},
};

pub(super) fn section(account: &Account) -> Markup {
    let theirs = |at: usize| {
        account.denials.iter().enumerate().filter(move |(_, refused)| refused.actor == at).collect::<Vec<_>>()
    };
    let word = if account.run.enforced { "What was denied" } else { "What would have been denied" };
    html! {
        section id="denied" {
            h2 { (word) }
            @if account.denials.is_empty() { p.none { "Nothing." } }
            @for (at, actor) in account.ranked() {
                @let denied = theirs(at);
                @if !denied.is_empty() { (card(account, at, actor, &denied)) }
            }
            @if !account.exceptions.is_empty() {
                h3 { "Exceptions that were used" }
                ul.denials {
                    @for refused in &account.exceptions { li { (one(account, refused)) } }
                }
            }
        }
    }
}

/// What one script was denied.
fn card(account: &Account, at: usize, actor: &Actor, denied: &[(usize, &Refused)]) -> Markup {
    html! {
        article {
            h3 {
                (actor.name) " " span.no { (grouped(actor.total().denied)) " denied" }
            }
            @if let Some(path) = &actor.path { p.path { (path) } }
            ul.denials {
                @for (number, refused) in denied { li id=(anchor(*number)) { (one(account, refused)) } }
            }
            @if let Some(yaml) = account.remedy(at) {
                details {
                    summary { "If this was right to do: the rules to add" }
                    p { "To " code { (account.legend.file) } ":" }
                    pre { code { (yaml) } }
                }
            }
        }
    }
}

fn one(account: &Account, refused: &Refused) -> Markup {
    let program = account.programs.get(refused.program);
    html! {
        div.what { (refused.denial.what()) @if refused.events > 1 { " " span.times { "×" (grouped(refused.events)) } } }
        div.why {
            (account.why(refused))
            " · after " (seconds(refused.first))
            @if let Some(program) = program {
                " · by " a href={ "#p" (refused.program) } { (program.name) }
                @if program.times > 1 { " (one of " (counted(program.times, "program")) ")" }
            }
        }
    }
}
