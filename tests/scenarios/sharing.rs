// SPDX-License-Identifier: MIT OR Apache-2.0

//! The programs are loaded once for all runs of a machine, and every run is held to its own profile.

use std::{
    fs::OpenOptions,
    io::Write as _,
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::{
    guest::{Place, collect, sh, until},
    keeper::{loaded, runs},
};

/// Profiles that may be loaded at a time.
const PROFILES: usize = 64;

/// Prints the number of the program that was loaded last. Numbers only grow, so it tells whether any was loaded since.
const NEWEST: &str = "bpftool prog show | grep -oE '^[0-9]+' | tail -n 1";

#[test]
fn a_second_run_loads_nothing() {
    let place = Place::new();
    let (before, kept) = (sh(NEWEST).success().stdout, runs());
    let profile = place.profile("{ exec: { default: allow }, files: { write: { default: allow } } }");
    let within = place.run(&profile, &["bash", "-c", NEWEST]).ended.success().stdout;
    assert_eq!((within, sh(NEWEST).success().stdout, runs()), (before.clone(), before, kept));
}

/// A run that waits for `go`, then says which of the files it cannot read.
fn reader(profile: &Path, files: &Path, go: &Path) -> Child {
    let script =
        "echo up; read -r _ <$1; for f in $0/*; do { read -r _ <$f; } 2>/dev/null || echo ${f##*/}; done";
    let mut run = Command::new("enforcer");
    run.args(["run", "-q", "--profile"]).arg(profile).args(["--", "bash", "-c", script]).arg(files).arg(go);
    run.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn sixty_four_profiles_at_once_each_hold_their_own_run_and_the_last_leaves_nothing_behind() {
    let place = Place::alone();
    let (files, go) = (place.path("files"), place.path("go"));
    sh(&format!("mkfifo {}", go.display())).success();
    let profiles: Vec<_> = (0..=PROFILES)
        .map(|index| {
            place.file(&format!("files/f{index:02}"), "text\n");
            let stage = format!(
                "{{ files: {{ read: {{ deny: [\"PLACE/files/f{index:02}\"] }}, write: {{ allow: [/dev/null] }} }} }}"
            );
            let profile = place.profile(&stage);
            let own = place.path(&format!("p{index}.yaml"));
            std::fs::rename(profile, &own).unwrap();
            own
        })
        .collect();
    let mut readers: Vec<_> =
        profiles[..PROFILES].iter().map(|profile| reader(profile, &files, &go)).collect();
    until("all are under way", || runs() == PROFILES);
    // One more of the same profile shares its table; one of another has no place.
    readers.push(reader(&profiles[0], &files, &go));
    until("it is under way too", || runs() == PROFILES + 1);
    let refused = collect(reader(&profiles[PROFILES], &files, &go));
    assert_eq!(refused.status, 125, "{refused:#?}");
    assert!(refused.stderr.contains("64 different profiles"), "{}", refused.stderr);
    // A line for each. Open for reading as well, so that nobody waits for a writer, and nobody finds the end.
    let mut gate = OpenOptions::new().read(true).write(true).open(&go).unwrap();
    gate.write_all(&[b'\n'; PROFILES + 1]).unwrap();
    for (index, reader) in readers.into_iter().enumerate() {
        let ended = collect(reader).success();
        assert_eq!(ended.stdout, format!("up\nf{:02}\n", index % PROFILES));
    }
    until("all places are given back", || (loaded(), runs()) == (0, 0));
    // The kernel frees programs a moment after they are detached.
    until("no program is left", || sh("bpftool prog show | grep -c ' lsm '").stdout.trim() == "0");
    place.run(&profiles[PROFILES], &["true"]).ended.success();
}

#[test]
fn a_run_within_a_run_is_refused() {
    let place = Place::new();
    let profile = place.profile(
        "{ exec: { default: allow }, files: { write: { default: allow } }, network: { default: allow } }",
    );
    let inner = profile.to_str().unwrap();
    let run = place.run(&profile, &["enforcer", "run", "--profile", inner, "--", "true"]);
    assert_eq!(run.ended.status, 125, "{run:#?}");
    assert!(run.ended.stderr.contains("already"), "{}", run.ended.stderr);
}
