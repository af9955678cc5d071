// SPDX-License-Identifier: MIT OR Apache-2.0

//! A kernel that accepts the programs and never calls them: for one booted with an `lsm=` line without bpf.

use std::fs;

use crate::{
    guest::{Place, sh},
    refusal::refused,
};

#[test]
fn a_kernel_that_would_not_enforce() {
    let active = fs::read_to_string("/sys/kernel/security/lsm").unwrap();
    assert!(!active.contains("bpf"), "boot with lsm= lacking bpf for this test: {active}");
    let place = Place::new();
    let profile = place.profile("{}");
    let ended = refused(&place, &["--profile", profile.to_str().unwrap()]);
    assert!(ended.stderr.contains("lsm="), "{}", ended.stderr);
    // The list of modules hidden: the programs load, attach and never fire, which the probe finds out.
    sh("umount /sys/kernel/security").success();
    let ended = refused(&place, &["--profile", profile.to_str().unwrap()]);
    assert!(ended.stderr.contains("was allowed to"), "{}", ended.stderr);
}
