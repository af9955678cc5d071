// SPDX-License-Identifier: MIT OR Apache-2.0

//! `enforcer profile check`.

use clap::ValueEnum;
use serde_json::{Value, json};

use super::{Output, transitions};
use crate::{
    cli::output::Verbosity,
    exit::{self, Exit},
    profile::{
        Error,
        check::{Checked, check},
        find,
    },
    report::{number, page::Page, problems::problem, sarif::sarif},
};

/// Each paragraph is one line: clap wraps it to the terminal's width.
const EXAMPLES: &str = "\
Examples:
  enforcer profile check profiles/*.yaml
      Check files. On a terminal each problem is shown with its lines, otherwise it is one line: \
      FILE:LINE:COLUMN: CODE: what is wrong (how to mend it).
  enforcer profile check npm-install
      Check the profile that `enforcer run --profile npm-install` would use.
  enforcer profile check --format sarif my-profile.yaml > check.sarif
      For code hosts that show findings next to the lines of a change.

Warnings:
  Stages that nothing leads to (W001), rules that never decide because others match all that they match (W002), \
  rules and defaults that allow everything (W003), allowed hosts that take uploads from anybody (W004), and \
  `widen: true` where nothing is widened (W005).

Transitions:
  For each transition from stage to stage it says what is allowed then and was not before, and the other way round, \
  by kind, each with an example. The examples are found by comparing the compiled rules, not their text; none is \
  shown that `enforcer run` would not decide so. Of variables whose directories lie within each other, a workspace \
  below the home directory and one below ${tmp} are looked at.";

/// Say everything that is wrong with profiles, and what is doubtful.
#[derive(Debug, clap::Args)]
#[command(after_long_help = format!("{EXAMPLES}\n\n{}", exit::CHECK_TABLE))]
#[command(after_help = "Examples, warnings and exit statuses: enforcer profile check --help")]
pub(super) struct Args {
    /// The profiles: files, or names of installed ones
    #[arg(value_name = "FILE|NAME", required = true)]
    profiles: Vec<String>,
    /// How to say it
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One object, with everything that the text says
    Json,
    /// SARIF 2.1.0
    Sarif,
}

/// Checks them all.
pub(super) fn main(args: &Args, output: Output) -> Exit {
    let page = output.page();
    let results: Vec<_> = args
        .profiles
        .iter()
        .map(|value| (value.as_str(), find(value).and_then(|source| check(&source))))
        .collect();
    let all = || results.iter().filter_map(|(_, result)| said(result)).flat_map(Error::problems);
    let warnings = all().filter(|problem| problem.code.is_warning()).count();
    let errors = all().count() - warnings;
    match args.format {
        Format::Sarif => page.json(&sarif(all())),
        Format::Json => {
            let profiles: Vec<Value> = results.iter().map(|(value, result)| object(value, result)).collect();
            page.json(&json!({ "profiles": profiles, "errors": errors, "warnings": warnings }));
        }
        Format::Text => {
            for (_, result) in &results {
                page.print(&text(result, page, output.verbosity()));
            }
            if results.len() > 1 && output.verbosity() > Verbosity::Quiet {
                let [profiles, errors, warnings] =
                    [(results.len(), "profile"), (errors, "error"), (warnings, "warning")]
                        .map(|(n, noun)| number::counted(n as u64, noun));
                page.print(&format!("{profiles}: {errors}, {warnings}\n"));
            }
        }
    }
    match (errors, warnings) {
        (0, 0) => Exit::SUCCESS,
        (0, _) => Exit::Failed,
        _ => Exit::Usage,
    }
}

/// The errors, or else the warnings.
const fn said(result: &Result<Checked, Error>) -> Option<&Error> {
    match result {
        Ok(checked) => checked.warnings.as_ref(),
        Err(error) => Some(error),
    }
}

/// What people are told of a profile.
fn text(result: &Result<Checked, Error>, page: Page, verbosity: Verbosity) -> String {
    let mut out = String::new();
    if let Some(error) = said(result) {
        if page.is_looked_at() {
            out += &error.render(page.has_color());
        } else {
            out += &format!("{error}\n");
        }
    }
    if let Ok(Checked { profile, edges, .. }) = result
        && verbosity > Verbosity::Quiet
    {
        let stages = number::counted(profile.stages.len() as u64, "stage");
        let states = number::counted(profile.states as u64, "state");
        let size = (profile.table.len() * 2).div_ceil(1024);
        let digest = profile.digest_text();
        out += &format!("{}: {stages}, {states}, {size} KiB, sha256 {digest}\n", profile.source);
        out += &transitions::text(profile, edges);
    }
    out
}

/// What programs are told of a profile.
fn object(value: &str, result: &Result<Checked, Error>) -> Value {
    let found: Vec<Value> = said(result).map_or(&[][..], Error::problems).iter().map(problem).collect();
    let mut object = json!({ "profile": value, "problems": found });
    if let Ok(Checked { profile, edges, .. }) = result {
        object["file"] = (*profile.source).into();
        object["name"] = profile.name.as_str().into();
        object["owner"] = profile.owner.as_str().into();
        object["mode"] = profile.mode.name().into();
        object["sha256"] = profile.digest_text().into();
        object["stages"] = profile.stages.clone().into();
        object["states"] = profile.states.into();
        object["bytes"] = (profile.table.len() * 2).into();
        object["transitions"] = transitions::values(profile, edges).into();
    }
    object
}
