// SPDX-License-Identifier: MIT OR Apache-2.0

//! Real packages: an ordinary install is not disturbed.

use crate::guest::{Place, read_record, sh};

#[test]
fn an_ordinary_install_meets_no_denial_and_has_the_same_result() {
    undisturbed("npm-install", "");
}

/// An install under a shipped profile meets no denial and leaves the same files as one without. `settings` are variables
/// of the environment.
pub(crate) fn undisturbed(profile: &str, settings: &str) {
    let place = Place::new();
    sh("testbed-services").success();
    std::fs::write("/etc/sudoers.d/builder", "builder ALL=(root) NOPASSWD: ALL\n").unwrap();
    let record = place.for_builder("record.jsonl");
    let install = |wrapper: &str| {
        let script = format!(
            "app=$(testbed-app real)
             runuser -u builder -- env -C \"$app\" HOME=/home/builder {settings} {wrapper} npm ci >&2
             cd \"$app\" && find node_modules ! -type d -printf '%p %y %m %l\n' | sort
             find node_modules -type f -print0 | sort -z | xargs -0 sha256sum
             runuser -u builder -- git config core.hooksPath || echo no hooks"
        );
        sh(&script).success()
    };
    let bare = install("");
    let held = install(&format!("sudo enforcer run --profile {profile} --json {} --", record.display()));
    let lines = read_record(&record);
    let denials: Vec<_> = lines.iter().filter(|line| line["type"] == "event").collect();
    assert!(denials.is_empty(), "{denials:#?}");
    let trailer = lines.last().unwrap();
    assert!(trailer["decisions"].as_u64().unwrap() > 1000, "{trailer:#}");
    assert_eq!(trailer["lost_events"], 0);
    assert!(bare.stdout.lines().count() > 1000, "too little was installed");
    let differs = bare.stdout.lines().zip(held.stdout.lines()).find(|(bare, held)| bare != held);
    assert!(bare.stdout == held.stdout, "the first difference: {differs:?}");
}
