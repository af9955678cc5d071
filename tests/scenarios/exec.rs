// SPDX-License-Identifier: MIT OR Apache-2.0

//! Programs: what may be executed, and the stage that it leads to.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use crate::guest::{Place, Tally, attack, bare};

fn executable(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn only_named_programs_are_executed() {
    let place = Place::new();
    let copy = place.path("copy");
    fs::copy("/usr/bin/true", &copy).unwrap();
    let profile = place.profile("{ exec: { allow: [\"true\"] } }");
    assert_eq!(place.attack(&profile, &["exec", "/usr/bin/true"]), Tally::allowed(1));
    for program in ["/usr/bin/id", copy.to_str().unwrap()] {
        assert_eq!(bare(&["exec", program]), Tally::allowed(1), "{program}");
        assert_eq!(place.attack(&profile, &["exec", program]), Tally::denied(1), "{program}");
    }
}

#[test]
fn a_script_needs_its_interpreter_allowed_as_well() {
    let place = Place::new();
    let script = place.file("script", "#!/usr/bin/env true\n");
    executable(&script);
    let script = script.to_str().unwrap();
    assert_eq!(bare(&["exec", script]), Tally::allowed(1));
    let profile = place.profile("{ exec: { allow: [\"true\", \"PLACE/script\"] } }");
    assert_eq!(place.attack(&profile, &["exec", script]), Tally::denied(1));
    let profile = place.profile("{ exec: { allow: [env, \"true\"] } }");
    assert_eq!(place.attack(&profile, &["exec", script]), Tally::denied(1));
    let profile = place.profile("{ exec: { allow: [env, \"true\", \"PLACE/script\"] } }");
    assert_eq!(place.attack(&profile, &["exec", script]), Tally::allowed(1));
}

#[test]
fn a_program_in_memory_is_not_executed() {
    let place = Place::new();
    let args = ["memfd", "/usr/bin/true"];
    let profile = place.profile("{ exec: { allow: [\"true\", \"PLACE/**\"] } }");
    assert_eq!(bare(&args), Tally::allowed(1));
    assert_eq!(place.attack(&profile, &args), Tally::denied(1));
}

#[test]
fn an_exec_leads_to_its_stage_and_there_is_no_way_back() {
    let place = Place::new();
    let secret = place.file("secret", "s3cret");
    let profile = place.profile_file(
        "stages:
  first:
    exec: { allow: [cat, { path: \"@shells\", stage: second }] }
  second:
    exec: { allow: [cat, \"@shells\"] }
    files: { read: { deny: [\"PLACE/secret\"] } }
",
    );
    let secret = secret.to_str().unwrap();
    let read = |command: &[&str]| place.run(&profile, command);
    assert_eq!(read(&["cat", secret]).ended.stdout, "s3cret", "the entry stays in the first stage");
    let script = format!("cat {secret} || sh -c 'cat {secret}' || exec cat {secret}");
    let run = read(&["env", "sh", "-c", &script]);
    assert_eq!(run.ended.stdout, "");
    let denials = run.denials();
    assert_eq!(denials.len(), 3, "{denials:#?}");
    assert!(denials.iter().all(|denial| denial["stage"] == "second"), "{denials:#?}");
}

#[test]
fn a_failed_exec_changes_no_stage() {
    let place = Place::new();
    let secret = place.file("secret", "s3cret");
    // Allowed and leading to the second stage, but in no format that can be executed.
    let broken = place.file("broken", "neither a program nor a script");
    executable(&broken);
    let profile = place.profile_file(
        "stages:
  first:
    exec: { allow: [\"@shells\", cat, { path: \"PLACE/broken\", stage: second }] }
  second:
    files: { read: { deny: [\"PLACE/secret\"] } }
",
    );
    let program = "import os,sys
try: os.execv(sys.argv[1], [sys.argv[1]])
except OSError as error: print(error.errno)
os.execv('/bin/cat', ['cat', sys.argv[2]])";
    let run =
        place.run(&profile, &["python3", "-c", program, broken.to_str().unwrap(), secret.to_str().unwrap()]);
    assert!(run.ended.stdout.ends_with("s3cret"), "{run:#?}");
}

#[test]
fn the_attack_program_is_there() {
    assert!(attack().exists());
}
