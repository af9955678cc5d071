// SPDX-License-Identifier: MIT OR Apache-2.0

//! Markdown, as code hosts show it.
//!
//! Whatever a recording says stands in code spans or in a fenced block: nothing in there is a link, a mention or HTML. What
//! would end them is written as an escape.

use enforcer_common::Kind;

use super::{Denied, cells, denied, hosts, invocation, overview, tree};
use crate::{
    account::{Account, Actor, Count, seconds},
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
    for section in [head(account), denials(account), who(account), programs(account), targets(account)] {
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
    for Denied { actor, shown, more, remedy } in denied(account, DENIALS) {
        let row = |refused| {
            let [when, what, why, events] = cells(account, refused);
            vec![when, code(&what), code(&why), events]
        };
        out += &format!("\n**{}**\n\n", code(&actor.name));
        out += &table(&["when", "what", "why", "events"], shown.into_iter().map(row));
        out += &further(more);
        if let Some(yaml) = remedy {
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
    let more = rows.len().saturating_sub(ROWS) as u64;
    let named = rows.take(ROWS).map(|mut row| {
        row[0] = code(&row[0]);
        row
    });
    format!("\n### Who did what\n\n{}{}", table(&head, named), further(more))
}

fn further(more: u64) -> String {
    if more == 0 { String::new() } else { format!("\n…and {} more.\n", grouped(more)) }
}

/// The programs that were denied something, and what led there.
fn programs(account: &Account) -> String {
    let mut shown = tree(account).filter(|program| program.denied_below > 0).peekable();
    if shown.peek().is_none() {
        return String::new();
    }
    let mut out = "\n### Programs that were denied something, and what started them\n\n".to_owned();
    for program in shown.by_ref().take(ROWS) {
        let denied = match program.count.denied {
            0 => String::new(),
            denied => format!(" **{} denied**", grouped(denied)),
        };
        out += &format!(
            "{}- {}{denied}\n",
            "  ".repeat(usize::from(program.depth.min(20))),
            code(&invocation(program))
        );
    }
    out + &further(shown.count() as u64)
}

fn targets(account: &Account) -> String {
    let row = |(actor, kind, target, count): (&Actor, Kind, &str, &Count)| {
        let cells = [code(&actor.name), kind.action().to_owned(), code(target)];
        cells.into_iter().chain([grouped(count.events()), grouped(count.denied)]).collect()
    };
    let mut rows = hosts(account).map(row).peekable();
    if rows.peek().is_none() {
        return String::new();
    }
    let table = table(&["who", "action", "target", "events", "denied"], rows.by_ref().take(ROWS));
    format!("\n### Hosts\n\n{table}{}", further(rows.count() as u64))
}
