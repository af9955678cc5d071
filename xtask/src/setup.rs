// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask setup`: from a fresh Debian 12 with rustup's stable toolchain to where everything builds and runs.
//!
//! Every other command calls [`ensure`] first. It does nothing, in well under a second, when nothing is missing.

pub mod apt;
mod ebpf;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use self::apt::Package;
use crate::{cache, image, kernel, progress};

/// What the host needs, eBPF aside.
const PACKAGES: [Package; 12] = [
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
    Package { name: "python3-pip", why: "downloads node for the guest" },
    Package { name: "qemu-system-x86", why: "runs the guest" },
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
        let cache = cache::dir()?;
        ensure(&cache)?;
        if self.refresh_kernels {
            kernel::forget(&cache)?;
        }
        for line in &kernel::LINES {
            kernel::ensure(&cache, line)?;
        }
        image::ensure(&cache)?;
        progress::line("everything is set up");
        Ok(ExitCode::SUCCESS)
    }
}

/// Brings the host to where everything builds and guests can be made.
pub fn ensure(cache: &Path) -> Result<()> {
    apt::ensure(&PACKAGES)?;
    ebpf::ensure(cache)
}
