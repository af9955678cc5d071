// SPDX-License-Identifier: MIT OR Apache-2.0

//! How much is said on the terminal, and whether in colour. Every subcommand takes these options.

use clap::{ArgAction, Args, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::report::page::Page;

/// Options of every subcommand.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "What is said")]
pub struct Output {
    /// Colour on the terminal; `auto` heeds NO_COLOR, CLICOLOR_FORCE, TERM=dumb and whether it is a terminal
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Color::Auto, global = true)]
    color: Color,
    /// Say only what went wrong: errors, losses, and how many denials there were
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Say more: the profile used, where the environment came from, a summary in any case (-vv: what is done)
    #[arg(short, long, action = ArgAction::Count, global = true)]
    verbose: u8,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Errors and losses, and one line if anything was denied.
    Quiet,
    /// Denials as they happen, and a summary if there were any.
    Normal,
    /// What is used, and a summary in any case.
    Verbose,
}

impl Output {
    /// How much is said.
    #[must_use]
    pub const fn verbosity(&self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, 0) => Verbosity::Normal,
            (false, _) => Verbosity::Verbose,
        }
    }

    /// Whether stderr takes colour.
    #[must_use]
    pub fn color(&self) -> anstream::ColorChoice {
        match self.color {
            Color::Auto => anstream::AutoStream::choice(&std::io::stderr()),
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        }
    }

    /// What a subcommand answers, on stdout.
    #[must_use]
    pub fn page(&self) -> Page {
        Page::stdout(match self.color {
            Color::Auto => anstream::AutoStream::choice(&std::io::stdout()),
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        })
    }

    /// Sends diagnostics of the library to stderr: warnings, with `-vv` what is done, or what `ENFORCER_LOG` says.
    pub fn start_tracing(&self) {
        let default = match self.verbose {
            0 | 1 => "warn",
            2 => "debug",
            _ => "trace",
        };
        let filter = EnvFilter::try_from_env("ENFORCER_LOG").unwrap_or_else(|_| EnvFilter::new(default));
        let ansi = !matches!(self.color(), anstream::ColorChoice::Never);
        // Only the first call in a process has an effect; tests may call it again.
        let _ = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(ansi)
            .without_time()
            .with_target(false)
            .try_init();
    }
}
