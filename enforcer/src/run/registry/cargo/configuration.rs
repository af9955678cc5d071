// SPDX-License-Identifier: MIT OR Apache-2.0

//! What cargo's file of configuration says about registries.

use std::collections::BTreeSet;

use toml_edit::{Document, Item, TableLike};

/// The name of the default registry's source.
const DEFAULT: &str = "crates-io";

/// What it says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Configuration {
    /// The indexes of registries, as URLs.
    pub(super) indexes: BTreeSet<String>,
    /// Whether the default registry is one of them, which has no URL here.
    pub(super) default: bool,
}

impl Configuration {
    /// Reads the file.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let document = Document::parse(text)
            .map_err(|error| format!("cargo's configuration is no TOML: {}", error.message()))?;
        let table = |name: &str| document.get(name).and_then(Item::as_table_like);
        let (sources, registries) = (table("source"), table("registries"));
        let mut found = Self::default();
        if let Some(registries) = registries {
            let indexes = registries.iter().filter_map(|(_, registry)| string(registry, "index"));
            found.indexes.extend(indexes.map(str::to_owned));
        }
        let replaced = sources.into_iter().flat_map(TableLike::iter);
        let replaced = replaced.filter(|(_, source)| string(source, "replace-with").is_some());
        for name in replaced.map(|(name, _)| name).chain([DEFAULT]) {
            match end(sources, name)? {
                (_, Some(source)) if let Some(url) = string(source, "registry").or(string(source, "git")) => {
                    found.indexes.insert(url.to_owned());
                }
                (DEFAULT, source) => found.default |= source.is_none_or(is_elsewhere),
                // A directory, or one of the registries above.
                _ => {}
            }
        }
        Ok(found)
    }
}

/// Where a chain of `replace-with` ends.
fn end<'a>(
    sources: Option<&'a dyn TableLike>,
    mut name: &'a str,
) -> Result<(&'a str, Option<&'a Item>), String> {
    let mut seen = BTreeSet::new();
    while seen.insert(name) {
        let source = sources.and_then(|sources| sources.get(name));
        match source.and_then(|source| string(source, "replace-with")) {
            Some(next) => name = next,
            None => return Ok((name, source)),
        }
    }
    Err(format!("cargo's configuration replaces the source `{}` with itself", name.escape_debug()))
}

/// Whether a source is not on this machine.
fn is_elsewhere(source: &Item) -> bool {
    string(source, "directory").or(string(source, "local-registry")).is_none()
}

fn string<'a>(item: &'a Item, key: &str) -> Option<&'a str> {
    item.as_table_like()?.get(key)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, bool) {
        let Configuration { indexes, default } = Configuration::parse(text).unwrap();
        (indexes.into_iter().collect::<Vec<_>>().join(" "), default)
    }

    #[test]
    fn the_default_is_there_unless_it_is_replaced() {
        for (text, url, default) in [
            ("", "", true),
            (
                "[registries]\na = { index = 'https://a.test/i' }\n[registries.b]\ntoken = 'x'",
                "https://a.test/i",
                true,
            ),
            (
                "[source.crates-io]\nreplace-with = 'm'\n[source.m]\nregistry = 'sparse+https://m.test/'",
                "sparse+https://m.test/",
                false,
            ),
            (
                "source.crates-io.replace-with = 'm'\nsource.m.replace-with = 'n'\nsource.n.git = 'ssh://n.test/x'",
                "ssh://n.test/x",
                false,
            ),
            (
                "source.crates-io.replace-with = 'a'\nregistries.a.index = 'https://a.test'",
                "https://a.test",
                false,
            ),
            ("source.crates-io.replace-with = 'v'\nsource.v.directory = 'v'", "", false),
            ("source.x.replace-with = 'crates-io'\nsource.x.registry = 'https://x.test'", "", true),
            ("registries.crates-io.protocol = 'sparse'", "", true),
        ] {
            assert_eq!(parsed(text), (url.to_owned(), default), "{text}");
        }
    }

    #[test]
    fn circles_and_what_is_no_toml() {
        for text in
            ["source.crates-io.replace-with = 'a'\nsource.a.replace-with = 'crates-io'", "[", "= 'secret'"]
        {
            let error = Configuration::parse(text).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
