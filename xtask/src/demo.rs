// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask demo`: the main job, shown.

mod host;

use std::process::ExitCode;

use anyhow::Result;

use crate::kernel;
use crate::vm::{Agent, End, Output, TestBed};

/// Where the demonstration lies in a guest.
const SCRIPT: &str = "/run/testbed/payload/guest/demo/demo.sh";
/// Seconds that it may take.
const LIMIT: u64 = 600;

/// Show the main job: the same `npm install` of a trojaned project twice, bare and under the enforcer.
///
/// Runs in a guest, with a registry, a name server and the attacker's listener of its own: no packet leaves it. What is
/// missing is installed first, which takes a few minutes the first time.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Kernel release line: 6.1, 6.12, 6.18, 7.2, or newest.
    #[arg(long, default_value = "newest")]
    kernel: String,
    /// On this machine's own kernel instead, as root: the guest's disk in memory, in namespaces of its own. Refuses where
    /// that kernel cannot enforce.
    #[arg(long, conflicts_with = "kernel")]
    host: bool,
}

impl Args {
    /// Runs it; the status is 0 if the theft happened bare and did not under the enforcer.
    pub fn run(self) -> Result<ExitCode> {
        if self.host {
            let status = host::run()?;
            return Ok(status.code().map_or(ExitCode::FAILURE, |code| ExitCode::from(code as u8)));
        }
        let lines = kernel::lines(&self.kernel)?;
        let bed = TestBed::prepare(&lines[..1], Agent::Build)?;
        let done = bed.vm(lines[0].name)?.timeout(LIMIT).run(&["bash", SCRIPT], Output::Inherit)?;
        if !matches!(done.end, End::Exit(_)) {
            eprintln!("xtask: {:?}; the guest's console:\n{}", done.end, done.console);
        }
        Ok(ExitCode::from(done.end.status().clamp(0, 255) as u8))
    }
}
