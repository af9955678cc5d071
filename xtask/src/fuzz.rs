// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask fuzz`: libFuzzer with the targets of `tests/fuzz`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use tempfile::TempDir;

use crate::artifact::{cargo, executable};
use crate::setup::{self, apt};
use crate::{cmd, progress, repo};

/// Coverage as libFuzzer wants it; stable compilers have it. Compares are not traced: that makes building automata five
/// times as slow, and the words that they would find are in a dictionary. No address sanitizer: what is fuzzed is safe
/// Rust, which panics where it would read beyond its bounds, and runs twice as often without.
const FLAGS: [&str; 5] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
];
/// What bounds an input: seconds, with room for a machine that does other things too, and MiB of memory.
const LIMITS: [&str; 2] = ["-timeout=30", "-rss_limit_mb=2048"];

/// Fuzz a target: change inputs at random, keep what reaches something new, until one crashes or the time is over.
///
/// A panic, an input that takes more than 30 seconds, and more than 2 GiB of memory count as crashes: the input is written
/// to a file, and the status is not 0. Put that file into tests/fuzz/corpus/TARGET under a name that says what it is, and
/// mend what it shows; a test replays the corpus in every `cargo xtask test`.
///
/// What is found in between stays in the target directory, for the next time. With --keep it becomes part of the corpus.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What is fuzzed.
    target: Target,
    /// Seconds that it takes, building aside.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Then reduce what was found, and the corpus, to few inputs that reach as much; inputs with names that somebody gave
    /// them stay.
    #[arg(long)]
    keep: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Target {
    /// Any text as a profile: read, compile, check, tell what is wrong, explain.
    Profile,
    /// Any bytes as a recording: read it, ask a profile about it.
    Recording,
    /// Any words as a compiled profile: decide about any text.
    Table,
    /// Any packets to the resolver: questions of clients, and answers of name servers.
    Dns,
    /// Any bytes as the beginning of a TLS connection, in any pieces.
    Hello,
}

impl Target {
    const fn name(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Recording => "recording",
            Self::Table => "table",
            Self::Dns => "dns",
            Self::Hello => "hello",
        }
    }

    /// Directories of inputs that there are anyway.
    const fn seeds(self) -> &'static [&'static str] {
        match self {
            Self::Profile => &["profiles", "enforcer/src/profile/tests/broken"],
            Self::Recording | Self::Table | Self::Dns | Self::Hello => &[],
        }
    }

    /// What libFuzzer is told of the inputs. Shipped profiles have 3 to 6 KB.
    const fn options(self) -> &'static [&'static str] {
        match self {
            Self::Profile => &["-max_len=6144", "-dict=tests/fuzz/profile.dict"],
            Self::Recording => &["-max_len=4096", "-dict=tests/fuzz/recording.dict"],
            Self::Table | Self::Dns | Self::Hello => &["-max_len=4096"],
        }
    }

    /// How a corpus is reduced: to a smallest one that reaches all branches. The table's is small enough to keep how often
    /// each is taken, too.
    const fn reduction(self) -> &'static [&'static str] {
        match self {
            Self::Profile | Self::Recording => &["-set_cover_merge=1", "-use_counters=0"],
            Self::Table | Self::Dns | Self::Hello => &["-set_cover_merge=1"],
        }
    }
}

impl Args {
    /// Runs it; fails if an input crashed.
    pub fn run(self) -> Result<ExitCode> {
        setup::ensure_build()?;
        apt::ensure(&[apt::Package { name: "g++", why: "builds libFuzzer" }])?;
        let fuzzer = Fuzzer::build(self.target)?;
        let seconds = format!("-max_total_time={}", self.seconds);
        let status = fuzzer
            .command(&[&seconds, "-print_final_stats=1"], &fuzzer.found)
            .status()
            .context("starting the fuzzer")?;
        if !status.success() {
            bail!(
                "the target {} crashed: {status}; the input is in the file named above",
                self.target.name()
            );
        }
        if self.keep {
            fuzzer.keep()?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A target, built.
struct Fuzzer {
    target: Target,
    program: PathBuf,
    /// The corpus in the repository.
    kept: PathBuf,
    /// What was found on this machine.
    found: PathBuf,
}

impl Fuzzer {
    fn build(target: Target) -> Result<Self> {
        let name = format!("fuzz-{}", target.name());
        // With a target named, the flags are not for build scripts and macros, which run on their own.
        let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let mut build = cargo(&["build", "--locked", "--profile", "fuzz", "--target", &triple]);
        build.args(["--package", "enforcer-fuzz", "--features", "libfuzzer", "--bin", &name]);
        build.env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"));
        let program = executable(&mut build)?;
        let found = program.with_file_name("corpus").join(target.name());
        fs::create_dir_all(&found).with_context(|| format!("making {}", found.display()))?;
        let kept = repo::root().join("tests/fuzz/corpus").join(target.name());
        Ok(Self { target, program, kept, found })
    }

    /// The fuzzer with all inputs there are. What it writes goes to `first`.
    fn command(&self, args: &[&str], first: &Path) -> Command {
        let mut command = Command::new(&self.program);
        let crashes = format!("-artifact_prefix={}", self.program.with_file_name("").display());
        command.current_dir(repo::root()).args(LIMITS).args(self.target.options()).args(args).arg(crashes);
        command.arg(first).arg(&self.kept).arg(&self.found).args(self.target.seeds());
        command
    }

    /// Makes the corpus a small one that reaches what anything found reaches.
    fn keep(&self) -> Result<()> {
        let step = progress::step("reducing the corpus", "");
        let smallest = TempDir::with_prefix("corpus-").context("making a directory")?;
        cmd::quiet(&mut self.command(self.target.reduction(), smallest.path()), &step)?;
        for file in files(&self.kept)?.iter().filter(|file| is_numbered(file)) {
            fs::remove_file(file).with_context(|| format!("removing {}", file.display()))?;
        }
        for file in files(smallest.path())? {
            let name = file.file_name().context("a file without a name")?;
            fs::copy(&file, self.kept.join(name)).with_context(|| format!("copying {}", file.display()))?;
        }
        step.done();
        progress::line(&format!("{}: {} inputs", self.kept.display(), files(&self.kept)?.len()));
        Ok(())
    }
}

fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).with_context(|| format!("reading {}", directory.display()))?;
    entries.map(|entry| Ok(entry.with_context(|| directory.display().to_string())?.path())).collect()
}

/// Whether libFuzzer named a file: by the hash of what is in it.
fn is_numbered(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().as_encoded_bytes();
    name.len() == 40 && name.iter().all(u8::is_ascii_hexdigit)
}
