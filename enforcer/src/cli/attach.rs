// SPDX-License-Identifier: MIT OR Apache-2.0

//! `enforcer attach`.

use std::{ffi::OsString, path::PathBuf};

use super::{output::Output, run::start};
use crate::{exit::Exit, report::terminal::Terminal, run::Options};

/// Each paragraph is one line: clap wraps it to the terminal's width.
const MORE: &str = "\
Examples:
  sudo enforcer attach --pid 4711 --profile npm-install
      Hold a build that hangs, or does what nobody expected, before anybody looks closer.
  sudo enforcer attach --pid 4711 --profile ./observe.yaml --audit --record tree.jsonl.zst
      Deny nothing, and record what the tree does from now on.

What is held:
  The process, its threads, and all that descend from it, looked for again and again until nothing new is found; what they \
  start from then on is held from its beginning. What left the tree before (its parent has ended) is not found. What is open \
  already stays open: files, connections, and memory that is mapped. Programs that run already have no name in reports, and \
  all begin in the profile's first stage.

The profile:
  It is named by --profile or by your $ENFORCER_PROFILE: --help of `enforcer run` says how. ${workspace} is the directory that the \
  process works in, `~` the home directory of its user as the system lists it; ${tmp} and variables come from your environment, \
  for a process may change its own. What belongs to a run already stays there. Profile and records are read and written with \
  your rights.

The end:
  This ends when nothing of the tree is left. Interrupted or killed, it leaves the tree enforced, unreported, and names lead \
  nowhere in it; nothing lets go of it.

Exit status:
  0       nothing of the tree is left
  101     the run was over a budget of its profile and was ended, or frozen
  102     the evidence that was asked for is not complete
  125     the tree is not held, or not all of it (or wrong usage)
  128+N   signal N ended this; the tree is held";

/// Hold a process that runs already, and everything below it, to a profile.
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE, after_help = "What is held, and exit statuses: enforcer attach --help")]
pub(super) struct Args {
    /// The process that the tree begins with
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(2..=4_194_304))]
    pid: u32,
    /// The profile: the name of an installed one, or a file
    #[arg(short, long, value_name = "NAME|FILE")]
    profile: Option<OsString>,
    /// Deny nothing; report what would have been denied
    #[arg(long)]
    audit: bool,
    /// Let a connection to a host begin only with a TLS hello that asks for the host
    #[arg(long)]
    sni: bool,
    /// Write a record of the run to FILE, one JSON object a line, as it happens
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a recording to FILE: every decision, allowed ones too; compressed if FILE ends with .zst
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Add what happens to the evidence log FILE
    #[arg(long, value_name = "FILE")]
    evidence: Option<PathBuf>,
    /// Sign evidence with this key (`enforcer evidence keygen`)
    #[arg(long, value_name = "KEY", requires = "evidence")]
    sign: Option<PathBuf>,
}

/// Holds the tree; errors have been printed when this returns.
pub(super) fn main(args: Args, output: Output) -> Exit {
    let Args { pid, profile, audit, sni, json, record, evidence, sign } = args;
    let terminal = Terminal::stderr(output.color(), output.verbosity());
    let tree = Some(pid);
    let options = Options { profile, audit, sni, json, record, evidence, sign, tree, ..Options::default() };
    start(&options, terminal)
}
