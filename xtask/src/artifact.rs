// SPDX-License-Identifier: MIT OR Apache-2.0
//! What cargo builds of this workspace.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::repo;

/// Cargo, in this workspace.
pub fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(repo::root());
    command
}

/// Builds one program of the tests, and says where it is.
pub fn artifact(args: &[&str]) -> Result<PathBuf> {
    let common =
        ["--release", "--locked", "--package", "enforcer-tests", "--message-format=json-render-diagnostics"];
    let output =
        cargo(args).args(common).stderr(std::process::Stdio::inherit()).output().context("starting cargo")?;
    if !output.status.success() {
        bail!("cargo {}: {}", args.join(" "), output.status);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut built = messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
    built.next().with_context(|| format!("cargo {} built no program", args.join(" ")))
}
