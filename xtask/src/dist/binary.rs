// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program as it is released: nothing in it says where it was built.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::artifact::{cargo, executable};
use crate::cmd;

/// Builds it, and says where it is.
pub(super) fn build(root: &Path, target: &Path) -> Result<PathBuf> {
    let places = places(root, target)?;
    let flags: Vec<String> = places
        .iter()
        .map(|(place, name)| format!("--remap-path-prefix={}={name}", place.display()))
        .collect();
    let mut build = cargo(&["build", "--locked", "--profile", "dist", "--package", "enforcer"]);
    build.current_dir(root).env("CARGO_TARGET_DIR", target);
    build.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    let binary = executable(&mut build)?;
    let bytes = fs::read(&binary).with_context(|| format!("reading {}", binary.display()))?;
    if let Some((place, _)) = places.iter().find(|(place, _)| names(&bytes, place)) {
        bail!("{} has the name of a directory of this machine in it: {}", binary.display(), place.display());
    }
    Ok(binary)
}

/// Directories that the compiler would name, and what it calls them instead. Where several fit, the last one counts.
fn places(root: &Path, target: &Path) -> Result<Vec<(PathBuf, String)>> {
    let rustc = |args: &[&str]| cmd::output(Command::new("rustc").args(args).current_dir(root));
    let about = rustc(&["-vV"])?;
    let commit = about.lines().find_map(|line| line.strip_prefix("commit-hash: "));
    let commit = commit.context("rustc does not say which commit it was built from")?;
    let home = match std::env::var_os("CARGO_HOME") {
        Some(home) => PathBuf::from(home),
        None => PathBuf::from(std::env::var_os("HOME").context("HOME is not set")?).join(".cargo"),
    };
    let mut places = vec![
        (root.to_owned(), "/enforcer".to_owned()),
        (target.to_owned(), "/enforcer/target".to_owned()),
        (home.clone(), "/cargo".to_owned()),
    ];
    // A directory for each registry, with a name that depends on the way to it.
    for registry in super::files(&home.join("registry/src"))? {
        places.push((registry, "/cargo/registry".to_owned()));
    }
    let sysroot = PathBuf::from(rustc(&["--print", "sysroot"])?.trim());
    places.push((sysroot.join("lib/rustlib/src/rust"), format!("/rustc/{commit}")));
    Ok(places)
}

/// Whether a path into `place` occurs.
fn names(bytes: &[u8], place: &Path) -> bool {
    let prefix = [place.as_os_str().as_encoded_bytes(), b"/"].concat();
    let within = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    let mut found = bytes.windows(prefix.len()).enumerate().filter(|(_, window)| *window == prefix);
    found.any(|(at, _)| at == 0 || !within(&bytes[at - 1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_into_a_directory_is_found_and_only_that() {
        let src = Path::new("/src");
        assert!(names(b"\0/src/lib.rs", src) && names(b"/src/", src));
        assert!(!names(b"/usr/src/lib.rs /srcs/ /src", src));
    }
}
