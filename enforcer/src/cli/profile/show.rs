// SPDX-License-Identifier: MIT OR Apache-2.0

//! `enforcer profile show`.

use clap::ValueEnum;
use enforcer_common::Kind;
use serde_json::{Map, Value, json};

use super::{Output, graph, load, transitions};
use crate::{
    exit::Exit,
    profile::{
        Compiled, Effect, Exception,
        edges::{Edge, edges},
    },
    report::table::columns,
};

/// Each paragraph is one line: clap wraps it to the terminal's width.
const EXAMPLES: &str = "\
Examples:
  enforcer profile show npm-install
      Its stages, how many rules each has, and what leads from one to another.
  enforcer profile show npm-install --format dot | dot -Tsvg > npm-install.svg
      The stages as a picture, by Graphviz. A thick arrow leads to a stage that allows more.
  enforcer profile show npm-install --format mermaid
      The same for a Markdown document.";

/// Show a profile's stages and transitions.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES, after_help = "Examples: enforcer profile show --help")]
pub(super) struct Args {
    /// The profile: a file, or the name of an installed one
    #[arg(value_name = "FILE|NAME")]
    profile: String,
    /// How to show it
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Text in columns
    Table,
    /// A Mermaid flowchart
    Mermaid,
    /// A Graphviz graph
    Dot,
    /// One object
    Json,
}

/// Shows it.
pub(super) fn main(args: &Args, output: Output) -> Exit {
    let profile = match load(&args.profile, output) {
        Ok((_, profile)) => profile,
        Err(exit) => return exit,
    };
    let edges = edges(&profile);
    let page = output.page();
    match args.format {
        Format::Table => page.print(&table(&profile, &edges)),
        Format::Mermaid => page.print(&graph::mermaid(&profile, &edges)),
        Format::Dot => page.print(&graph::dot(&profile, &edges)),
        Format::Json => page.json(&object(&profile, &edges)),
    }
    Exit::SUCCESS
}

/// For people.
fn table(profile: &Compiled, edges: &[Edge]) -> String {
    let cell = |text: &str| text.to_owned();
    let facts = [
        vec![cell("owner"), profile.owner.clone()],
        vec![cell("file"), profile.source.to_string()],
        vec![cell("mode"), cell(profile.mode.name())],
        vec![cell("sha256"), profile.digest_text()],
    ];
    let mut stages = vec![vec![cell("stage")]];
    let kinds = kinds(profile);
    stages[0].extend(kinds.iter().map(|kind| cell(kind.name())));
    for (number, name) in profile.stages.iter().enumerate() {
        let mut row = vec![name.clone()];
        for &kind in &kinds {
            let default = if profile.default_allows(number as u8, kind) { "allow" } else { "deny" };
            let mut parts = vec![cell(default)];
            for effect in [Effect::Allow, Effect::Deny, Effect::Except] {
                let count = count(profile, number as u8, kind, effect);
                if count > 0 {
                    parts.push(format!("{} {count}", effect.name()));
                }
            }
            row.push(parts.join(", "));
        }
        stages.push(row);
    }
    let mut out = format!("{}: {}\n", profile.name, profile.description);
    out += &columns(&facts);
    out += &format!("\nDefault of each stage and kind, and how many rules:\n{}", columns(&stages));
    if !edges.is_empty() {
        let rows: Vec<Vec<String>> = edges
            .iter()
            .flat_map(|edge| {
                edge.rules.iter().filter_map(|&number| profile.rule(number)).map(move |r| (edge, r))
            })
            .map(|(edge, rule)| {
                let [from, to] = [edge.from, edge.to].map(|stage| &profile.stages[usize::from(stage)]);
                vec![format!("{from} -> {to}"), rule.text.clone(), rule.to_string()]
            })
            .collect();
        out += &format!("\nTransitions:\n{}", columns(&rows));
    }
    if !profile.exceptions.is_empty() {
        let rows: Vec<Vec<String>> = profile.exceptions.iter().map(|e| exception(profile, e)).collect();
        out += &format!("\nExceptions:\n{}", columns(&rows));
    }
    out
}

/// The kinds that have a column: of the rarer ones those that the profile says something of. Names have no rules of
/// their own.
fn kinds(profile: &Compiled) -> Vec<Kind> {
    let stages = || 0..profile.stages.len() as u8;
    let said = |kind| {
        stages().any(|stage| profile.default_allows(stage, kind))
            || profile.rules.iter().any(|rule| rule.kind == kind && rule.line > 0)
    };
    let shown = |kind: &Kind| match kind {
        Kind::Exec | Kind::Read | Kind::Write | Kind::Connect => true,
        Kind::Unix | Kind::Listen | Kind::Socket => said(*kind),
        // Rules about arguments are rules for executing.
        Kind::Resolve | Kind::Argv | Kind::Escape => false,
    };
    Kind::ALL.iter().copied().filter(shown).collect()
}

/// An exception: its name, where it applies, until when, and who answers for it.
fn exception(profile: &Compiled, exception: &Exception) -> Vec<String> {
    let stage = &profile.stages[usize::from(exception.stage)];
    let rule = exception.rule.and_then(|number| profile.rule(number));
    let what = rule.map_or(String::new(), |rule| format!("{} {}", rule.kind.name(), rule.text));
    let until = if exception.expired { "ended on" } else { "until" };
    vec![
        exception.id.clone(),
        format!("stage {stage}"),
        what,
        format!("{until} {}", exception.expires),
        exception.owner.clone(),
        exception.reason.clone(),
    ]
}

/// For programs.
fn object(profile: &Compiled, edges: &[Edge]) -> Value {
    let stages = profile.stages.iter().enumerate().map(|(number, name)| {
        let kinds: Map<String, Value> = Kind::ALL
            .iter()
            .filter(|&&kind| !matches!(kind, Kind::Resolve | Kind::Argv | Kind::Escape))
            .map(|&kind| {
                let count = |effect| count(profile, number as u8, kind, effect);
                let default = if profile.default_allows(number as u8, kind) { "allow" } else { "deny" };
                let value = json!({
                    "default": default,
                    "allow": count(Effect::Allow),
                    "deny": count(Effect::Deny),
                    "except": count(Effect::Except),
                });
                (kind.name().to_owned(), value)
            })
            .collect();
        json!({ "name": name, "rules": kinds })
    });
    json!({
        "name": profile.name,
        "owner": profile.owner,
        "description": profile.description,
        "file": &*profile.source,
        "mode": profile.mode.name(),
        "sha256": profile.digest_text(),
        "stages": stages.collect::<Vec<_>>(),
        "exceptions": profile.exceptions.iter().map(exception_value).collect::<Vec<_>>(),
        "transitions": transitions::values(profile, edges),
    })
}

fn exception_value(exception: &Exception) -> Value {
    json!({
        "id": exception.id,
        "expires": exception.expires.to_string(),
        "expired": exception.expired,
        "owner": exception.owner,
        "reason": exception.reason,
    })
}

/// How many rules of the profile itself there are.
fn count(profile: &Compiled, stage: u8, kind: Kind, effect: Effect) -> usize {
    let rules = profile.rules.iter().filter(|rule| (rule.stage, rule.kind) == (stage, kind));
    rules.filter(|rule| rule.effect == effect && rule.line > 0).count()
}
