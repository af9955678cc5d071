// SPDX-License-Identifier: MIT OR Apache-2.0

//! The command line: one file for each subcommand, with its arguments and its entry.

mod attach;
pub mod compare;
mod completions;
mod control;
mod daemon;
mod doctor;
mod evidence;
pub mod learn;
mod man;
pub mod output;
pub mod profile;
mod proof;
pub mod record;
mod recordings;
pub mod replay;
pub mod report;
pub mod run;
mod step_summary;

use std::ffi::OsString;

use clap::{CommandFactory as _, Parser, Subcommand, error::ErrorKind};

use crate::exit::Exit;

/// Holds every process below a build step to a behaviour profile, in the kernel.
#[derive(Debug, Parser)]
#[command(name = "enforcer", version, about, max_term_width = 110, disable_help_subcommand = true)]
#[command(propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    output: output::Output,
    #[command(subcommand)]
    command: Command,
}

/// What `enforcer` can do.
#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Attach(attach::Args),
    Record(record::Args),
    Replay(replay::Args),
    Compare(compare::Args),
    Report(report::Args),
    Learn(learn::Args),
    Profile(profile::Args),
    Doctor(doctor::Args),
    Evidence(evidence::Args),
    Daemon(daemon::Args),
    Status(control::StatusArgs),
    Events(control::EventsArgs),
    Kill(control::KillArgs),
    Freeze(control::FreezeArgs),
    Completions(completions::Args),
    #[command(hide = true)]
    Man(man::Args),
}

/// Parses the arguments, does what they say, and returns how to exit. Errors have been printed.
#[must_use]
pub fn main(args: impl IntoIterator<Item = OsString>) -> Exit {
    let args: Vec<_> = args.into_iter().collect();
    match Cli::try_parse_from(&args) {
        Ok(Cli { output, command }) => {
            output.start_tracing();
            match command {
                Command::Run(args) => run::main(args, output),
                Command::Attach(args) => attach::main(args, output),
                Command::Record(args) => record::main(args, output),
                Command::Replay(args) => replay::main(&args, output),
                Command::Compare(args) => compare::main(&args, output),
                Command::Report(args) => report::main(&args, output),
                Command::Learn(args) => learn::main(&args, output),
                Command::Profile(args) => profile::main(args, output),
                Command::Doctor(args) => doctor::main(&args, output),
                Command::Evidence(args) => evidence::main(&args, output),
                Command::Daemon(args) => daemon::main(args, output),
                Command::Status(args) => control::status(&args, output),
                Command::Events(args) => control::events(&args, output),
                Command::Kill(args) => control::kill(&args, output),
                Command::Freeze(args) => control::freeze(&args, output),
                Command::Completions(args) => completions::main(&args, output),
                Command::Man(args) => man::main(&args),
            }
        }
        Err(error) => usage(&error, &args),
    }
}

/// Prints what clap has to say. Wrong usage of `run` and `record` means that COMMAND was not started, which is 125; of anything
/// else it is 2.
fn usage(error: &clap::Error, args: &[OsString]) -> Exit {
    // A closed stdout or stderr is no reason to panic.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::SUCCESS,
        _ => {
            let tolerant = Cli::command().ignore_errors(true).try_get_matches_from(args);
            match tolerant.as_ref().ok().and_then(clap::ArgMatches::subcommand_name) {
                Some("run" | "attach" | "record") => Exit::NotEnforced,
                _ => Exit::Usage,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_end_where_the_command_begins() {
        let cli = Cli::try_parse_from(["enforcer", "run", "--audit", "npm", "ci", "--json", "-q"]);
        let Ok(Cli { command: Command::Run(args), output }) = cli else { panic!("{cli:?}") };
        assert_eq!(args.command, ["npm", "ci", "--json", "-q"]);
        assert!(args.audit && args.json.is_none());
        assert_eq!(output.verbosity(), output::Verbosity::Normal);
    }
}
