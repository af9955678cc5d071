// SPDX-License-Identifier: MIT OR Apache-2.0

//! Arguments of programs: judged before the program's first instruction, as nobody can change them any more.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use enforcer::profile;
use enforcer_common::anchor::Anchors;
use fastrand::Rng;

use crate::guest::{Ended, Place, Tally, bare, finish};

/// What a shell says of a child that SIGKILL ended.
const KILLED: i32 = 128 + 9;

/// A command outside of any run.
fn outside(command: &[&str]) -> Ended {
    let mut outside = Command::new(command[0]);
    outside.args(&command[1..]);
    finish(outside)
}

/// A command in a run that began with `env`, which the operator named and is not judged.
fn judged<'a>(command: &[&'a str]) -> Vec<&'a str> {
    [&["env"], command].concat()
}

#[test]
fn node_runs_files_but_no_code_from_its_arguments() {
    let place = Place::new();
    let script = place.file("script.js", "console.log('script')");
    let script = script.to_str().unwrap();
    let profile = place.profile("{ exec: { allow: [{ path: node, args: [\"*.js\"] }] } }");
    let run = place.run(&profile, &judged(&["node", script]));
    assert_eq!((run.ended.status, &*run.ended.stdout), (0, "script\n"));
    assert!(run.denials().is_empty());

    let evil = ["node", "-e", "console.log('evil')"];
    assert_eq!(outside(&evil).stdout, "evil\n");
    let run = place.run(&profile, &judged(&evil));
    assert_eq!((run.ended.status, &*run.ended.stdout), (KILLED, ""));
    let denials = run.denials();
    assert_eq!(denials.len(), 1, "{denials:#?}");
    assert_eq!((&denials[0]["action"], &denials[0]["reason"]), (&"argv".into(), &"default".into()));
    assert_eq!(denials[0]["args"], serde_json::json!(["-e", "console.log('evil')"]));
    assert!(run.ended.stderr.contains("killed before it ran"), "{}", run.ended.stderr);

    let run = place.run_with(&profile, &["--audit"], &judged(&evil));
    assert_eq!((run.ended.status, &*run.ended.stdout), (0, "evil\n"), "an audit kills nobody");
    assert_eq!(run.denials()[0]["verdict"], "would-deny");
}

#[test]
fn what_a_shell_is_told_can_be_denied() {
    let place = Place::new();
    let profile = place.profile(
        "{ exec: { allow: [\"@shells\"], deny: [{ path: \"@shells\", args: [\"-c\", \"*curl*\", \"**\"] }] } }",
    );
    let said = |script: &str| {
        let command = ["sh", "-c", script, "x", "y"];
        assert_eq!(outside(&command).success().stdout, "done\n");
        let run = place.run(&profile, &judged(&command));
        assert_eq!(run.denials().len(), usize::from(run.ended.status != 0), "{run:#?}");
        (run.ended.status, run.ended.stdout)
    };
    assert_eq!(said("echo done"), (0, "done\n".to_owned()));
    assert_eq!(said("echo done # curl"), (KILLED, String::new()));
    assert_eq!(said("curl --version >/dev/null; echo done"), (KILLED, String::new()));
}

#[test]
fn arguments_that_a_thread_changes_are_judged_as_the_program_gets_them() {
    let place = Place::new();
    let file = place.path("written");
    let script = format!("echo x >>{}", file.display());
    let args = ["--times", "60", "swapped", &script];
    let lines = || fs::read_to_string(&file).unwrap_or_default().lines().count();
    assert_eq!(bare(&args), Tally::allowed(60));
    assert!(lines() > 0, "the thread was never in time");
    fs::remove_file(&file).unwrap();
    let profile = place.profile(
        "{ exec: { allow: [{ path: \"@shells\", args: [\"-c\", \"#*\"] }] }, files: { write: { default: allow } } }",
    );
    let tally = place.attack(&profile, &args);
    assert_eq!(lines(), 0);
    assert_eq!((tally.allowed + tally.denied, tally.failed), (60, 0), "{tally:?}");
    assert!(tally.denied > 0, "the thread was never in time");
}

#[test]
fn arguments_that_are_too_long_are_denied_where_rules_are_about_them() {
    let place = Place::new();
    let profile = place.profile("{ exec: { allow: [{ path: \"true\", args: [\"a*\"] }, echo] } }");
    // Path, separator and argument are 4,095 bytes, and one more.
    let fits = "a".repeat(4095 - "/usr/bin/true".len() - 1);
    let long = format!("{fits}a");
    for argument in [&fits, &long] {
        outside(&["true", argument]).success();
    }
    assert_eq!(place.run(&profile, &judged(&["true", &fits])).ended.status, 0);
    for command in [judged(&["true", &long]), judged(&["true", &"a".repeat(100_000)])] {
        let run = place.run(&profile, &command);
        assert_eq!((run.ended.status, &run.denials()[0]["reason"]), (KILLED, &"too-long".into()));
    }
    // The program's own name is no argument, but what cannot be read past is not judged either.
    let named = |name: usize| format!("exec -a {} true abc", "x".repeat(name));
    for (name, status) in [(3000, 0), (5000, KILLED)] {
        outside(&["bash", "-c", &named(name)]).success();
        assert_eq!(place.run(&profile, &["bash", "-c", &named(name)]).ended.status, status, "{name}");
    }
    assert_eq!(place.run(&profile, &judged(&["echo", &long])).ended.status, 0, "no rule is about echo's");
}

