// SPDX-License-Identifier: MIT OR Apache-2.0
//! QEMU from Debian's archive, with every library that it needs, in the cache. It is the same one everywhere, and what the
//! machine has installed of QEMU (Debian 12's refuses to be beside the qemu-utils of a later release) is in nobody's way.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::debian::{Archive, Mirrors, PrivateApt};
use crate::{cache, progress};

/// The packages; apt adds what they depend on.
const PACKAGES: [&str; 2] = ["qemu-system-x86", "seabios"];
/// Changes when what is unpacked does.
const NAME: &str = "qemu-bookworm-1";
/// Where Debian keeps libraries.
const LIBRARIES: [&str; 2] = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"];

/// An unpacked QEMU.
#[derive(Clone, Debug)]
pub struct Qemu {
    tree: PathBuf,
}

impl Qemu {
    /// The emulator, started by its own loader with its own libraries.
    pub fn command(&self) -> Command {
        let libraries = LIBRARIES.map(|dir| self.tree.join(dir).display().to_string());
        let mut command = Command::new(self.loader());
        command.args(["--library-path", &libraries.join(":")]).arg(self.program());
        for firmware in ["qemu", "seabios"] {
            command.arg("-L").arg(self.tree.join("usr/share").join(firmware));
        }
        command.env("QEMU_MODULE_DIR", self.tree.join(LIBRARIES[1]).join("qemu"));
        command
    }

    fn program(&self) -> PathBuf {
        self.tree.join("usr/bin/qemu-system-x86_64")
    }

    fn loader(&self) -> PathBuf {
        self.tree.join(LIBRARIES[0]).join("ld-linux-x86-64.so.2")
    }
}

/// QEMU: from the cache, or downloaded and unpacked.
pub fn ensure(cache: &Path) -> Result<Qemu> {
    let qemu = Qemu { tree: cache.join(NAME) };
    if qemu.tree.is_dir() {
        return Ok(qemu);
    }
    let _lock = cache::lock(cache, "qemu")?;
    if qemu.tree.is_dir() {
        return Ok(qemu);
    }
    // What an interrupted call left.
    cache::prune_old(cache, "qemu-work-", 0)?;
    let step = progress::step("QEMU", "Debian's, with its libraries, unpacked and not installed");
    let mirrors = Mirrors::of_host()?;
    let sources =
        [mirrors.source(Archive::Main, "bookworm")?, mirrors.source(Archive::Security, "bookworm-security")?];
    let apt = PrivateApt::update(&cache.join("apt/qemu"), &sources)?;
    let work =
        tempfile::Builder::new().prefix("qemu-work-").tempdir_in(cache).context("making a directory")?;
    let tree = work.path().join("tree");
    apt.unpack_with_dependencies(&PACKAGES, &tree).context("getting QEMU")?;
    let unpacked = Qemu { tree };
    for file in [unpacked.program(), unpacked.loader()] {
        if !file.is_file() {
            bail!("Debian's packages of QEMU hold no {}", file.display());
        }
    }
    fs::rename(&unpacked.tree, &qemu.tree).context("moving QEMU into the cache")?;
    cache::prune(cache, "qemu-bookworm-", NAME)?;
    step.done();
    Ok(qemu)
}
