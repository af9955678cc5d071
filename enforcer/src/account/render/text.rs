// SPDX-License-Identifier: MIT OR Apache-2.0

//! For a terminal.

use super::{HOSTS, invocation, overview};
use crate::{
    account::{Account, Program, Refused, seconds},
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
    hosts(account, &mut out);
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
    let mut left = DENIALS;
    for (at, actor) in account.ranked() {
        let theirs: Vec<_> = account.denied_to(at).collect();
        if theirs.is_empty() || left == 0 {
            continue;
        }
        *out += &format!("\n{NAME}{}{NAME:#}\n", actor.name);
        let row = |refused: &&Refused| {
            let what = refused.denial.what();
            vec![seconds(refused.first), what, account.why(refused), format!("×{}", grouped(refused.events))]
        };
        *out += &columns(&theirs.iter().take(left).map(row).collect::<Vec<_>>());
        if theirs.len() > left {
            *out += &format!("  (and {} more)\n", grouped((theirs.len() - left) as u64));
        }
        left = left.saturating_sub(theirs.len());
        if let Some(yaml) = account.remedy(at) {
            *out += &format!("  If this was right to do, add to {}:\n", account.legend.file);
            for line in yaml.lines() {
                *out += &format!("{FAINT}    {line}{FAINT:#}\n");
            }
        }
    }
}

/// The tree: what was denied something and what led there, and the first levels.
fn programs(account: &Account, out: &mut String) {
    section("Programs", out);
    let (mut left, mut hidden) = (PROGRAMS, 0);
    let mut stack: Vec<usize> =
        (0..account.programs.len()).rev().filter(|&at| account.programs[at].parent.is_none()).collect();
    while let Some(at) = stack.pop() {
        let program = &account.programs[at];
        if left == 0 || program.denied_below == 0 && program.depth > 2 {
            hidden += 1;
        } else {
            left -= 1;
            *out += &format!("{}{}\n", "  ".repeat(usize::from(program.depth) + 1), line(account, program));
        }
        stack.extend(program.children.iter().rev());
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

fn hosts(account: &Account, out: &mut String) {
    let mut rows = Vec::new();
    for (_, actor) in account.ranked() {
        for kind in HOSTS {
            for (target, count) in actor.targets(kind) {
                let denied = if count.denied > 0 {
                    format!("{} denied", grouped(count.denied))
                } else {
                    String::new()
                };
                rows.push(vec![
                    actor.name.clone(),
                    kind.action().to_owned(),
                    target.clone(),
                    grouped(count.events()),
                    denied,
                ]);
            }
        }
    }
    if rows.is_empty() {
        return;
    }
    section("Hosts", out);
    let more = rows.len().saturating_sub(TARGETS);
    rows.truncate(TARGETS);
    *out += &columns(&rows);
    if more > 0 {
        *out += &format!("  (and {} more)\n", grouped(more as u64));
    }
}