#[test]
fn an_exec_leads_to_a_stage_by_its_arguments() {
    let place = Place::new();
    let secret = place.file("secret", "s3cret");
    let profile = place.profile_file(
        "stages:
  first:
    exec:
      allow:
        - cat
        - { path: \"@shells\", args: [\"-c\", \"**\"], stage: second }
        - \"@shells\"
  second:
    exec: { allow: [cat] }
    files: { read: { deny: [\"PLACE/secret\"] } }
",
    );
    let script = place.file("script", &format!("cat {}", secret.display()));
    let read = |args: &[&str]| place.run(&profile, &judged(&[&["sh"], args].concat())).ended.stdout;
    assert_eq!(read(&[script.to_str().unwrap()]), "s3cret");
    assert_eq!(read(&["-c", &fs::read_to_string(&script).unwrap()]), "");
}

#[test]
fn a_script_is_judged_by_its_path_and_by_its_interpreters_arguments() {
    let place = Place::new();
    let script = place.file("script", "#!/bin/sh\necho ran $1\n");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let path = script.to_str().unwrap();
    let run = |profile: &Path, arg: &str| {
        let run = place.run(profile, &judged(&[path, arg]));
        (run.ended.stdout.clone(), run.denials().first().map(|denial| denial["reason"].clone()))
    };
    assert_eq!(outside(&[path, "x"]).stdout, "ran x\n");
    let by_interpreter = place.profile(
        "{ exec: { allow: [\"PLACE/script\", { path: \"@shells\", args: [\"PLACE/script\", \"x\"] }] } }",
    );
    assert_eq!(run(&by_interpreter, "x"), ("ran x\n".to_owned(), None));
    assert_eq!(run(&by_interpreter, "y"), (String::new(), Some("default".into())));
    // A rule with arguments does not allow a script: what it is given is its interpreter's.
    let by_script =
        place.profile("{ exec: { allow: [{ path: \"PLACE/script\", args: [\"x\"] }, \"@shells\"] } }");
    assert_eq!(run(&by_script, "x"), (String::new(), Some("script".into())));
    // Nor does it deny one.
    let denied = place.profile(
        "{ exec: { allow: [\"PLACE/script\", \"@shells\"], deny: [{ path: \"PLACE/script\", args: [\"x\"] }] } }",
    );
    assert_eq!(run(&denied, "x"), ("ran x\n".to_owned(), None));
}

/// Executes each line's arguments with a program, and prints `.` or, of one that is killed, `x`.
const DRIVER: &str = r#"
import json, os, sys
for arguments in json.load(open(sys.argv[1])):
    pid = os.posix_spawn("/usr/bin/true", ["true"] + arguments, {})
    print(".x"[os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -9], end="")
"#;

#[test]
fn the_kernel_decides_about_arguments_as_userspace_does() {
    let place = Place::new();
    let list = place.path("list.json");
    let mut killed = 0;
    for seed in 0..4 {
        println!("seed {seed}");
        let mut rng = Rng::with_seed(seed);
        let mut pick = |from: &[&str], most: usize| -> Vec<String> {
            (0..rng.usize(..=most)).map(|_| from[rng.usize(..from.len())].to_owned()).collect()
        };
        let mut rules = |count: usize| -> String {
            let rules = (0..count).map(|_| {
                let globs = pick(&["**", "*", "a", "?", "{a,b}", "-e", "*b*", "[!a]"], 3);
                format!("{{ path: \"true\", args: {globs:?} }}")
            });
            rules.collect::<Vec<_>>().join(", ")
        };
        let (allow, deny) = (rules(3), rules(2));
        let file = place.profile(&format!("{{ exec: {{ allow: [{allow}], deny: [{deny}] }} }}"));
        let compiled = profile::load(file.to_str().unwrap()).unwrap_or_else(|error| panic!("{error}"));
        let arguments: Vec<Vec<String>> =
            (0..150).map(|_| pick(&["", "a", "b", "ab", "-e", "a/b", "\u{1f}", "a\nb"], 4)).collect();
        fs::write(&list, serde_json::to_string(&arguments).unwrap()).unwrap();
        let expected: String = arguments
            .iter()
            .map(|arguments| {
                let bytes: Vec<&[u8]> = arguments.iter().map(String::as_bytes).collect();
                let decision = compiled.decide_exec(0, b"/usr/bin/true", &bytes, &Anchors::NONE);
                if decision.allows() { '.' } else { 'x' }
            })
            .collect();
        let run = place.run(&file, &["python3", "-c", DRIVER, list.to_str().unwrap()]);
        assert_eq!(run.ended.stdout, expected);
        killed += expected.matches('x').count();
    }
    assert!((60..540).contains(&killed), "{killed} of 600 were killed");
}
