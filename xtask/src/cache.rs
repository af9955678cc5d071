// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where everything that is downloaded or built once is kept, outside the repository.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::repo;

/// `$ENFORCER_CACHE`, else `$XDG_CACHE_HOME/enforcer`, else `$HOME/.cache/enforcer`. Made when missing.
pub fn dir() -> Result<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let path = if let Some(own) = set("ENFORCER_CACHE") {
        PathBuf::from(own)
    } else if let Some(xdg) = set("XDG_CACHE_HOME") {
        PathBuf::from(xdg).join("enforcer")
    } else {
        let home = set("HOME")
            .context("neither ENFORCER_CACHE nor HOME is set, so there is no place for the cache")?;
        PathBuf::from(home).join(".cache/enforcer")
    };
    fs::create_dir_all(&path).with_context(|| format!("creating the cache directory {}", path.display()))?;
    fs::canonicalize(&path).with_context(|| format!("resolving {}", path.display()))
}

/// Takes the lock `name` of the cache, waiting for other calls that hold it. It is released on drop.
pub fn lock(cache: &Path, name: &str) -> Result<File> {
    let dir = cache.join("locks");
    fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
    let path = dir.join(name);
    let file = File::create(&path).with_context(|| format!("opening the lock {}", path.display()))?;
    if file.try_lock().is_err() {
        crate::progress::line(&format!("waiting for another call that holds the lock {name}"));
        file.lock().with_context(|| format!("waiting for the lock {}", path.display()))?;
    }
    Ok(file)
}

/// A short name for the content of a stage: the first 16 hex digits of the SHA-256 of its inputs.
pub fn digest<'a>(inputs: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    for input in inputs {
        hash.update((input.len() as u64).to_le_bytes());
        hash.update(input);
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The digest of every file below `paths`: names (from the repository's root on), modes and contents, in a fixed order.
pub fn digest_files(paths: &[PathBuf]) -> Result<String> {
    let mut files = Vec::new();
    for path in paths {
        collect(path, &mut files)?;
    }
    files.sort();
    let mut parts = Vec::new();
    for file in &files {
        use std::os::unix::fs::PermissionsExt;
        let context = || format!("reading {}", file.display());
        let meta = fs::symlink_metadata(file).with_context(context)?;
        let name = file.strip_prefix(repo::root()).unwrap_or(file);
        parts.push(name.to_string_lossy().into_owned().into_bytes());
        if meta.is_symlink() {
            parts
                .push(fs::read_link(file).with_context(context)?.to_string_lossy().into_owned().into_bytes());
        } else {
            parts.push((meta.permissions().mode() & 0o111).to_le_bytes().to_vec());
            parts.push(fs::read(file).with_context(context)?);
        }
    }
    Ok(digest(parts.iter().map(Vec::as_slice)))
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let Ok(meta) = fs::symlink_metadata(path) else { return Ok(()) };
    if meta.is_dir() {
        for entry in fs::read_dir(path).with_context(|| format!("listing {}", path.display()))? {
            collect(&entry?.path(), files)?;
        }
    } else {
        files.push(path.to_owned());
    }
    Ok(())
}

/// Notes that `path` is in use, for [`prune_old`].
pub fn touch(path: &Path) {
    // Without the note it is only forgotten sooner.
    if let Ok(file) = File::open(path) {
        let _ = file.set_modified(SystemTime::now());
    }
}

/// Removes the entries of `dir` whose names start with `prefix`, except the `keep` ones that were used last.
pub fn prune_old(dir: &Path, prefix: &str, keep: usize) -> Result<()> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("listing {}", dir.display()))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            found.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    found.sort();
    for (_, path) in found.iter().rev().skip(keep) {
        let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        removed.with_context(|| format!("removing {}", path.display()))?;
    }
    Ok(())
}

/// Removes every entry of `dir` whose name starts with `prefix`, except the one named `keep`.
pub fn prune(dir: &Path, prefix: &str, keep: &str) -> Result<()> {
    touch(&dir.join(keep));
    prune_old(dir, prefix, usize::from(!keep.is_empty()))
}
