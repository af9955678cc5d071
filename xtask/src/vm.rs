// SPDX-License-Identifier: MIT OR Apache-2.0
//! The test bed: one command in one freshly booted guest, its output streamed, its exit status passed on, nothing left.
//!
//! ```text
//! let bed = TestBed::prepare(&kernel::lines("all")?, Agent::Build)?;   // once: set up, kernels, disk, the enforcer
//! let done = bed.vm("6.1")?.timeout(60).run(&["uname", "-r"], Output::Capture)?;
//! assert_eq!(done.end, End::Exit(0));
//! ```
//!
//! A `TestBed` can be shared between threads; every `run` is a guest of its own, and guests share nothing that is written.

mod accel;
mod agent;
pub mod cli;
mod payload;
mod qemu;
mod streams;

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

pub use self::accel::Accel;
pub use self::agent::Agent;
use self::streams::{Event, Events};
use crate::kernel::{Kernel, Line};
use crate::setup::{self, qemu::Qemu};

/// The longest that a guest may take until COMMAND starts.
const BOOT_LIMIT: Duration = Duration::from_secs(180);

/// What all guests need, made ready once.
#[derive(Debug)]
pub struct TestBed {
    cache: PathBuf,
    disk: File,
    kernels: Vec<(&'static str, Kernel)>,
    qemu: Qemu,
    agent: Option<PathBuf>,
    accel: Accel,
}

impl TestBed {
    /// Installs, downloads and builds what is missing for guests with these kernels.
    pub fn prepare(lines: &[&'static Line], agent: Agent) -> Result<Self> {
        let setup::Ready { cache, kernels, disk, qemu } = setup::ensure(lines)?;
        // Opened now: a call beside this one may replace the disk by a newer one.
        let disk = File::open(&disk).with_context(|| format!("opening {}", disk.display()))?;
        let agent = agent.binary()?;
        let mut bed = Self { cache, disk, kernels, qemu, agent, accel: Accel::Tcg };
        bed.accel = accel::probe(&bed)?;
        Ok(bed)
    }

    /// A guest with the kernel of `line`, to be configured and run.
    pub fn vm(&self, line: &str) -> Result<Vm<'_>> {
        let kernel = self.kernels.iter().find(|(name, _)| *name == line);
        let (name, kernel) = kernel.with_context(|| format!("the kernel {line} was not prepared"))?;
        Ok(Vm {
            bed: self,
            line: name,
            kernel,
            shares: Vec::new(),
            mem: 2048,
            icount: false,
            append: String::new(),
            timeout: None,
            init: Init::Direct,
            accel: self.accel,
            boot_limit: BOOT_LIMIT,
            show_console: false,
        })
    }
}

/// What runs as PID 1 of the guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Init {
    /// A small script: the fastest, nothing else runs.
    #[default]
    Direct,
    /// systemd, with COMMAND in a service of its own.
    Systemd,
}

/// One guest. Built by [`TestBed::vm`], changed by the methods, run by [`Vm::run`].
#[derive(Debug)]
pub struct Vm<'bed> {
    bed: &'bed TestBed,
    line: &'static str,
    kernel: &'bed Kernel,
    shares: Vec<PathBuf>,
    mem: u32,
    icount: bool,
    append: String,
    timeout: Option<Duration>,
    init: Init,
    accel: Accel,
    boot_limit: Duration,
    show_console: bool,
}

