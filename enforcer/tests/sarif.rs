// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is written as SARIF is SARIF, by its schema.

#![expect(clippy::unwrap_used, reason = "helpers of tests are no tests to clippy")]

use std::{fs, path::Path};

use assert_cmd::Command;
use serde_json::{Value, json};
use tempfile::TempDir;

const SCHEMA: &str = include_str!("schemas/sarif-2.1.0.json");

/// What is wrong with a log, by the schema.
fn problems(log: &Value) -> Option<String> {
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.add_resource("sarif.json", serde_json::from_str(SCHEMA).unwrap()).unwrap();
    let index = compiler.compile("sarif.json", &mut schemas).unwrap();
    schemas.validate(log, index).err().map(|error| format!("{error:#}"))
}

/// What the enforcer writes, which is valid, and its results.
fn results(args: &[&str], status: i32) -> (Value, usize) {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("enforcer"));
    command.env_remove("ENFORCER_PROFILE").env_remove("ENFORCER_LOG").args(args);
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings"));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(status), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    let log: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(problems(&log), None, "{args:?}");
    let results = log["runs"][0]["results"].as_array().unwrap();
    for location in results.iter().flat_map(|result| result["locations"].as_array().into_iter().flatten()) {
        // Errata 01: a region says where it begins.
        assert!(location["physicalLocation"]["region"]["startLine"].is_u64(), "{location:#}");
    }
    let count = results.len();
    (log, count)
}

#[test]
fn reports_are_valid() {
    for (recording, denied) in [("dropper", 12), ("worm", 9), ("miner", 7), ("harmless", 0)] {
        let file = format!("{recording}.jsonl.zst");
        assert_eq!(results(&["report", "--format", "sarif", &file], 0).1, denied, "{recording}");
    }
}

#[test]
fn checks_are_valid() {
    let dir = TempDir::new().unwrap();
    let (wrong, doubtful) = (dir.path().join("wrong profile.yaml"), dir.path().join("doubtful.yaml"));
    fs::write(
        &wrong,
        "version: 1\nname: w\nowner: o\nstages:\n  a:\n    exec: { alow: [sh] }\n    files: 3\n",
    )
    .unwrap();
    fs::write(&doubtful, "version: 1\nname: d\nowner: o\nstages:\n  a: {}\n  b: {}\n").unwrap();
    let [wrong, doubtful] = [&wrong, &doubtful].map(|path| path.to_str().unwrap());
    let check = ["profile", "check", "--format", "sarif"];
    assert_eq!(results(&[&check[..], &["npm-install"]].concat(), 0).1, 0);
    assert!(results(&[&check[..], &[doubtful]].concat(), 1).1 > 0);
    assert!(results(&[&check[..], &[wrong, doubtful]].concat(), 2).1 > 1);
}

/// That the schema is asked, and about the parts that matter.
#[test]
fn what_is_wrong_is_not_valid() {
    let (log, _) = results(&["report", "--format", "sarif", "dropper.jsonl.zst"], 0);
    for (place, wrong) in [
        ("/version", json!("2.0.0")),
        ("/runs/0/tool/driver/name", json!(null)),
        ("/runs/0/invocations/0/startTimeUtc", json!("yesterday")),
        ("/runs/0/invocations/0/toolExecutionNotifications", json!([{}])),
        ("/runs/0/results/0/level", json!("fatal")),
        ("/runs/0/results/0/message", json!({})),
        ("/runs/0/results/0/message", json!({ "txt": "x" })),
        ("/runs/0/results/0/ruleIndex", json!(-2)),
        ("/runs/0/results/0/partialFingerprints/denial~1v1", json!(1)),
        ("/runs/0/results/0/locations/0/physicalLocation/region/startLine", json!(0)),
        ("/runs/0/results/0/locations/0/physicalLocation/artifactLocation/uri", json!("a b")),
    ] {
        let mut log = log.clone();
        *log.pointer_mut(place).unwrap() = wrong.clone();
        assert!(problems(&log).is_some(), "{place}: {wrong}");
    }
}
