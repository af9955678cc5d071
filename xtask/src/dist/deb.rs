// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Debian package; `enforcer/Cargo.toml` says what is in it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Workshop, epoch, generated};
use crate::artifact::target_dir;
use crate::{cache, cmd, repo, setup};

impl Workshop {
    /// The package of what was built at `root`, in `packages`.
    pub(super) fn release_deb(&self, root: &Path, target: &Path, packages: &Path) -> Result<PathBuf> {
        let mut command = self.deb(root, target);
        cmd::output(command.args(["--profile", "dist", "--no-strip", "--output"]).arg(packages))?;
        super::files(packages)?.pop().context("cargo-deb left no package")
    }

    fn deb(&self, root: &Path, target: &Path) -> Command {
        let mut command = Command::new(&self.cargo_deb);
        command.args(["deb", "--no-build", "--locked", "--package", "enforcer"]).current_dir(root);
        command.env("CARGO_TARGET_DIR", target).env("SOURCE_DATE_EPOCH", &self.epoch);
        command
    }
}

/// Packages of the program that was built for the tests, `first.deb` and its upgrade `second.deb`, quickly made.
pub fn for_tests(binary: &Path, dir: &Path) -> Result<()> {
    let workshop = Workshop { cargo_deb: setup::deb::ensure(&cache::dir()?)?, epoch: epoch()? };
    generated::make(binary)?;
    for (revision, name) in [("1", "first.deb"), ("2", "second.deb")] {
        let mut command = workshop.deb(repo::root(), &target_dir());
        // Guests are slow; unpacking this costs them the least.
        command.args(["--strip", "--fast", "--compress-type", "gz", "--compress-system"]);
        cmd::output(command.args(["--deb-revision", revision, "--output"]).arg(dir.join(name)))?;
    }
    Ok(())
}
