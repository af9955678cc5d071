// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guest's root disk: Debian bookworm, made from nothing but the archives, the same whatever the host has installed.
//!
//! Made in stages, each named after the digest of its inputs, so that a change redoes only what follows from it:
//!
//! 1. `base-*`, a tree: Debian with the tools that tests use, node and npm, the user `builder`;
//! 2. `verdaccio-*`, a tree: the registry server, pnpm and yarn, from npm, pinned by the lock file in `guest/verdaccio/`;
//! 3. `root-*.ext4`, the disk: both trees, the seeded registry (`registry.rs`), what the other registries have
//!    (`packages.rs`), and room to write.
//!
//! What only matters at boot (init, units, configuration, the enforcer) is not in the image; see `vm/payload.rs`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::debian::{Archive, Mirrors};
use crate::packages::{self, Packages};
use crate::{cache, cmd, ext4, node, progress, registry, repo};

/// Everything the guest has beyond Debian's required packages.
///
/// `cargo-web` is the newer of Debian's two cargos. It needs a compiler to ask about the target.
const PACKAGES: &str = "bash,bpftool,bubblewrap,ca-certificates,cargo-web,coreutils,curl,dbus,dnsmasq-base,e2fsprogs,file,\
    findutils,gcc,git,iproute2,iputils-ping,jq,kmod,libc6-dev,libcap2-bin,make,musl-tools,ncat,openssl,passwd,procps,psmisc,\
    python3,python3-pip,strace,sudo,systemd,systemd-sysv,tar,util-linux,xz-utils";

/// What of them is left out: nobody reads there, and nobody compiles Rust.
const LEFT_OUT: [&str; 6] = [
    "/usr/share/doc/*",
    "/usr/share/man/*",
    "/usr/share/info/*",
    "/usr/share/locale/*",
    "/usr/lib/rustlib/*/lib/*",
    "/usr/bin/rustdoc",
];

/// Free room on the disk, in MB.
const SPARE: u64 = 2048;

/// How many versions of each stage are kept.
const KEEP: usize = 3;

/// Changes when the steps below change without their inputs.
const RECIPE: &str = "2";

/// The root disk: from the cache, or made. Asks for root through sudo when something has to be made.
pub fn ensure(cache: &Path) -> Result<PathBuf> {
    let images = cache.join("images");
    let stages = Stages::of_checkout()?;
    let disk = images.join(&stages.disk);
    if disk.is_file() {
        cache::touch(&disk);
        return Ok(disk);
    }
    // By the user's own pip and cargo, so before root is asked for.
    let packages = packages::ensure(cache)?;
    if !cmd::is_root() {
        progress::line("making the guest's disk takes root (Debian's packages set owners and modes)");
        let own = std::env::current_exe().context("finding this program")?;
        let status = cmd::as_root("env")?
            .arg(format!("ENFORCER_CACHE={}", cache.display()))
            .arg(own)
            .arg("image")
            .status();
        if !status.context("starting sudo")?.success() || !disk.is_file() {
            bail!("the guest's disk could not be made; the reason is above");
        }
        return Ok(disk);
    }
    fs::create_dir_all(&images).with_context(|| format!("creating {}", images.display()))?;
    let _lock = cache::lock(cache, "image")?;
    if disk.is_file() {
        return Ok(disk);
    }
    // What an interrupted call left.
    cache::prune_old(&images, "work-", 0)?;
    let base = images.join(&stages.base);
    if !base.is_dir() {
        let step = progress::step("guest system", "Debian bookworm with the tools that tests use");
        build(&images, &stages.base, |work| make_base(cache, work, &step))?;
        step.done();
    }
    let verdaccio = images.join(&stages.verdaccio);
    if !verdaccio.is_dir() {
        let step = progress::step("guest registry server", "verdaccio, pnpm and yarn, from npm");
        build(&images, &stages.verdaccio, |work| make_verdaccio(cache, &base, work, &step))?;
        step.done();
    }
    let step = progress::step("guest disk", "fixtures and packages into the registry, then one ext4 image");
    make_disk(cache, &images, &stages, &packages)?;
    step.done();
    // Other checkouts, and other commits of this one, have disks of their own; those in use stay.
    for stage in [&base, &verdaccio] {
        cache::touch(stage);
    }
    for prefix in ["base-", "verdaccio-", "root-"] {
        cache::prune_old(&images, prefix, KEEP)?;
    }
    Ok(disk)
}

/// The names of the stages for the files of this checkout.
struct Stages {
    base: String,
    verdaccio: String,
    disk: String,
}

impl Stages {
    fn of_checkout() -> Result<Self> {
        let root = repo::root();
        let base = cache::digest([RECIPE, PACKAGES, node::VERSION].map(str::as_bytes));
        let lock =
            ["package.json", "package-lock.json"].map(|file| root.join("xtask/guest/verdaccio").join(file));
        let lock = cache::digest_files(&lock)?;
        let verdaccio = cache::digest([base.as_bytes(), lock.as_bytes()]);
        let seed = [
            "tests/fixtures",
            "xtask/guest/registry",
            "xtask/src/packages",
            "xtask/src/packages.rs",
            "xtask/src/registry.rs",
        ];
        let seed = cache::digest_files(&seed.map(|path| root.join(path)))?;
        let disk = cache::digest([verdaccio.as_bytes(), seed.as_bytes(), &SPARE.to_le_bytes()]);
        Ok(Self {
            base: format!("base-{base}"),
            verdaccio: format!("verdaccio-{verdaccio}"),
            disk: format!("root-{disk}.ext4"),
        })
    }
}

