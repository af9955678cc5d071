// SPDX-License-Identifier: MIT OR Apache-2.0

//! The evidence log, and statements about what a run made.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::{
    guest::{Place, Tally, attack, bare, finish, read_record, sh},
    refusal::refused,
};

/// What `enforcer evidence verify` answers.
fn verify(log: &Path, options: &[&str]) -> (i32, Value) {
    let mut verify = Command::new("enforcer");
    verify.args(["evidence", "verify", "--json"]).args(options).arg(log);
    let ended = finish(verify);
    (ended.status, serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:#?}")))
}

fn kinds(log: &Path) -> Vec<String> {
    read_record(log).iter().map(|line| line["type"].as_str().unwrap().to_owned()).collect()
}

/// A profile that denies the secret but for an exception, and trips at the sixth denial.
fn profile(place: &Place) -> PathBuf {
    place.profile_file(
        "budgets: { denials: 5 }\nstages:\n  only: { files: { read: { deny: [\"PLACE/secret*\"] } } }\n\
         exceptions:\n  - { id: EX-1, stage: only, read: \"PLACE/secret-not\", reason: a test, \
         owner: tests@enforcer.example, expires: 2999-12-31 }\n",
    )
}

#[test]
fn a_run_with_a_denial_an_exception_and_a_trip_leaves_these_lines() {
    let place = Place::new();
    let profile = profile(&place);
    let [secret, excepted] = ["secret", "secret-not"].map(|name| place.file(name, "s3cret"));
    let [secret, excepted] = [&secret, &excepted].map(|path| path.to_str().unwrap());
    let log = place.path("logs/evidence.jsonl");
    let options = ["--evidence", log.to_str().unwrap()];
    let program = attack();
    let program = program.to_str().unwrap();
    assert_eq!(bare(&["--times", "6", "read", secret]), Tally::allowed(6));
    let run = |args: &[&str]| {
        let command: Vec<&str> = [program].iter().chain(args).copied().collect();
        place.run_with(&profile, &options, &command).ended
    };
    assert_eq!(run(&["read", secret]).tally(), Tally::denied(1));
    assert_eq!(run(&["--times", "3", "read", excepted]).tally(), Tally::allowed(3));
    assert_eq!(run(&["--times", "9", "read", secret]).status, 101);
    let first = ["log", "profile", "enrol", "verdicts"];
    let second = ["profile", "enrol", "exception", "verdicts"];
    let third = ["profile", "enrol", "trip", "verdicts"];
    assert_eq!(kinds(&log), [first, second, third].concat());
    let lines = read_record(&log);
    assert_eq!(lines[3]["denied"], json!({ "read": 1 }), "{:#}", lines[3]);
    assert_eq!((&lines[6]["id"], &lines[6]["target"]["path"]), (&json!("EX-1"), &json!(excepted)));
    assert_eq!(lines[7]["exceptions"], json!({ "EX-1": 3 }), "{:#}", lines[7]);
    assert_eq!(lines[10]["budget"], "denials", "{:#}", lines[10]);
    assert_eq!((&lines[11]["exit"], &lines[11]["tripped"]), (&json!(101), &json!("denials")));
    let of = |lines: &[Value]| {
        assert!(lines.iter().all(|line| line["run"] == lines[0]["run"]), "{lines:#?}");
        lines[0]["run"].clone()
    };
    let [one, two, three] = [&lines[1..4], &lines[4..8], &lines[8..12]].map(of);
    assert!(one != two && two != three && one != three, "{lines:#?}");
    // The recording is the one that the evidence names.
    let hashed = sh(&format!("sha256sum {}", place.path("recording.jsonl.zst").display())).success().stdout;
    assert!(hashed.starts_with(lines[11]["recording_sha256"].as_str().unwrap()), "{hashed}");
    let (status, report) = verify(&log, &["--at-least", "12"]);
    assert_eq!((status, &report["lines"]), (0, &json!(12)), "{report:#}");
    assert_eq!(verify(&log, &["--at-least", "13"]).0, 1);
    // Nobody but root can change it, or read it.
    for attempt in ["cat", "truncate -s 0", "rm -f"] {
        let ended = sh(&format!("! runuser -u builder -- {attempt} {}", log.display()));
        assert_eq!(ended.status, 0, "{attempt}");
    }
    assert_eq!(verify(&log, &[]).0, 0);
    // Root can, and it is seen.
    let text = fs::read_to_string(&log).unwrap();
    fs::write(&log, text.replacen("EX-1", "EX-2", 1)).unwrap();
    let (status, report) = verify(&log, &[]);
    assert_eq!((status, &report["faults"][0]["line"]), (1, &json!(7)), "{report:#}");
}

#[test]
fn where_there_can_be_no_evidence_nothing_is_started() {
    let place = Place::new();
    let profile = profile(&place);
    let profile = profile.to_str().unwrap();
    let log = place.path("evidence.jsonl");
    let [log_text, key] = [&log, &place.path("key")].map(|path| path.to_str().unwrap().to_owned());
    let no = |file: &str| refused(&place, &["--profile", profile, "--evidence", file]).stderr;
    assert!(no("/proc/version").contains("no evidence"));
    assert!(no("/nonexistent/a/log").contains("no evidence"));
    fs::write(&log, "").unwrap();
    fs::set_permissions(&log, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(no(&log_text).contains("others may write"));
    let builders = place.for_builder("log");
    assert!(no(builders.to_str().unwrap()).contains("belongs to somebody else"));
    fs::set_permissions(&log, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&log, "not a log\n").unwrap();
    assert!(no(&log_text).contains("not as it was written"));
    fs::remove_file(&log).unwrap();
    let ended = refused(&place, &["--profile", profile, "--evidence", &log_text, "--sign", &key]);
    assert!(ended.stderr.contains("signing key"), "{}", ended.stderr);
    // A full disk.
    let full = place.path("full");
    sh(&format!(
        "mkdir {0}; mount -t tmpfs -o size=4k,mode=755 tmpfs {0}; head -c 4096 /dev/zero >{0}/zero",
        full.display()
    ))
    .success();
    let told = no(full.join("log").to_str().unwrap());
    sh(&format!("umount {}", full.display())).success();
    assert!(told.contains("No space left"), "{told}");
}

#[test]
fn a_statement_is_about_what_the_run_made_and_signed() {
    let place = Place::new();
    let [log, key, out, statement] =
        ["evidence.jsonl", "key", "out.tgz", "out.json"].map(|name| place.path(name));
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    sh(&format!("enforcer evidence keygen {}", key.display())).success();
    let stage = "{ exec: { default: allow }, files: { write: { allow: [\"PLACE/out.tgz\"] } } }";
    let profile = place.profile(stage);
    let options = [
        "--evidence",
        &text(&log),
        "--sign",
        &text(&key),
        "--attest",
        &text(&statement),
        "--product",
        &text(&out),
    ]
    .map(str::to_owned);
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let script = |script: &str| place.run_with(&profile, &options, &["sh", "-c", script]).ended.status;
    assert_eq!(script(&format!("echo made >{}", out.display())), 0);
    let public = format!("{}.pub", key.display());
    assert_eq!(verify(&log, &["--public", &public]).0, 0);
    let envelope: Value = serde_json::from_str(&fs::read_to_string(&statement).unwrap()).unwrap();
    assert_eq!(envelope["payloadType"], "application/vnd.in-toto+json");
    // By other means than ours: openssl's, over what DSSE says is signed.
    let decode = |name: &str, base64: &Value| {
        let coded = place.file(&format!("{name}.b64"), base64.as_str().unwrap());
        sh(&format!("base64 -d {} >{}", coded.display(), place.path(name).display())).success();
    };
    decode("payload", &envelope["payload"]);
    decode("signature", &envelope["signatures"][0]["sig"]);
    let payload = fs::read_to_string(place.path("payload")).unwrap();
    let kind = "application/vnd.in-toto+json";
    place.file("signed", &format!("DSSEv1 {} {kind} {} {payload}", kind.len(), payload.len()));
    if sh("command -v openssl").status == 0 {
        let [signed, signature] = ["signed", "signature"].map(|name| place.path(name));
        sh(&format!(
            "openssl pkeyutl -verify -pubin -inkey {public} -rawin -in {} -sigfile {}",
            signed.display(),
            signature.display()
        ))
        .success();
    }
    let made: Value = serde_json::from_str(&payload).unwrap();
    let sum = sh(&format!("sha256sum {}", out.display())).success().stdout;
    assert_eq!(made["subject"], json!([{ "name": text(&out), "digest": { "sha256": &sum[..64] } }]));
    assert_eq!(made["predicateType"], "https://in-toto.io/attestation/runtime-trace/v0.2");
    let predicate = &made["predicate"];
    let uri = format!("file://{}", out.display());
    let files = predicate["monitorLog"]["fileAccess"].as_array().unwrap();
    let written =
        files.iter().find(|file| file["uri"] == uri.as_str()).unwrap_or_else(|| panic!("{files:#?}"));
    assert_eq!(
        (&written["annotations"]["access"], &written["annotations"]["verdict"]),
        (&json!("write"), &json!("allow"))
    );
    assert!(!predicate["monitorLog"]["process"].as_array().unwrap().is_empty());
    // It names the last line of the run.
    let last = read_record(&log).pop().unwrap();
    assert_eq!(predicate["enforcer"]["evidence"], json!({ "seq": last["seq"], "hash": last["hash"] }));
    assert_eq!(predicate["monitoredProcess"]["event"], last["run"]);
    // No product: that is said by the status. A COMMAND that failed: its own status, and no statement.
    fs::remove_file(&out).unwrap();
    assert_eq!(script("true"), 102);
    assert_eq!(read_record(&log).pop().unwrap()["exit"], 102);
    assert_eq!(script("exit 7"), 7);
    assert_eq!(fs::read_to_string(&statement).unwrap(), "");
}