impl Vm<'_> {
    /// Makes the directory readable at `/mnt/<its base name>`, as it is when the guest starts.
    pub fn share(mut self, dir: impl Into<PathBuf>) -> Self {
        self.shares.push(dir.into());
        self
    }

    /// The guest's memory in MB; 2048 unless said.
    pub fn mem(mut self, megabytes: u32) -> Self {
        self.mem = megabytes;
        self
    }

    /// Lets the guest's clock count instructions, on one CPU.
    pub fn icount(mut self, on: bool) -> Self {
        self.icount = on;
        self
    }

    /// More arguments for the kernel; they come last, so they win.
    pub fn append(mut self, args: &str) -> Self {
        self.append = format!("{} {args}", self.append).trim().to_owned();
        self
    }

    /// The seconds that COMMAND may run, counted from its start.
    pub fn timeout(mut self, seconds: u64) -> Self {
        self.timeout = Some(Duration::from_secs(seconds));
        self
    }

    /// What is PID 1.
    pub fn init(mut self, init: Init) -> Self {
        self.init = init;
        self
    }

    /// Passes the guest's console on to stderr as it comes.
    pub fn show_console(mut self, on: bool) -> Self {
        self.show_console = on;
        self
    }

    /// Boots, runs COMMAND as root, and ends the guest. An error means that no guest could be started at all.
    pub fn run<S: AsRef<OsStr>>(&self, command: &[S], output: Output) -> Result<Finished> {
        let started = Instant::now();
        let nonce = payload::nonce()?;
        let disks = payload::Disks::make(self, command, &nonce)?;
        let (mut guest, ends) = qemu::start(self, &disks)?;
        let events = Events::read(ends, output, &nonce, self.show_console)?;
        let mut watch =
            Watch { started, booted: None, status: None, open: 2, limit: started + self.boot_limit };
        let end = loop {
            if let Some(status) = watch.status
                && watch.open == 0
            {
                break End::Exit(status);
            }
            match events.next(watch.limit) {
                Some(event) => {
                    if let Some(end) = watch.on(event, self.timeout) {
                        break end;
                    }
                }
                None => break watch.expired(),
            }
        };
        guest.kill();
        let qemu_said = guest.said();
        let (stdout, stderr, mut console) = events.join();
        if matches!(end, End::Crash(_)) && !qemu_said.is_empty() {
            console.push_str(&format!("\n[qemu] {qemu_said}"));
        }
        let faults = streams::faults(&console);
        Ok(Finished { end, stdout, stderr, console, faults, boot: watch.booted, took: started.elapsed() })
    }
}

/// Where a guest's run stands.
struct Watch {
    started: Instant,
    booted: Option<Duration>,
    status: Option<i32>,
    open: u8,
    limit: Instant,
}

impl Watch {
    fn on(&mut self, event: Event, timeout: Option<Duration>) -> Option<End> {
        match event {
            Event::Ready => {
                self.booted = Some(self.started.elapsed());
                // Without a limit of its own, COMMAND gets ten years.
                self.limit = Instant::now() + timeout.unwrap_or(Duration::from_secs(315_360_000));
            }
            Event::Status(status) => {
                self.status = Some(status);
                self.limit = Instant::now() + Duration::from_secs(20);
            }
            Event::StreamEnd => self.open = self.open.saturating_sub(1),
            Event::Panic => return Some(End::Crash("the guest's kernel panicked".to_owned())),
            Event::Gone => {
                return Some(match self.status {
                    Some(status) => End::Exit(status),
                    None if self.booted.is_some() => {
                        End::Crash("the guest stopped before COMMAND ended".to_owned())
                    }
                    None => End::Crash("the guest stopped before COMMAND was started".to_owned()),
                });
            }
        }
        None
    }

    fn expired(&self) -> End {
        match self.status {
            Some(status) => End::Exit(status),
            None if self.booted.is_some() => End::Timeout,
            None => End::Crash(format!(
                "the guest did not start COMMAND within {} s",
                self.started.elapsed().as_secs()
            )),
        }
    }
}

/// Where COMMAND's output goes.
pub enum Output {
    /// To this process's own stdout and stderr, as it comes.
    Inherit,
    /// Into [`Finished`].
    Capture,
    /// To these writers, as it comes.
    Writers(Box<dyn Write + Send>, Box<dyn Write + Send>),
}

/// How a guest's run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// COMMAND ended with this status; 128+n when signal n killed it.
    Exit(i32),
    /// COMMAND was still running when its time was up.
    Timeout,
    /// The guest failed: it did not boot, panicked, or stopped by itself.
    Crash(String),
}

impl End {
    /// The exit status that stands for this end: COMMAND's own, 124 for a timeout, 125 for a guest that failed.
    pub fn status(&self) -> i32 {
        match self {
            Self::Exit(status) => *status,
            Self::Timeout => 124,
            Self::Crash(_) => 125,
        }
    }
}

/// What is left of a guest.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub end: End,
    /// COMMAND's standard output, if captured.
    pub stdout: Vec<u8>,
    /// COMMAND's standard error, if captured.
    pub stderr: Vec<u8>,
    /// The guest's console, kernel messages included.
    pub console: String,
    /// Lines of the console that tell of a kernel in trouble: panics, oopses, stalls, lockups.
    pub faults: Vec<String>,
    /// From the call to the start of COMMAND.
    pub boot: Option<Duration>,
    /// From the call to the end.
    pub took: Duration,
}
