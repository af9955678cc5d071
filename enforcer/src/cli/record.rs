// SPDX-License-Identifier: MIT OR Apache-2.0

//! `enforcer record`.

use std::{ffi::OsString, path::PathBuf};

use super::{output::Output, proof::Proof, run::start};
use crate::{
    exit::{self, Exit},
    report::{host::rfc3339, terminal::Terminal},
    run::Options,
};

/// Each paragraph is one line: clap wraps it to the terminal's width.
const EXAMPLES: &str = "\
Examples:
  sudo enforcer record -- npm ci
      Install, with nothing denied, and record what npm and everything below it does.
  sudo enforcer record -o make.jsonl -- make
      Record into a file that is not compressed. It can be read while make runs.
  sudo enforcer record --profile ./my-profile.yaml -- make
      Tell on the way what the profile would deny.

What is recorded:
  Every program that is executed, with its arguments, package and lifecycle script; and every decision that a \
  profile can make: programs, files opened, addresses, names, local sockets, with verdict, rule, and all that was \
  decided from. RECORDINGS.md describes it line by line. In arguments, what looks like a secret is hidden; \
  environments are not recorded. A recording is the user's that COMMAND runs as.

The profile:
  As for `enforcer run`, but it is only asked and never enforced. Where nobody names one, and COMMAND asks for \
  none, everything is allowed.";

/// Run COMMAND with nothing denied, and record what it does.
#[derive(Debug, clap::Args)]
#[command(override_usage = "enforcer record [OPTIONS] -- COMMAND [ARGS]...")]
#[command(after_long_help = format!("{EXAMPLES}\n\n{}", exit::RUN_TABLE))]
#[command(after_help = "Examples and exit statuses: enforcer record --help")]
pub struct Args {
    /// Where the recording goes; compressed if it ends with .zst [default: enforcer-TIME.jsonl.zst]
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// The profile that is asked: the name of an installed one, or a file
    #[arg(short, long, value_name = "NAME|FILE")]
    pub(super) profile: Option<OsString>,
    /// Do not hide what looks like a secret in arguments
    #[arg(long)]
    pub(super) unmasked: bool,
    #[command(flatten)]
    pub(super) proof: Proof,
    /// What to run, and its arguments
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true)]
    pub(super) command: Vec<OsString>,
}

/// Records COMMAND; errors have been printed when this returns.
pub(super) fn main(args: Args, output: Output) -> Exit {
    let terminal = Terminal::stderr(output.color(), output.verbosity());
    let Args { output: file, profile, unmasked, proof, command } = args;
    let Proof { evidence, attest, product: products, sign } = proof;
    let file = file.unwrap_or_else(|| {
        let now: String = rfc3339(std::time::SystemTime::now()).chars().take(19).collect();
        format!("enforcer-{}.jsonl.zst", now.replace(':', "")).into()
    });
    let shown = file.display().to_string();
    let options = Options {
        profile,
        audit: true,
        record: Some(file),
        unmasked,
        observe: true,
        evidence,
        attest,
        products,
        sign,
        command,
        ..Options::default()
    };
    let exit = start(&options, terminal);
    if !matches!(exit, Exit::NotEnforced | Exit::NotExecutable | Exit::NotFound) {
        terminal.note(&format!("the recording is {shown}"));
    }
    exit
}
