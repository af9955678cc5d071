// SPDX-License-Identifier: MIT OR Apache-2.0
//! Debian packages on the host: what is missing is installed, and nothing else is touched.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

use crate::{cache, cmd, progress};

/// A Debian package that is needed, and why.
#[derive(Clone, Copy, Debug)]
pub struct Package {
    /// Its name.
    pub name: &'static str,
    /// What for, in a few words.
    pub why: &'static str,
}

/// Those of `packages` that are not installed.
pub fn missing(packages: &[Package]) -> Result<Vec<Package>> {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat=${Package} ${db:Status-Status}\n", "--"]);
    query.args(packages.iter().map(|package| package.name)).stdin(Stdio::null());
    // It exits with 1 when it does not know some of them; what it knows is on stdout all the same.
    let known =
        query.output().context("dpkg-query cannot be started: this needs Debian 12 or a descendant of it")?;
    let known = String::from_utf8_lossy(&known.stdout).into_owned();
    let installed = |name: &str| known.lines().any(|line| line.split_once(' ') == Some((name, "installed")));
    Ok(packages.iter().copied().filter(|package| !installed(package.name)).collect())
}

/// Installs those of `packages` that are missing.
pub fn ensure(packages: &[Package]) -> Result<()> {
    let missing = missing(packages)?;
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = missing.iter().map(|package| package.name).collect();
    for package in &missing {
        progress::line(&format!("installing {}: {}", package.name, package.why));
    }
    install(&names).with_context(|| {
        format!(
            "Debian packages are missing; this installs them: {}apt-get install {}",
            prefix(),
            names.join(" ")
        )
    })
}

fn prefix() -> &'static str {
    if cmd::is_root() { "" } else { "sudo " }
}

fn install(names: &[&str]) -> Result<()> {
    static LISTS_ARE_FRESH: AtomicBool = AtomicBool::new(false);
    let _lock = cache::lock(&cache::dir()?, "apt")?;
    let step = progress::step("apt-get", &names.join(" "));
    // Other programs may be at it, unattended-upgrades on a machine just started; apt waits for them.
    let apt = || -> Result<Command> {
        let mut command = cmd::as_root("env")?;
        command.args([
            "DEBIAN_FRONTEND=noninteractive",
            "apt-get",
            "-q",
            "-y",
            "-o",
            "DPkg::Lock::Timeout=300",
        ]);
        Ok(command)
    };
    if !LISTS_ARE_FRESH.load(Ordering::Relaxed) {
        // Some other repository of this machine may be out of reach, and Debian's not: the installation decides.
        if let Err(error) = cmd::quiet(apt()?.arg("update"), &step) {
            progress::line(&format!("apt-get update had trouble: {error:#}"));
        }
        LISTS_ARE_FRESH.store(true, Ordering::Relaxed);
    }
    // What the user has is never removed for it.
    cmd::quiet(apt()?.args(["install", "--no-install-recommends", "--no-remove", "--"]).args(names), &step)?;
    step.done();
    Ok(())
}
