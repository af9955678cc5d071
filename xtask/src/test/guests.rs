// SPDX-License-Identifier: MIT OR Apache-2.0
//! The scenarios in guests: each kernel, booted in each way that some of them need.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::tally::Tally;
use crate::artifact::artifact;
use crate::kernel::Line;
use crate::vm::{Agent, End, Init, Output, TestBed};
use crate::{dist, progress};

/// A way to boot, and the scenarios that are for it.
struct Boot {
    name: &'static str,
    append: &'static str,
    init: Init,
    /// Arguments of the test program.
    select: &'static [&'static str],
    /// Seconds for all of them.
    limit: u64,
}

const BOOTS: [Boot; 4] = [
    Boot {
        name: "as is",
        append: "",
        init: Init::Direct,
        select: &["--skip", "preemption::", "--skip", "inert::", "--skip", "deb::"],
        limit: 3600,
    },
    Boot {
        name: "preempt=full",
        append: "preempt=full",
        init: Init::Direct,
        select: &["preemption::"],
        limit: 900,
    },
    Boot {
        name: "without bpf",
        append: "lsm=landlock,lockdown,yama",
        init: Init::Direct,
        select: &["inert::"],
        limit: 300,
    },
    Boot { name: "with systemd", append: "", init: Init::Systemd, select: &["deb::"], limit: 900 },
];

/// A guest to run.
struct Job<'bed> {
    line: &'bed Line,
    boot: &'static Boot,
}

/// Runs the scenarios on every kernel, `at_once` guests at a time; each guest's output is printed when it has ended.
pub(super) fn run(bed: &TestBed, lines: &[&Line], filter: Option<&str>, at_once: usize) -> Result<Tally> {
    let share = build().context("building the scenarios")?;
    let jobs = BOOTS.iter().flat_map(|boot| lines.iter().map(move |line| Job { line, boot }));
    let queue: Mutex<VecDeque<Job<'_>>> = Mutex::new(jobs.collect());
    let total: Mutex<Tally> = Mutex::new(Tally::default());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(job) = next() {
                    let tally = job.run(bed, share.path(), filter).unwrap_or_else(|error| {
                        eprintln!("xtask: kernel {}: {error:#}", job.line.name);
                        Tally::one(false)
                    });
                    total.lock().unwrap_or_else(PoisonError::into_inner).add(tally);
                }
            });
        }
    });
    Ok(total.into_inner().unwrap_or_else(PoisonError::into_inner))
}

impl Job<'_> {
    fn run(&self, bed: &TestBed, share: &Path, filter: Option<&str>) -> Result<Tally> {
        let Self { line, boot } = self;
        let name = share.file_name().context("a share without a name")?.to_string_lossy();
        let mut command = vec![format!("/mnt/{name}/scenarios"), "--test-threads=1".to_owned()];
        command.extend(boot.select.iter().map(|&arg| arg.to_owned()));
        if let Some(filter) = filter {
            // Two filters select what matches either; the boots of their own have one already.
            if boot.select[0] != "--skip" && !filter.starts_with(boot.select[0]) {
                return Ok(Tally::default());
            }
            command.push(filter.to_owned());
        }
        progress::line(&format!("kernel {}, booted {}: started", line.name, boot.name));
        let vm = bed.vm(line.name)?.share(share).append(boot.append).init(boot.init).timeout(boot.limit);
        let done = vm.run(&command, Output::Capture)?;
        let stdout = String::from_utf8_lossy(&done.stdout);
        let mut text = format!("\n=== kernel {}, booted {}: {:.0?}\n", line.name, boot.name, done.took);
        text.push_str(&stdout);
        let mut tally = Tally::from_libtest(&stdout);
        if done.end != End::Exit(0) {
            text.push_str(&String::from_utf8_lossy(&done.stderr));
        }
        if !matches!(done.end, End::Exit(_)) {
            text.push_str(&format!("\n{:?}; the guest's console:\n{}\n", done.end, done.console));
        }
        if done.end != End::Exit(0) && tally.failed == 0 {
            tally.failed = 1;
        }
        if !done.faults.is_empty() {
            tally.failed += 1;
            text.push_str(&format!("the kernel was in trouble:\n{}\n", done.faults.join("\n")));
        }
        print!("{text}");
        Ok(tally)
    }
}

/// Builds the scenarios, the attack program and Debian packages, side by side in a directory that guests can share.
fn build() -> Result<TempDir> {
    let share = TempDir::with_prefix("scenarios-").context("making a directory")?;
    let programs = [
        ("scenarios", artifact(&["test", "--test", "scenarios", "--no-run"])?),
        ("attack", artifact(&["build", "--bin", "attack"])?),
    ];
    for (name, path) in programs {
        fs::copy(&path, share.path().join(name)).with_context(|| format!("copying {}", path.display()))?;
    }
    let enforcer = Agent::Built.binary()?.context("the enforcer was not built")?;
    dist::for_tests(&enforcer, share.path()).context("making packages")?;
    Ok(share)
}
