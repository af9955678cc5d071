// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask dist`: what is released.

mod binary;
mod deb;
mod generated;
mod tarball;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

pub use self::deb::for_tests;
use crate::artifact::target_dir;
use crate::{cmd, progress, repo, setup};

/// The file with the checksums of the others.
const SUMS: &str = "SHA256SUMS";
/// Where a copy of the sources has them.
const SOURCES: &str = "sources";

/// Make what is released: a Debian package, a tarball for other systems, and their SHA-256 checksums.
///
/// Both have the program, its systemd unit, a manual page for each subcommand, completions for bash, zsh and fish, and
/// the shipped profiles. They are written to target/packages; `sha256sum --check SHA256SUMS` there says whether they are
/// whole. The program needs nothing at run time but the C library, of the version that this machine's has or a later one.
///
/// The same sources and compilers give the same bytes, wherever and whenever they are built: times in archives are
/// SOURCE_DATE_EPOCH or, if that is not set, the time of the last commit, and no directory of this machine is in the program.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Do it all again from a copy of the sources in another directory, and fail unless every byte is the same.
    #[arg(long)]
    twice: bool,
}

impl Args {
    /// Makes them; fails if they differ the second time.
    pub fn run(self) -> Result<ExitCode> {
        let cache = setup::ensure_build()?;
        let workshop = Workshop { cargo_deb: setup::deb::ensure(&cache)?, epoch: epoch()? };
        let packages = target_dir().join("packages");
        let elsewhere = self.twice.then(|| copy_sources(&cache)).transpose()?;
        workshop.make(repo::root(), &target_dir(), &packages)?;
        if let Some(elsewhere) = elsewhere {
            let (root, again) = (elsewhere.path().join(SOURCES), elsewhere.path().join("packages"));
            workshop.make(&root, &root.join("target"), &again)?;
            if let Err(error) = compare(&packages, &again) {
                bail!("{error:#}; all of it is kept in {}", elsewhere.keep().display());
            }
            progress::line("built twice, in different directories: the same bytes");
        }
        print!("{}", read(&packages.join(SUMS))?);
        progress::line(&format!("the packages are in {}", packages.display()));
        Ok(ExitCode::SUCCESS)
    }
}

/// What packages are made with.
struct Workshop {
    cargo_deb: PathBuf,
    /// The time that archives give to what is in them.
    epoch: String,
}

impl Workshop {
    /// Makes all packages of the sources at `root` in `packages`, with cargo building in `target`.
    fn make(&self, root: &Path, target: &Path, packages: &Path) -> Result<()> {
        let step = progress::step("the program", "built without debug information and names of directories");
        let binary = binary::build(root, target)?;
        step.done();
        generated::make(&binary)?;
        if packages.exists() {
            fs::remove_dir_all(packages).with_context(|| format!("emptying {}", packages.display()))?;
        }
        fs::create_dir_all(packages).with_context(|| format!("making {}", packages.display()))?;
        let step = progress::step("packages", "");
        let deb = self.release_deb(root, target, packages)?;
        self.tarball(root, &deb, packages)?;
        step.done();
        let sums: String = files(packages)?.iter().map(|file| sum(file)).collect::<Result<_>>()?;
        fs::write(packages.join(SUMS), sums).with_context(|| format!("writing {SUMS}"))
    }
}

/// Seconds since 1970: what the environment says, or the last commit.
fn epoch() -> Result<String> {
    if let Ok(set) = std::env::var("SOURCE_DATE_EPOCH") {
        return Ok(set);
    }
    let mut git = Command::new("git");
    let time = cmd::output(git.args(["log", "-1", "--format=%ct"]).current_dir(repo::root()))
        .context("outside of a git checkout, set SOURCE_DATE_EPOCH")?;
    Ok(time.trim().to_owned())
}

/// Copies what git knows of this checkout, as it is now, to a new directory below `cache`.
fn copy_sources(cache: &Path) -> Result<TempDir> {
    let elsewhere = TempDir::with_prefix_in("dist-", cache).context("making a directory")?;
    let mut git = Command::new("git");
    let listing = cmd::output(git.args(["ls-files", "-z"]).current_dir(repo::root()))?;
    for name in listing.split_terminator('\0') {
        let (from, to) = (repo::root().join(name), elsewhere.path().join(SOURCES).join(name));
        let context = || format!("copying {name}");
        fs::create_dir_all(to.parent().unwrap_or(&to)).with_context(context)?;
        fs::copy(from, to).with_context(context)?;
    }
    Ok(elsewhere)
}

/// Fails unless the same files with the same bytes are in both directories.
fn compare(one: &Path, other: &Path) -> Result<()> {
    let names = |dir: &Path| -> Result<Vec<_>> {
        Ok(files(dir)?.iter().filter_map(|file| file.file_name().map(ToOwned::to_owned)).collect())
    };
    if names(one)? != names(other)? {
        bail!("the second time, there were other packages: {:?}", names(other)?);
    }
    let mut different = names(one)?;
    different.retain(|name| fs::read(one.join(name)).ok() != fs::read(other.join(name)).ok());
    if !different.is_empty() {
        bail!("different the second time: {different:?}");
    }
    Ok(())
}

/// The files in a directory, by name.
fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).with_context(|| format!("listing {}", dir.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

/// A line of `sha256sum`.
fn sum(file: &Path) -> Result<String> {
    let bytes = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    let name = file.file_name().unwrap_or_default().display();
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{hex}  {name}\n"))
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))
}
