// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Python index: wheels that a requirements file pins by hash, and source distributions made of fixtures.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::cmd;

/// Fills `tree`: `files/`, and `simple/` with a page for each project (PEP 503).
pub(super) fn index(app: &Path, sdists: &Path, tree: &Path) -> Result<()> {
    let files = tree.join("files");
    fs::create_dir(&files).context("making a place for the files")?;
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-cache-dir",
        "--no-deps",
    ]);
    // For the guest's Python, whatever this one is.
    pip.args(["--require-hashes", "--only-binary=:all:", "--python-version=3.11", "--dest"]).arg(&files);
    cmd::output(pip.arg("--requirement").arg(app.join("requirements.txt")))?;
    for entry in fs::read_dir(sdists).with_context(|| format!("listing {}", sdists.display()))? {
        let name = entry?.file_name();
        let mut tar = Command::new("tar");
        tar.args(["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "-czf"]);
        tar.arg(files.join(&name).with_added_extension("tar.gz")).arg("-C").arg(sdists).arg(&name);
        cmd::output(&mut tar)?;
    }
    let mut pages: BTreeMap<String, String> = BTreeMap::new();
    for entry in fs::read_dir(&files).context("listing the files")? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let content = fs::read(entry.path()).with_context(|| format!("reading {name}"))?;
        let hash: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
        let page = pages.entry(project(&name)).or_insert_with(|| "<!DOCTYPE html>\n".to_owned());
        page.push_str(&format!("<a href=\"../../files/{name}#sha256={hash}\">{name}</a>\n"));
    }
    for (project, page) in pages {
        let dir = tree.join("simple").join(project);
        fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
        fs::write(dir.join("index.html"), page).context("writing the index")?;
    }
    Ok(())
}

/// The project that a file is of, as an index spells it.
fn project(file: &str) -> String {
    // In a wheel's name the project has no `-`, in a source distribution's the version has none.
    let name = match file.strip_suffix(".tar.gz") {
        Some(sdist) => sdist.rsplit_once('-').map_or(sdist, |(name, _)| name),
        None => file.split('-').next().unwrap_or(file),
    };
    name.to_lowercase().replace(['_', '.'], "-")
}

#[cfg(test)]
mod tests {
    use super::project;

    #[test]
    fn a_file_tells_its_project() {
        assert_eq!(project("Typing_Extensions-4.1-py3-none-any.whl"), "typing-extensions");
        assert_eq!(project("request-like-fixture-1.0.0.tar.gz"), "request-like-fixture");
    }
}
