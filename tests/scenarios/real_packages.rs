// SPDX-License-Identifier: MIT OR Apache-2.0

//! Real packages: an ordinary install is not disturbed.

use serde_json::json;

use crate::guest::{Place, read_record, replayed, sh};

/// Profiles that leave an ordinary install alone, and the variables of the environment that it needs under them. husky
/// installs hooks, which a build host does not need and `npm-ci-strict` does not allow.
const PROFILES: [(&str, &str); 2] = [("npm-install", ""), ("npm-ci-strict", "HUSKY=0")];

#[test]
fn an_ordinary_install_meets_no_denial_and_has_the_same_result() {
    let place = Place::new();
    sh("testbed-services").success();
    std::fs::write("/etc/sudoers.d/builder", "builder ALL=(root) NOPASSWD: ALL\n").unwrap();
    let bare = install("", "");
    assert!(bare.files.lines().count() > 1000, "too little was installed");
    for (profile, settings) in PROFILES {
        println!("{profile}");
        let record = place.for_builder("record.jsonl");
        let recording = place.for_builder(&format!("{profile}.jsonl.zst"));
        let wrapper = format!(
            "sudo enforcer run --profile {profile} --json {} --record {} --",
            record.display(),
            recording.display()
        );
        let held = install(settings, &wrapper);
        let lines = read_record(&record);
        let denials: Vec<_> = lines.iter().filter(|line| line["type"] == "event").collect();
        assert!(denials.is_empty(), "{denials:#?}");
        let trailer = lines.last().unwrap();
        assert!(trailer["decisions"].as_u64().unwrap() > 1000, "{trailer:#}");
        assert_eq!(trailer["lost_events"], 0);
        for forget in [false, true] {
            let replayed = replayed(&recording, forget);
            println!("{replayed}");
            assert_eq!((&replayed["lost"], &replayed["denied"]), (&json!(0), &json!(0)), "{replayed:#}");
            // Lookups are not the kernel's decisions; every one of those has an event.
            assert!(replayed["events"].as_u64() >= trailer["decisions"].as_u64(), "{trailer:#} {replayed:#}");
        }
        let differs = bare.files.lines().zip(held.files.lines()).find(|(bare, held)| bare != held);
        assert!(bare.files == held.files, "the first difference: {differs:?}");
        assert!(settings == "HUSKY=0" || bare.hooks == held.hooks, "{} {}", bare.hooks, held.hooks);
    }
}

/// What an install leaves behind.
struct Installed {
    /// Names, kinds, modes, links and contents of `node_modules`.
    files: String,
    /// Where git finds its hooks.
    hooks: String,
}

/// An install of the real packages as `builder`.
fn install(settings: &str, wrapper: &str) -> Installed {
    let script = format!(
        "app=$(testbed-app real)
         runuser -u builder -- env -C \"$app\" HOME=/home/builder {settings} {wrapper} npm ci >&2
         cd \"$app\" && find node_modules ! -type d -printf '%p %y %m %l\n' | sort
         find node_modules -type f -print0 | sort -z | xargs -0 sha256sum
         runuser -u builder -- git config core.hooksPath || echo no hooks"
    );
    let stdout = sh(&script).success().stdout;
    let (files, hooks) = stdout.trim_end().rsplit_once('\n').unwrap();
    Installed { files: files.to_owned(), hooks: hooks.to_owned() }
}
