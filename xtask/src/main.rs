// SPDX-License-Identifier: MIT OR Apache-2.0
//! Everything a contributor types: `cargo xtask <command>`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xtask::{bench, cache, demo, dist, fuzz, image, setup, test, vm};

/// Sets up, builds, tests and shows the enforcer.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Install, download and build what is missing; does nothing when nothing is.
    Setup(setup::Args),
    Demo(demo::Args),
    Test(test::Args),
    Bench(bench::Args),
    Fuzz(fuzz::Args),
    Dist(dist::Args),
    Vm(vm::cli::Args),
    /// Make the guest's disk, as root; called by the other commands.
    #[command(hide = true)]
    Image,
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Setup(args) => args.run(),
        Task::Demo(args) => args.run(),
        Task::Test(args) => args.run(),
        Task::Bench(args) => args.run(),
        Task::Fuzz(args) => args.run(),
        Task::Dist(args) => args.run(),
        Task::Vm(args) => args.run(),
        Task::Image => cache::dir().and_then(|cache| image::ensure(&cache)).map(|_| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        ExitCode::from(125)
    })
}
