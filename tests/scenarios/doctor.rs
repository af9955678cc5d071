// SPDX-License-Identifier: MIT OR Apache-2.0

//! `enforcer doctor` says what is so.

use serde_json::Value;

use crate::guest::{Place, sh};

/// The state of a check.
fn state(report: &Value, check: &str) -> String {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|finding| finding["check"] == check).unwrap()["state"].as_str().unwrap().to_owned()
}

#[test]
fn a_machine_that_enforces() {
    let _place = Place::alone();
    let ended = sh("enforcer doctor --json").success();
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["can_enforce"], true, "{report:#}");
    for check in
        ["kernel", "security modules", "type information", "hooks", "bpf file system", "cgroup v2", "proof"]
    {
        assert_eq!(state(&report, check), "ok", "{report:#}");
    }
    // And while there are runs.
    let _place = Place::new();
    assert!(sh("enforcer doctor").success().stdout.contains("Runs are enforced on this machine."));
}

#[test]
fn what_is_missing_is_named_with_what_mends_it() {
    let _place = Place::alone();
    // A mount namespace in which nothing is mounted where the pins go.
    let hidden = sh("unshare -m sh -c 'mount -t tmpfs none /sys/fs/bpf && enforcer doctor'");
    assert_eq!(hidden.status, 1, "{hidden:#?}");
    assert!(hidden.stdout.contains("mount -t bpf bpf /sys/fs/bpf"), "{}", hidden.stdout);
    let user = sh("runuser -u builder -- enforcer doctor --json");
    assert_eq!(user.status, 1, "{user:#?}");
    let report: Value = serde_json::from_str(&user.stdout).unwrap();
    assert_eq!((state(&report, "privileges"), state(&report, "proof")), ("failed".into(), "skipped".into()));
}
