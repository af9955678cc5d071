// SPDX-License-Identifier: MIT OR Apache-2.0

//! What `enforcer` says to wrong usage, and what it exits with. Nothing here needs a kernel that enforces: COMMAND must
//! never start.

#![expect(clippy::unwrap_used, reason = "helpers of tests are no tests to clippy")]

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command as Plain, Output},
};

use assert_cmd::Command;
use predicates::{prelude::*, str::contains};
use tempfile::TempDir;

fn enforcer() -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("enforcer"));
    for name in ["ENFORCER_PROFILE", "ENFORCER_LOG", "SUDO_UID", "SUDO_GID", "NO_COLOR", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    command
}

/// A COMMAND that leaves a mark when it is started.
fn marker(dir: &TempDir) -> (PathBuf, PathBuf) {
    let (script, mark) = (dir.path().join("command"), dir.path().join("started"));
    fs::write(&script, format!("#!/bin/sh\n: >{}\n", mark.display())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    (script, mark)
}

/// A profile that compiles in no time.
fn profile(dir: &TempDir) -> PathBuf {
    let profile = dir.path().join("small.yaml");
    fs::write(&profile, "version: 1\nname: small\nowner: a@example.com\nstages: { one: {} }\n").unwrap();
    profile
}

#[test]
fn help_and_version_succeed() {
    enforcer().arg("--version").assert().success().stdout(contains(env!("CARGO_PKG_VERSION")));
    enforcer()
        .args(["run", "--help"])
        .assert()
        .success()
        .stdout(contains("Examples:").and(contains("Exit status:")).and(contains("125")));
}

#[test]
fn wrong_usage_of_run_is_125_and_of_anything_else_2() {
    for args in [
        &["run"][..],
        &["run", "--nonsense", "--", "true"],
        &["--color", "never", "run", "--json"],
        &["run", "-q", "-v", "x"],
    ] {
        enforcer().args(args).assert().code(125).stdout("").stderr(contains("--help"));
    }
    for args in [&[][..], &["nonsense"], &["--nonsense"], &["nonsense", "run"]] {
        enforcer().args(args).assert().code(2).stdout("");
    }
}

#[test]
fn an_unknown_profile_is_125_and_names_those_that_there_are() {
    let dir = TempDir::new().unwrap();
    let (script, mark) = marker(&dir);
    enforcer()
        .args(["run", "--profile", "npm-instal", "--"])
        .arg(script)
        .assert()
        .code(125)
        .stdout("")
        .stderr(contains("npm-instal").and(contains("npm-install")));
    assert!(!mark.exists());
}

#[test]
fn a_broken_profile_is_125_with_line_and_column() {
    let dir = TempDir::new().unwrap();
    let (script, mark) = marker(&dir);
    let profile = dir.path().join("broken.yaml");
    fs::write(&profile, "version: 1\nname: broken\nstages: [\n").unwrap();
    enforcer()
        .args(["run", "--profile"])
        .arg(&profile)
        .arg("--")
        .arg(script)
        .assert()
        .code(125)
        .stderr(contains("broken.yaml:"));
    assert!(!mark.exists());
}

#[test]
fn a_command_without_a_profile_of_its_own_needs_one() {
    enforcer()
        .args(["run", "--", "true"])
        .assert()
        .code(125)
        .stderr(contains("no profile for `true`").and(contains("--profile")).and(contains("npm-install")));
}

#[test]
fn the_variable_names_a_profile_too() {
    enforcer()
        .env("ENFORCER_PROFILE", "no-such-profile")
        .args(["run", "--", "true"])
        .assert()
        .code(125)
        .stderr(contains("no-such-profile"));
}

#[test]
fn a_missing_command_is_127_and_one_that_cannot_be_executed_126() {
    let dir = TempDir::new().unwrap();
    let plain = dir.path().join("plain");
    fs::write(&plain, "").unwrap();
    let profile = profile(&dir);
    let run = |command: &Path| {
        let mut enforcer = enforcer();
        enforcer.args(["run", "--profile"]).arg(&profile).arg("--").arg(command);
        enforcer
    };
    run(Path::new("no-such-command-at-all")).assert().code(127).stderr(contains("command not found"));
    run(&dir.path().join("absent")).assert().code(127).stderr(contains("command not found"));
    run(&plain).assert().code(126).stderr(contains("ermission denied"));
    run(dir.path()).assert().code(126).stderr(contains("directory"));
}

#[test]
fn without_privileges_it_is_125_and_says_what_to_type() {
    let dir = TempDir::new().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let (script, mark) = marker(&dir);
    let binary = dir.path().join("enforcer");
    fs::copy(assert_cmd::cargo::cargo_bin!("enforcer"), &binary).unwrap();
    let profile = profile(&dir);
    let Output { status, stdout, stderr } = unprivileged(&binary)
        .args(["run", "--profile"])
        .arg(&profile)
        .arg("--")
        .arg(&script)
        .env("HOME", "/nonexistent")
        .current_dir(dir.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&stderr);
    assert_eq!((status.code(), stdout.len()), (Some(125), 0), "{stderr}");
    let [binary, profile, script] = [&binary, &profile, &script].map(|path| path.display());
    let typed = format!("sudo {binary} run --profile {profile} -- {script}");
    assert!(stderr.contains(&typed), "{stderr}");
    assert!(!mark.exists());
}

#[test]
fn nonsense_from_sudo_is_refused() {
    if !nix::unistd::geteuid().is_root() {
        return; // Looked at only by root.
    }
    for (uid, gid) in [("x", "0"), ("1000", "-1"), ("", "")] {
        enforcer()
            .env("SUDO_UID", uid)
            .env("SUDO_GID", gid)
            .args(["run", "--", "npm", "ci"])
            .assert()
            .code(125)
            .stderr(contains("SUDO_"));
    }
}

#[test]
fn where_the_record_cannot_be_written_nothing_is_started() {
    if !nix::unistd::geteuid().is_root() {
        return; // Without privileges it stops before.
    }
    let dir = TempDir::new().unwrap();
    let (script, mark) = marker(&dir);
    enforcer()
        .current_dir(dir.path())
        .args(["run", "--json", "absent/record.jsonl", "--profile"])
        .arg(profile(&dir))
        .arg("--")
        .arg(&script)
        .assert()
        .code(125)
        .stderr(contains("absent/record.jsonl"));
    assert!(!mark.exists());
}

/// A program that runs without privileges, whoever runs the tests.
fn unprivileged(program: &Path) -> Plain {
    let mut command = Plain::new(program);
    if nix::unistd::geteuid().is_root() {
        command.uid(65534).gid(65534);
    }
    command.env_remove("SUDO_UID").env_remove("SUDO_GID");
    command
}
