// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is checked without running anything: formatting, lints, licence headers.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use super::tally::Tally;
use crate::artifact::cargo;
use crate::{cmd, progress, repo};

/// The licence that a file of this crate must name.
const LICENCES: [(&str, &str); 2] = [("enforcer-ebpf/", "GPL-2.0-only OR MIT"), ("", "MIT OR Apache-2.0")];

/// Runs the checks. rustfmt and clippy are components that a toolchain may lack: then the check is skipped, and said so.
pub(super) fn run() -> Result<Tally> {
    let mut tally = headers()?;
    tally.add(component("fmt", &["fmt", "--all", "--check"])?);
    let clippy = ["clippy", "--release", "--locked", "--workspace", "--exclude", "enforcer-ebpf"];
    // The scenarios are no test that cargo would run, hence not among all targets; said beside those, they would not count.
    for targets in [&["--all-targets"][..], &["--test", "scenarios"]] {
        tally.add(component("clippy", &[&clippy[..], targets, &["--", "-D", "warnings"]].concat())?);
    }
    Ok(tally)
}

fn component(name: &str, args: &[&str]) -> Result<Tally> {
    if !cargo(&[name, "--version"]).output().is_ok_and(|output| output.status.success()) {
        progress::line(&format!("cargo {name}: skipped, the toolchain lacks it"));
        return Ok(Tally { skipped: 1, ..Tally::default() });
    }
    progress::line(&format!("cargo {name}"));
    let status = cargo(args).status().with_context(|| format!("starting cargo {name}"))?;
    Ok(Tally::one(status.success()))
}

/// Every source file begins with its licence.
fn headers() -> Result<Tally> {
    let mut git = Command::new("git");
    let listing = cmd::output(git.args(["ls-files", "*.rs"]).current_dir(repo::root()))?;
    let mut missing = 0;
    for file in listing.lines() {
        let licence =
            LICENCES.iter().find(|(place, _)| file.starts_with(place)).map_or("", |(_, licence)| licence);
        let text = fs::read_to_string(repo::root().join(file)).with_context(|| format!("reading {file}"))?;
        if text.lines().next() != Some(&format!("// SPDX-License-Identifier: {licence}")) {
            eprintln!("{file}:1: does not begin with `// SPDX-License-Identifier: {licence}`");
            missing += 1;
        }
    }
    Ok(Tally::one(missing == 0))
}
