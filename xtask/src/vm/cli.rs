// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask vm`.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};

use super::{Agent, End, Finished, Init, Output, TestBed, Vm};
use crate::{cache, kernel, progress};

/// Boot a Debian kernel in QEMU and run COMMAND in it, as root.
///
/// Output and exit status are COMMAND's own (128+n when signal n killed it); 124 when its time was up, 125 when the guest
/// itself failed. The guest has no network card; every change it makes to its disk is forgotten.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Kernel release line: 6.1, 6.12, 6.18, 7.2, newest, or all (one after the other).
    #[arg(long, default_value = "newest")]
    kernel: String,
    /// A directory to read at /mnt/<its base name>, as it is when the guest starts. Can be repeated.
    #[arg(long, value_name = "DIR")]
    share: Vec<PathBuf>,
    /// The guest's memory.
    #[arg(long, value_name = "MB", default_value_t = 2048)]
    mem: u32,
    /// Let the guest's clock count instructions, on one emulated CPU.
    #[arg(long)]
    icount: bool,
    /// More arguments for the kernel's command line; they win over the usual ones. Can be repeated.
    #[arg(long, value_name = "KERNEL_ARGS", allow_hyphen_values = true)]
    append: Vec<String>,
    /// Seconds that COMMAND may run, counted from its start.
    #[arg(long, value_name = "S")]
    timeout: Option<u64>,
    /// What is PID 1.
    #[arg(long, value_enum, default_value = "direct")]
    init: Init,
    /// Do not build the enforcer; use the one that is there, if any.
    #[arg(long)]
    no_build: bool,
    /// Say how long the boot took, and show the guest's console as it comes.
    #[arg(long, short)]
    verbose: bool,
    /// The command and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

impl Args {
    /// Runs it.
    pub fn run(&self) -> Result<ExitCode> {
        let lines = kernel::lines(&self.kernel)?;
        let agent = if self.no_build { Agent::IfThere } else { Agent::Build };
        let bed = TestBed::prepare(&lines, agent)?;
        let mut table = Vec::new();
        let mut first_failure = 0;
        for line in &lines {
            if lines.len() > 1 {
                progress::line(&format!("--- kernel {}", line.name));
            }
            let done = self.configured(&bed, line.name)?.run(&self.command, Output::Inherit)?;
            report(line.name, &done, self.verbose)?;
            if first_failure == 0 {
                first_failure = done.end.status();
            }
            table.push((line.name, done));
        }
        if table.len() > 1 {
            eprintln!("{:<8} {:>6} {:>8} {:>8}", "kernel", "status", "boot", "whole");
            for (name, done) in &table {
                let boot =
                    done.boot.map_or_else(|| "-".to_owned(), |time| format!("{:.1} s", time.as_secs_f64()));
                let whole = format!("{:.1} s", done.took.as_secs_f64());
                eprintln!("{name:<8} {:>6} {boot:>8} {whole:>8}", done.end.status());
            }
        }
        Ok(ExitCode::from(u8::try_from(first_failure).unwrap_or(125)))
    }

    fn configured<'bed>(&self, bed: &'bed TestBed, line: &str) -> Result<Vm<'bed>> {
        let mut vm =
            bed.vm(line)?.mem(self.mem).icount(self.icount).init(self.init).show_console(self.verbose);
        for args in &self.append {
            vm = vm.append(args);
        }
        for dir in &self.share {
            vm = vm.share(dir);
        }
        if let Some(seconds) = self.timeout {
            vm = vm.timeout(seconds);
        }
        Ok(vm)
    }
}

/// Says on stderr what was wrong with a guest, and keeps its console where it is needed to find out.
pub fn report(line: &str, done: &Finished, verbose: bool) -> Result<()> {
    if verbose {
        let boot = done
            .boot
            .map_or_else(|| "did not boot".to_owned(), |time| format!("boot {:.1} s", time.as_secs_f64()));
        progress::line(&format!("kernel {line}: {boot}, whole run {:.1} s", done.took.as_secs_f64()));
    }
    let trouble = match &done.end {
        End::Timeout => Some("COMMAND was still running when its time was up".to_owned()),
        End::Crash(reason) => Some(reason.clone()),
        End::Exit(_) => done.faults.first().map(|fault| format!("the kernel complained: {fault}")),
    };
    if let Some(trouble) = trouble {
        let dir = cache::dir()?.join("logs");
        fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
        let log = dir.join(format!("console-{line}.log"));
        fs::write(&log, &done.console).with_context(|| format!("writing {}", log.display()))?;
        let lines: Vec<&str> = done.console.lines().collect();
        let shown = if verbose { 0 } else { 30 };
        for text in &lines[lines.len().saturating_sub(shown)..] {
            eprintln!("console| {text}");
        }
        progress::line(&format!("kernel {line}: {trouble}; the guest's whole console: {}", log.display()));
    }
    Ok(())
}
