// SPDX-License-Identifier: MIT OR Apache-2.0

//! A flood of denials while the agent is stopped.

use std::{
    fs,
    process::{Command, Stdio},
};

use crate::guest::{Place, Tally, attack, bare, collect, read_record, signal, tree_is_dead, until};

/// Denied opens while the agent does not read.
const FLOOD: u64 = 30_000;

#[test]
fn a_stopped_agent_changes_no_verdict_and_losses_are_reported() {
    let place = Place::new();
    let secret = place.file("secret", "s3cret");
    let flood = ["--times", "10", "--processes", "6", "read", secret.to_str().unwrap()];
    assert_eq!(bare(&flood), Tally::allowed(60));
    let (record, ready, go) = (place.path("record.jsonl"), place.path("ready"), place.path("go"));
    let profile = place.profile(
        "{ exec: { allow: [\"/mnt/**\"] }, files: { read: { deny: [\"PLACE/secret\"] }, write: { allow: [\"PLACE/**\"] } } }",
    );
    let script = format!(
        "touch {}; until [ -e {} ]; do :; done; exec {} --times {} --processes 6 read {}",
        ready.display(),
        go.display(),
        attack().display(),
        FLOOD / 6,
        secret.display()
    );
    let profile_allows_touch =
        fs::read_to_string(&profile).unwrap().replace("\"/mnt/**\"", "\"/mnt/**\", touch");
    fs::write(&profile, profile_allows_touch).unwrap();
    let mut run = Command::new("enforcer");
    run.args(["run", "--profile"])
        .arg(&profile)
        .arg("--json")
        .arg(&record)
        .args(["--", "bash", "-c", &script]);
    run.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = run.spawn().unwrap();
    until("the run is up", || ready.exists());
    signal(child.id(), libc::SIGSTOP);
    fs::write(&go, "").unwrap();
    // All of the tree has ended but for its first process, which waits for the stopped agent to be reaped.
    until("the flood is over", || tree_is_dead(child.id()));
    signal(child.id(), libc::SIGCONT);
    let ended = collect(child);
    assert_eq!(ended.tally(), Tally::denied(FLOOD));
    let lines = read_record(&record);
    let trailer = lines.last().unwrap();
    assert_eq!(trailer["denied"]["read"].as_u64(), Some(FLOOD), "{trailer:#}");
    let denied: u64 =
        trailer["denied"].as_object().unwrap().values().filter_map(|count| count.as_u64()).sum();
    let lost = trailer["lost_events"].as_u64().unwrap();
    let recorded = lines.iter().filter(|line| line["type"] == "event").count() as u64;
    assert!(lost > 0, "the ring buffer holds {recorded} events: too many for this test");
    assert_eq!(recorded + lost, denied, "every denial is recorded or counted as lost");
    assert!(ended.stderr.contains("lost"), "{}", ended.stderr);
}
