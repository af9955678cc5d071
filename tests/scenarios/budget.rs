// SPDX-License-Identifier: MIT OR Apache-2.0

//! Budgets, and the trip.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::guest::{Ended, Place, Tally, attack, bare, collect, read_record, signal, tree_is_dead, until};

const ANY: &str =
    "{ exec: { default: allow }, files: { write: { default: allow } }, network: { default: allow } }";

/// A profile that allows everything, as often as `budgets` says.
fn profile(place: &Place, budgets: &str, respond: &str) -> PathBuf {
    place.profile_file(&format!("budgets: {budgets}\nrespond: {respond}\nstages:\n  only: {ANY}\n"))
}

/// How a run ended, how many attempts succeeded in it, and its trailer.
fn run(place: &Place, profile: &Path, args: &[&str]) -> (Ended, u64, Value) {
    let progress = place.path("progress");
    let progress_text = progress.to_str().unwrap();
    let program = attack();
    let command: Vec<&str> = [program.to_str().unwrap(), "--progress", progress_text]
        .into_iter()
        .chain(args.iter().copied())
        .collect();
    let run = place.run(profile, &command);
    let trailer = run.trailer();
    (run.ended, fs::metadata(progress).unwrap().len(), trailer)
}

/// Lookups are refused by the resolver, and count as what the kernel denies.
#[test]
fn refused_lookups_count_as_denials() {
    let place = Place::new();
    let profile = place.profile_file(
        "budgets: { denials: 10 }\nstages:\n  only: { exec: { default: allow }, files: { write: { default: allow } } }\n",
    );
    let asked = place.path("asked");
    let program = format!(
        "import socket
for number in range(20):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(60)
    s.sendto(b'ab\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\4evil\\4test\\0\\0\\1\\0\\1', ('192.0.2.53', 53)); s.recv(99)
    open({asked:?}, 'a').write('.')"
    );
    let file = place.file("program.py", &program);
    let run = place.run(&profile, &["python3", file.to_str().unwrap()]);
    let trailer = run.trailer();
    assert_eq!((run.ended.status, &trailer["tripped"]), (101, &"denials".into()), "{trailer:#}");
    assert_eq!(trailer["budgets"]["denials"]["spent"], 11, "{trailer:#}");
    assert_eq!(fs::metadata(asked).unwrap().len(), 10, "{}", run.ended.stderr);
    assert!(run.ended.stderr.contains("the budget of 10 denials is used up"), "{}", run.ended.stderr);
}

/// Files 1 to `count`, as the attack names them.
fn files(place: &Place, count: u32) -> String {
    (1..=count).for_each(|number| drop(place.file(&format!("many/{number}"), "")));
    place.path("many/%").to_str().unwrap().to_owned()
}

/// The budget for files read, with the agent stopped: what was read is counted to the file.
#[test]
fn the_file_that_is_one_too_many_is_not_read_though_the_agent_is_stopped() {
    let place = Place::new();
    let many = files(&place, 3_100);
    assert_eq!(bare(&["--times", "3100", "read", &many]), Tally::allowed(3_100));
    // What the programs read by themselves: their libraries, and the like.
    let own = flood(&place, &profile(&place, "{ files_read: 100000 }", "{}"), "1", &many, false);
    assert_eq!((own.0.status, own.1), (0, 1));
    let own = own.2["budgets"]["files_read"]["spent"].as_u64().unwrap() - 1;
    let limited = profile(&place, "{ files_read: 3000 }", "{}");
    let (ended, read, trailer) = flood(&place, &limited, "3100", &many, true);
    assert_eq!(read, 3_000 - own, "{trailer:#}");
    assert_eq!(trailer["budgets"]["files_read"]["spent"], 3_001, "{trailer:#}");
    assert_eq!(trailer["tripped"], "files_read", "{trailer:#}");
    assert_eq!(ended.status, 101, "{ended:#?}");
    assert!(ended.stderr.contains("the budget of 3,000 files_read is used up"), "{}", ended.stderr);
    // Files that were read before cost nothing.
    let (ended, read, _) = flood(&place, &limited, "2900", &many.replace('%', "7"), false);
    assert_eq!((ended.status, read), (0, 2_900));
}

/// The attack reads, after the agent was stopped if asked; it runs on when all of the tree is gone.
fn flood(place: &Place, profile: &Path, times: &str, path: &str, stop: bool) -> (Ended, u64, Value) {
    let names = ["record.jsonl", "ready", "go", "progress"];
    let [record, ready, go, progress] = names.map(|name| place.path(name));
    for old in [&ready, &go] {
        let _ = fs::remove_file(old);
    }
    let script = format!(
        ": >{}; until [ -e {} ]; do :; done; {} --progress {} --times {times} read '{path}'",
        ready.display(),
        go.display(),
        attack().display(),
        progress.display(),
    );
    let mut run = Command::new("enforcer");
    run.args(["run", "--profile"])
        .arg(profile)
        .arg("--json")
        .arg(&record)
        .args(["--", "bash", "-c", &script]);
    let child = run.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("the run is up", || ready.exists());
    if stop {
        signal(child.id(), libc::SIGSTOP);
    }
    fs::write(&go, "").unwrap();
    if stop {
        // Killed in the kernel: the attack at its last file, the shell when it attempts something.
        until("the attack is over", || tree_is_dead(child.id()));
        signal(child.id(), libc::SIGCONT);
    }
    let ended = collect(child);
    let trailer = read_record(&record).pop().unwrap();
    (ended, fs::metadata(progress).unwrap().len(), trailer)
}

