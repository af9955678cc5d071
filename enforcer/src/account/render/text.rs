// SPDX-License-Identifier: MIT OR Apache-2.0

//! For a terminal.

use enforcer_common::Kind;

use super::{Denied, cells, denied, hosts, invocation, overview, tree};
use crate::{
    account::{Account, Actor, Count, Program, seconds},
    report::{
        line::{DENIED, FAINT, NAME},
        number::{counted, grouped},
        table::columns,
    },
};

/// Denials that are shown.
const DENIALS: usize = 60;
/// Programs that are shown.
const PROGRAMS: usize = 60;
/// Hosts that are shown.
const TARGETS: usize = 40;

/// The account, with colours; ends with a line feed.
#[must_use]
pub fn text(account: &Account) -> String {
    let mut out = String::new();
    head(account, &mut out);
    denials(account, &mut out);
    section("Who did what", &mut out);
    out += &columns(&overview(account));
    programs(account, &mut out);
    targets(account, &mut out);
    out
}

fn section(title: &str, out: &mut String) {
    *out += &format!("\n{NAME}{title}{NAME:#}\n");
}

fn head(account: &Account, out: &mut String) {
    let run = &account.run;
    let style = if account.count.denied > 0 { DENIED } else { NAME };
    *out += &format!("{NAME}{}{NAME:#}: {style}{}{style:#}\n", run.command, account.headline());
    let mode = if run.enforced { "" } else { ", audit mode" };
    let decisions = counted(account.count.events(), "decision");
    let mut rows = vec![
        vec!["profile".to_owned(), format!("{} ({}){mode}", account.legend.name, account.legend.file)],
        vec!["run".to_owned(), format!("{}, {}, {decisions}", run.started, seconds(run.last))],
        vec!["by".to_owned(), format!("user {}, kernel {}", run.user, run.kernel)],
    ];
    rows.extend(account.ending().map(|ending| vec!["end".to_owned(), ending]));
    *out += &columns(&rows);
    for gap in &account.gaps {
        *out += &format!("  {DENIED}note:{DENIED:#} {gap}\n");
    }
}

fn denials(account: &Account, out: &mut String) {
    if account.denials.is_empty() {
        return;
    }
    section("What was denied", out);
    for Denied { actor, shown, more, remedy } in denied(account, DENIALS) {
        *out += &format!("\n{NAME}{}{NAME:#}\n", actor.name);
        let row = |refused| {
            let [when, what, why, events] = cells(account, refused);
            vec![when, what, why, format!("×{events}")]
        };
        *out += &columns(&shown.into_iter().map(row).collect::<Vec<_>>());
        further(more, out);
        if let Some(yaml) = remedy {
            *out += &format!("  If this was right to do, add to {}:\n", account.legend.file);
            for line in yaml.lines() {
                *out += &format!("{FAINT}    {line}{FAINT:#}\n");
            }
        }
    }
}

fn further(more: u64, out: &mut String) {
    if more > 0 {
        *out += &format!("  (and {} more)\n", grouped(more));
    }
}

/// The tree: what was denied something and what led there, and the first levels.
fn programs(account: &Account, out: &mut String) {
    section("Programs", out);
    let (mut left, mut hidden) = (PROGRAMS, 0);
    for program in tree(account) {
        if left == 0 || program.denied_below == 0 && program.depth > 2 {
            hidden += 1;
        } else {
            left -= 1;
            *out += &format!("{}{}\n", "  ".repeat(usize::from(program.depth) + 1), line(account, program));
        }
    }
    if hidden > 0 {
        *out += &format!("  (and {} that led to no denial, or more than fit)\n", counted(hidden, "program"));
    }
}

fn line(account: &Account, program: &Program) -> String {
    let mut line = invocation(program);
    let parent = program.parent.map(|parent| account.programs[parent].actor);
    if parent != Some(program.actor)
        && let Some(actor) = account.actors.get(program.actor)
    {
        line += &format!("  {FAINT}[{}]{FAINT:#}", actor.name);
    }
    if program.count.denied > 0 {
        line += &format!("  {DENIED}{} denied{DENIED:#}", grouped(program.count.denied));
    }
    line
}

fn targets(account: &Account, out: &mut String) {
    let row = |(actor, kind, target, count): (&Actor, Kind, &str, &Count)| {
        let denied = match count.denied {
            0 => String::new(),
            denied => format!("{} denied", grouped(denied)),
        };
        vec![actor.name.clone(), kind.action().to_owned(), target.to_owned(), grouped(count.events()), denied]
    };
    let mut rows: Vec<_> = hosts(account).map(row).collect();
    if rows.is_empty() {
        return;
    }
    section("Hosts", out);
    let more = rows.len().saturating_sub(TARGETS) as u64;
    rows.truncate(TARGETS);
    *out += &columns(&rows);
    further(more, out);
}
