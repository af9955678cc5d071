// SPDX-License-Identifier: MIT OR Apache-2.0

//! Files: what is denied stays denied, however it is spelled.

use std::{fs, os::unix::fs::symlink};

use crate::guest::{Place, Tally, bare, sh};

const STAGE: &str =
    "{ files: { read: { deny: [\"PLACE/secret/**\"] }, write: { allow: [\"PLACE/open/**\"] } } }";

#[test]
fn a_denied_file_cannot_be_read_by_any_spelling() {
    let place = Place::new();
    let secret = place.file("secret/key", "s3cret");
    let profile = place.profile(STAGE);
    symlink(&secret, place.path("link")).unwrap();
    symlink(secret.parent().unwrap(), place.path("dir")).unwrap();
    let spellings = [
        secret.clone(),
        place.path("link"),
        place.path("dir/key"),
        place.path("secret/../secret/./key"),
        format!("/proc/self/root{}", secret.display()).into(),
    ];
    for spelling in spellings {
        let args = ["read", spelling.to_str().unwrap()];
        assert_eq!(bare(&args), Tally::allowed(1), "{args:?}");
        assert_eq!(place.attack(&profile, &args), Tally::denied(1), "{args:?}");
    }
}

#[test]
fn what_no_rule_denies_is_read_and_what_no_rule_allows_is_not_written() {
    let place = Place::new();
    let plain = place.file("plain", "text");
    fs::create_dir(place.path("open")).unwrap();
    let profile = place.profile(STAGE);
    let (plain, open) = (plain.to_str().unwrap(), place.path("open/new"));
    assert_eq!(place.attack(&profile, &["read", plain]), Tally::allowed(1));
    assert_eq!(bare(&["write", plain]), Tally::allowed(1));
    assert_eq!(place.attack(&profile, &["write", plain]), Tally::denied(1));
    assert_eq!(place.attack(&profile, &["write", open.to_str().unwrap()]), Tally::allowed(1));
    assert_eq!(fs::read_to_string(plain).unwrap(), "text");
}

#[test]
fn a_path_too_long_to_be_judged_is_denied() {
    let place = Place::new();
    let base = place.path("open");
    fs::create_dir(&base).unwrap();
    let args = ["deep", base.to_str().unwrap()];
    let profile = place.profile(STAGE);
    assert_eq!(bare(&args), Tally::allowed(1));
    let run = place.run(&profile, &[crate::guest::attack().to_str().unwrap(), args[0], args[1]]);
    assert_eq!(run.ended.tally(), Tally::denied(1));
    assert_eq!(run.denials()[0]["reason"], "too-long");
    sh(&format!("rm -rf {}", base.display())).success();
}

#[test]
fn a_denial_says_what_and_why() {
    let place = Place::new();
    let secret = place.file("secret/key", "s3cret");
    let profile = place.profile(STAGE);
    let run = place.run(&profile, &["cat", secret.to_str().unwrap()]);
    assert_eq!(run.ended.status, 1, "cat's own status");
    let denials = run.denials();
    assert_eq!(denials.len(), 1, "{denials:#?}");
    assert_eq!(denials[0]["action"], "read");
    assert_eq!(denials[0]["path"], secret.to_str().unwrap());
    assert_eq!(denials[0]["verdict"], "deny");
    let place_of_rule = denials[0]["rule"]["place"].as_str().unwrap();
    assert!(place_of_rule.ends_with("profile.yaml:5"), "{place_of_rule}");
    assert!(run.ended.stderr.contains(secret.to_str().unwrap()), "{}", run.ended.stderr);
    assert_eq!(run.trailer()["denied"]["read"], 1);
}

#[test]
fn in_audit_mode_everything_goes_ahead_and_is_reported() {
    let place = Place::new();
    let secret = place.file("secret/key", "s3cret");
    let profile = place.profile(STAGE);
    let run = place.run_with(&profile, &["--audit"], &["cat", secret.to_str().unwrap()]);
    assert_eq!(run.ended.status, 0);
    assert_eq!(run.ended.stdout, "s3cret");
    let denials = run.denials();
    assert_eq!(denials.len(), 1, "{denials:#?}");
    assert_eq!(denials[0]["verdict"], "would-deny");
}

#[test]
fn a_handle_of_a_process_is_no_file() {
    let place = Place::new();
    let profile = place.profile("{ exec: { default: allow } }");
    let program =
        "import os, select; process = os.pidfd_open(os.getpid()); select.select([process], [], [], 0)";
    let run = place.run(&profile, &["python3", "-I", "-c", program]);
    assert_eq!((run.ended.status, run.denials().len()), (0, 0), "{run:#?}");
}
