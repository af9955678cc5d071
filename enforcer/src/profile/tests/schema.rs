// SPDX-License-Identifier: MIT OR Apache-2.0

//! The schema that editors read: it is what the compiler reads by, and it says of profiles what the compiler says.

use std::{fs, path::PathBuf};

use serde_json::Value;

use super::{super::schema, parts::EVERYTHING};

/// The schema as it is published.
fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../profiles/profile.schema.json")
}

/// Why a text is no profile, by the schema.
fn refusal(text: &str) -> Option<String> {
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler.add_resource("profile.schema.json", schema::schema()).unwrap();
    let index = compiler.compile("profile.schema.json", &mut schemas).unwrap();
    let value: Value = serde_yaml::from_str(text).unwrap();
    schemas.validate(&value, index).err().map(|error| format!("{error:#}"))
}

#[test]
fn the_published_schema_is_the_one_that_is_generated() {
    if std::env::var_os("UPDATE_SCHEMA").is_some_and(|value| value == "1") {
        fs::write(file(), schema::text()).unwrap();
    }
    let published = fs::read_to_string(file()).unwrap_or_default();
    assert!(
        published == schema::text(),
        "profiles/profile.schema.json is old: run this test with UPDATE_SCHEMA=1"
    );
}

#[test]
fn shipped_profiles_are_valid_and_name_the_schema() {
    let directory = file().parent().unwrap().to_owned();
    let mut profiles = 0;
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if name == "sets.yaml" || !name.ends_with(".yaml") {
            continue;
        }
        profiles += 1;
        let text = fs::read_to_string(entry.path()).unwrap();
        assert_eq!(refusal(&text), None, "{name}");
        assert!(text.contains("# yaml-language-server: $schema=profile.schema.json\n"), "{name}");
    }
    assert!(profiles >= 2);
}

#[test]
fn what_the_compiler_takes_is_valid() {
    assert_eq!(refusal(EVERYTHING), None);
    assert_eq!(refusal(super::shipped::example()), None);
    for lines in [
        "{}",
        "exec:",
        "files: { read: { deny: } }",
        "network: { allow: [{ address: any }, { listen: any }, { socket: raw }] }",
    ] {
        super::compile(&super::stage(lines));
        assert_eq!(refusal(&super::stage(lines)), None, "{lines}");
    }
}

#[test]
fn what_the_compiler_refuses_for_its_form_is_not_valid() {
    for (right, wrong) in [
        ("owner:", "ownr:"),
        ("version: 1", "version: 2"),
        ("mode: audit", "mode: watch"),
        ("{ processes: 2000,", "{ proceses: 2000,"),
        ("processes: 2000", "processes: 0"),
        ("files_read: 60000", "files_read: 2000000"),
        ("denial: kill", "denial: mail"),
        ("{ type: \".map\" }", "{ type: [\".map\"] }"),
        ("{ label: internal }", "{ label: internal, type: \".x\" }"),
        ("expires: 2027-01-31", "expires: next year"),
        ("    owner: platform@example.com\n", ""),
        ("    read: ~/.netrc\n", ""),
        ("uid: 1000", "uid: 1.5"),
        ("ports: [443]", "ports: 443"),
        ("path: \"@shells\"", "paths: \"@shells\""),
        ("default: deny", "default: no"),
    ] {
        assert!(EVERYTHING.contains(right), "{right}");
        let text = EVERYTHING.replacen(right, wrong, 1);
        let source = super::Text::new("t.yaml", text.clone());
        assert!(super::Compiled::new(&source).is_err(), "{wrong} compiles");
        assert!(refusal(&text).is_some(), "{wrong} is valid");
    }
}
