// SPDX-License-Identifier: MIT OR Apache-2.0

//! The tree of programs.

use maud::{Markup, html};

use super::{anchor, badges};
use crate::{
    account::{Account, Program, seconds},
    report::number::{counted, grouped},
};

/// Programs below one up to which they are open from the beginning, on the second level.
const OPEN: usize = 8;
/// Programs with denials up to which all that leads to one is open.
const FEW: usize = 40;

pub(super) fn section(account: &Account) -> Markup {
    let roots = || account.programs.iter().enumerate().filter(|(_, program)| program.parent.is_none());
    let leading = account.programs.iter().filter(|program| program.denied_below > 0).count();
    html! {
        section id="programs" {
            h2 { "Programs" }
            @if leading > 0 {
                input type="checkbox" id="only";
                label for="only" { " only what was denied something, and what led there" }
            }
            ul.tree {
                @for (at, _) in roots() { (node(account, at, leading <= FEW)) }
            }
        }
    }
}

/// A program and what it executed. The depth of the tree is bounded.
fn node(account: &Account, at: usize, open: bool) -> Markup {
    let program = &account.programs[at];
    let above = program.parent.map(|parent| account.programs[parent].actor);
    let actor = account.actors.get(program.actor).filter(|_| above != Some(program.actor));
    let is_open = match program.depth {
        0 => true,
        1 => program.children.len() <= OPEN,
        _ => false,
    } || open && program.denied_below > 0;
    html! {
        li.quiet[program.denied_below == 0] id={ "p" (at) } {
            details open[is_open] {
                summary {
                    b { (program.name) } " " code { (program.args) }
                    @if program.times > 1 { " " span.times { "×" (grouped(program.times)) } }
                    @if let Some(actor) = actor { " " span.package { (actor.name) } }
                    @if program.count.denied > 0 { " " span.no { (grouped(program.count.denied)) " denied" } }
                    @else if program.denied_below > 0 { " " span.below { (grouped(program.denied_below)) " denied below" } }
                }
                (about(account, program))
                @if !program.children.is_empty() {
                    ul { @for &child in &program.children { (node(account, child, open)) } }
                }
            }
        }
    }
}

fn about(account: &Account, program: &Program) -> Markup {
    html! {
        div.about {
            code { (program.exe) } " · stage " (program.stage) " · process " (program.pid) " · after " (seconds(program.t)) " ·" (badges(program.count))
            @if program.further > 0 { " · executed " (counted(program.further, "further program")) }
            @for &denial in &program.denials {
                @if let Some(refused) = account.denials.get(denial) {
                    div.refused { a href={ "#" (anchor(denial)) } { (refused.denial.what()) } }
                }
            }
        }
    }
}
