// SPDX-License-Identifier: MIT OR Apache-2.0

//! `enforcer report`.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use clap::ValueEnum;

use super::{output::Output, recordings::shown, step_summary::StepSummary};
use crate::{
    account::{
        self, Account,
        render::{html, junit, markdown, sarif, text},
    },
    exit::{self, Exit},
    report::{number::counted, terminal::Terminal},
};

/// Each paragraph is one line: clap wraps it to the terminal's width.
const EXAMPLES: &str = "\
Examples:
  enforcer report ci.jsonl.zst
      What did this run do, what was it denied, and which rule would allow it?
  enforcer report -o report.html ci.jsonl.zst
      The same as one page that needs nothing else: programs, a timeline, hosts and files by package.
  enforcer report --format markdown ci.jsonl.zst
      In a job on GitHub: also appended to the summary of the step.
  enforcer report -o denials.sarif ci.jsonl.zst
      For code scanning: each denial at the line of the profile that it is about.
  enforcer report -o denials.xml ci.jsonl.zst
      As JUnit has it: for each script of a package a suite, and each denial a failure.

The summary of a step:
  If $GITHUB_STEP_SUMMARY names a file, a report in markdown is also appended to it, as far as it has room: 1 MiB in all. \
  `enforcer run` writes nothing there, for it runs as root and the variable may name any file: this is a step of its own.

The recording:
  What names, paths and arguments in it say is shown and never obeyed: whatever is not plain text is written as an escape. One \
  that was cut off or is damaged is told up to there, and the report says so.";

/// Tell what a recorded run did, for people and for the tools of CI.
#[derive(Debug, clap::Args)]
#[command(after_long_help = format!("{EXAMPLES}\n\n{}", exit::REPORT_TABLE))]
#[command(after_help = "Examples and exit statuses: enforcer report --help")]
pub struct Args {
    /// Where the report goes [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The format [default: what FILE's name says (.html, .md, .sarif, .xml, .txt), on stdout text]
    #[arg(short, long, value_name = "FORMAT", value_enum)]
    format: Option<Format>,
    /// The recording
    #[arg(value_name = "RECORDING")]
    recording: PathBuf,
}

/// What a report is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One page, for a browser
    Html,
    /// For code hosts
    Markdown,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// XML, for CI systems
    Junit,
    /// For a terminal
    Text,
}

impl Format {
    /// What the name of a file says.
    fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy().to_lowercase();
        [
            (".html", Self::Html),
            (".htm", Self::Html),
            (".md", Self::Markdown),
            (".markdown", Self::Markdown),
            (".sarif", Self::Sarif),
            (".sarif.json", Self::Sarif),
            (".xml", Self::Junit),
            (".txt", Self::Text),
        ]
        .into_iter()
        .find_map(|(end, format)| name.ends_with(end).then_some(format))
    }
}

/// Reports.
pub(super) fn main(args: &Args, output: Output) -> Exit {
    let terminal = Terminal::stderr(output.color(), output.verbosity());
    let format = match (args.format, &args.output) {
        (Some(format), _) => format,
        (None, None) => Format::Text,
        (None, Some(path)) => match Format::of(path) {
            Some(format) => format,
            None => {
                terminal.failure(&format!("what format is {} to be? Say --format", shown(path)));
                return Exit::Usage;
            }
        },
    };
    if args.output.as_deref().is_some_and(|output| is_same(output, &args.recording)) {
        terminal.failure(&format!("{} is the recording", shown(&args.recording)));
        return Exit::Usage;
    }
    let (account, fault) = match account::open(&args.recording) {
        Ok(found) => found,
        Err(fault) => {
            terminal.failure(&format!("{}: {fault}", shown(&args.recording)));
            return Exit::Usage;
        }
    };
    let written = write(&account, format, args, output);
    for gap in &account.gaps {
        terminal.warning(gap);
    }
    if let Err(error) = written {
        terminal.failure(&error);
        return Exit::Failed;
    }
    if format == Format::Markdown
        && let Some(summary) = StepSummary::of_this_step()
    {
        append(&summary, &account, &terminal);
    }
    match fault {
        Some(_) => Exit::Usage,
        None => Exit::SUCCESS,
    }
}

/// Writes it where it belongs.
fn write(account: &Account, format: Format, args: &Args, output: Output) -> Result<(), String> {
    let page = output.page();
    let report = match format {
        Format::Html => html::page(account),
        Format::Markdown => markdown::markdown(account, usize::MAX),
        Format::Sarif => format!("{:#}\n", sarif::sarif(account)),
        Format::Junit => junit::junit(account),
        Format::Text => text::text(account),
    };
    let Some(path) = &args.output else {
        page.print(&report);
        return Ok(());
    };
    let report = match format {
        Format::Text => anstream::adapter::strip_str(&report).to_string(),
        _ => report,
    };
    fs::write(path, report).map_err(|error| format!("{} cannot be written: {error}", shown(path)))
}

/// Adds to the summary of a step what it has room for. That it cannot be added to is no failure: the report is written.
fn append(summary: &StepSummary, account: &Account, terminal: &Terminal) {
    let room = summary.room();
    let whole = markdown::markdown(account, usize::MAX).len();
    let markdown = markdown::markdown(account, room);
    let appended = match markdown.is_empty() {
        true => Err(io::Error::other("it has no room left")),
        false => summary.append(&markdown),
    };
    match appended {
        Err(error) => {
            terminal.warning(&format!("the report was not added to the summary of the step: {error}"));
        }
        Ok(()) if markdown.len() < whole => {
            let left = counted((whole - markdown.len()) as u64, "byte");
            terminal.warning(&format!("the summary of the step is full: {left} of the report are not in it"));
        }
        Ok(()) => {}
    }
}

/// Whether two paths are one file.
fn is_same(one: &Path, other: &Path) -> bool {
    let of = |path: &Path| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    of(one).is_some() && of(one) == of(other)
}
