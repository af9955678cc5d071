// SPDX-License-Identifier: MIT OR Apache-2.0

//! `enforcer completions`.

use clap::{CommandFactory as _, ValueEnum};
use clap_complete::{Generator as _, aot};

use super::{Cli, output::Output};
use crate::exit::Exit;

/// Print what completes this command in a shell.
///
/// The packages bring it along. Elsewhere: `enforcer completions bash >/etc/bash_completion.d/enforcer`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Prints it.
pub(super) fn main(args: &Args, output: Output) -> Exit {
    let shell = match args.shell {
        Shell::Bash => aot::Shell::Bash,
        Shell::Zsh => aot::Shell::Zsh,
        Shell::Fish => aot::Shell::Fish,
    };
    let mut command = Cli::command();
    command.set_bin_name("enforcer");
    command.build();
    let mut script = Vec::new();
    shell.generate(&command, &mut script);
    output.page().print(&String::from_utf8_lossy(&script));
    Exit::SUCCESS
}
