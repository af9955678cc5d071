// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tarball, for systems without dpkg: what the Debian package has, to be unpacked in /usr/local.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::Workshop;
use crate::cmd;

/// What has another place there. Profiles are put into /etc by whoever installs, over nobody's own.
const MOVED: [(&str, &str); 3] = [
    ("etc/enforcer/profiles", "usr/share/enforcer/profiles"),
    ("usr/share/zsh/vendor-completions", "usr/share/zsh/site-functions"),
    ("usr/share/doc/enforcer/copyright", "usr/share/doc/enforcer/LICENSES"),
];

impl Workshop {
    /// Makes it from the Debian package, in `packages`.
    pub(super) fn tarball(&self, root: &Path, deb: &Path, packages: &Path) -> Result<()> {
        let work = tempfile::tempdir().context("making a directory")?;
        let tree = work.path();
        cmd::output(Command::new("dpkg-deb").arg("--extract").arg(deb).arg(tree))?;
        for (from, to) in MOVED {
            fs::rename(tree.join(from), tree.join(to)).with_context(|| format!("moving {from}"))?;
        }
        let unit = tree.join("usr/lib/systemd/system/enforcer.service");
        let text = super::read(&unit)?.replace("=/usr/bin/", "=/usr/local/bin/");
        fs::write(&unit, text).with_context(|| format!("writing {}", unit.display()))?;
        for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
            fs::copy(root.join(licence), tree.join("usr/share/doc/enforcer").join(licence))
                .with_context(|| format!("copying {licence}"))?;
        }
        let version = cmd::output(Command::new(tree.join("usr/bin/enforcer")).arg("--version"))?;
        let name = format!("{}-{}-linux", version.trim().replace(' ', "-"), std::env::consts::ARCH);
        // Files only: unpacking makes directories that are missing, and leaves the others as they are.
        let mut list =
            cmd::output(Command::new("find").args([".", "-type", "f"]).current_dir(tree.join("usr")))?
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>();
        list.sort();
        let mut tar = Command::new("tar");
        tar.args(["--create", "--format=gnu", "--numeric-owner", "--owner=0", "--group=0"]);
        tar.args(["--mode=u=rwX,go=rX", &format!("--mtime=@{}", self.epoch)]);
        tar.arg(format!("--transform=s,^\\.,{name},")).arg("--use-compress-program=xz -9 --threads=1");
        tar.arg("--file").arg(packages.join(format!("{name}.tar.xz"))).args(list);
        cmd::output(tar.current_dir(tree.join("usr"))).map(drop)
    }
}
