// SPDX-License-Identifier: MIT OR Apache-2.0

//! The job that the service is for: an install that nobody has put a wrapper before.

use std::fs;

use super::{Service, quiet};
use crate::{
    guest::{Place, sh},
    incident::install,
};

#[test]
fn a_trojaned_install_is_held_without_being_touched() {
    let place = Place::new();
    let select = fs::read_to_string("/etc/enforcer/profiles/npm-install.yaml").unwrap();
    assert!(select.contains("\nselect:\n"));
    let records = place.path("recordings");
    // A service gives its socket to the group if there is one.
    sh("groupadd -f enforcer").success();
    let service = Service::start_with(&place, &[], &["--record", records.to_str().unwrap()]);
    fs::copy("/etc/enforcer/profiles/npm-install.yaml", service.profiles.join("npm-install.yaml")).unwrap();
    service.tells("1 of which select commands");
    let (ended, evidence) = install(&place, "registry", "trojaned", "npm ci", None);
    ended.success();
    evidence.shows_nothing_but_attempts();
    quiet();
    let told = service.told();
    assert!(told.contains("npm ci") && told.contains("plain-crypto-js-fixture"), "{told}");
    // Its recording says the same, exactly.
    let recordings = fs::read_dir(&records).unwrap().map(|entry| entry.unwrap().path());
    let ours: Vec<_> = recordings.filter(|path| path.to_string_lossy().ends_with(".jsonl.zst")).collect();
    assert_eq!(ours.len(), 1, "{ours:?}");
    let replayed = crate::guest::replayed(&ours[0], false);
    assert!(replayed["denied"].as_u64() > Some(0), "{replayed:#}");
    sh("! pgrep -x npm").success();

    // A member of the group who puts the wrapper before it needs neither root nor a profile, and is told.
    sh("usermod -aG enforcer builder").success();
    let (ended, evidence) =
        install(&place, "registry", "trojaned", "enforcer run --fail-on-denial -- npm ci", None);
    sh("gpasswd -d builder enforcer").success();
    assert_eq!(ended.status, 100, "{ended:#?}");
    assert!(ended.stderr.contains("plain-crypto-js-fixture"), "{ended:#?}");
    evidence.shows_nothing_but_attempts();
    quiet();
}
