// SPDX-License-Identifier: MIT OR Apache-2.0

//! cargo: the default registry or what replaces it, the others, and where the files are that they list.

use std::{fs, os::unix::ffi::OsStrExt as _, path::Path};

use super::{Asker, Registry, asker::Program};

mod configuration;

use configuration::Configuration;

/// A crate to ask about. It need not exist.
const CRATE: &str = "cargo";
/// cargo does not say where its default registry is until it fails to reach it. So it is sent to a proxy that nobody can
/// be, and nothing leaves the machine.
const IN_VAIN: &[&str] = &[
    "info",
    "--config=http.proxy='http://127.0.0.1:9'",
    "--config=net.retry=0",
    "--config=net.offline=false",
    CRATE,
];
/// What makes cargo take `http.proxy` for every host.
const ALL_THROUGH_PROXY: &[(&str, &str)] = &[("NO_PROXY", ""), ("no_proxy", "")];

/// Indexes that are looked at.
const REGISTRIES: usize = 256;

/// Reads cargo's configuration, and asks cargo for what is not in there.
pub(super) async fn ask(asker: Asker<'_>) -> Result<Vec<Registry>, String> {
    let environment = asker.environment;
    let home = environment
        .absolute("CARGO_HOME")
        .or_else(|| environment.absolute("HOME").map(|home| home.join(".cargo")))
        .ok_or("neither CARGO_HOME nor HOME is set")?;
    let text = match asker.read(&home.join("config"))? {
        Some(text) => Some(text), // An older name, which counts more for cargo.
        None => asker.read(&home.join("config.toml"))?,
    };
    let configuration = Configuration::parse(&text.unwrap_or_default())?;
    let cargo = asker.need("cargo")?;
    let mut found = Vec::new();
    let variables = environment.iter().filter_map(|(name, value)| {
        let name = name.to_str()?;
        (name.starts_with("CARGO_REGISTRIES_") && name.ends_with("_INDEX")).then_some(value.to_str()?)
    });
    for index in variables.chain(configuration.indexes.iter().map(String::as_str)) {
        found.extend(index_and_files(asker, &cargo, &home, index, &[&format!("--index={index}")]).await?);
    }
    if configuration.default {
        let index = default(&cargo).await?;
        found.extend(index_and_files(asker, &cargo, &home, &index, &[]).await?);
    }
    Ok(found)
}

/// The index of the default registry.
async fn default(cargo: &Program<'_>) -> Result<String, String> {
    let output = cargo.run(IN_VAIN, ALL_THROUGH_PROXY).await?;
    let text = String::from_utf8_lossy(&output.stderr);
    // A sparse index is asked for its configuration first.
    let url = text.split('`').skip(1).step_by(2).find(|quoted| quoted.contains("://"));
    let url =
        url.ok_or("`cargo info` does not say where the default registry is (cargo 1.82 and later do)")?;
    Ok(url.strip_suffix("config.json").map_or_else(|| url.to_owned(), |base| format!("sparse+{base}")))
}

/// An index, and where it says that the files are.
async fn index_and_files(
    asker: Asker<'_>,
    cargo: &Program<'_>,
    home: &Path,
    index: &str,
    args: &[&str],
) -> Result<Vec<Registry>, String> {
    let Some(url) = index.strip_prefix("sparse+") else {
        // What an index in git says is in its repository, which is too large to be fetched for that.
        return Ok(if index.starts_with("file:") { Vec::new() } else { vec![Registry::parse(index)?] });
    };
    let registry = Registry::parse(url)?;
    let mut files = files(asker, home, &registry)?;
    if files.is_empty() {
        // cargo has never asked this index. Where it cannot now, there is no network, or the run is told so by cargo.
        let usual = ["info", "--quiet", "--config=net.retry=0", "--config=http.timeout=10", CRATE];
        let _ = cargo.run(&[&usual, args].concat(), &[]).await?;
        files = self::files(asker, home, &registry)?;
    }
    files.insert(0, registry);
    Ok(files)
}

/// What cargo remembers of a sparse index: `registry/index/HOST-HASH/config.json`.
fn files(asker: Asker<'_>, home: &Path, registry: &Registry) -> Result<Vec<Registry>, String> {
    let prefix = format!("{}-", registry.host);
    let dirs = asker.act(|| {
        fs::read_dir(home.join("registry/index"))
            .map(|dirs| dirs.flatten().take(REGISTRIES).collect::<Vec<_>>())
    })?;
    let mut found = Vec::new();
    for dir in dirs.unwrap_or_default() {
        if !dir.file_name().as_bytes().starts_with(prefix.as_bytes()) {
            continue;
        }
        let text = asker.read(&dir.path().join("config.json"))?.unwrap_or_default();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        if let Some(url) = value.get("dl").and_then(|url| url.as_str()) {
            found.push(Registry::parse(url)?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::registry::{asker::tests::User, url::tests::shown};

    const SAYS: &str = "echo 'failed to download from `https://index.test/config.json`' >&2; exit 101";

    #[tokio::test]
    async fn the_default_is_what_cargo_fails_to_reach() {
        let user = User::new();
        user.program("cargo", SAYS);
        assert_eq!(shown(ask(user.asker()).await).as_deref(), Ok("index.test 443"));
        user.file(
            ".cargo/registry/index/index.test-0f/config.json",
            r#"{"dl":"https://files.test/{crate}"}"#,
        );
        assert_eq!(shown(ask(user.asker()).await).as_deref(), Ok("index.test 443, files.test 443"));
        user.program("cargo", "echo 'error: no such command: `info`' >&2; exit 101");
        assert!(ask(user.asker()).await.unwrap_err().contains("1.82"));
    }

    #[tokio::test]
    async fn an_index_that_cargo_does_not_know_yet_is_asked() {
        let mut user = User::new();
        user.set("CARGO_REGISTRIES_OURS_INDEX", "sparse+http://ours.test:81/");
        let cached = user.file(".cargo/registry/index/ours.test-1/x", "").with_file_name("config.json");
        user.file(
            ".cargo/config.toml",
            "[source.crates-io]\nreplace-with = 'v'\n[source.v]\ndirectory = '/v'\n",
        );
        let script = format!(
            r#"test "$6" = --index=sparse+http://ours.test:81/ && echo '{{"dl":"http://dl.test"}}' > {}"#,
            cached.display()
        );
        user.program("cargo", &script);
        assert_eq!(shown(ask(user.asker()).await).as_deref(), Ok("ours.test 81, dl.test 80"));
    }

    #[tokio::test]
    async fn a_home_in_the_project_has_no_say() {
        let mut user = User::new();
        let file = user.file("project/.cargo/config.toml", "");
        user.set("CARGO_HOME", &file.with_file_name("").display().to_string());
        assert!(ask(user.asker()).await.unwrap_err().contains("lies in the project"));
    }
}
