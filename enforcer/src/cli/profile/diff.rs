// SPDX-License-Identifier: MIT OR Apache-2.0

//! `enforcer profile diff`.

use serde_json::json;

use super::{Output, load, transitions::differences};
use crate::{
    exit::{self, Exit},
    profile::{
        diff::{Diff, StageDiff},
        difference::Difference,
    },
    report::table::columns,
};

/// Each paragraph is one line: clap wraps it to the terminal's width.
const EXAMPLES: &str = "\
Examples:
  enforcer profile diff npm-install my-npm-install.yaml
      What does my copy allow that the original does not, and the other way round?
  git show main:ci/build.yaml > /tmp/old.yaml; enforcer profile diff /tmp/old.yaml ci/build.yaml
      What does this change of a profile change?

What is compared:
  what the compiled profiles decide, not their text: rules in another order or otherwise written are no \
  difference. Stages are the same if they have the same name. Each kind of each stage gets one example, the \
  shortest or one that everybody knows, and each example was decided about by both. Of variables whose directories \
  lie within each other, a workspace below the home directory and one below ${tmp} are looked at.";

/// Say what becomes allowed and what becomes denied from one profile to another.
#[derive(Debug, clap::Args)]
#[command(after_long_help = format!("{EXAMPLES}\n\n{}", exit::DIFF_TABLE))]
#[command(after_help = "Examples and exit statuses: enforcer profile diff --help")]
pub(super) struct Args {
    /// The one: a file, or the name of an installed profile
    #[arg(value_name = "FROM")]
    from: String,
    /// The other
    #[arg(value_name = "TO")]
    to: String,
    /// Answer with one JSON object
    #[arg(long)]
    json: bool,
}

/// Compares.
pub(super) fn main(args: &Args, output: Output) -> Exit {
    let (one, two) = match (load(&args.from, output), load(&args.to, output)) {
        (Ok((_, one)), Ok((_, two))) => (one, two),
        (Err(exit), _) | (_, Err(exit)) => return exit,
    };
    let diff = Diff::new(&one, &two);
    let page = output.page();
    if args.json {
        let stages = diff.stages.iter().map(|stage| {
            json!({
                "stage": stage.name,
                "allowed": differences(&stage.allowed),
                "denied": differences(&stage.denied),
                "leads_elsewhere": differences(&stage.elsewhere),
            })
        });
        let settings = diff.settings.iter().map(|(name, a, b)| json!({ "name": name, "from": a, "to": b }));
        page.json(&json!({
            "from": { "file": &*one.source, "sha256": one.digest_text() },
            "to": { "file": &*two.source, "sha256": two.digest_text() },
            "settings": settings.collect::<Vec<_>>(),
            "stages_removed": diff.removed,
            "stages_added": diff.added,
            "stages": stages.collect::<Vec<_>>(),
        }));
    } else {
        page.print(&text(&diff));
    }
    if diff.is_empty() { Exit::SUCCESS } else { Exit::Failed }
}

/// For people.
fn text(diff: &Diff) -> String {
    if diff.is_empty() {
        return "no difference: both decide the same\n".to_owned();
    }
    let mut out = String::new();
    for (name, from, to) in &diff.settings {
        out += &format!("{name}: {from} -> {to}\n");
    }
    for name in &diff.removed {
        out += &format!("stage {name}: removed\n");
    }
    for name in &diff.added {
        out += &format!("stage {name}: added\n");
    }
    for StageDiff { name, allowed, denied, elsewhere } in &diff.stages {
        let rows = |word: &str, differences: &[Difference]| {
            differences.iter().map(|d| vec![word.to_owned(), d.to_string()]).collect::<Vec<_>>()
        };
        let mut lines = rows("allowed now:", allowed);
        lines.extend(rows("denied now:", denied));
        lines.extend(rows("leads elsewhere:", elsewhere));
        out += &format!("stage {name}\n{}", columns(&lines));
    }
    out
}
