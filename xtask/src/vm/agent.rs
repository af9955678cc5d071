// SPDX-License-Identifier: MIT OR Apache-2.0
//! The enforcer's own binary, as it is put into a guest.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::artifact::target_dir;
use crate::{progress, repo};

/// Where the binary comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agent {
    /// `cargo build --release` makes it now, if anything changed.
    Build,
    /// The caller has built it; a guest without it is an error.
    Built,
    /// What is there, if anything.
    IfThere,
}

impl Agent {
    /// The binary, if there is one.
    pub(crate) fn binary(self) -> Result<Option<PathBuf>> {
        let binary = target_dir().join("release/enforcer");
        match self {
            Self::Build => {
                let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
                let mut command = Command::new(cargo);
                command.args(["build", "--quiet", "--release", "--locked", "--package", "enforcer"]);
                let status = command.current_dir(repo::root()).status().context("starting cargo")?;
                if !status.success() {
                    bail!("the enforcer could not be built; `--no-build` uses the last one that was");
                }
            }
            Self::IfThere if !binary.is_file() => {
                progress::line("there is no enforcer in the guest: it was not built");
                return Ok(None);
            }
            Self::Built | Self::IfThere => {}
        }
        if !binary.is_file() {
            bail!(
                "{} does not exist; build it with: cargo build --release --package enforcer",
                binary.display()
            );
        }
        Ok(Some(binary))
    }
}
