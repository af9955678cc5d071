// SPDX-License-Identifier: MIT OR Apache-2.0
//! What makes Debian packages: cargo-deb, built into the cache, and dpkg's tools.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::apt::{self, Package};
use crate::{cache, cmd, progress};

/// The release of cargo-deb. Its optional features are other ways to compress, which programs of this machine do.
const VERSION: &str = "3.8.0";

/// Makes it ready, and says where it is.
pub fn ensure(cache: &Path) -> Result<PathBuf> {
    apt::ensure(&[
        Package { name: "binutils", why: "leaves symbols out of packages" },
        Package { name: "dpkg-dev", why: "finds out which libraries a package needs" },
    ])?;
    let program = cache.join("bin").join(format!("cargo-deb-{VERSION}"));
    if program.is_file() {
        return Ok(program);
    }
    let _lock = cache::lock(cache, "cargo-deb")?;
    if program.is_file() {
        return Ok(program);
    }
    let step = progress::step("cargo-deb", "makes Debian packages; built once, about a minute");
    let work = tempfile::tempdir_in(cache).context("making a directory to build in")?;
    let mut command = Command::new("cargo");
    command.args(["install", "cargo-deb", "--locked", "--version", &format!("={VERSION}")]);
    command.args(["--no-default-features", "--no-track", "--root"]).arg(work.path());
    command.arg("--target-dir").arg(work.path().join("target")).current_dir(work.path());
    // Not the toolchain that runs xtask through cargo, but the user's default one.
    command.env_remove("RUSTC").env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("CARGO_TARGET_DIR");
    cmd::quiet(&mut command, &step).context("building cargo-deb")?;
    std::fs::create_dir_all(cache.join("bin")).context("making the cache's bin")?;
    std::fs::rename(work.path().join("bin/cargo-deb"), &program)
        .context("moving cargo-deb into the cache")?;
    step.done();
    Ok(program)
}
