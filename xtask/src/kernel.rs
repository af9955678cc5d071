// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernels that everything is tested on: Debian's cloud kernels, one of each release line, downloaded once.
//!
//! A line is pinned, not a version: versions vanish from the archive, lines stay for years. What is cached for a line is
//! used for ever, without the network, until its directory is removed or `cargo xtask setup --refresh-kernels` is called.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::debian::{Archive, Mirrors, PrivateApt};
use crate::{cache, cmd, ext4, initramfs, progress};

/// A kernel release line and the suites in which Debian publishes it.
#[derive(Debug)]
pub struct Line {
    /// The line's name, as typed after `--kernel`.
    pub name: &'static str,
    suites: &'static [(Archive, &'static str)],
}

/// Every line that is supported, oldest first.
pub const LINES: [Line; 4] = [
    Line { name: "6.1", suites: &[(Archive::Main, "bookworm"), (Archive::Security, "bookworm-security")] },
    Line {
        name: "6.12",
        suites: &[(Archive::Security, "bookworm-security"), (Archive::Main, "bookworm-backports")],
    },
    Line { name: "6.18", suites: &[(Archive::Main, "trixie-backports")] },
    Line { name: "7.2", suites: &[(Archive::Main, "sid"), (Archive::Main, "trixie-backports")] },
];

/// The lines that `--kernel` names: one, `newest`, or `all`.
pub fn lines(choice: &str) -> Result<Vec<&'static Line>> {
    match choice {
        "all" => Ok(LINES.iter().collect()),
        "newest" => Ok(LINES.last().into_iter().collect()),
        name => match LINES.iter().find(|line| line.name == name) {
            Some(line) => Ok(vec![line]),
            None => {
                let known: Vec<_> = LINES.iter().map(|line| line.name).collect();
                bail!("there is no kernel line {name:?}; it is one of {}, newest or all", known.join(", "))
            }
        },
    }
}

/// A kernel that is ready to boot.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// `uname -r` of this kernel.
    pub release: String,
    /// The bzImage.
    pub image: PathBuf,
    /// The part of the initramfs that belongs to the kernel: busybox and the modules that reach the root disk.
    pub initramfs: PathBuf,
    /// An ext4 image with the whole module tree, `/lib/modules`.
    pub modules: PathBuf,
}

impl Kernel {
    fn in_dir(dir: &Path) -> Option<Self> {
        let release = fs::read_to_string(dir.join("release")).ok()?;
        let file = |name| Some(dir.join(name)).filter(|path| path.is_file());
        Some(Self {
            release: release.trim().to_owned(),
            image: file("vmlinuz")?,
            initramfs: file("initramfs.cpio")?,
            modules: file("modules.ext4")?,
        })
    }
}

/// Whether `line` is in the cache.
pub fn cached(cache: &Path, line: &Line) -> Option<Kernel> {
    Kernel::in_dir(&cache.join("kernels").join(line.name))
}

/// The kernel of `line`: from the cache, or downloaded, checked and prepared.
pub fn ensure(cache: &Path, line: &Line) -> Result<Kernel> {
    if let Some(kernel) = cached(cache, line) {
        return Ok(kernel);
    }
    let _lock = cache::lock(cache, &format!("kernel-{}", line.name))?;
    if let Some(kernel) = cached(cache, line) {
        return Ok(kernel);
    }
    let step = progress::step(
        &format!("kernel {}", line.name),
        "Debian's cloud kernel, downloaded and unpacked, not installed",
    );
    let kernel =
        fetch(cache, line).with_context(|| format!("getting the kernel of the line {}", line.name))?;
    step.done();
    Ok(kernel)
}

/// Removes the cached kernels, so that the newest of each line are fetched next.
pub fn forget(cache: &Path) -> Result<()> {
    for line in &LINES {
        let dir = cache.join("kernels").join(line.name);
        if dir.exists() {
            fs::remove_dir_all(&dir).with_context(|| format!("removing {}", dir.display()))?;
        }
    }
    Ok(())
}

fn fetch(cache: &Path, line: &Line) -> Result<Kernel> {
    let mirrors = Mirrors::of_host()?;
    let mut sources = Vec::new();
    for (archive, suite) in line.suites {
        sources.push(mirrors.source(*archive, suite)?);
    }
    let apt = PrivateApt::update(&cache.join("apt").join(line.name), &sources)?;
    let packages = newest(&apt.packages()?, line.name).with_context(|| {
        let suites: Vec<_> = line.suites.iter().map(|(_, suite)| *suite).collect();
        format!(
            "no cloud kernel of the line {} is in {} any more; choose another line in xtask/src/kernel.rs",
            line.name,
            suites.join(" or ")
        )
    })?;

    let home = cache.join("kernels");
    fs::create_dir_all(&home).with_context(|| format!("creating {}", home.display()))?;
    let prefix = format!("work-{}-", line.name);
    cache::prune_old(&home, &prefix, 0)?;
    let work =
        tempfile::Builder::new().prefix(&prefix).tempdir_in(&home).context("making a working directory")?;
    let tree = work.path().join("tree");
    apt.unpack(&packages, &tree)?;
    let busybox = initramfs::busybox(cache, &mirrors)?;
    let ready = work.path().join("ready");
    prepare(&tree, &ready, &busybox)?;

    let place = home.join(line.name);
    if place.exists() {
        fs::remove_dir_all(&place).with_context(|| format!("removing {}", place.display()))?;
    }
    fs::rename(&ready, &place).with_context(|| format!("moving the kernel to {}", place.display()))?;
    Kernel::in_dir(&place).with_context(|| format!("{} is incomplete", place.display()))
}

