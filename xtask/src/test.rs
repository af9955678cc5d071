// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask test`: every test there is, on this machine and in guests with each kernel.

mod guests;
mod lint;
mod tally;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use self::tally::Tally;
use crate::artifact::cargo;
use crate::vm::{Agent, TestBed};
use crate::{kernel, progress};

/// Run every test there is.
///
/// First what runs on this machine: formatting, lints, licence headers, unit tests. Then the scenarios, in guests: each
/// kernel is booted as Debian has it, once more with full preemption, once without BPF among its security modules, and
/// once with systemd, for the package.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Kernel release line: 6.1, 6.12, 6.18, 7.2, newest, or all.
    #[arg(long, default_value = "all")]
    kernel: String,
    /// Only the guests, not what runs on this machine.
    #[arg(long)]
    guests_only: bool,
    /// Guests at a time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Only scenarios whose name contains this.
    filter: Option<String>,
}

impl Args {
    /// Runs them.
    pub fn run(self) -> Result<ExitCode> {
        let lines = kernel::lines(&self.kernel)?;
        let bed = TestBed::prepare(&lines, Agent::Build)?;
        let mut tally = Tally::default();
        if !self.guests_only {
            tally.add(lint::run()?);
            progress::line("unit tests");
            tally.add(cargo_test()?);
        }
        tally.add(guests::run(&bed, &lines, self.filter.as_deref(), self.jobs.max(1))?);
        println!("\n{tally}");
        Ok(if tally.succeeded() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// The tests that need no particular kernel.
fn cargo_test() -> Result<Tally> {
    let output = cargo(&[
        "test",
        "--release",
        "--locked",
        "--workspace",
        "--exclude",
        "enforcer-ebpf",
        "--no-fail-fast",
    ])
    .stderr(std::process::Stdio::inherit())
    .output()
    .context("starting cargo")?;
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    let mut tally = Tally::from_libtest(&text);
    if tally == Tally::default() {
        bail!("the unit tests could not be built or run: {}", output.status);
    }
    if !output.status.success() && tally.succeeded() {
        tally.failed += 1; // A test program that died without saying so.
    }
    Ok(tally)
}
