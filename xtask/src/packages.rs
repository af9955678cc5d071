// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guest's Python index and its registry of crates: real packages, as the user's own pip and cargo get them, and the
//! fixtures, laid out as files that any web server can serve.
//!
//! pip and cargo run as whoever called, whose configuration and whose caches they use. No code of a package runs.

mod crates;
mod python;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{cache, progress, repo};

/// Changes when what is kept in the cache changes without its inputs.
const RECIPE: &str = "1";

/// How many versions of each are kept.
const KEEP: usize = 3;

/// What the guest's web servers serve, by server.
#[derive(Debug)]
pub struct Packages {
    /// A "simple" index of Python packages, and their files.
    pub pypi: PathBuf,
    /// A sparse index of crates, and their files.
    pub crates: PathBuf,
}

/// Both: from the cache, or made.
pub fn ensure(cache: &Path) -> Result<Packages> {
    let fixtures = repo::root().join("tests/fixtures");
    let (python, crates) = (fixtures.join("apps/python"), fixtures.join("apps/crates"));
    let sdists = fixtures.join("sdists");
    let pypi = kept(cache, "pypi", &[&python, &sdists], |_, tree| python::index(&python, &sdists, tree));
    Ok(Packages {
        pypi: pypi.context("fetching Python packages")?,
        crates: kept(cache, "crates", &[&crates], |work, tree| crates::registry(&crates, work, tree))
            .context("fetching crates")?,
    })
}

/// The directory `name` made from `inputs`: `make` is told where it can work, and what to fill.
fn kept(
    cache: &Path,
    name: &str,
    inputs: &[&Path],
    make: impl FnOnce(&Path, &Path) -> Result<()>,
) -> Result<PathBuf> {
    let inputs = cache::digest_files(&inputs.iter().map(|path| path.to_path_buf()).collect::<Vec<_>>())?;
    let prefix = format!("{name}-");
    let dir = cache.join("packages");
    let done = dir.join(format!("{prefix}{}", cache::digest([RECIPE, &inputs].map(str::as_bytes))));
    if done.is_dir() {
        cache::touch(&done);
        return Ok(done);
    }
    fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
    let step = progress::step("guest packages", name);
    let work =
        tempfile::Builder::new().prefix("work-").tempdir_in(&dir).context("making a working directory")?;
    let tree = work.path().join("tree");
    fs::create_dir(&tree).context("making a working directory")?;
    make(work.path(), &tree)?;
    if !done.is_dir() {
        fs::rename(&tree, &done).with_context(|| format!("moving {} into place", done.display()))?;
    }
    cache::prune_old(&dir, &prefix, KEEP)?;
    step.done();
    Ok(done)
}
