// SPDX-License-Identifier: MIT OR Apache-2.0

//! `enforcer man`, for `cargo xtask dist`: the manual pages, from the same definition as the help.

use std::path::PathBuf;

use anstream::eprintln;
use clap::CommandFactory as _;

use super::Cli;
use crate::exit::Exit;

/// Write a manual page for each subcommand.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A directory
    directory: PathBuf,
}

/// Writes them.
pub(super) fn main(args: &Args) -> Exit {
    match clap_mangen::generate_to(Cli::command(), &args.directory) {
        Ok(()) => Exit::SUCCESS,
        Err(error) => {
            eprintln!("enforcer: failed to write manual pages to {}: {error}", args.directory.display());
            Exit::Failed
        }
    }
}
