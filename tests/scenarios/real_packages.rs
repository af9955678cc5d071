// SPDX-License-Identifier: MIT OR Apache-2.0

//! Real packages: an ordinary install is not disturbed.

use serde_json::{Value, json};

use crate::guest::{Place, builder, read_record, replayed, sh};

#[test]
fn an_ordinary_install_meets_no_denial_and_has_the_same_result() {
    let place = Place::new();
    sh("testbed-services").success();
    std::fs::write("/etc/sudoers.d/builder", "builder ALL=(root) NOPASSWD: ALL\n").unwrap();
    let bare = install("");
    assert!(bare.files.lines().count() > 1000, "too little was installed");
    let (record, recording) = (place.for_builder("record.jsonl"), place.for_builder("recording.jsonl.zst"));
    let held = install(&format!(
        "sudo enforcer run --profile npm-install --json {} --record {} --",
        record.display(),
        recording.display()
    ));
    let lines = read_record(&record);
    let denials: Vec<_> = lines.iter().filter(|line| line["type"] == "event").collect();
    assert!(denials.is_empty(), "{denials:#?}");
    let trailer = lines.last().unwrap();
    assert!(trailer["decisions"].as_u64().unwrap() > 1000, "{trailer:#}");
    assert_eq!(trailer["lost_events"], 0);
    for forget in [false, true] {
        let replayed = replayed(&recording, forget);
        assert_eq!((&replayed["lost"], &replayed["denied"]), (&json!(0), &json!(0)), "{replayed:#}");
        // Lookups are not the kernel's decisions; every one of those has an event.
        assert!(replayed["events"].as_u64() >= trailer["decisions"].as_u64(), "{trailer:#} {replayed:#}");
    }
    let differs = bare.files.lines().zip(held.files.lines()).find(|(bare, held)| bare != held);
    assert!(bare.files == held.files, "the first difference: {differs:?}");
    assert_eq!(bare.hooks, held.hooks);
    // The strict profile leaves all of it alone but husky's hooks, which a build host does not need.
    let strict =
        sh(&format!("enforcer replay --json --profile npm-ci-strict {} || [ $? = 1 ]", recording.display()));
    let strict: Value = serde_json::from_str(&strict.success().stdout).unwrap();
    let findings = strict["findings"].as_array().unwrap();
    let others: Vec<_> =
        findings.iter().filter(|finding| finding["package"] != "real-app@1.0.0 prepare").collect();
    assert!(!findings.is_empty() && others.is_empty(), "{strict:#}");
}

/// What an install leaves behind.
struct Installed {
    /// Names, kinds, modes, links and contents of `node_modules`.
    files: String,
    /// Where git finds its hooks.
    hooks: String,
}

/// An install of the real packages as `builder`.
fn install(wrapper: &str) -> Installed {
    let builder = builder("$app");
    let script = format!(
        "app=$(testbed-app real)
         {builder} {wrapper} npm ci >&2
         cd \"$app\" && find node_modules ! -type d -printf '%p %y %m %l\n' | sort
         find node_modules -type f -print0 | sort -z | xargs -0 sha256sum
         runuser -u builder -- git config core.hooksPath || echo no hooks"
    );
    let stdout = sh(&script).success().stdout;
    let (files, hooks) = stdout.trim_end().rsplit_once('\n').unwrap();
    Installed { files: files.to_owned(), hooks: hooks.to_owned() }
}
