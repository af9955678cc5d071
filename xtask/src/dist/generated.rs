// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the program says about itself: manual pages and completions.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::cmd;

/// Makes them beside the program, where `enforcer/Cargo.toml` has the package look for them.
pub(super) fn make(binary: &Path) -> Result<()> {
    let dir = binary.with_file_name("generated");
    let man = dir.join("man");
    if dir.exists() {
        fs::remove_dir_all(&dir).with_context(|| format!("emptying {}", dir.display()))?;
    }
    fs::create_dir_all(&man).with_context(|| format!("making {}", man.display()))?;
    cmd::output(Command::new(binary).arg("man").arg(&man))?;
    cmd::output(Command::new("gzip").args(["-9", "--no-name"]).args(super::files(&man)?))?;
    for shell in ["bash", "zsh", "fish"] {
        let script = cmd::output(Command::new(binary).args(["completions", shell]))?;
        let file = dir.join(format!("enforcer.{shell}"));
        fs::write(&file, script).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}
