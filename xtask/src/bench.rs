// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask bench`: what a verdict costs, in instructions of the guest's CPU.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::artifact::artifact;
use crate::kernel::{self, Line};
use crate::progress;
use crate::vm::{Agent, End, Output, TestBed};

/// Rules that the profiles have.
const RULES: [usize; 2] = [10, 1000];
/// Opens in a round.
const TIMES: u32 = 2000;
/// Instructions that an open outside of runs may cost more while there is one.
const UNFELT: u64 = 400;
/// Seconds that a guest may take.
const LIMIT: u64 = 600;

/// Measure what a verdict costs, in guest instructions.
///
/// Each kernel runs on one emulated CPU whose clock counts instructions, so the figures are the same on every machine and
/// repeat to about ten instructions. What is measured is one open and close of a file with a path of 80 bytes: bare,
/// outside of a run while there is one, and in runs whose profiles have 10 and 1,000 globs for reading.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Kernel release line: 6.1, 6.12, 6.18, 7.2, newest, or all.
    #[arg(long, default_value = "all")]
    kernel: String,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Runs it; fails if the cost grows with the number of rules by more than 5 %, or is felt outside of runs.
    pub fn run(self) -> Result<ExitCode> {
        let lines = kernel::lines(&self.kernel)?;
        let bed = TestBed::prepare(&lines, Agent::Build)?;
        let share = share().context("building the measuring program")?;
        let rows = lines.iter().map(|line| measure(&bed, line, share.path())).collect::<Result<Vec<_>>>()?;
        if self.json {
            println!("{}", json!(rows.iter().map(Row::json).collect::<Vec<_>>()));
        } else {
            println!("instructions for one open and close, path of 80 bytes");
            println!("kernel      bare   outside   {} rules   {} rules", RULES[0], RULES[1]);
            for Row { kernel, bare, outside, rules: [few, many] } in &rows {
                println!("{kernel:6}  {bare:8}  {outside:8}  {few:9}  {many:11}");
            }
        }
        let (flat, unfelt) = (rows.iter().all(Row::is_flat), rows.iter().all(Row::is_unfelt));
        if !flat {
            eprintln!("xtask: the cost of a verdict grew with the number of rules by more than 5 %");
        }
        if !unfelt {
            eprintln!("xtask: outside of runs an open costs more than {UNFELT} instructions more");
        }
        Ok(if flat && unfelt { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// What was measured on a kernel.
struct Row {
    kernel: &'static str,
    bare: u64,
    outside: u64,
    rules: [u64; 2],
}

impl Row {
    /// Whether a verdict costs the same with few rules and with many.
    fn is_flat(&self) -> bool {
        let [few, many] = self.rules.map(|open| open.saturating_sub(self.bare));
        many * 100 <= few * 105
    }

    /// Whether a process outside does not feel that there is a run.
    const fn is_unfelt(&self) -> bool {
        self.outside <= self.bare + UNFELT
    }

    fn json(&self) -> Value {
        let Self { kernel, bare, outside, rules: [few, many] } = self;
        json!({ "kernel": kernel, "bare": bare, "outside": outside, "rules_10": few, "rules_1000": many })
    }
}

fn measure(bed: &TestBed, line: &'static Line, share: &Path) -> Result<Row> {
    let step = progress::step(&format!("kernel {}", line.name), "");
    let name = share.file_name().context("a share without a name")?.to_string_lossy();
    let script = format!("sh /mnt/{name}/bench.sh /mnt/{name} {TIMES}");
    let vm = bed.vm(line.name)?.share(share).icount(true).timeout(LIMIT);
    let done = vm.run(&["sh", "-c", &script], Output::Capture)?;
    if done.end != End::Exit(0) {
        let stderr = String::from_utf8_lossy(&done.stderr);
        bail!("kernel {}: {:?}\n{stderr}\n{}", line.name, done.end, done.console);
    }
    step.done();
    let text = String::from_utf8_lossy(&done.stdout);
    let figures: Vec<u64> = text.lines().filter_map(|line| line.trim().parse().ok()).collect();
    let [bare, outside, few, many] = figures[..] else {
        bail!("kernel {}: not four figures: {text}", line.name)
    };
    Ok(Row { kernel: line.name, bare, outside, rules: [few, many] })
}

/// The measuring program, the profiles, and what to do with them.
fn share() -> Result<TempDir> {
    let share = TempDir::with_prefix("bench-").context("making a directory")?;
    let put = |name: String, text: &str| {
        fs::write(share.path().join(&name), text).with_context(|| format!("writing {name}"))
    };
    fs::copy(artifact(&["build", "--bin", "attack"])?, share.path().join("attack"))
        .context("copying the program")?;
    for rules in RULES {
        put(format!("{rules}.yaml"), &profile(rules))?;
    }
    put("bench.sh".to_owned(), SCRIPT)?;
    Ok(share)
}

/// A profile with so many globs for reading, none of which matches what is opened.
fn profile(rules: usize) -> String {
    let globs: String = (0..rules)
        .map(|i| format!("          - \"/srv/team-{i}/**/secret-{}*.pem\"\n", i * 7919 % 1000))
        .collect();
    format!(
        "version: 1\nname: bench\nowner: tests@enforcer.example\nstages:\n  only:\n    exec: {{ default: allow }}\n    files:\n      read:\n        deny:\n{globs}"
    )
}

/// Prints the four figures. The file's path has 80 bytes.
const SCRIPT: &str = r#"
set -eu
here=$1 times=$2
file=/srv/team-5/abcdefghijklmnopqrstuvwxyz/abcdefghijklmnopqrstuvwxyz/secret-1-close
mkdir -p "${file%/*}"
: >"$file"
[ ${#file} -eq 80 ]
# Loading programs leaves the kernel busy in the background for some seconds. An idle processor's clock jumps: this takes no time.
cost() { "$@" sh -c 'sleep 60; exec "$@"' - "$here/attack" --times "$times" cost "$file"; }
cost env
mkfifo /tmp/input
enforcer run -q --profile "$here/10.yaml" -- cat </tmp/input &
exec 3>/tmp/input
until pgrep -x cat >/dev/null; do sleep 0.1; done
cost env
exec 3>&-
wait
for rules in 10 1000; do
  cost enforcer run -q --profile "$here/$rules.yaml" --
done
"#;
