// SPDX-License-Identifier: MIT OR Apache-2.0

//! The questions that the README answers, asked of the recorded incidents; and how `enforcer report` writes.

#![expect(clippy::unwrap_used, reason = "helpers of tests are no tests to clippy")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use assert_cmd::Command;
use predicates::{prelude::*, str::contains};
use serde_json::Value;
use tempfile::TempDir;

const INCIDENTS: [(&str, &str); 3] = [
    ("dropper", "plain-crypto-js-fixture@4.2.1 postinstall"),
    ("worm", "@enforcer-fixture/tinycolor@4.1.1 postinstall"),
    ("miner", "ua-parser-fixture@0.7.29 preinstall"),
];

fn enforcer() -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("enforcer"));
    for name in ["ENFORCER_PROFILE", "ENFORCER_LOG", "NO_COLOR", "CLICOLOR_FORCE", "GITHUB_STEP_SUMMARY"] {
        command.env_remove(name);
    }
    // As the README has it: from the directory of the recordings.
    command.current_dir(recordings());
    command
}

fn recordings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings")
}

fn stdout(args: &[&str], status: i32) -> String {
    let output = enforcer().args(args).output().unwrap();
    assert_eq!(output.status.code(), Some(status), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Lines of a profile, which move when it is edited.
fn settled(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(".yaml:") {
        let (before, behind) = rest.split_at(at + ".yaml:".len());
        out += before;
        out.push('N');
        rest = behind.trim_start_matches(|character: char| character.is_ascii_digit());
    }
    out + rest
}

#[test]
fn what_did_it_try() {
    for (incident, package) in INCIDENTS {
        let text = stdout(&["report", &format!("{incident}.jsonl.zst")], 0);
        assert!(text.contains(package), "{text}");
        insta::assert_snapshot!(format!("{incident}_report"), text);
    }
}

#[test]
fn what_would_a_profile_have_stopped() {
    for (incident, package) in INCIDENTS {
        let text = stdout(&["replay", "--profile", "npm-ci-strict", &format!("{incident}.jsonl.zst")], 1);
        assert!(text.contains(package), "{text}");
        insta::assert_snapshot!(format!("{incident}_replay"), settled(&text));
    }
}

#[test]
fn what_does_it_do_that_a_harmless_install_does_not() {
    for (incident, package) in INCIDENTS {
        let text = stdout(&["compare", "harmless.jsonl.zst", "--", &format!("{incident}.jsonl.zst")], 1);
        assert!(text.contains(package), "{text}");
        insta::assert_snapshot!(format!("{incident}_compare"), text);
    }
}

#[test]
fn which_runs_were_touched() {
    let answer = stdout(&["replay", "--json", "--profile", "npm-install", "."], 1);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((&answer["recordings"], &answer["lost"]), (&4.into(), &0.into()), "{answer:#}");
    let findings = answer["findings"].as_array().unwrap();
    for (_, package) in INCIDENTS {
        assert!(findings.iter().any(|finding| finding["package"] == package), "{package}: {answer:#}");
    }
    let clean = stdout(&["replay", "--profile", "npm-install", "harmless.jsonl.zst"], 0);
    assert!(clean.contains("denied: 0"), "{clean}");
}

#[test]
fn for_code_hosts_and_for_ci() {
    insta::assert_snapshot!(
        "dropper_markdown",
        stdout(&["report", "--format", "markdown", "dropper.jsonl.zst"], 0)
    );
    insta::assert_snapshot!(
        "dropper_junit",
        stdout(&["report", "--format", "junit", "dropper.jsonl.zst"], 0)
    );
    let sarif: Value =
        serde_json::from_str(&stdout(&["report", "-f", "sarif", "dropper.jsonl.zst"], 0)).unwrap();
    insta::assert_snapshot!("dropper_sarif", format!("{:#}", sarif["runs"][0]["results"][0]));
}

#[test]
fn the_format_is_what_the_name_says() {
    let dir = TempDir::new().unwrap();
    for (name, beginning) in [
        ("x.html", "<!DOCTYPE html>"),
        ("x.md", "## "),
        ("x.sarif", "{"),
        ("x.sarif.json", "{"),
        ("x.xml", "<?xml"),
        ("x.txt", "npm ci: denied"),
    ] {
        let path = dir.path().join(name);
        enforcer().args(["report", "dropper.jsonl.zst", "-o"]).arg(&path).assert().success().stdout("");
        let report = fs::read_to_string(&path).unwrap();
        assert!(
            report.starts_with(beginning) && report.ends_with('\n') && !report.contains('\u{1b}'),
            "{name}"
        );
    }
    let path = dir.path().join("x.pdf");
    enforcer()
        .args(["report", "dropper.jsonl.zst", "-o"])
        .arg(&path)
        .assert()
        .code(2)
        .stderr(contains("--format"));
    assert!(!path.exists());
}

#[test]
fn a_report_does_not_replace_the_recording() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("x.html");
    fs::copy(recordings().join("miner.jsonl.zst"), &path).unwrap();
    let before = fs::read(&path).unwrap();
    enforcer()
        .arg("report")
        .arg(&path)
        .arg("-o")
        .arg(&path)
        .assert()
        .code(2)
        .stderr(contains("is the recording"));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn the_summary_of_a_step_gets_what_it_has_room_for() {
    let dir = TempDir::new().unwrap();
    let summary = dir.path().join("summary");
    let run = |format: &str| {
        let mut command = enforcer();
        command.env("GITHUB_STEP_SUMMARY", &summary).args([
            "report",
            "--format",
            format,
            "dropper.jsonl.zst",
        ]);
        command.assert().success()
    };
    let length = || fs::metadata(&summary).map_or(0, |found| found.len());
    run("html");
    assert_eq!(length(), 0);
    let markdown = String::from_utf8(run("markdown").get_output().stdout.clone()).unwrap();
    assert_eq!(fs::read_to_string(&summary).unwrap(), format!("\n{markdown}"));
    // Behind what others wrote, whole or not at all or cut between sections: never beyond the limit.
    fs::write(&summary, "x".repeat((1 << 20) - 1200)).unwrap();
    run("markdown").stderr(contains("the summary of the step is full"));
    assert!(length() > (1 << 20) - 1200 && length() <= 1 << 20, "{}", length());
    fs::write(&summary, "x".repeat(1 << 20)).unwrap();
    run("markdown").stderr(contains("it has no room left"));
    assert_eq!(length(), 1 << 20);
}

#[test]
fn what_can_be_read_is_told_and_the_status_says_so() {
    let dir = TempDir::new().unwrap();
    let whole = fs::read(recordings().join("dropper.jsonl.zst")).unwrap();
    let path = dir.path().join("x");
    let report = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        enforcer().arg("report").arg(&path).assert()
    };
    report(&whole[..whole.len() - 9])
        .success()
        .stdout(contains("was cut off"))
        .stderr(contains("was cut off"));
    let mut flipped = whole.clone();
    let end = flipped.len() - 2;
    flipped[end] ^= 1;
    report(&flipped).code(2).stdout(contains("npm ci").and(contains("damaged"))).stderr(contains("damaged"));
    report(b"{}\n").code(2).stdout("");
    report(b"").code(2).stdout("").stderr(contains("is empty"));
    enforcer().args(["report", "nothing-here"]).assert().code(2).stdout("");
    let file = dir.path().join("no/such/directory.html");
    enforcer()
        .args(["report", "miner.jsonl.zst", "-o"])
        .arg(file)
        .assert()
        .code(1)
        .stderr(contains("cannot be written"));
}

#[test]
fn colours_are_for_terminals() {
    assert!(!stdout(&["report", "dropper.jsonl.zst"], 0).contains('\u{1b}'));
    assert!(stdout(&["--color", "always", "report", "dropper.jsonl.zst"], 0).contains("\u{1b}["));
}

/// What the README shows of these commands, in the order in which it stands there; `…` is what it leaves out.
#[test]
fn the_readme_shows_what_is_answered() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let section =
        readme.split("\n## ").find(|section| section.starts_with("Questions a responder asks")).unwrap();
    let blocks: Vec<_> = section.split("```").skip(1).step_by(2).collect();
    assert!(blocks.len() >= 4, "{section}");
    for block in blocks {
        let (command, shown) = block.trim_start().split_once('\n').unwrap();
        let args: Vec<_> = command.strip_prefix("$ enforcer ").unwrap().split(' ').collect();
        let output = enforcer().args(&args).output().unwrap();
        let answer = settled(&String::from_utf8(output.stdout).unwrap());
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut lines = answer.lines().map(words);
        for line in settled(shown).lines().filter(|line| line.trim() != "…") {
            assert!(lines.any(|answered| answered == words(line)), "{command}: {line}\n{answer}");
        }
    }
}
