// SPDX-License-Identifier: MIT OR Apache-2.0
//! What one boot brings along: a small read-only disk with the guest's scripts, the command, the enforcer and its
//! profiles; a disk for each shared directory; the initramfs. All are files without a name once QEMU runs, so nothing
//! can be left behind.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{Init, Vm};
use crate::{cmd, ext4, initramfs, repo};

/// The files of one boot, open and already unlinked.
pub(super) struct Disks {
    /// The initramfs.
    pub(super) initramfs: File,
    /// The disk with scripts and command.
    pub(super) payload: File,
    /// The shared directories, in the order of `Vm::shares`.
    pub(super) shares: Vec<File>,
}

/// A random word that marks the end of COMMAND's output.
pub(super) fn nonce() -> Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context("reading /dev/urandom")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl Disks {
    pub(super) fn make<S: AsRef<OsStr>>(vm: &Vm<'_>, command: &[S], nonce: &str) -> Result<Self> {
        if command.is_empty() {
            bail!("there is no command to run");
        }
        let work = tempfile::Builder::new()
            .prefix("enforcer-vm-")
            .tempdir()
            .context("making a temporary directory")?;
        let tree = work.path().join("payload");
        let names = fill(vm, &tree, command, nonce)?;
        let mut shares = Vec::new();
        for (dir, name) in vm.shares.iter().zip(&names) {
            let disk = disk(dir, &work.path().join("share.ext4"), 0);
            shares.push(disk.with_context(|| format!("copying {} for /mnt/{name}", dir.display()))?);
        }
        let mut initramfs = tempfile::tempfile().context("making a temporary file")?;
        initramfs::write_boot(&vm.kernel.initramfs, &repo::root().join("xtask/guest/init"), &mut initramfs)?;
        Ok(Self { initramfs, payload: disk(&tree, &work.path().join("payload.ext4"), 0)?, shares })
    }
}

/// An image of `dir`, without a name.
fn disk(dir: &Path, image: &Path, spare: u64) -> Result<File> {
    ext4::make(dir, image, spare)?;
    let file = File::open(image).with_context(|| format!("opening {}", image.display()))?;
    fs::remove_file(image).with_context(|| format!("removing {}", image.display()))?;
    Ok(file)
}

fn fill<S: AsRef<OsStr>>(vm: &Vm<'_>, tree: &Path, command: &[S], nonce: &str) -> Result<Vec<String>> {
    let root = repo::root();
    fs::create_dir_all(tree).context("making the payload")?;
    let copy = |from: &Path, to: &str| {
        cmd::output(Command::new("cp").args(["-RL", "--"]).arg(from).arg(tree.join(to))).map(drop)
    };
    copy(&root.join("xtask/guest"), "guest")?;
    if root.join("profiles").is_dir() {
        copy(&root.join("profiles"), "profiles")?;
    }
    if let Some(agent) = &vm.bed.agent {
        copy(agent, "enforcer")?;
    }
    let mut args = Vec::new();
    for arg in command {
        args.extend_from_slice(arg.as_ref().as_bytes());
        args.push(0);
    }
    fs::write(tree.join("command"), args).context("writing the command")?;
    let mut names: Vec<String> = Vec::new();
    for dir in &vm.shares {
        let full =
            fs::canonicalize(dir).with_context(|| format!("there is no directory {}", dir.display()))?;
        if !full.is_dir() {
            bail!("{} is not a directory", dir.display());
        }
        let name = full.file_name().and_then(OsStr::to_str).unwrap_or_default().to_owned();
        if name.is_empty() || name.contains(['\n', '\\']) || names.contains(&name) {
            bail!("{} cannot be shared: /mnt/{name} would not be a name of its own", dir.display());
        }
        names.push(name);
    }
    fs::write(tree.join("shares"), names.iter().map(|name| format!("{name}\n")).collect::<String>())
        .context("writing the list of shares")?;
    let init = match vm.init {
        Init::Direct => "direct",
        Init::Systemd => "systemd",
    };
    // The time is passed because a guest that counts instructions has a clock of its own.
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    fs::write(tree.join("boot.env"), format!("INIT={init}\nNONCE={nonce}\nNOW={now}\n"))
        .context("writing boot.env")?;
    Ok(names)
}
