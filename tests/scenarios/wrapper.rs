// SPDX-License-Identifier: MIT OR Apache-2.0

//! The wrapper: what COMMAND sees, and what its caller sees.

use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    process::{Command, Stdio},
};

use crate::{
    guest::{Place, Tally, bare, collect, finish, sh, until},
    keeper::runs,
};

const ANY: &str =
    "{ exec: { default: allow }, files: { write: { default: allow } }, network: { default: allow } }";

#[test]
fn the_status_is_the_commands_own() {
    let place = Place::new();
    let profile = place.profile(ANY);
    for (script, status) in
        [("exit 0", 0), ("exit 3", 3), ("exit 255", 255), ("kill -TERM $$", 143), ("kill -9 $$", 137)]
    {
        assert_eq!(place.run(&profile, &["sh", "-c", script]).ended.status, status, "{script}");
    }
}

#[test]
fn a_denial_fails_the_run_only_if_asked_and_only_if_the_command_succeeded() {
    let place = Place::new();
    let secret = place.file("secret", "s3cret");
    let profile =
        place.profile("{ exec: { default: allow }, files: { read: { deny: [\"PLACE/secret\"] } } }");
    let status = |options: &[&str], script: &str| {
        let script = script.replace("SECRET", secret.to_str().unwrap());
        place.run_with(&profile, options, &["sh", "-c", &script]).ended.status
    };
    assert_eq!(status(&[], "cat SECRET; true"), 0);
    assert_eq!(status(&["--fail-on-denial"], "cat SECRET; true"), 100);
    assert_eq!(status(&["--fail-on-denial"], "cat SECRET; exit 7"), 7);
    assert_eq!(status(&["--fail-on-denial"], "true"), 0);
}

#[test]
fn streams_pass_through_and_nothing_else_is_inherited() {
    let place = Place::new();
    let profile = place.profile(ANY);
    let mut run = Command::new("enforcer");
    run.args(["run", "-q", "--profile"]).arg(&profile).args([
        "--",
        "sh",
        "-c",
        "cat; echo err >&2; ls /proc/self/fd",
    ]);
    let input = place.file("input", "hello\n");
    run.stdin(fs::File::open(input).unwrap()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let ended = collect(run.spawn().unwrap());
    assert_eq!(ended.stdout, "hello\n0\n1\n2\n3\n", "ls has the directory open as 3");
    assert_eq!(ended.stderr, "err\n");
}

#[test]
fn through_sudo_the_command_runs_as_the_user_with_their_environment() {
    let place = Place::new();
    let profile = place.profile(ANY);
    fs::write("/etc/sudoers.d/builder", "builder ALL=(root) NOPASSWD: ALL\n").unwrap();
    let script = format!(
        "cd /home/builder && runuser -u builder -- env HOME=/home/builder CANARY=blue PATH=/opt/mine:$PATH          sudo enforcer run -q --profile {} -- sh -c 'id -un; id -Gn; echo $HOME $CANARY $PATH; echo ${{SUDO_UID-unset}}; pwd'",
        profile.display()
    );
    let ended = sh(&script).success();
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines[0], "builder");
    assert!(!lines[1].contains("root"), "{ended:#?}");
    assert!(lines[2].starts_with("/home/builder blue /opt/mine:"), "{ended:#?}");
    assert_eq!(lines[3..], ["unset", "/home/builder"], "{ended:#?}");
}

#[test]
fn a_signal_to_the_wrapper_reaches_the_command() {
    let place = Place::new();
    let profile = place.profile(ANY);
    let ready = place.path("ready");
    let script =
        format!("trap 'echo caught; exit 9' TERM; touch {}; while :; do sleep 0.05; done", ready.display());
    let mut run = Command::new("enforcer");
    run.args(["run", "-q", "--profile"]).arg(&profile).args(["--", "bash", "-c", &script]);
    run.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = run.spawn().unwrap();
    until("the command is up", || ready.exists());
    // SAFETY: a plain system call.
    assert_eq!(unsafe { libc::kill(child.id() as i32, libc::SIGTERM) }, 0);
    let ended = collect(child);
    assert_eq!((ended.status, ended.stdout.as_str()), (9, "caught\n"));
}

#[test]
fn killing_the_wrapper_leaves_the_tree_enforced() {
    let place = Place::new();
    let kept = runs();
    let secret = place.file("secret", "s3cret");
    let (log, stop) = (place.path("open/log"), place.path("open/stop"));
    fs::create_dir(place.path("open")).unwrap();
    assert_eq!(bare(&["read", secret.to_str().unwrap()]), Tally::allowed(1));
    let profile = place.profile(
        "{ exec: { default: allow }, files: { read: { deny: [\"PLACE/secret\"] }, write: { allow: [\"PLACE/open/**\", /dev/null] } } }",
    );
    let script = format!(
        "while [ ! -e {stop} ]; do if cat {secret} 2>/dev/null; then echo leaked; else echo denied; fi >>{log}; sleep 0.05; done",
        stop = stop.display(),
        secret = secret.display(),
        log = log.display()
    );
    let mut run = Command::new("enforcer");
    run.args(["run", "-q", "--profile"]).arg(&profile).args(["--", "bash", "-c", &script]);
    let mut child = run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let attempts = || fs::read_to_string(&log).unwrap_or_default().lines().count();
    until("the command is up", || attempts() >= 3);
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    let before = attempts();
    until("it goes on without the wrapper", || attempts() >= before + 10);
    fs::write(&stop, "").unwrap();
    let log = fs::read_to_string(&log).unwrap();
    assert!(!log.contains("leaked") && !log.contains("s3cret"), "{log}");
    // Its tasks gone, the next run clears away what it left.
    until("the killed run is cleared away", || {
        finish({
            let mut next = Command::new("enforcer");
            next.args(["run", "-q", "--profile"]).arg(&profile).args(["--", "true"]);
            next
        })
        .success();
        runs() == kept
    });
}