/// Makes the stage `name` in a temporary directory and moves it into place when it is whole.
fn build(images: &Path, name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let work =
        tempfile::Builder::new().prefix("work-").tempdir_in(images).context("making a working directory")?;
    let tree = work.path().join("tree");
    make(&tree)?;
    fs::rename(&tree, images.join(name)).with_context(|| format!("moving the stage {name} into place"))
}

fn make_base(cache: &Path, tree: &Path, step: &progress::Step) -> Result<()> {
    let mirrors = Mirrors::of_host()?;
    let mut command = cmd::system("mmdebstrap");
    command.args(["--mode=root", "--variant=minbase", "--architectures=amd64", "--include", PACKAGES]);
    for setting in crate::debian::apt_settings()? {
        command.arg(format!("--aptopt={setting}"));
    }
    for skipped in LEFT_OUT {
        command.arg(format!("--dpkgopt=path-exclude={skipped}"));
    }
    command.arg("bookworm").arg(tree);
    command.arg(mirrors.source(Archive::Main, "bookworm")?);
    command.arg(mirrors.source(Archive::Security, "bookworm-security")?);
    cmd::quiet(&mut command, step).context("making the guest's Debian system")?;

    node::install(cache, tree).context("putting node into the guest")?;
    cmd::output(cmd::system("chroot").arg(tree).args([
        "useradd",
        "-m",
        "-u",
        "1000",
        "-s",
        "/bin/bash",
        "builder",
    ]))?;
    for (path, text) in [
        ("etc/hostname", "testbed\n"),
        ("etc/machine-id", "uninitialized\n"),
        ("etc/locale.conf", "LANG=C.UTF-8\n"),
    ] {
        fs::write(tree.join(path), text).with_context(|| format!("writing {path}"))?;
    }
    for dir in ["etc/enforcer/profiles", "mnt", "opt"] {
        fs::create_dir_all(tree.join(dir)).with_context(|| format!("creating {dir}"))?;
    }
    Ok(())
}

fn make_verdaccio(cache: &Path, base: &Path, tree: &Path, step: &progress::Step) -> Result<()> {
    fs::create_dir_all(tree).with_context(|| format!("creating {}", tree.display()))?;
    for file in ["package.json", "package-lock.json"] {
        let from = repo::root().join("xtask/guest/verdaccio").join(file);
        fs::copy(&from, tree.join(file)).with_context(|| format!("copying {}", from.display()))?;
    }
    let mut npm = node::npm(&base.join(node::BIN), cache);
    npm.current_dir(tree).args(["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"]);
    cmd::quiet(&mut npm, step).context("installing verdaccio with npm")
}

/// Moves pnpm and yarn to where `npm install --global` has them. pnpm's package is a script that puts its platform's program
/// in its own place; no script runs here, so the program is put there as it is.
fn install_managers(tree: &Path) -> Result<()> {
    let (from, local) = (tree.join("opt/verdaccio/node_modules"), tree.join("usr/local"));
    let to = local.join("lib/node_modules");
    for (part, place) in [("@pnpm/exe.linux-x64", "pnpm"), ("yarn", "yarn")] {
        fs::rename(from.join(part), to.join(place)).with_context(|| format!("moving {part}"))?;
    }
    for (name, file) in [("pnpm", "pnpm/pnpm"), ("yarn", "yarn/bin/yarn.js"), ("yarnpkg", "yarn/bin/yarn.js")]
    {
        symlink(format!("../lib/node_modules/{file}"), local.join("bin").join(name))
            .with_context(|| format!("linking {name}"))?;
    }
    Ok(())
}

fn make_disk(cache: &Path, images: &Path, stages: &Stages, packages: &Packages) -> Result<()> {
    let work =
        tempfile::Builder::new().prefix("work-").tempdir_in(images).context("making a working directory")?;
    let tree = work.path().join("tree");
    let copy = |from: &Path, to: &Path| {
        cmd::output(Command::new("cp").args(["-a", "--reflink=auto", "--"]).arg(from).arg(to)).map(drop)
    };
    copy(&images.join(&stages.base), &tree)?;
    copy(&images.join(&stages.verdaccio), &tree.join("opt/verdaccio"))?;
    install_managers(&tree)?;
    for (name, from) in [("pypi", &packages.pypi), ("crates", &packages.crates)] {
        copy(from, &tree.join("srv").join(name))?;
    }
    registry::seed(&tree, &tree.join(node::BIN), cache).context("seeding the guest's registry")?;
    let image = work.path().join("root.ext4");
    ext4::make(&tree, &image, SPARE)?;
    fs::rename(&image, images.join(&stages.disk)).context("moving the disk into place")
}
