// SPDX-License-Identifier: MIT OR Apache-2.0

//! `enforcer doctor`.

use anstyle::{AnsiColor, Style};
use serde_json::json;

use super::output::Output;
use crate::{
    doctor::{self, Finding, State},
    exit::{DOCTOR_TABLE, Exit},
    report::escape::escape_all,
};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const NOTE: Style = AnsiColor::Cyan.on_default();

/// Find out whether runs can be enforced on this machine, and what to mend if not.
///
/// Looks at the kernel, its security modules, hooks and type information, at the file systems that are needed and at
/// what else is loaded; then sets up a run, and proves that what it must not do is denied, and takes it down again.
#[derive(Debug, clap::Args)]
#[command(after_help = DOCTOR_TABLE)]
pub(super) struct Args {
    /// Answer with one JSON object
    #[arg(long)]
    json: bool,
}

/// Looks, and says what there is.
pub(super) fn main(args: &Args, output: Output) -> Exit {
    let findings = doctor::examine();
    let can_enforce = doctor::can_enforce(&findings);
    let page = output.page();
    if args.json {
        page.json(&json!({ "can_enforce": can_enforce, "checks": findings }));
    } else {
        let width = findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
        let mut text: String = findings.iter().map(|finding| line(finding, width)).collect();
        text.push_str(if can_enforce {
            "\nRuns are enforced on this machine.\n"
        } else {
            "\nNothing can be enforced on this machine as it is.\n"
        });
        page.print(&text);
    }
    if can_enforce { Exit::SUCCESS } else { Exit::Failed }
}

fn line(finding: &Finding, width: usize) -> String {
    let (style, word) = match finding.state {
        State::Ok => (GOOD, "ok"),
        State::Note => (NOTE, "note"),
        State::Failed => (BAD, "FAIL"),
        State::Skipped => (NOTE, "skip"),
    };
    let mut line = format!(
        "{style}{word:<4}{style:#}  {:<width$}  {}\n",
        finding.check,
        escape_all(finding.found.as_bytes())
    );
    if let Some(mend) = &finding.mend {
        line.push_str(&format!("      {:<width$}  to mend it: {}\n", "", escape_all(mend.as_bytes())));
    }
    line
}
