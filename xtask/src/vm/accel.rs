// SPDX-License-Identifier: MIT OR Apache-2.0
//! KVM or emulation. That `/dev/kvm` opens, and even that a guest can be made, does not mean that a guest runs, so a real
//! guest is booted once, with a time limit, and what came out is remembered until the machine is booted again.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{End, Output, TestBed};
use crate::{cache, progress};

/// How a guest's instructions are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accel {
    /// By the CPU.
    Kvm,
    /// By QEMU, in software.
    Tcg,
}

/// The longest that a KVM guest may take to boot.
const LIMIT: Duration = Duration::from_secs(30);

/// Whether KVM works here, by trying.
pub(super) fn probe(bed: &TestBed) -> Result<Accel> {
    let usable = fs::OpenOptions::new().read(true).write(true).open("/dev/kvm").is_ok();
    let Some((line, _)) = bed.kernels.last().filter(|_| usable) else { return Ok(Accel::Tcg) };
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").context("reading the boot id")?;
    let note = bed.cache.join("kvm-probe");
    let known = || {
        let text = fs::read_to_string(&note).ok()?;
        match text.strip_prefix(boot.trim())?.trim() {
            "kvm" => Some(Accel::Kvm),
            "tcg" => Some(Accel::Tcg),
            _ => None,
        }
    };
    if let Some(accel) = known() {
        return Ok(accel);
    }
    let _lock = cache::lock(&bed.cache, "kvm-probe")?;
    if let Some(accel) = known() {
        return Ok(accel);
    }
    let step =
        progress::step("trying KVM", "once for each boot of this machine; without it guests are emulated");
    let mut vm = bed.vm(line)?;
    vm.accel = Accel::Kvm;
    vm.boot_limit = LIMIT;
    let (accel, word, said) = match vm.timeout(LIMIT.as_secs()).run(&["true"], Output::Capture)?.end {
        End::Exit(0) => (Accel::Kvm, "kvm", "it works".to_owned()),
        End::Crash(reason) => (Accel::Tcg, "tcg", reason),
        end => (Accel::Tcg, "tcg", format!("the probe ended with {}", end.status())),
    };
    fs::write(&note, format!("{} {word}\n", boot.trim()))
        .with_context(|| format!("writing {}", note.display()))?;
    step.done();
    progress::line(&format!("KVM: {said}; guests run with {word}"));
    Ok(accel)
}
