// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Debian archive, as this machine is configured to reach it. No mirror is named here: the base addresses come from
//! the machine's own apt configuration, and other suites of the same archive are read through a private apt state, so
//! that the host's package lists and sources stay as they are. Signatures are checked with Debian's own keyring.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{cache, cmd};

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Which of Debian's two archives a suite is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Archive {
    /// The main archive.
    Main,
    /// The security archive.
    Security,
}

/// The base addresses of both archives.
#[derive(Clone, Debug)]
pub struct Mirrors {
    main: String,
    security: Option<String>,
}

impl Mirrors {
    /// Reads them from apt's configuration, fetching the package lists first on a machine that lacks some.
    pub fn of_host() -> Result<Self> {
        if let Some(found) = Self::configured()?.filter(|found| found.security.is_some()) {
            return Ok(found);
        }
        let _lock = cache::lock(&cache::dir()?, "apt")?;
        cmd::output(cmd::as_root("apt-get")?.args(["update", "-q"])).context("fetching the package lists")?;
        Self::configured()?.context(
            "apt knows no Debian archive on this machine; this needs a Debian host whose apt sources include bookworm",
        )
    }

    fn configured() -> Result<Option<Self>> {
        let listing = cmd::output(Command::new("apt-get").args([
            "indextargets",
            "--format",
            "$(ORIGIN)|$(LABEL)|$(SITE)",
            "Created-By: Packages",
        ]))?;
        let site = |label: &str| {
            listing.lines().find_map(|line| match line.split('|').collect::<Vec<_>>()[..] {
                ["Debian", its, site] if its == label => Some(site.trim_end_matches('/').to_owned()),
                _ => None,
            })
        };
        Ok(site("Debian").map(|main| Self { main, security: site("Debian-Security") }))
    }

    /// One line of a sources list.
    pub fn source(&self, archive: Archive, suite: &str) -> Result<String> {
        let base = match archive {
            Archive::Main => &self.main,
            Archive::Security => self.security.as_ref().context(
                "apt has no entry for Debian's security archive; add bookworm-security to its sources",
            )?,
        };
        Ok(format!("deb [signed-by={KEYRING}] {base} {suite} main"))
    }
}

/// An apt of our own: private sources, lists and cache, nothing installed.
pub struct PrivateApt {
    dir: PathBuf,
}

impl PrivateApt {
    /// Sets one up in `dir` and fetches the lists of `sources`.
    pub fn update(dir: &Path, sources: &[String]) -> Result<Self> {
        let context = || format!("preparing {}", dir.display());
        for part in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(dir.join(part)).with_context(context)?;
        }
        fs::write(dir.join("sources.list"), sources.join("\n") + "\n").with_context(context)?;
        fs::write(dir.join("status"), "").with_context(context)?;
        if !Path::new(KEYRING).exists() {
            bail!("{KEYRING} is missing; install it with: apt-get install debian-archive-keyring");
        }
        let apt = Self { dir: dir.to_owned() };
        cmd::output(apt.command("apt-get").args(["update", "-q", "-o", "APT::Update::Error-Mode=any"]))
            .context("fetching package lists")?;
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let dir = self.dir.display();
        for option in [
            format!("Dir::Etc::sourcelist={dir}/sources.list"),
            "Dir::Etc::sourceparts=/dev/null".to_owned(),
            "Dir::Etc::preferences=/dev/null".to_owned(),
            "Dir::Etc::preferencesparts=/dev/null".to_owned(),
            format!("Dir::State::lists={dir}/lists"),
            format!("Dir::State::status={dir}/status"),
            format!("Dir::Cache={dir}/cache"),
            "Acquire::Languages=none".to_owned(),
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
            "APT::Sandbox::User=root".to_owned(),
        ] {
            command.arg("-o").arg(option);
        }
        command
    }

    /// Names and versions of every package on the lists.
    pub fn packages(&self) -> Result<Vec<(String, String)>> {
        let listing = cmd::output(self.command("apt-cache").arg("dumpavail"))?;
        let mut found = Vec::new();
        let mut name = "";
        for line in listing.lines() {
            if let Some(value) = line.strip_prefix("Package: ") {
                name = value;
            } else if let Some(value) = line.strip_prefix("Version: ") {
                found.push((name.to_owned(), value.to_owned()));
            }
        }
        Ok(found)
    }

    /// Downloads `packages` (checked against the signed lists) and unpacks them below `target`.
    pub fn unpack(&self, packages: &[String], target: &Path) -> Result<()> {
        let debs = tempfile::tempdir_in(&self.dir).context("making a download directory")?;
        cmd::output(self.command("apt-get").args(["download", "-q"]).args(packages).current_dir(debs.path()))
            .with_context(|| format!("downloading {}", packages.join(" ")))?;
        unpack(debs.path(), target)
    }

    /// The same, with everything that they depend on, the C library included.
    pub fn unpack_with_dependencies(&self, packages: &[&str], target: &Path) -> Result<()> {
        // Nothing is installed in this apt's eyes. Its state is locked by nobody, and the host's by whoever installs there.
        let mut install = self.command("apt-get");
        install.args(["install", "-q", "-y", "--download-only", "--no-install-recommends"]);
        install.args(["-o", "Debug::NoLocking=true"]).args(packages);
        cmd::output(&mut install).with_context(|| format!("downloading {}", packages.join(" ")))?;
        let debs = self.dir.join("cache/archives");
        unpack(&debs, target)?;
        fs::remove_dir_all(&debs).with_context(|| format!("removing {}", debs.display()))
    }
}

/// Unpacks all packages in a directory.
fn unpack(debs: &Path, target: &Path) -> Result<()> {
    fs::create_dir_all(target).with_context(|| format!("creating {}", target.display()))?;
    for entry in fs::read_dir(debs).with_context(|| format!("listing {}", debs.display()))? {
        let deb = entry?.path();
        if deb.extension().is_some_and(|extension| extension == "deb") {
            cmd::output(Command::new("dpkg-deb").arg("-x").arg(deb).arg(target))?;
        }
    }
    Ok(())
}

/// The host's proxy and date-check settings of apt, as `Name "value";` lines, for an apt that reads no host configuration.
pub fn apt_settings() -> Result<Vec<String>> {
    let dump = cmd::output(Command::new("apt-config").arg("dump"))?;
    let wanted = [
        "Acquire::http::Proxy",
        "Acquire::https::Proxy",
        "Acquire::Check-Valid-Until",
        "Acquire::Check-Date",
    ];
    Ok(dump
        .lines()
        .filter(|line| wanted.iter().any(|name| line.starts_with(name)))
        .map(str::to_owned)
        .collect())
}
