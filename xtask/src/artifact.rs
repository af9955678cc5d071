// SPDX-License-Identifier: MIT OR Apache-2.0
//! What cargo builds of this workspace.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{cmd, repo};

/// Cargo, in this workspace.
pub fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(repo::root());
    command
}

/// Where cargo puts what it builds.
pub fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => std::path::absolute(&dir).unwrap_or_else(|_| dir.into()),
        None => repo::root().join("target"),
    }
}

/// Builds one program of the tests, and says where it is.
pub fn artifact(args: &[&str]) -> Result<PathBuf> {
    executable(cargo(args).args(["--release", "--locked", "--package", "enforcer-tests"]))
}

/// Lets cargo build one program, and says where it is.
pub fn executable(build: &mut Command) -> Result<PathBuf> {
    build.arg("--message-format=json-render-diagnostics");
    let output = build.stderr(std::process::Stdio::inherit()).output().context("starting cargo")?;
    if !output.status.success() {
        bail!("{}: {}", cmd::shown(build), output.status);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut built = messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
    built.next().with_context(|| format!("{} built no program", cmd::shown(build)))
}
