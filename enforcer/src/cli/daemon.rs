// SPDX-License-Identifier: MIT OR Apache-2.0

//! `enforcer daemon`.

use std::path::{Path, PathBuf};

use super::{control, output::Output};
use crate::{
    daemon::{
        self, Options,
        control::{
            DISARMED,
            client::{self, Client, SOCKET},
            protocol::Ask,
        },
        metrics, otlp,
    },
    exit::Exit,
    profile::find::DIRECTORY,
    report::terminal::Terminal,
};

/// Each paragraph is one line: clap wraps it to the terminal's width.
const MORE: &str = "\
What is enrolled:
  Every command that an item of `select` of a profile in the directory describes, by whoever it is run: argv, exe, uid, cwd, \
  cgroup, unit and env, all of them in the kernel, before the first instruction of the program. Of several items that fit \
  the most specific counts; where two of different profiles say as much of the same commands, nothing is loaded. What \
  belongs to a run already stays under its profile.

Changes:
  Profiles are read anew when a file in the directory changes, on SIGHUP, and by `enforcer daemon reload`. If anything is wrong \
  with one of them, all stay as they were, and `enforcer status` says why. Runs that are under way keep the profile that they \
  began with.

Telling others:
  With --otlp, each denial, each use of an exception and the end of each run is a log record for a collector. Records wait \
  while it is away, 4,096 at most, and `enforcer status` says what became of them; no run and no decision waits for it.

The end:
  However the service ends, runs stay enforced, and what is selected goes on being enrolled: the programs are pinned. What runs \
  look up by name fails until there is a service again, which takes over the runs that it finds. Only `enforcer daemon stop --disarm` \
  lets go.";

/// Enrol what profiles select, on the whole machine: the service
#[derive(Debug, clap::Args)]
#[command(after_long_help = MORE, args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Where the profiles are
    #[arg(long, value_name = "DIR", default_value = DIRECTORY)]
    profiles: PathBuf,
    /// Record every run into a file of its own in DIR
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// Add to the evidence log FILE what is enrolled, and how it ends
    #[arg(long, value_name = "FILE")]
    evidence: Option<PathBuf>,
    /// Sign evidence with the key in FILE (see `enforcer evidence keygen`)
    #[arg(long, value_name = "FILE", requires = "evidence")]
    sign: Option<PathBuf>,
    /// Where commands come in
    #[arg(long, value_name = "PATH", default_value = SOCKET)]
    socket: PathBuf,
    /// Serve metrics as OpenMetrics at `unix:PATH`, or at a loopback address and port
    #[arg(long, value_name = "WHERE")]
    metrics: Option<metrics::Address>,
    /// Send events and summaries of runs as OTLP to the collector at `http://HOST:PORT[/PATH]`
    #[arg(long, value_name = "URL")]
    otlp: Option<otlp::Collector>,
    /// Places that are kept ready: so many runs may begin at the same moment without losing the names of their first programs
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=200))]
    reserve: u16,
}

/// What may be said to a service that is running.
#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Have the service read its profiles anew
    Reload,
    /// End the service; runs stay enforced
    Stop {
        /// Have nothing enrolled any more, whether or not the service is there
        #[arg(long)]
        disarm: bool,
        /// Without a service, add it to the evidence log FILE
        #[arg(long, value_name = "FILE", requires = "disarm")]
        evidence: Option<PathBuf>,
    },
}

/// Serves, or says something to the one that does.
pub(super) fn main(args: Args, output: Output) -> Exit {
    let terminal = Terminal::stderr(output.color(), output.verbosity());
    let ask = match args.command {
        Some(Command::Reload) => Ask::Reload,
        Some(Command::Stop { disarm: true, evidence }) if !args.socket.exists() || !answers(&args.socket) => {
            return alone(evidence.as_deref(), &terminal);
        }
        Some(Command::Stop { disarm, .. }) => Ask::Stop { disarm },
        None => return serve(args, terminal),
    };
    control::change(&args.socket, ask, output)
}

/// Whether there is a service.
fn answers(socket: &Path) -> bool {
    !matches!(Client::ask(socket, Ask::Status), Err(client::Error::Absent(_)))
}

/// Has nothing enrolled any more where there is no service.
fn alone(evidence: Option<&Path>, terminal: &Terminal) -> Exit {
    if !crate::run::invoker::privileged() {
        terminal.failure("only root may do this");
        return Exit::Failed;
    }
    match daemon::disarm(evidence) {
        Ok(()) => {
            terminal.note(DISARMED);
            Exit::SUCCESS
        }
        Err(error) => {
            terminal.failure(&error.to_string());
            Exit::Failed
        }
    }
}

fn serve(args: Args, terminal: Terminal) -> Exit {
    if !crate::run::invoker::privileged() {
        terminal.failure("the service takes root: it loads kernel programs");
        return Exit::NotEnforced;
    }
    let Args { profiles, record, evidence, sign, socket, metrics, otlp, reserve, .. } = args;
    let reserve = usize::from(reserve);
    match daemon::run(Options { profiles, record, evidence, sign, socket, metrics, otlp, reserve }, terminal)
    {
        Ok(()) => Exit::SUCCESS,
        Err(error) => {
            terminal.failure(&format!("the service cannot begin: {error}"));
            Exit::Failed
        }
    }
}
