// SPDX-License-Identifier: MIT OR Apache-2.0
//! The initramfs: busybox, the few modules that reach the root disk, and `guest/init`. Written in the newc cpio format,
//! which is a header of hex numbers before each file; the kernel accepts several archives one after the other.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cache;
use crate::debian::{Archive, Mirrors, PrivateApt};

/// The modules that must be there before the root disk is; what is built into a kernel is skipped.
const MODULES: [&str; 5] = ["virtio_pci", "virtio_blk", "virtio_console", "virtio_rng", "dummy"];

/// A cpio archive under construction.
#[derive(Default)]
pub struct Cpio {
    bytes: Vec<u8>,
    inode: u32,
}

impl Cpio {
    /// Adds a directory.
    pub fn dir(&mut self, name: &str) {
        self.entry(name, 0o040_755, &[]);
    }

    /// Adds a file that can be executed.
    pub fn file(&mut self, name: &str, data: &[u8]) {
        self.entry(name, 0o100_755, data);
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, name: &str, target: &str) {
        self.entry(name, 0o120_777, target.as_bytes());
    }

    fn entry(&mut self, name: &str, mode: u32, data: &[u8]) {
        self.inode += 1;
        // Inode, mode, uid, gid, links, mtime, size, device and rdevice (major, minor each), name size, checksum.
        let size = data.len() as u32;
        let fields = [self.inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name.len() as u32 + 1, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(data);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// Ends the archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self.bytes
    }
}

/// A static busybox of bookworm, from the cache or downloaded.
pub fn busybox(cache: &Path, mirrors: &Mirrors) -> Result<PathBuf> {
    let place = cache.join("busybox");
    if place.is_file() {
        return Ok(place);
    }
    let _lock = cache::lock(cache, "busybox")?;
    if place.is_file() {
        return Ok(place);
    }
    let apt = PrivateApt::update(&cache.join("apt/busybox"), &[mirrors.source(Archive::Main, "bookworm")?])?;
    let work = tempfile::tempdir_in(cache).context("making a directory to unpack busybox into")?;
    apt.unpack(&["busybox-static".to_owned()], work.path())?;
    let binary = ["usr/bin/busybox", "bin/busybox"]
        .map(|name| work.path().join(name))
        .into_iter()
        .find(|file| file.is_file())
        .context("the package busybox-static holds no busybox")?;
    fs::rename(binary, &place).context("moving busybox into the cache")?;
    Ok(place)
}

/// Writes the kernel's part: busybox and, as `/modules/NN-name.ko` in loading order, its modules.
pub fn write_base(modules: &Path, busybox: &Path, target: &Path) -> Result<()> {
    let mut cpio = Cpio::default();
    for dir in ["bin", "dev", "proc", "sys", "root", "modules"] {
        cpio.dir(dir);
    }
    cpio.file("bin/busybox", &fs::read(busybox).context("reading busybox")?);
    cpio.link("bin/sh", "busybox");
    for (index, path) in in_order(modules)?.iter().enumerate() {
        let stem = Path::new(path).file_name().context("odd module name")?.to_string_lossy();
        let stem = stem.split('.').next().unwrap_or_default();
        cpio.file(&format!("modules/{index:02}-{stem}.ko"), &plain(&modules.join(path))?);
    }
    fs::write(target, cpio.finish()).with_context(|| format!("writing {}", target.display()))
}

/// The module files that `MODULES` need, dependencies first, as depmod found them.
fn in_order(modules: &Path) -> Result<Vec<String>> {
    let table = fs::read_to_string(modules.join("modules.dep")).context("reading modules.dep")?;
    let builtin = fs::read_to_string(modules.join("modules.builtin")).unwrap_or_default();
    let name_of = |path: &str| {
        let file = path.rsplit('/').next().unwrap_or(path);
        file.split('.').next().unwrap_or(file).replace('-', "_")
    };
    let mut order: Vec<String> = Vec::new();
    for wanted in MODULES {
        let entry =
            table.lines().filter_map(|line| line.split_once(':')).find(|(path, _)| name_of(path) == wanted);
        match entry {
            // modules.dep lists the dependencies of a module with the deepest one last.
            Some((path, needs)) => {
                for path in needs.split_whitespace().rev().chain([path]) {
                    if !order.iter().any(|have| have == path) {
                        order.push(path.to_owned());
                    }
                }
            }
            None if builtin.lines().any(|path| name_of(path) == wanted) => {}
            None => bail!("this kernel has no {wanted}, neither built in nor as a module"),
        }
    }
    Ok(order)
}

/// The module, decompressed.
fn plain(path: &Path) -> Result<Vec<u8>> {
    let tool = match path.extension().and_then(|ext| ext.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        _ => return fs::read(path).with_context(|| format!("reading {}", path.display())),
    };
    let done = Command::new(tool)
        .args(["-dc", "--"])
        .arg(path)
        .output()
        .with_context(|| format!("starting {tool}"))?;
    if !done.status.success() {
        bail!("{tool} could not decompress {}", path.display());
    }
    Ok(done.stdout)
}

/// Writes the initramfs of one boot: the kernel's part, and `init` after it.
pub fn write_boot(base: &Path, init: &Path, target: &mut impl Write) -> Result<()> {
    let mut bytes = Vec::new();
    fs::File::open(base)
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .with_context(|| format!("reading {}", base.display()))?;
    let mut cpio = Cpio::default();
    cpio.file("init", &fs::read(init).with_context(|| format!("reading {}", init.display()))?);
    bytes.extend(cpio.finish());
    target.write_all(&bytes).context("writing the initramfs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_has_aligned_headers_and_an_end() {
        let mut cpio = Cpio::default();
        cpio.dir("bin");
        cpio.file("bin/tool", b"12345");
        cpio.link("bin/sh", "tool");
        let bytes = cpio.finish();
        assert_eq!(bytes.len() % 512, 0);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let headers: Vec<usize> = text.match_indices("070701").map(|(at, _)| at).collect();
        assert_eq!(headers.len(), 4);
        assert!(headers.iter().all(|at| at % 4 == 0));
        assert!(text.contains("TRAILER!!!"));
    }
}
