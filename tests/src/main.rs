// SPDX-License-Identifier: MIT OR Apache-2.0

//! What processes inside a run try, each attempt counted by how it ended.
//!
//! Run by the scenarios, once bare (the positive control) and once under the enforcer. Prints one line of JSON:
//! `{"allowed": 1, "denied": 0, "failed": 0}`, where denied means EPERM, and failed any other error.

mod files;
mod lineage;
mod network;
mod tally;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Parser, Subcommand};

use crate::tally::{Tally, in_parallel};

/// Tries something, and counts how it ended.
#[derive(Parser)]
struct Cli {
    /// How often each process tries.
    #[arg(long, default_value_t = 1, global = true)]
    times: u32,
    /// How many processes try at the same time.
    #[arg(long, default_value_t = 1, global = true)]
    processes: u32,
    #[command(subcommand)]
    attempt: Attempt,
}

#[derive(Subcommand)]
enum Attempt {
    /// Open a file for reading.
    Read { path: PathBuf },
    /// Open a file for writing, creating it.
    Write { path: PathBuf },
    /// Open a file below directories nested so deep that its path has more than 4,095 bytes.
    Deep { base: PathBuf },
    /// Execute a program.
    Exec { program: PathBuf },
    /// Execute this program anew, to read a file: what counts is how that ended.
    Respawn { program: PathBuf, path: PathBuf },
    /// Execute a copy of a program that exists in memory only.
    Memfd { program: PathBuf },
    /// Send a byte to an address.
    Send {
        /// How.
        way: network::Way,
        /// Where to.
        to: SocketAddr,
    },
    /// Open a file for reading, from a task that tries to be somewhere else.
    Escape {
        /// How.
        way: lineage::Way,
        path: PathBuf,
    },
}

fn main() -> anyhow::Result<()> {
    let Cli { times, processes, attempt } = Cli::parse();
    let tally = in_parallel(processes, || {
        let mut tally = Tally::default();
        for _ in 0..times {
            tally.count(match &attempt {
                Attempt::Read { path } => files::read(path),
                Attempt::Write { path } => files::write(path),
                Attempt::Deep { base } => files::deep(base),
                Attempt::Exec { program } => files::exec(program),
                Attempt::Respawn { program, path } => files::respawn(program, path),
                Attempt::Memfd { program } => files::memfd(program),
                Attempt::Send { way, to } => network::send(*way, *to),
                Attempt::Escape { way, path } => lineage::escape(*way, path),
            });
        }
        tally
    })?;
    println!("{}", tally.to_json());
    Ok(())
}
