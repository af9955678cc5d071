// SPDX-License-Identifier: MIT OR Apache-2.0

//! `enforcer evidence`.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{output::Output, recordings::shown};
use crate::{
    evidence::{
        Error, Hash, Log, Public, Signer, USUAL,
        verify::{Asked, Fault, Report, verified},
    },
    exit::{self, Exit},
    report::{number::counted, terminal::Terminal},
};

/// Faults that are shown to people.
const SHOWN: usize = 20;

/// Verify, rotate and sign evidence logs (see `enforcer run --evidence`).
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Verify(Verify),
    Rotate(Rotate),
    Keygen(Keygen),
}

/// Each paragraph is one line: clap wraps it to the terminal's width.
const EXAMPLES: &str = "\
Examples:
  sudo enforcer evidence verify
      Is the log of this machine as it was written?
  enforcer evidence verify --public build-7.pub evidence-*.jsonl evidence.jsonl
      Are these files, the older ones first, and was every line signed by this key?
  enforcer evidence verify --expect 5d41402abc4b... evidence.jsonl
      Is the line with this hash, which was noted then, still there, with all that came before it?

What cannot be seen from the log alone:
  that lines are missing at its end; and where it is not signed, that somebody with the right to write it wrote all of \
  it anew from some line on. Keep the hash that `verify` shows elsewhere, and ask with --expect, or --at-least.";

/// Say whether an evidence log is as it was written, and which lines are not.
#[derive(Debug, clap::Args)]
#[command(after_long_help = format!("{EXAMPLES}\n\n{}", exit::EVIDENCE_TABLE))]
#[command(after_help = "Examples and exit statuses: enforcer evidence verify --help")]
struct Verify {
    /// The files of a log, the oldest first
    #[arg(value_name = "FILE", default_value = USUAL)]
    files: Vec<PathBuf>,
    /// Each line must be signed by the key that this is the public half of; may be given more than once
    #[arg(long, value_name = "KEY")]
    public: Vec<PathBuf>,
    /// A line with this hash must be there
    #[arg(long, value_name = "HASH")]
    expect: Option<Hash>,
    /// The last line must have this number, or a greater one
    #[arg(long, value_name = "N")]
    at_least: Option<u64>,
    /// Answer with one JSON object
    #[arg(long)]
    json: bool,
}

/// Give a log another name, and begin a new one that goes on from it.
#[derive(Debug, clap::Args)]
struct Rotate {
    /// The log
    #[arg(value_name = "FILE", default_value = USUAL)]
    file: PathBuf,
    /// Sign the new file's first line
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,
}

/// Make a key to sign with: KEY, and its public half, KEY.pub.
#[derive(Debug, clap::Args)]
struct Keygen {
    /// Where it goes; there must be nothing yet
    #[arg(value_name = "KEY")]
    key: PathBuf,
}

/// Does what is asked for.
pub(super) fn main(args: &Args, output: Output) -> Exit {
    let terminal = Terminal::stderr(output.color(), output.verbosity());
    let done = match &args.command {
        Command::Verify(args) => args.run(output),
        Command::Rotate(args) => args.run(output),
        Command::Keygen(args) => args.run(output),
    };
    done.unwrap_or_else(|error| {
        terminal.failure(&error.to_string());
        Exit::Usage
    })
}

impl Verify {
    fn run(&self, output: Output) -> Result<Exit, Error> {
        let Self { files, public, expect, at_least, json } = self;
        let keys = public.iter().map(|path| Public::read(path)).collect::<Result<_, _>>()?;
        let asked = Asked { keys, expect: *expect, at_least: *at_least };
        let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
        let report = verified(&paths, &asked)?;
        let page = output.page();
        if *json {
            page.json(&object(&report, files));
        } else {
            page.print(&text(&report, files, !asked.keys.is_empty()));
        }
        Ok(if report.holds() { Exit::SUCCESS } else { Exit::Failed })
    }
}

impl Rotate {
    fn run(&self, output: Output) -> Result<Exit, Error> {
        let signer = self.sign.as_deref().map(Signer::read).transpose()?;
        let to = Log::at(&self.file, signer)?.rotate()?;
        output.page().print(&format!("{}\n", shown(&to)));
        Ok(Exit::SUCCESS)
    }
}

impl Keygen {
    fn run(&self, output: Output) -> Result<Exit, Error> {
        let signer = Signer::generate().map_err(|source| Error::Io {
            path: "/dev/urandom".into(),
            action: "make a key from",
            source,
        })?;
        let public = signer.write(&self.key)?;
        output.page().print(&format!(
            "{} signs; {} verifies; they are named {}\n",
            shown(&self.key),
            shown(&public),
            signer.id()
        ));
        Ok(Exit::SUCCESS)
    }
}

/// Where a fault is.
fn place(fault: &Fault, files: &[PathBuf]) -> String {
    let file = files.get(fault.file).map(|file| shown(file)).unwrap_or_default();
    match fault.line {
        0 => file,
        line => format!("{file}:{line}"),
    }
}

/// For people.
fn text(report: &Report, files: &[PathBuf], checked: bool) -> String {
    let mut text = String::new();
    for notice in &report.notices {
        text += &format!("note: {notice}\n");
    }
    for fault in report.faults.iter().take(SHOWN) {
        text += &format!("{}: {}\n", place(fault, files), fault.kind);
    }
    let more = report.faults.len().saturating_sub(SHOWN) as u64 + report.further;
    if more > 0 {
        text += &format!("and {more} more\n");
    }
    text += &match report.holds() {
        true => format!("{} read: all as they were written", counted(report.lines, "line")),
        false => format!("{} read: not all as they were written", counted(report.lines, "line")),
    };
    text += match (checked, report.signed) {
        (true, _) if report.holds() => ", each signed by a key that was given",
        (true, _) | (false, 0) => "",
        (false, _) => "; signatures were not looked at (--public KEY)",
    };
    if let Some(head) = report.head {
        text += &format!("\nthe last is number {}, {}", head.seq, head.hash);
    }
    text.push('\n');
    text
}

/// For programs.
fn object(report: &Report, files: &[PathBuf]) -> serde_json::Value {
    let fault = |fault: &Fault| {
        json!({
            "file": files.get(fault.file).map(|file| shown(file)),
            "line": Some(fault.line).filter(|&line| line > 0),
            "kind": fault.kind.name(),
            "text": fault.kind.to_string(),
        })
    };
    json!({
        "holds": report.holds(),
        "lines": report.lines,
        "signed": report.signed,
        "head": report.head,
        "faults": report.faults.iter().map(fault).collect::<Vec<_>>(),
        "further_faults": report.further,
        "notices": report.notices,
    })
}
