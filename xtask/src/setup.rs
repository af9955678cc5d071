// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask setup`: from a fresh Debian 12 with rustup's stable toolchain to where everything builds and runs.
//!
//! Every other command calls [`ensure`] first. It does nothing, in well under a second, when nothing is missing.

pub mod apt;
pub mod deb;
mod ebpf;
pub mod qemu;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, anyhow};

use self::{apt::Package, qemu::Qemu};
use crate::kernel::{Kernel, Line};
use crate::{cache, image, kernel, progress};

/// What the host needs, eBPF aside.
const PACKAGES: [Package; 11] = [
    Package { name: "gcc", why: "links Rust programs" },
    Package { name: "libc6-dev", why: "links Rust programs" },
    Package { name: "ca-certificates", why: "downloads over TLS" },
    Package {
        name: "debian-archive-keyring",
        why: "checks the signatures of the guest's kernels and packages",
    },
    Package { name: "e2fsprogs", why: "makes the guest's disks" },
    Package { name: "kmod", why: "prepares the modules of the guest's kernels" },
    Package { name: "mmdebstrap", why: "makes the guest's Debian system" },
    Package { name: "python3", why: "unpacks node for the guest" },
    Package { name: "python3-pip", why: "downloads node and Python packages for the guest" },
    Package { name: "xz-utils", why: "unpacks kernel modules" },
    Package { name: "zstd", why: "unpacks kernel modules" },
];

/// Install, download and build what is missing; does nothing when nothing is.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Fetch the newest kernel of every line again.
    #[arg(long)]
    refresh_kernels: bool,
}

impl Args {
    /// Runs it.
    pub fn run(&self) -> Result<ExitCode> {
        if self.refresh_kernels {
            kernel::forget(&cache::dir()?)?;
        }
        let ready = ensure(&kernel::LINES.iter().collect::<Vec<_>>())?;
        deb::ensure(&ready.cache)?;
        progress::line("everything is set up");
        Ok(ExitCode::SUCCESS)
    }
}

/// What was set up.
#[derive(Debug)]
pub struct Ready {
    /// The cache.
    pub cache: PathBuf,
    /// The kernels asked for, in order, by the name of their line.
    pub kernels: Vec<(&'static str, Kernel)>,
    /// The guest's disk.
    pub disk: PathBuf,
    /// What runs guests.
    pub qemu: Qemu,
}

/// Brings the host to where everything builds, and to where guests with the kernels of `lines` can be started.
pub fn ensure(lines: &[&'static Line]) -> Result<Ready> {
    let cache = cache::dir()?;
    apt::ensure(&PACKAGES)?;
    // The linker for the kernel programs is built while the rest is downloaded and unpacked.
    let (ebpf, guests) = std::thread::scope(|scope| {
        let ebpf = scope.spawn(|| ebpf::ensure(&cache));
        let guests = kernels(&cache, lines)
            .and_then(|kernels| Ok((kernels, image::ensure(&cache)?, qemu::ensure(&cache)?)));
        (ebpf.join(), guests)
    });
    let (kernels, disk, qemu) = guests?;
    ebpf.map_err(|_| anyhow!("setting up the eBPF toolchain panicked"))??;
    Ok(Ready { cache, kernels, disk, qemu })
}

/// Brings the host to where everything builds, no more; says where the cache is.
pub fn ensure_build() -> Result<PathBuf> {
    let cache = cache::dir()?;
    apt::ensure(&PACKAGES)?;
    ebpf::ensure(&cache)?;
    Ok(cache)
}

fn kernels(cache: &Path, lines: &[&'static Line]) -> Result<Vec<(&'static str, Kernel)>> {
    lines.iter().map(|line| Ok((line.name, kernel::ensure(cache, line)?))).collect()
}
