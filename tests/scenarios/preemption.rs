// SPDX-License-Identifier: MIT OR Apache-2.0

//! Programs preempted in the middle of a verdict: for a kernel booted with `preempt=full`.

use crate::guest::{Place, Tally, attack, bare};

#[test]
fn preempted_programs_let_nothing_through() {
    let place = Place::new();
    let secret = place.file("secret", "s3cret");
    let profile =
        place.profile("{ exec: { allow: [\"/mnt/**\"] }, files: { read: { deny: [\"PLACE/secret\"] } } }");
    let secret = secret.to_str().unwrap();
    let attack = attack();
    let attack = attack.to_str().unwrap();
    let six = |times: u64, args: &[&str]| {
        let all: Vec<&str> = ["--processes", "6", "--times", "10"].iter().chain(args).copied().collect();
        assert_eq!(bare(&all), Tally::allowed(60), "{args:?}");
        let times = times.to_string();
        let all: Vec<&str> = ["--processes", "6", "--times", &times].iter().chain(args).copied().collect();
        place.attack(&profile, &all)
    };
    assert_eq!(six(16_667, &["read", secret]), Tally::denied(100_002));
    assert_eq!(six(334, &["exec", "/usr/bin/true"]), Tally::denied(2_004));
    // Each fresh program must itself be denied the file: it ends with 1 if it is not.
    assert_eq!(six(334, &["respawn", attack, secret]), Tally::denied(2_004));
}
