// SPDX-License-Identifier: MIT OR Apache-2.0

//! Builds the kernel programs and puts the object where the loader includes it.

use std::{env, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, bail};
use aya_build::{Package, Toolchain};

/// The toolchain that `cargo xtask setup` links where rustup cannot fetch nightly's sources of `core`.
const LINKED: &str = "enforcer-ebpf";

fn main() -> Result<()> {
    let toolchain = toolchain()?;
    add_to_path(cache_bin());
    if toolchain == LINKED {
        // A release compiler builds `core` for a target without a prebuilt one only when told that it may.
        // SAFETY: a build script's main thread, before any other is started.
        unsafe { env::set_var("RUSTC_BOOTSTRAP", "1") };
    }
    reproducible();
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../enforcer-ebpf");
    let root = root.to_str().context("the checkout's path is not UTF-8")?;
    println!("cargo::rerun-if-changed=../enforcer-common/src");
    aya_build::build_ebpf(
        [Package { name: "enforcer-ebpf", root_dir: root, ..Package::default() }],
        Toolchain::Custom(toolchain),
    )
}

/// The toolchain that can build `core` for the BPF target.
fn toolchain() -> Result<&'static str> {
    let list = Command::new("rustup").args(["toolchain", "list"]).output().context("failed to run rustup")?;
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    if list.lines().any(|line| line.starts_with(LINKED)) {
        return Ok(LINKED);
    }
    let sources =
        Command::new("rustup").args(["component", "list", "--toolchain", "nightly", "--installed"]).output();
    if sources.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("rust-src")) {
        return Ok("nightly");
    }
    bail!("no toolchain here can build for BPF: run `cargo xtask setup`, which installs one")
}

/// Has the same bytes come of the same sources: no directories of this machine in the object's line information, and one unit for each
/// crate, because what several are given to share comes in an order that differs from time to time.
fn reproducible() {
    for (name, value) in [
        ("CARGO_UNSTABLE_TRIM_PATHS", "true"),
        ("CARGO_PROFILE_RELEASE_TRIM_PATHS", "all"),
        ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
    ] {
        // SAFETY: a build script's main thread, before any other is started.
        unsafe { env::set_var(name, value) };
    }
}

/// Where `cargo xtask setup` puts bpf-linker.
fn cache_bin() -> PathBuf {
    let from = |name: &str| env::var_os(name).map(PathBuf::from);
    let cache = from("ENFORCER_CACHE")
        .or_else(|| from("XDG_CACHE_HOME").map(|dir| dir.join("enforcer")))
        .or_else(|| from("HOME").map(|dir| dir.join(".cache/enforcer")));
    println!("cargo::rerun-if-env-changed=ENFORCER_CACHE");
    cache.unwrap_or_default().join("bin")
}

/// Puts a directory in front of the search path.
fn add_to_path(dir: PathBuf) {
    let path = env::var_os("PATH").unwrap_or_default();
    if let Ok(joined) = env::join_paths(std::iter::once(dir).chain(env::split_paths(&path))) {
        // SAFETY: a build script's main thread, before any other is started.
        unsafe { env::set_var("PATH", joined) };
    }
}