#[test]
fn every_budget_trips_at_one_too_many() {
    let place = Place::new();
    let many = files(&place, 20);
    let secret = place.file("secret", "s3cret");
    let secret = secret.to_str().unwrap();
    // The progress file is one of those written.
    for (budget, args, allowed) in [
        ("processes", &["fork"][..], 5),
        ("files_written", &["write", &many], 4),
        ("connections", &["send", "connect-udp", "198.51.100.20:9"], 5),
    ] {
        let args: Vec<&str> = ["--times", "20"].iter().chain(args).copied().collect();
        assert_eq!(bare(&args), Tally::allowed(20), "{budget}");
        let limited = profile(&place, &format!("{{ {budget}: 5 }}"), "{}");
        let (ended, done, trailer) = run(&place, &limited, &args);
        assert_eq!((ended.status, done), (101, allowed), "{budget}: {trailer:#}");
        assert_eq!(trailer["tripped"], budget, "{trailer:#}");
        assert_eq!(trailer["budgets"][budget]["spent"], 6, "{trailer:#}");
        assert_eq!(trailer["remaining_tasks"], 0, "{trailer:#}");
    }
    let stage = format!(
        "{{ exec: {{ default: allow }}, files: {{ read: {{ deny: [\"{secret}\"] }}, write: {{ default: allow }} }} }}"
    );
    let denials = place.profile_file(&format!("budgets: {{ denials: 5 }}\nstages:\n  only: {stage}\n"));
    assert_eq!(bare(&["--times", "20", "read", secret]), Tally::allowed(20));
    let (ended, done, trailer) = run(&place, &denials, &["--times", "20", "read", secret]);
    assert_eq!((ended.status, done), (101, 0), "{trailer:#}");
    assert_eq!(trailer["budgets"]["denials"]["spent"], 6, "{trailer:#}");
    assert_eq!(trailer["denied"]["read"], 6, "{trailer:#}");
}

#[test]
fn a_tripped_run_is_ended_with_all_that_sleeps_and_spins() {
    let place = Place::new();
    let limited = profile(&place, "{ processes: 40 }", "{}");
    let script = format!(
        "for i in 1 2 3; do sleep 1000 & (while :; do :; done) & done; {} --times 100 fork; wait",
        attack().display()
    );
    let ended = place.run(&limited, &["bash", "-c", &script]);
    assert_eq!(ended.ended.status, 101, "{ended:#?}");
    assert_eq!(ended.trailer()["remaining_tasks"], 0, "{ended:#?}");
    assert!(ended.ended.stderr.contains("its processes are killed"), "{}", ended.ended.stderr);
}

#[test]
fn a_run_can_be_frozen_instead() {
    let place = Place::new();
    let limited = profile(&place, "{ processes: 20 }", "{ trip: freeze }");
    // What is frozen keeps its ends of pipes; ours must not be among them.
    let script = format!("exec >/dev/null 2>&1; sleep 1000 & {} --times 100 fork; wait", attack().display());
    let ended = place.run(&limited, &["bash", "-c", &script]).ended;
    assert_eq!(ended.status, 101, "{ended:#?}");
    let frozen = ended.stderr.split("frozen in ").nth(1).unwrap_or_else(|| panic!("{ended:#?}"));
    let cgroup = PathBuf::from(frozen.split(" (").next().unwrap());
    until("it is frozen", || fs::read_to_string(cgroup.join("cgroup.events")).unwrap().contains("frozen 1"));
    let left = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap();
    assert!(left.lines().count() >= 3, "bash, sleep and the attack: {left}");
    fs::write(cgroup.join("cgroup.kill"), "1").unwrap();
    until("it is gone", || fs::read_to_string(cgroup.join("cgroup.procs")).unwrap().is_empty());
    fs::remove_dir(cgroup).unwrap();
}

#[test]
fn in_audit_mode_a_budget_only_reports() {
    let place = Place::new();
    let limited =
        place.profile_file(&format!("mode: audit\nbudgets: {{ connections: 5 }}\nstages:\n  only: {ANY}\n"));
    let args = ["--times", "20", "send", "connect-udp", "198.51.100.20:9"];
    let (ended, done, trailer) = run(&place, &limited, &args);
    assert_eq!((ended.status, done), (0, 20), "{trailer:#}");
    assert_eq!(trailer["denied"]["connect"], 1, "reported once: {trailer:#}");
    assert!(ended.stderr.contains("the budget of 5 connections is used up"), "{}", ended.stderr);
}

#[test]
fn a_denial_can_kill() {
    let place = Place::new();
    let secret = place.file("secret", "s3cret");
    let args = ["--times", "20", "read", secret.to_str().unwrap()];
    assert_eq!(bare(&args), Tally::allowed(20));
    let stage = "{ exec: { default: allow }, files: { read: { deny: [\"PLACE/secret\"] }, write: { default: allow } } }";
    let killing = place.profile_file(&format!("respond: {{ denial: kill }}\nstages:\n  only: {stage}\n"));
    let (ended, done, trailer) = run(&place, &killing, &args);
    assert_eq!((ended.status, done), (137, 0), "{ended:#?}");
    assert_eq!(trailer["denied"]["read"], 1, "{trailer:#}");
}
