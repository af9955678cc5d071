// SPDX-License-Identifier: MIT OR Apache-2.0

//! What can be asked of the service, and by whom.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use super::{SOCKET, Service, as_builder, copy, quiet, runs, status};
use crate::guest::{Place, finish, sh, until};

/// Holds sleepers, and what root tries, to next to nothing.
fn profile(place: &Place) -> (String, [String; 2]) {
    let [sleeper, client] = [("/bin/sleep", "sleeper"), ("/usr/local/bin/enforcer", "client")]
        .map(|(program, name)| copy(place, program.as_ref(), name).to_str().unwrap().to_owned());
    let rest = format!(
        "select: [{{ exe: {sleeper} }}, {{ exe: {client} }}]\nstages:\n  all:\n    exec: {{ default: allow }}\n    network: {{ allow: [{{ unix: \"/**\" }}] }}\n    files: {{ read: {{ default: allow }}, write: {{ default: allow }} }}\n"
    );
    (rest, [sleeper, client])
}

#[test]
fn runs_are_ended_and_frozen_by_root_alone() {
    let place = Place::new();
    let (profile, [sleeper, client]) = profile(&place);
    let service = Service::start(&place, &[("sleepers", &profile)]);
    let start = || Command::new(&sleeper).arg("1000").stdin(Stdio::null()).spawn().unwrap();
    let mut sleepers = [start(), start()];
    until("both are held", || runs().len() == 2);
    let numbers = sleepers.each_ref().map(|sleeper| {
        let run = runs().into_iter().find(|run| run["pid"] == sleeper.id()).unwrap();
        run["run"].as_u64().unwrap()
    });
    // Who is not of the group, and who is in a run, is refused whatever is asked.
    let verbs = [
        "status".to_owned(),
        "events".to_owned(),
        format!("kill {}", numbers[0]),
        format!("freeze {}", numbers[0]),
        "daemon reload".to_owned(),
        "daemon stop".to_owned(),
        "daemon stop --disarm".to_owned(),
    ];
    for verb in &verbs {
        let refused = as_builder(&format!("enforcer {verb}"));
        assert_eq!(refused.status, 1, "{verb}: {refused:?}");
        let refused = sh(&format!("{client} {verb}"));
        assert_eq!(refused.status, 1, "{verb}: {refused:?}");
    }
    assert_eq!(runs().iter().filter(|run| run["tripped"] == true).count(), 0);
    service.tells("what is in a run has no say in the service");
    // A member of the group may look, and change nothing.
    sh("groupadd -f enforcer && usermod -aG enforcer builder && chgrp enforcer /run/enforcer/control.sock && chmod 660 /run/enforcer/control.sock").success();
    as_builder("enforcer status").success();
    for verb in &verbs[2..] {
        let refused = as_builder(&format!("enforcer {verb}"));
        assert!(refused.status == 1 && refused.stderr.contains("only root"), "{verb}: {refused:?}");
    }
    sh("gpasswd -d builder enforcer").success();
    // Root may.
    sh(&format!("enforcer freeze {}", numbers[0])).success();
    let stat = || std::fs::read_to_string(format!("/proc/{}/wchan", sleepers[0].id())).unwrap_or_default();
    until("it is frozen", || stat().contains("freeze") || cgroup_is_frozen(sleepers[0].id()));
    // The profile's own answer to a trip, which is to kill, is not given.
    service.tells("its processes are frozen");
    assert!(sleepers[0].try_wait().unwrap().is_none());
    for number in numbers {
        sh(&format!("enforcer kill {number}")).success();
    }
    for sleeper in &mut sleepers {
        until("it is killed", || sleeper.try_wait().unwrap().is_some());
    }
    let unknown = sh("enforcer kill 7");
    assert!(unknown.status == 1 && unknown.stderr.contains("there is no run 7"), "{unknown:?}");
    quiet();
}

fn cgroup_is_frozen(pid: u32) -> bool {
    let group = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let path = group.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default();
    let events = std::fs::read_to_string(format!("/sys/fs/cgroup{path}/cgroup.events")).unwrap_or_default();
    events.lines().any(|line| line == "frozen 1")
}

#[test]
fn the_status_says_which_packages_run_scripts() {
    let place = Place::new();
    let shell = copy(&place, "/bin/bash".as_ref(), "job");
    let stages = "stages:\n  install:\n    exec: { default: allow, allow: [{ path: \"**/sleep\", stage: scripts }] }\n    files: { read: { default: allow }, write: { default: allow } }\n  scripts:\n    files: { read: { default: allow } }\n";
    let profile = format!("select: [{{ exe: {} }}]\n{stages}", shell.display());
    let _service = Service::start(&place, &[("jobs", &profile)]);
    let mut job = Command::new(&shell);
    job.args(["-c", "env npm_package_name=dropper npm_package_version=1.2.3 npm_lifecycle_event=postinstall sleep 1000; true"]);
    let mut job = job.stdin(Stdio::null()).spawn().unwrap();
    let said = |run: &Value| (run["stages"].clone(), run["packages"].clone());
    let expected = (
        serde_json::json!({"install": 1, "scripts": 1}),
        serde_json::json!({"dropper@1.2.3 postinstall": 1}),
    );
    until("it says so", || runs().first().map(said) == Some(expected.clone()));
    let shown = sh("enforcer status").success().stdout;
    assert!(shown.contains("processes of dropper@1.2.3 postinstall (1)"), "{shown}");
    sh(&format!("enforcer kill {}", runs()[0]["run"])).success();
    job.wait().unwrap();
    quiet();
}

