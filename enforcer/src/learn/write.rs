// SPDX-License-Identifier: MIT OR Apache-2.0

//! The profile as a text.

use super::{
    Options, budgets,
    named::DENIED,
    rules::{Item, Lists, Model, PLACES, scalar},
    survey::{Facts, Survey},
};
use crate::{
    profile::quote::quoted,
    report::number::{counted, grouped},
};

/// Where a rule is: stage, place and number.
pub(super) type Id = (usize, usize, usize);

/// A profile that allows nothing but to come from stage to stage, and denies what is never learnt.
pub(super) fn skeleton(model: &Model, options: &Options) -> String {
    let mut out = head(options);
    if model.base.is_some() {
        return out;
    }
    let denied = DENIED.map(|set| format!("\"@{set}\"")).join(", ");
    out += "stages:\n";
    for (number, name) in model.stages.names.iter().enumerate() {
        out += &format!(
            "  {name}:\n    files: {{ read: {{ deny: [{denied}] }}, write: {{ deny: [{denied}] }} }}\n"
        );
        let mut edges = model.stages.edges.iter().filter(|edge| edge.from == number).peekable();
        if edges.peek().is_some() {
            out += "    exec:\n      allow:\n";
        }
        for edge in edges {
            let to = &model.stages.names[edge.to];
            out += &format!("        - {{ path: {}, stage: {to}, widen: true }}\n", scalar(&edge.program));
        }
    }
    out
}

/// The profile, and of each of its lines the rule that it is.
pub(super) fn profile(
    all: &[Lists],
    model: &Model,
    options: &Options,
    survey: &Survey,
) -> (String, Vec<Option<Id>>) {
    let mut lines: Vec<(String, Option<Id>)> = Vec::new();
    let facts = &survey.facts;
    lines.extend(about(facts, model.base.is_some()).into_iter().map(|line| (format!("# {line}"), None)));
    lines.extend(head(options).lines().map(|line| (line.to_owned(), None)));
    let mut begun = false;
    for (number, (name, lists)) in model.stages.names.iter().zip(all).enumerate() {
        if lists.iter().all(Vec::is_empty) {
            continue;
        }
        lines.extend((!begun).then(|| ("stages:".to_owned(), None)));
        begun = true;
        lines.push((format!("  {name}:"), None));
        let mut open: &[&str] = &[];
        for (place, (keys, items)) in
            PLACES.iter().zip(lists).enumerate().filter(|(_, (_, items))| !items.is_empty())
        {
            let shared = open.iter().zip(*keys).take_while(|(a, b)| a == b).count();
            for (depth, key) in keys.iter().enumerate().skip(shared) {
                lines.push((format!("{}{key}:", "  ".repeat(depth + 2)), None));
            }
            open = keys;
            let indent = "  ".repeat(keys.len() + 2);
            for (at, Item { text, comment, .. }) in items.iter().enumerate() {
                let comment = if comment.is_empty() { String::new() } else { format!("  # {comment}") };
                lines.push((format!("{indent}- {text}{comment}"), Some((number, place, at))));
            }
        }
    }
    let budgets = budgets::lines(&facts.most, model.base.as_ref());
    if !budgets.is_empty() {
        lines.push(("# Twice what the largest of these runs spent, rounded up.".to_owned(), None));
        lines.push(("budgets:".to_owned(), None));
        lines.extend(budgets.into_iter().map(|(line, seen)| (format!("  {line}  # {seen}"), None)));
    }
    let ids = lines.iter().map(|(_, id)| *id).collect();
    (lines.into_iter().map(|(line, _)| line + "\n").collect(), ids)
}

/// What comes before the rules.
fn head(options: &Options) -> String {
    let mut out = format!("version: 1\nname: {}\n", options.name);
    if let Some((extends, _)) = &options.base {
        out += &format!("extends: {}\n", scalar(extends));
    }
    match (&options.owner, &options.base) {
        (Some(owner), _) => out += &format!("owner: {}\n", quoted(owner)),
        (None, None) => out += "owner: nobody  # who answers for it?\n",
        (None, Some(_)) => {}
    }
    out
}

/// What it was learnt from, whatever the order of the recordings.
fn about(facts: &Facts, base: bool) -> Vec<String> {
    let some = |all: &std::collections::BTreeSet<String>| {
        let shown: Vec<&str> = all.iter().take(3).map(String::as_str).collect();
        let more = if all.len() > 3 { format!(" and {} more", all.len() - 3) } else { String::new() };
        format!("{}{more}", shown.join(", "))
    };
    let days = match (facts.days.first(), facts.days.last()) {
        (Some(first), Some(last)) if first != last => format!("from {first} to {last}"),
        (first, _) => format!("of {}", first.map_or("", String::as_str)),
    };
    let mut lines = vec![
        format!(
            "Learnt by enforcer {} from {} of: {}.",
            env!("CARGO_PKG_VERSION"),
            counted(facts.recordings, "recording"),
            some(&facts.commands)
        ),
        format!("Made under {}, {days}; {}.", some(&facts.profiles), counted(facts.events, "event")),
    ];
    if facts.denied > 0 {
        lines.push(format!(
            "{} of them were denied then, or in audit mode would have been.",
            grouped(facts.denied)
        ));
    }
    if facts.lost > 0 || !facts.cut.is_empty() {
        let lost = counted(facts.lost, "event");
        lines.push(format!("They are not whole: {lost} lost, {} cut off.", grouped(facts.cut.len() as u64)));
    }
    lines.push("Behind each rule stands who needed it. Read it before you rely on it: what these runs did is allowed".to_owned());
    lines.push(match base {
        true => "from now on, and what the base allows.".to_owned(),
        false => "from now on, and reading whatever is not denied.".to_owned(),
    });
    lines
}
