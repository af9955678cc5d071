// SPDX-License-Identifier: MIT OR Apache-2.0

//! Lineage: nothing that descends from a run is outside of it.

use crate::guest::{Place, Tally, bare};

#[test]
fn no_task_of_a_run_escapes_its_profile() {
    let place = Place::new();
    let secret = place.file("secret", "s3cret");
    let profile = place.profile("{ files: { read: { deny: [\"PLACE/secret\"] } } }");
    for way in ["thread", "daemon", "io-uring", "io-uring-worker", "io-uring-poller"] {
        let args = ["escape", way, secret.to_str().unwrap()];
        assert_eq!(bare(&args), Tally::allowed(1), "{way}");
        assert_eq!(place.attack(&profile, &args), Tally::denied(1), "{way}");
    }
}