/// The packages of the newest version of a line: the signed image package, or from 7.x image and modules apart.
fn newest(packages: &[(String, String)], line: &str) -> Option<Vec<String>> {
    let release = |prefix: &str, name: &str| {
        let version = name.strip_prefix(prefix)?.strip_suffix("-cloud-amd64")?;
        let rest = version.strip_prefix(line)?;
        rest.starts_with('.').then(|| version.to_owned())
    };
    let numbers = |text: &str| -> Vec<u64> {
        text.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
    };
    let have = |name: &str| packages.iter().any(|(its, _)| its == name);
    let mut best: Option<(Vec<u64>, Vec<String>)> = None;
    for (name, version) in packages {
        let wanted = if let Some(release) = release("linux-binary-", name) {
            let modules = format!("linux-modules-{release}-cloud-amd64");
            if !have(&modules) {
                continue;
            }
            // The lists of modules and the configuration are in a third package.
            let base = format!("linux-base-{release}-cloud-amd64");
            let mut wanted = vec![name.clone(), modules];
            wanted.extend(have(&base).then_some(base));
            wanted
        } else if let Some(release) = release("linux-image-", name) {
            // Where image and modules are apart, this one is an empty package that depends on both.
            if have(&format!("linux-binary-{release}-cloud-amd64")) {
                continue;
            }
            vec![name.clone()]
        } else {
            continue;
        };
        let rank = numbers(version);
        if best.as_ref().is_none_or(|(its, _)| rank > *its) {
            best = Some((rank, wanted));
        }
    }
    best.map(|(_, wanted)| wanted)
}

/// Makes `ready` from an unpacked package tree.
fn prepare(tree: &Path, ready: &Path, busybox: &Path) -> Result<()> {
    let modules = ["usr/lib/modules", "lib/modules"]
        .map(|dir| tree.join(dir))
        .into_iter()
        .find(|dir| dir.is_dir())
        .context("the package holds no modules")?;
    let release = fs::read_dir(&modules)?
        .next()
        .context("the package holds no modules")??
        .file_name()
        .into_string()
        .map_err(|name| anyhow::anyhow!("odd module directory {}", name.display()))?;
    let image =
        [tree.join("boot").join(format!("vmlinuz-{release}")), modules.join(&release).join("vmlinuz")]
            .into_iter()
            .find(|file| file.is_file())
            .context("the package holds no kernel image")?;

    fs::create_dir_all(ready).with_context(|| format!("creating {}", ready.display()))?;
    fs::copy(&image, ready.join("vmlinuz")).context("copying the kernel image")?;
    if image.starts_with(&modules) {
        fs::remove_file(&image).context("removing the second copy of the kernel image")?;
    }
    // depmod looks below <base>/lib/modules only.
    let base = ready.join("depmod");
    fs::create_dir_all(base.join("lib"))?;
    fs::rename(&modules, base.join("lib/modules")).context("moving the modules")?;
    cmd::output(cmd::system("depmod").arg("-b").arg(&base).arg(&release))?;
    let modules = base.join("lib/modules");
    initramfs::write_base(&modules.join(&release), busybox, &ready.join("initramfs.cpio"))?;
    ext4::make(&modules, &ready.join("modules.ext4"), 16)?;
    fs::remove_dir_all(&base).context("removing the unpacked modules")?;
    fs::write(ready.join("release"), &release).context("noting the kernel's release")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pick(names: &[&str], line: &str) -> Option<Vec<String>> {
        let listed = names.iter().filter_map(|text| text.split_once(' '));
        newest(&listed.map(|(name, version)| (name.to_owned(), version.to_owned())).collect::<Vec<_>>(), line)
    }

    #[test]
    fn the_newest_version_of_a_line_is_picked_by_number() {
        let listed = [
            "linux-image-6.1.0-9-cloud-amd64 6.1.27-1",
            "linux-image-6.1.0-56-cloud-amd64 6.1.192-2",
            "linux-image-6.1.0-55-cloud-amd64-dbg 6.1.999-1",
            "linux-image-6.12.117+deb12-cloud-amd64 6.12.117-1~deb12u1",
            "linux-image-6.12-cloud-amd64 6.12.999-1",
        ];
        assert_eq!(pick(&listed, "6.1"), Some(vec!["linux-image-6.1.0-56-cloud-amd64".to_owned()]));
        assert_eq!(pick(&listed, "6.12"), Some(vec!["linux-image-6.12.117+deb12-cloud-amd64".to_owned()]));
        assert_eq!(pick(&listed, "6.18"), None);
    }

    #[test]
    fn a_line_with_image_and_modules_apart_gets_both() {
        let listed = [
            "linux-image-7.2.13+deb14-cloud-amd64 7.2.13-1",
            "linux-binary-7.2.13+deb14-cloud-amd64 7.2.13-1",
            "linux-modules-7.2.13+deb14-cloud-amd64 7.2.13-1",
            "linux-base-7.2.13+deb14-cloud-amd64 7.2.13-1",
            "linux-binary-7.2.99+deb14-cloud-amd64 7.2.99-1",
        ];
        let want = ["binary", "modules", "base"].map(|part| format!("linux-{part}-7.2.13+deb14-cloud-amd64"));
        assert_eq!(pick(&listed, "7.2"), Some(want.to_vec()));
    }

    #[test]
    fn a_line_is_chosen_by_name() {
        assert_eq!(lines("all").map(|lines| lines.len()).ok(), Some(4));
        assert_eq!(lines("newest").ok().and_then(|lines| lines.first().map(|line| line.name)), Some("7.2"));
        assert!(lines("5.10").is_err());
    }
}
