// SPDX-License-Identifier: MIT OR Apache-2.0

//! What processes inside a run try, each attempt counted by how it ended.
//!
//! Run by the scenarios, once bare (the positive control) and once under the enforcer. Prints one line of JSON:
//! `{"allowed": 1, "denied": 0, "failed": 0}`, where denied means EPERM, and failed any other error.

mod each;
mod files;
mod handed;
mod kinds;
mod lineage;
mod listening;
mod local;
mod lookup;
mod network;
mod outside;
mod raw;
mod ring;
mod routed;
mod script;
mod socket;
mod swapped;
mod tally;

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
};

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
    /// Write a byte here after each attempt that succeeded: for those who may be killed before they can count.
    #[arg(long, global = true)]
    progress: Option<PathBuf>,
    #[command(subcommand)]
    attempt: Attempt,
}

#[derive(Subcommand)]
enum Attempt {
    /// Open a file for reading. `%` in its path stands for the number of the attempt, from 1.
    Read { path: PathBuf },
    /// Open a file for writing, creating it. `%` likewise.
    Write { path: PathBuf },
    /// Open a file below directories nested so deep that its path has more than 4,095 bytes.
    Deep { base: PathBuf },
    /// Become another program.
    Then {
        /// The program and its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<std::ffi::OsString>,
    },
    /// Make a child process.
    Fork,
    /// Print the nanoseconds that opening a file for reading and closing it takes: the best of ten rounds.
    Cost { path: PathBuf },
    /// Do what each line of a file says, and print a line with `.` for what was allowed and `x` for what was denied.
    Script { file: PathBuf },
    /// Execute a program.
    Exec { program: PathBuf },
    /// Execute this program anew, to read a file: what counts is how that ended.
    Respawn { program: PathBuf, path: PathBuf },
    /// Execute a shell with a script whose first byte a thread changes between `#` and a space meanwhile.
    Swapped { script: String },
    /// Execute a copy of a program that exists in memory only.
    Memfd { program: PathBuf },
    /// Ask a name server for a name, and connect to where it leads.
    Lookup { server: SocketAddr, name: String, port: u16 },
    /// Ask a name server for a name: what counts is whether the address is this one, or `refused`.
    Resolve { server: SocketAddr, name: String, expected: String },
    /// Try each of these, and print the numbers of their errors, 0 for none.
    Each { attempts: Vec<String> },
    /// Send the name of the way to an address.
    Send {
        /// How.
        way: network::Way,
        /// Where to.
        to: SocketAddr,
    },
    /// Send the name of the way on standard input, which is a connection.
    Handed { way: handed::Way },
    /// Make a socket.
    Socket { way: kinds::Way, family: i32, kind: i32, protocol: i32 },
    /// Take an address of this machine.
    Listen { way: listening::Way, on: SocketAddr },
    /// Get hold of another process.
    Trace { way: outside::Way, pid: i32 },
    /// Make a user namespace.
    Namespace,
    /// Execute a program in a child that this process traces.
    Traced { program: PathBuf },
    /// Send a byte to a local socket.
    Local { way: local::Way, name: PathBuf },
    /// Open a file for reading, from a task that tries to be somewhere else.
    Escape {
        /// How.
        way: lineage::Way,
        path: PathBuf,
    },
}

fn main() -> anyhow::Result<()> {
    let Cli { times, processes, progress, attempt } = Cli::parse();
    if let Attempt::Script { file } = &attempt {
        return script::run(file);
    }
    if let Attempt::Each { attempts } = &attempt {
        return each::run(attempts);
    }
    if let Attempt::Then { command } = &attempt {
        let [program, args @ ..] = &command[..] else { anyhow::bail!("there is no command") };
        return Err(std::process::Command::new(program).args(args).exec().into());
    }
    if let Attempt::Cost { path } = &attempt {
        println!("{}", files::cost(path, times)?);
        return Ok(());
    }
    let progress = progress.map(std::fs::File::create).transpose()?;
    let tally = in_parallel(processes, || {
        let mut tally = Tally::default();
        for number in 1..=times {
            let result = self::attempt(&attempt, number);
            if let (Ok(()), Some(mut progress)) = (&result, progress.as_ref()) {
                let _ = progress.write_all(b".");
            }
            tally.count(result);
        }
        tally
    })?;
    println!("{}", tally.to_json());
    Ok(())
}

/// Tries it once.
fn attempt(attempt: &Attempt, number: u32) -> io::Result<()> {
    match attempt {
        Attempt::Read { path } => files::read(&numbered(path, number)),
        Attempt::Write { path } => files::write(&numbered(path, number)),
        Attempt::Fork => lineage::fork(),
        Attempt::Deep { base } => files::deep(base),
        Attempt::Exec { program } => files::exec(program),
        Attempt::Respawn { program, path } => files::respawn(program, path),
        Attempt::Swapped { script } => swapped::exec(script),
        Attempt::Memfd { program } => files::memfd(program),
        Attempt::Lookup { server, name, port } => lookup::connect(*server, name, *port, number),
        Attempt::Resolve { server, name, expected } => lookup::resolve(*server, name, expected, number),
        Attempt::Send { way, to } => network::send(*way, *to),
        Attempt::Handed { way } => handed::work(*way),
        Attempt::Socket { way, family, kind, protocol } => kinds::make(*way, *family, *kind, *protocol),
        Attempt::Listen { way, on } => listening::listen(*way, *on),
        Attempt::Trace { way, pid } => outside::trace(*way, *pid),
        Attempt::Namespace => outside::namespace(),
        Attempt::Traced { program } => outside::traced(program),
        Attempt::Local { way, name } => local::reach(*way, name),
        Attempt::Escape { way, path } => lineage::escape(*way, path),
        Attempt::Script { .. } | Attempt::Cost { .. } | Attempt::Then { .. } | Attempt::Each { .. } => Ok(()),
    }
}

/// The path of an attempt.
fn numbered(path: &Path, number: u32) -> PathBuf {
    path.to_string_lossy().replace('%', &number.to_string()).into()
}
