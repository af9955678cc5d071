// SPDX-License-Identifier: MIT OR Apache-2.0
//! The registry of crates: those that a lock file pins, in cargo's sparse format.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::cmd;

/// Where cargo finds the files: what `config.json` says of them.
const FILES: &str = "http://crates.test/files/{crate}-{version}.crate";

/// Fills `tree`: `files/`, and `index/` with a file for each crate.
pub(super) fn registry(app: &Path, work: &Path, tree: &Path) -> Result<()> {
    let (files, index) = (tree.join("files"), tree.join("index"));
    for dir in [&files, &index] {
        fs::create_dir(dir).with_context(|| format!("creating {}", dir.display()))?;
    }
    fs::write(index.join("config.json"), json!({ "dl": FILES }).to_string())
        .context("writing config.json")?;
    // A copy, away from this workspace and its configuration.
    cmd::output(Command::new("cp").arg("-r").arg("--").arg(app).arg(work.join("app")))?;
    let cargo = |args: &[&str]| {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cmd::output(cargo.args(args).arg("--locked").current_dir(work.join("app")))
    };
    cargo(&["fetch"])?;
    let metadata = cargo(&["metadata", "--offline", "--format-version=1"])?;
    let metadata: Value = serde_json::from_str(&metadata).context("parsing what cargo says of the crates")?;
    for package in metadata["packages"].as_array().into_iter().flatten() {
        if package["source"].is_null() {
            continue; // The application.
        }
        let text = |key: &str| package[key].as_str().with_context(|| format!("cargo says no {key}"));
        let (name, version) = (text("name")?, text("version")?);
        let file = format!("{name}-{version}.crate");
        // It is unpacked in `registry/src/REGISTRY/NAME-VERSION`, and lies in `registry/cache/REGISTRY`.
        let unpacked = Path::new(text("manifest_path")?).ancestors();
        let (registry, home) =
            unpacked.clone().nth(2).zip(unpacked.clone().nth(4)).context("a crate without a registry")?;
        let stored =
            home.join("cache").join(registry.file_name().context("a registry without a name")?).join(&file);
        let content = fs::read(&stored).with_context(|| {
            format!("reading {}: cargo's crates have to come from a registry", stored.display())
        })?;
        fs::write(files.join(&file), &content).with_context(|| format!("writing {file}"))?;
        let path = index.join(place(name));
        fs::create_dir_all(path.parent().unwrap_or(&index)).context("making a place in the index")?;
        fs::write(path, format!("{}\n", entry(package, &content)))
            .with_context(|| format!("writing of {name}"))?;
    }
    Ok(())
}

/// The line of an index about a version of a crate, from what `cargo metadata` says.
fn entry(package: &Value, content: &[u8]) -> Value {
    let hash: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    let dependencies = package["dependencies"].as_array().into_iter().flatten();
    let dependencies = dependencies.filter(|of| of["kind"] != "dev").map(|of| {
        let renamed = !of["rename"].is_null();
        json!({
            "name": of[if renamed { "rename" } else { "name" }],
            "package": if renamed { &of["name"] } else { &Value::Null },
            "req": of["req"],
            "features": of["features"],
            "optional": of["optional"],
            "default_features": of["uses_default_features"],
            "target": of["target"],
            "kind": of["kind"].as_str().unwrap_or("normal"),
        })
    });
    json!({
        "name": package["name"],
        "vers": package["version"],
        "deps": dependencies.collect::<Vec<_>>(),
        "features": package["features"],
        "cksum": hash,
        "yanked": false,
    })
}

/// Where an index keeps what it knows of a crate.
fn place(name: &str) -> String {
    match name.len() {
        1 | 2 => format!("{}/{name}", name.len()),
        3 => format!("3/{}/{name}", &name[..1]),
        _ => format!("{}/{}/{name}", &name[..2], &name[2..4]),
    }
}
