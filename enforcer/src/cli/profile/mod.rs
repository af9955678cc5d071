// SPDX-License-Identifier: MIT OR Apache-2.0

//! `enforcer profile`: what profiles say, without running anything.

mod check;
mod diff;
mod explain;
mod graph;
mod list;
mod question;
mod sets;
mod show;
mod transitions;
mod walk;

use std::sync::Arc;

use clap::Subcommand;

use super::output::Output;
use crate::{
    exit::Exit,
    profile::{Compiled, Error, Text, find},
    report::terminal::Terminal,
};

/// Check, explain, show and compare profiles.
///
/// Nothing here needs privileges or a kernel that enforces. A profile is a file (anything with a slash, or ending in
/// .yaml or .yml) or the name of one: /etc/enforcer/profiles/NAME.yaml, else the one of this name that is built in.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Args),
    Explain(Box<explain::Args>),
    Show(show::Args),
    Diff(diff::Args),
    List(list::Args),
    Sets(sets::Args),
}

/// Does what the arguments say; errors have been printed when this returns.
pub(super) fn main(args: Args, output: Output) -> Exit {
    match args.command {
        Command::Check(args) => check::main(&args, output),
        Command::Explain(args) => explain::main(&args, output),
        Command::Show(args) => show::main(&args, output),
        Command::Diff(args) => diff::main(&args, output),
        Command::List(args) => list::main(&args, output),
        Command::Sets(args) => sets::main(&args, output),
    }
}

/// A profile and its text. What is wrong with it was printed.
fn load(value: &str, output: Output) -> Result<(Arc<Text>, Compiled), Exit> {
    let loaded = find(value).and_then(|text| Compiled::new(&text).map(|profile| (text, profile)));
    loaded.map_err(|error| refuse(&error, output))
}

/// Prints why there is no answer.
fn refuse(error: &Error, output: Output) -> Exit {
    let terminal = Terminal::stderr(output.color(), output.verbosity());
    terminal.profile_error(error);
    Exit::Usage
}

/// The number of a stage, by its name. What is wrong with it was printed.
fn stage(profile: &Compiled, name: Option<&str>, output: Output) -> Result<u8, Exit> {
    let Some(name) = name else { return Ok(0) };
    profile.stage(name).ok_or_else(|| {
        let names = profile.stages.join(", ");
        wrong(&format!("the profile {} has no stage `{name}`; it has: {names}", profile.name), output)
    })
}

/// Prints what is wrong with an argument.
fn wrong(message: &str, output: Output) -> Exit {
    Terminal::stderr(output.color(), output.verbosity()).failure(message);
    Exit::Usage
}
