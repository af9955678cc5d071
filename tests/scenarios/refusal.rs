// SPDX-License-Identifier: MIT OR Apache-2.0

//! Bad input: one clear message, a documented status, and nothing started.

use std::{fs, process::Command};

use crate::guest::{Ended, Place, finish, sh};

/// Runs the enforcer on a command that would leave a mark, and checks that it left none.
pub(crate) fn refused(place: &Place, options: &[&str]) -> Ended {
    let mark = place.path("mark");
    let mut run = Command::new("enforcer");
    run.arg("run").args(options).arg("--").arg("touch").arg(&mark);
    let ended = finish(run);
    assert!(!mark.exists(), "the command was started: {ended:#?}");
    assert_eq!(ended.status, 125, "{ended:#?}");
    assert_eq!(ended.stdout, "");
    ended
}

#[test]
fn an_unknown_profile() {
    let place = Place::new();
    let ended = refused(&place, &["--profile", "npm-instal"]);
    assert!(ended.stderr.contains("npm-install"), "the near miss is named: {}", ended.stderr);
}

#[test]
fn a_profile_with_an_error() {
    let place = Place::new();
    let profile = place.file(
        "broken.yaml",
        "version: 1\nname: broken\nowner: a@b.example\nstages:\n  only:\n    exce: {}\n",
    );
    let ended = refused(&place, &["--profile", profile.to_str().unwrap()]);
    assert!(ended.stderr.contains("broken.yaml:6:5"), "{}", ended.stderr);
    assert!(ended.stderr.contains("exec"), "the near miss is named: {}", ended.stderr);
    fs::write(&profile, "version: 1\nname: broken\n\towner: x\n").unwrap();
    let ended = refused(&place, &["--profile", profile.to_str().unwrap()]);
    assert!(ended.stderr.contains("broken.yaml:2:") && ended.stderr.contains("tab"), "{}", ended.stderr);
}

#[test]
fn no_privileges() {
    let place = Place::new();
    let profile = place.profile("{}");
    let script = format!(
        "runuser -u builder -- enforcer run --profile {} -- touch /tmp/mark-of-builder",
        profile.display()
    );
    let ended = sh(&script);
    assert_eq!(ended.status, 125, "{ended:#?}");
    assert!(ended.stderr.contains("sudo"), "the way out is named: {}", ended.stderr);
    assert!(!fs::exists("/tmp/mark-of-builder").unwrap());
}

#[test]
fn a_command_that_does_not_exist_or_cannot_be_executed() {
    let place = Place::new();
    let profile = place.profile("{}");
    let file = place.file("no-program", "text");
    let missing = place.run(&profile, &["no-such-command"]);
    assert_eq!(missing.ended.status, 127, "{missing:#?}");
    let mode = place.run(&profile, &[file.to_str().unwrap()]);
    assert_eq!(mode.ended.status, 126, "{mode:#?}");
    for ended in [missing.ended, mode.ended] {
        assert!(ended.stderr.starts_with("enforcer: "), "{}", ended.stderr);
    }
}
