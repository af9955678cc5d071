// SPDX-License-Identifier: MIT OR Apache-2.0

//! `enforcer run`.

use std::{ffi::OsString, path::PathBuf};

use nix::sys::signal::Signal;

use super::{output::Output, proof::Proof};
use crate::{
    exit::{self, Exit},
    report::terminal::Terminal,
    run::{self, Options},
};

/// Each paragraph is one line: clap wraps it to the terminal's width.
const EXAMPLES: &str = "\
Examples:
  sudo enforcer run -- npm ci
      Install under the profile npm-install. npm and all below it run as you, with your environment.
  sudo enforcer run --profile node-build --json build.jsonl -- npm run build
      Build, and keep a record of every denial.
  sudo enforcer run --record ci.jsonl.zst -- npm ci
      Install, and record everything that was decided: `enforcer replay` asks other profiles about it.
  sudo enforcer run --audit --profile ./my-profile.yaml -- make
      Try a profile: nothing is denied, what would have been is shown.
  sudo enforcer run --fail-on-denial -- npm ci
      Fail the job (status 100) if anything was denied although npm succeeded.
  sudo enforcer run --evidence /var/log/enforcer/evidence.jsonl --attest app.intoto.json --product app.tgz --sign build.key -- npm pack
      Leave evidence of the run, and a signed statement about app.tgz that a release can ask for.

The profile:
  --profile NAME is /etc/enforcer/profiles/NAME.yaml, else the one of this name that is built in. \
  --profile FILE is a file: anything with a slash, or ending in .yaml or .yml. Without --profile it is \
  $ENFORCER_PROFILE; else what COMMAND asks for: npm-install, pnpm-install or yarn-install if it is one of these \
  installing packages (ci, install, i, add, update, ...), npm-publish for npm publish, pip-install for pip \
  installing, and cargo-build for cargo building (build, check, clippy, doc). Anything else must name its profile.

The user:
  Enforcing takes root. Under sudo, COMMAND runs as the user who called sudo, in their groups, with the environment \
  they called sudo with, what was set on the way added. As root without sudo, COMMAND runs as root; in a root shell \
  that sudo opened, `env -u SUDO_UID -u SUDO_GID enforcer run ...` makes it so. The record of --json is written with \
  the rights of the user that COMMAND runs as. Without root, members of the group enforcer have COMMAND run by the \
  service, where there is one: under a profile of the service's, named or chosen as above, and recorded and proven \
  as the service is told to.

Signals:
  COMMAND shares the process group and the terminal: what the terminal sends reaches it directly. What a process \
  sends to enforcer (HUP, INT, QUIT, TERM, USR1, USR2, ALRM, CONT, WINCH) is passed on. If enforcer itself is \
  killed, the tree stays enforced.";

/// Run COMMAND, and hold it and every process below it to a profile.
///
/// What the profile does not allow fails with EPERM before it happens, decided in the kernel. Each denial is shown
/// on stderr as it happens, with a summary at the end; stdout belongs to COMMAND. Nothing is started unless a denial
/// has been seen to work.
#[derive(Debug, clap::Args)]
#[command(override_usage = "enforcer run [OPTIONS] -- COMMAND [ARGS]...")]
#[command(after_long_help = format!("{EXAMPLES}\n\n{}", exit::RUN_TABLE))]
#[command(after_help = "Examples, signals and exit statuses: enforcer run --help")]
pub struct Args {
    /// The profile: the name of an installed one, or a file
    #[arg(short, long, value_name = "NAME|FILE")]
    pub(super) profile: Option<OsString>,
    /// Deny nothing; report what would have been denied
    #[arg(long)]
    pub(super) audit: bool,
    /// Let a connection to a host begin only with a TLS hello that asks for the host, as if the profile said
    /// `tls: { sni: required }`
    #[arg(long)]
    pub(super) sni: bool,
    /// Write a record of the run to FILE, one JSON object a line, as it happens
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Write a recording to FILE: every decision, allowed ones too; compressed if FILE ends with .zst
    #[arg(long, value_name = "FILE")]
    pub(super) record: Option<PathBuf>,
    /// Do not hide in the recording what looks like a secret in arguments
    #[arg(long, requires = "record")]
    pub(super) unmasked: bool,
    /// Exit with status 100 if anything was denied (with --audit: would have been) and COMMAND succeeded
    #[arg(long)]
    pub(super) fail_on_denial: bool,
    #[command(flatten)]
    pub(super) proof: Proof,
    /// What to run, and its arguments
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true)]
    pub(super) command: Vec<OsString>,
}

/// Runs COMMAND; errors have been printed when this returns.
pub(super) fn main(args: Args, output: Output) -> Exit {
    let Args { profile, audit, sni, json, record, unmasked, fail_on_denial, proof, command } = args;
    let Proof { evidence, attest, product: products, sign } = proof;
    let terminal = Terminal::stderr(output.color(), output.verbosity());
    let options = Options {
        profile,
        audit,
        sni,
        json,
        record,
        unmasked,
        fail_on_denial,
        evidence,
        attest,
        products,
        sign,
        command,
        ..Options::default()
    };
    start(&options, terminal)
}

/// Runs COMMAND as the options say.
pub(super) fn start(options: &Options, terminal: Terminal) -> Exit {
    match run::run(options, &terminal) {
        Ok(exit) => {
            if exit == Exit::Signal(Signal::SIGINT as u8) {
                run::signals::die_of_interrupt();
            }
            exit
        }
        Err(error) => {
            terminal.error(&error);
            error.exit()
        }
    }
}
