// SPDX-License-Identifier: MIT OR Apache-2.0

//! Markdown, as code hosts show it.
//!
//! Whatever a recording says stands in code spans or in a fenced block: nothing in there is a link, a mention or HTML. What
//! would end them is written as an escape.

use super::{HOSTS, invocation, overview};
use crate::{
    account::{Account, Refused, seconds},
    report::number::{counted, grouped},
};

/// Denials that are shown.
const DENIALS: usize = 100;
/// Rows of other tables.
const ROWS: usize = 50;

/// The account, of at most so many bytes: what does not fit is left out from the end, with a word about it.
#[must_use]
pub fn markdown(account: &Account, room: usize) -> String {
    const LEFT_OUT: &str = "\n*The rest does not fit here.*\n";
    let mut out = String::new();
    for section in [head(account), denials(account), who(account), programs(account), hosts(account)] {
        if out.len() + section.len() + LEFT_OUT.len() > room {
            if out.len() + LEFT_OUT.len() <= room {
                out += LEFT_OUT;
            }
            break;
        }
        out += &section;
    }
    out
}

/// Text that means nothing but itself, in a table too.
fn code(text: &str) -> String {
    match text.is_empty() {
        true => String::new(),
        false => format!("`{}`", text.replace('`', "\\u{60}").replace('|', "\\u{7c}")),
    }
}

fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<_> = head.iter().map(|&cell| cell.to_owned()).collect();
    let rule: Vec<_> = head.iter().map(|_| "---".to_owned()).collect();
    let body: String = rows.map(|row| line(&row)).collect();
    format!("{}{}{body}", line(&head), line(&rule))
}

fn head(account: &Account) -> String {
    let run = &account.run;
    let sign = match account.count.denied {
        0 if account.is_whole => "✅",
        0 => "⚠️",
        _ => "🛑",
    };
    let mut out = format!("## {sign} {}: {}\n\n", code(&run.command), account.headline());
    let mode = if run.enforced { "" } else { ", in audit mode" };
    out += &format!(
        "Profile {} ({}){mode}. {} in {}, {} denied. Started {}",
        code(&account.legend.name),
        code(&account.legend.file),
        counted(account.count.events(), "decision"),
        seconds(run.last),
        grouped(account.count.denied),
        code(&run.started),
    );
    out += &account.ending().map_or_else(|| ".\n".to_owned(), |ending| format!("; {}.\n", code(&ending)));
    for gap in &account.gaps {
        out += &format!("\n> **Note:** {}\n", code(gap));
    }
    out
}

fn denials(account: &Account) -> String {
    if account.denials.is_empty() {
        return String::new();
    }
    let mut out = "\n### What was denied\n".to_owned();
    let mut left = DENIALS;
    for (at, actor) in account.ranked() {
        let theirs: Vec<_> = account.denied_to(at).collect();
        if theirs.is_empty() || left == 0 {
            continue;
        }
        let row = |refused: &&Refused| {
            vec![
                seconds(refused.first),
                code(&refused.denial.what()),
                code(&account.why(refused)),
                grouped(refused.events),
            ]
        };
        out += &format!("\n**{}**\n\n", code(&actor.name));
        out += &table(&["when", "what", "why", "events"], theirs.iter().take(left).map(row));
        if theirs.len() > left {
            out += &format!("\n…and {} more.\n", grouped((theirs.len() - left) as u64));
        }
        left = left.saturating_sub(theirs.len());
        if let Some(yaml) = account.remedy(at) {
            out += &format!(
                "\n<details><summary>If this was right to do, the rules to add</summary>\n\nTo {}:\n\n{}\n</details>\n",
                code(&account.legend.file),
                fenced(&yaml, "yaml"),
            );
        }
    }
    out
}

/// A block that nothing in it ends.
fn fenced(text: &str, language: &str) -> String {
    let longest = text.split(|character| character != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{text}\n{fence}\n")
}

fn who(account: &Account) -> String {
    let mut rows = overview(account).into_iter();
    let head = rows.next().unwrap_or_default();
    let head: Vec<_> = head.iter().map(String::as_str).collect();
    let more = rows.len().saturating_sub(ROWS);
    let named = rows.take(ROWS).map(|mut row| {
        row[0] = code(&row[0]);
        row
    });
    format!("\n### Who did what\n\n{}{}", table(&head, named), further(more))
}

fn further(more: usize) -> String {
    if more == 0 { String::new() } else { format!("\n…and {} more.\n", grouped(more as u64)) }
}

/// The programs that were denied something, and what led there.
fn programs(account: &Account) -> String {
    let shown: Vec<_> = account.programs.iter().filter(|program| program.denied_below > 0).collect();
    if shown.is_empty() {
        return String::new();
    }
    let mut out = "\n### Programs that were denied something, and what started them\n\n".to_owned();
    // Each behind its parent, as a tree.
    let mut stack: Vec<usize> =
        (0..account.programs.len()).rev().filter(|&at| account.programs[at].parent.is_none()).collect();
    let mut left = ROWS;
    while let Some(at) = stack.pop() {
        let program = &account.programs[at];
        if program.denied_below == 0 || left == 0 {
            continue;
        }
        left -= 1;
        let denied = match program.count.denied {
            0 => String::new(),
            denied => format!(" **{} denied**", grouped(denied)),
        };
        out += &format!(
            "{}- {}{denied}\n",
            "  ".repeat(usize::from(program.depth.min(20))),
            code(&invocation(program))
        );
        stack.extend(program.children.iter().rev());
    }
    out + &further(shown.len().saturating_sub(ROWS))
}

fn hosts(account: &Account) -> String {
    let mut rows = Vec::new();
    for (_, actor) in account.ranked() {
        for kind in HOSTS {
            for (target, count) in actor.targets(kind) {
                let cells = [code(&actor.name), kind.action().to_owned(), code(target)];
                let numbers = [grouped(count.events()), grouped(count.denied)];
                rows.push(cells.into_iter().chain(numbers).collect());
            }
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    let more = rows.len().saturating_sub(ROWS);
    let table = table(&["who", "action", "target", "events", "denied"], rows.into_iter().take(ROWS));
    format!("\n### Hosts\n\n{table}{}", further(more))
}
