// SPDX-License-Identifier: MIT OR Apache-2.0

//! What users see: every profile in `broken/` and the exact text that is printed for it.

use std::{fs, path::Path, time::Instant};

use super::super::{Code, Compiled, Error, Text};

fn refused(name: &str, text: String) -> Error {
    refused_at(name, text, Path::new(name))
}

fn refused_at(name: &str, text: String, path: &Path) -> Error {
    let started = Instant::now();
    let result = Compiled::new(&Text::of_file(name, text, path));
    assert!(started.elapsed().as_secs() < 60, "{name} took {:?}", started.elapsed());
    result.err().unwrap_or_else(|| panic!("{name} was not refused"))
}

#[test]
fn broken_profiles_say_what_is_wrong() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/profile/tests/broken");
    let mut names: Vec<_> = fs::read_dir(&directory).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.retain(|name| name != "bases");
    names.sort();
    assert!(names.len() >= 30, "there are {} broken profiles", names.len());
    for name in names {
        let path = directory.join(&name);
        let text = fs::read_to_string(&path).unwrap();
        let name = name.to_string_lossy();
        let error = refused_at(&name, text, &path);
        let shown = error.render(false).replace(env!("CARGO_PKG_VERSION"), "VERSION");
        insta::assert_snapshot!(name.trim_end_matches(".yaml"), shown);
        for problem in error.problems() {
            assert!(problem.position().is_some(), "{name}: no place for {problem}");
        }
    }
}

#[test]
fn one_line_a_problem() {
    let error = refused("x.yaml", "version: 1\nname: x\nstages: { a: { exek: {} } }\n".into());
    assert_eq!(
        error.to_string(),
        "x.yaml:1:1: E021: the profile has no `owner` (add who answers for it, such as a team's address)\n\
         x.yaml:3:16: E020: a stage has no key `exek` (did you mean `exec`?)"
    );
}

#[test]
fn large_texts_are_refused_before_they_are_read() {
    let error = refused("large.yaml", format!("name: {}", "x".repeat(1 << 20)));
    assert_eq!(error.problems()[0].code, Code::TooLarge);
    let error = refused("many.yaml", format!("name: [{}]", "1,".repeat(200_000)));
    assert_eq!(error.problems()[0].code, Code::TooComplex);
    let error = refused("open.yaml", "[".repeat(1 << 19));
    assert_eq!(error.problems()[0].code, Code::TooComplex);
    let error = refused("blocks.yaml", "- ".repeat(1 << 18));
    assert_eq!(error.problems()[0].code, Code::TooComplex);
}

#[test]
fn labels_are_not_written_out_without_end() {
    let glob = format!("'/{}{{a,b}}{{a,b}}{{a,b}}{{a,b}}{{a,b}}{{a,b}}{{a,b}}{{a,b}}'", "x".repeat(200));
    let text = format!(
        "classify: {{ a: [{}] }}\n{}",
        vec![glob; 2000].join(", "),
        super::stage("exec: { allow: [node] }")
    );
    let error = refused("labels.yaml", text);
    assert_eq!(error.problems()[0].code, Code::Alternatives);
    assert_eq!(error.problems().len(), 1);
}

#[test]
fn not_every_problem_is_told() {
    let rules = "          - nowhere/x\n".repeat(100);
    let text = super::stage(&format!("files:\n  write:\n    allow:\n{rules}"));
    let error = refused("many.yaml", text);
    assert_eq!(error.problems().len(), 40);
    assert!(error.render(false).ends_with("… and 60 more problems\n"));
}

#[test]
fn windows_line_ends_change_nothing() {
    let text = "version: 1\r\nname: x\r\nowner: o\r\nstages:\r\n  a:\r\n    exec: { allow: [nodee/] }\r\n";
    let error = refused("x.yaml", text.into());
    assert_eq!(error.problems()[0].position(), Some((6, 21)));
}

#[test]
fn colour_only_where_it_is_wanted() {
    let error = refused("x.yaml", "[]".into());
    assert!(!error.render(false).contains('\u{1b}'));
    assert!(error.render(true).contains('\u{1b}'));
}