#[test]
fn a_run_that_nobody_saw_begin_is_ended_as_a_whole() {
    let place = Place::new();
    let (shell, sleep) =
        (copy(&place, "/bin/bash".as_ref(), "job"), copy(&place, "/bin/sleep".as_ref(), "sleeper"));
    let profile = format!(
        "select: [{{ exe: {} }}]\nstages:\n  all:\n    exec: {{ default: allow }}\n    files: {{ read: {{ default: allow }}, write: {{ default: allow }} }}\n",
        shell.display()
    );
    let mut service = Service::start(&place, &[("jobs", &profile)]);
    service.end(libc::SIGKILL);
    // Its first process has ended by the time there is a service again.
    let script = format!("for i in 1 2 3; do {} 1000 >/dev/null 2>&1 <&1 & done", sleep.display());
    sh(&format!("{} -c '{script}'", shell.display())).success();
    let sleepers = || sh(&format!("pgrep --full --count ^{}", sleep.display())).stdout;
    assert_eq!(sleepers(), "3\n");
    service.begin();
    until("it is found", || runs().len() == 1);
    sh(&format!("enforcer kill {}", runs()[0]["run"])).success();
    quiet();
    assert_eq!(sleepers(), "0\n");
}

#[test]
fn events_are_followed_and_rubbish_is_refused() {
    let place = Place::new();
    let (profile, [_, client]) = profile(&place);
    let service = Service::start(&place, &[("clients", &profile)]);
    let mut follow = Command::new("enforcer");
    let mut follow = follow.args(["events", "--denied"]).stdout(Stdio::piped()).spawn().unwrap();
    // It may not be there yet when the first denials happen.
    let seen = place.path("seen");
    let mut out = follow.stdout.take().unwrap();
    let mut file = std::fs::File::create(&seen).unwrap();
    std::thread::spawn(move || std::io::copy(&mut out, &mut file));
    until("an event is passed on", || {
        sh(&format!("{client} status || true")).success();
        std::fs::read_to_string(&seen).is_ok_and(|text| text.ends_with('\n'))
    });
    let text = std::fs::read_to_string(&seen).unwrap();
    let event: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&event["event"]["action"], &event["event"]["verdict"]),
        (&"unix".into(), &"deny".into()),
        "{event:#}"
    );
    follow.kill().unwrap();
    follow.wait().unwrap();
    let long = [b'x'; 10_000];
    let rubbish: [&[u8]; 7] = [
        b"",
        b"\n",
        b"\xff\xfe\0\0\n",
        b"{\"version\":2,\"ask\":\"status\"}\n",
        b"{\"version\":1,\"ask\":\"everything\"}\n",
        b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\n",
        &long,
    ];
    for bytes in rubbish {
        let mut stream = UnixStream::connect(SOCKET).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        // The service may have given up in the middle.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert!(answer.is_empty() || answer.contains("error"), "{answer}");
    }
    // More who follow events than there may be keep nobody else waiting, and when they have gone there is room.
    let follow = || {
        let mut stream = UnixStream::connect(SOCKET).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(b"{\"version\":1,\"ask\":\"events\"}\n").unwrap();
        stream
    };
    let refused = |mut stream: UnixStream| {
        let mut answer = [0; 16];
        stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        stream.read(&mut answer).is_ok_and(|read| read > 0)
    };
    let followers: Vec<_> = (0..64).map(|_| follow()).collect();
    until("there is no room", || refused(follow()));
    assert_eq!(status()["pid"], service.child.as_ref().unwrap().id());
    drop(followers);
    until("there is room again", || !refused(follow()));
    // Any bytes at all, and more clients than there may be.
    let mut idle: Vec<_> = (0..200).map(|_| UnixStream::connect(SOCKET).unwrap()).collect();
    let mut random = Command::new("bash");
    random.args(["-c", "for i in $(seq 30); do head -c 200 /dev/urandom; done | split -b 200 --filter='timeout 5 python3 -c \"import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(\\\"/run/enforcer/control.sock\\\"); s.sendall(sys.stdin.buffer.read())\"' - || true"]);
    finish(random);
    idle.clear();
    assert_eq!(status()["pid"], service.child.as_ref().unwrap().id());
}
