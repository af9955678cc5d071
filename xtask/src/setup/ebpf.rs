// SPDX-License-Identifier: MIT OR Apache-2.0
//! What builds the kernel programs: a Rust compiler that can build `core` for the BPF target, and bpf-linker built against
//! the LLVM that this compiler uses.
//!
//! What is there already is used: a toolchain named `enforcer-ebpf` and a bpf-linker in the cache, or nightly with rust-src and
//! a bpf-linker on PATH. Otherwise Debian's `rustc-web` is linked as `enforcer-ebpf`: its version moves rarely and its LLVM is
//! packaged, while both of nightly change under one's feet. Only where Debian has none is nightly fetched.
//! `enforcer/build.rs` looks for the same things in the same order.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::apt::{self, Package};
use crate::{cache, cmd, progress};

/// The name of the linked toolchain.
const TOOLCHAIN: &str = "enforcer-ebpf";

/// The release of bpf-linker, and the LLVM majors that it can be built for.
const LINKER: (&str, &[&str]) = ("0.13.0", &["21", "22", "23"]);

/// Debian's compiler and the sources of its `core`.
const COMPILER: [Package; 3] = [
    Package { name: "rustc-web", why: "builds the kernel programs" },
    Package { name: "cargo-web", why: "builds the kernel programs" },
    Package { name: "rust-web-src", why: "sources of core, built for the BPF target" },
];

/// Makes both ready.
pub(super) fn ensure(cache: &Path) -> Result<()> {
    if ready(cache) {
        return Ok(());
    }
    let _lock = cache::lock(cache, "ebpf-toolchain")?;
    if ready(cache) {
        return Ok(());
    }
    let compiler = compiler(cache)?;
    if own_linker(cache).is_some() {
        return Ok(());
    }
    build_linker(cache, &llvm_of(&compiler)?)
}

/// Whether nothing is to be done; costs two short commands.
fn ready(cache: &Path) -> bool {
    if has_toolchain(TOOLCHAIN) {
        own_linker(cache).is_some()
    } else {
        nightly_has_sources() && cmd::find("bpf-linker").is_some()
    }
}

fn own_linker(cache: &Path) -> Option<PathBuf> {
    Some(cache.join("bin/bpf-linker")).filter(|file| file.is_file())
}

/// Whether the toolchain works; a link to one that was removed is still on rustup's list.
fn has_toolchain(name: &str) -> bool {
    cmd::output(Command::new("rustup").args(["run", name, "rustc", "--version"])).is_ok()
}

fn nightly_has_sources() -> bool {
    let mut command = Command::new("rustup");
    command.args(["component", "list", "--toolchain", "nightly", "--installed"]);
    cmd::output(&mut command).is_ok_and(|list| list.lines().any(|line| line.starts_with("rust-src")))
}

/// The `rustc` that will build the kernel programs.
fn compiler(cache: &Path) -> Result<Vec<String>> {
    let linked = vec!["rustc".to_owned(), format!("+{TOOLCHAIN}")];
    let nightly = vec!["rustc".to_owned(), "+nightly".to_owned()];
    if has_toolchain(TOOLCHAIN) {
        return Ok(linked);
    }
    let debian = apt::ensure(&COMPILER).and_then(|()| link(cache));
    let Err(reason) = debian else { return Ok(linked) };
    if nightly_has_sources() {
        return Ok(nightly);
    }
    progress::line(&format!("Debian's compiler is not to be had, trying nightly: {reason:#}"));
    let step = progress::step("rustup toolchain install nightly", "builds the kernel programs");
    let mut command = Command::new("timeout");
    command.args(["600", "rustup", "toolchain", "install", "nightly"]);
    command.args(["--profile", "minimal", "--component", "rust-src"]);
    cmd::quiet(&mut command, &step).context(
        "no compiler for the kernel programs; one of these mends it: apt-get install rustc-web cargo-web rust-web-src, \
         or rustup toolchain install nightly --component rust-src",
    )?;
    step.done();
    Ok(nightly)
}

/// Links Debian's compiler into rustup.
fn link(cache: &Path) -> Result<()> {
    let dir = cache.join("toolchain");
    let bin = dir.join("bin");
    fs::create_dir_all(&bin).with_context(|| format!("creating {}", bin.display()))?;
    fs::create_dir_all(dir.join("lib"))?;
    for program in ["rustc", "cargo", "rustdoc"] {
        let to = bin.join(program);
        let _ = fs::remove_file(&to);
        symlink(Path::new("/usr/bin").join(program), &to).with_context(|| format!("linking {program}"))?;
    }
    let sysroot = cmd::output(Command::new("/usr/bin/rustc").args(["--print", "sysroot"]))?;
    let sources = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core");
    if !sources.is_dir() {
        bail!("{} is missing, which rust-web-src should have brought", sources.display());
    }
    cmd::output(Command::new("rustup").args(["toolchain", "link", TOOLCHAIN]).arg(&dir)).map(drop)
}

/// The major version of the LLVM in a compiler.
fn llvm_of(compiler: &[String]) -> Result<String> {
    let [program, args @ ..] = compiler else { bail!("no compiler was chosen") };
    let about = cmd::output(Command::new(program).args(args).arg("-vV"))?;
    let version = about.lines().find_map(|line| line.strip_prefix("LLVM version: "));
    let major = version.and_then(|version| version.split('.').next());
    Ok(major.with_context(|| format!("{} does not say which LLVM it uses", compiler.join(" ")))?.to_owned())
}

fn build_linker(cache: &Path, llvm: &str) -> Result<()> {
    let (version, supported) = LINKER;
    if !supported.contains(&llvm) {
        bail!(
            "the compiler for the kernel programs uses LLVM {llvm}, which bpf-linker {version} does not know"
        );
    }
    let dev = String::leak(format!("llvm-{llvm}-dev"));
    apt::ensure(&[
        Package { name: dev, why: "bpf-linker is linked with it" },
        Package { name: "g++", why: "bpf-linker is linked with LLVM, which is C++" },
        Package { name: "zlib1g-dev", why: "LLVM is linked with it" },
        Package { name: "libzstd-dev", why: "LLVM is linked with it" },
    ])?;
    let step = progress::step("bpf-linker", "links the kernel programs; built once, about a minute");
    let work = tempfile::tempdir_in(cache).context("making a directory to build in")?;
    let mut command = Command::new("cargo");
    command.args(["install", "bpf-linker", "--locked", "--version", &format!("={version}")]);
    command.args(["--no-default-features", "--features", &format!("llvm-{llvm}"), "--root"]).arg(cache);
    command.arg("--target-dir").arg(work.path()).current_dir(work.path());
    // Not the toolchain that runs xtask through cargo, but the user's default one.
    command.env_remove("RUSTC").env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("CARGO_TARGET_DIR");
    command.env("LLVM_PREFIX", format!("/usr/lib/llvm-{llvm}"));
    cmd::quiet(&mut command, &step).context("building bpf-linker")?;
    step.done();
    own_linker(cache).map(drop).context("cargo install left no bpf-linker")
}
