// SPDX-License-Identifier: MIT OR Apache-2.0

//! The service killed, restarted, and given much to do: nothing gets through, nothing is left over.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use enforcer::recording::{Reader, Record, format::Before};

use super::{RESERVE, Service, copy, quiet, runs, status};
use crate::{
    guest::{Place, attack, finish, sh, until},
    keeper,
    listener::Listener,
};

/// How many times as much: with ENFORCER_ENDURANCE=10 it is what the specification says was measured, and takes as much longer.
fn times() -> u32 {
    std::env::var("ENFORCER_ENDURANCE").map_or(1, |times| times.parse().unwrap())
}

/// A recording.
#[derive(Debug)]
struct Recording {
    before: Option<Before>,
    /// What was decided about.
    texts: Vec<String>,
    is_whole: bool,
}

impl Recording {
    fn knows(&self, path: &Path) -> bool {
        self.texts.iter().any(|text| Path::new(text) == path)
    }
}

/// Everything but the network.
fn no_network(program: &str) -> String {
    format!(
        "select: [{{ exe: {program} }}]\nstages:\n  all:\n    exec: {{ default: allow }}\n    files: {{ read: {{ default: allow }}, write: {{ default: allow }} }}\n"
    )
}

#[test]
fn whatever_becomes_of_the_service_nothing_gets_out() {
    let place = Place::new();
    let mut listener = Listener::start("198.51.100.7");
    let thief = copy(&place, &attack(), "thief");
    let thief = thief.to_str().unwrap();
    let to = listener.address.to_string();
    let stop = place.path("stop");
    // In a run of its own each time, and in one that lasts all the time.
    let script = |name: &str| {
        let tallies = place.path(&format!("{name}.tallies"));
        let script = format!(
            "n=0; until [ -e {} ]; do {thief} send connect-udp {to} >>{}; n=$((n+1)); sleep 1; done; echo $n",
            stop.display(),
            tallies.display(),
        );
        (place.file(name, &script), tallies)
    };
    let scripts = ["fresh", "lasting"].map(script);
    let lasting = format!("select: [{{ argv: [lasting] }}, {{ exe: {thief} }}]");
    let profile = no_network(thief).replacen(&format!("select: [{{ exe: {thief} }}]"), &lasting, 1);
    let mut service = Service::start(&place, &[("thieves", &profile)]);
    let started = scripts
        .each_ref()
        .map(|(script, _)| Command::new("bash").arg(script).stdout(Stdio::piped()).spawn().unwrap());
    until("the lasting one is held", || {
        runs().iter().any(|run| run["command"].as_str().unwrap().contains("lasting"))
    });
    for round in 0..20 * times() {
        service.end(if round % 2 == 0 { libc::SIGKILL } else { libc::SIGTERM });
        if round % 10 == 0 {
            // As long as nobody is there, too.
            thread::sleep(Duration::from_millis(300));
        }
        service.begin();
    }
    fs::write(stop, "").unwrap();
    for (started, (_, tallies)) in started.into_iter().zip(&scripts) {
        let attempts = String::from_utf8(started.wait_with_output().unwrap().stdout).unwrap();
        let attempts: usize = attempts.trim().parse().unwrap();
        let tallies = fs::read_to_string(tallies).unwrap();
        let denied =
            tallies.lines().filter(|line| *line == r#"{"allowed": 0, "denied": 1, "failed": 0}"#).count();
        assert_eq!((denied, tallies.lines().count()), (attempts, attempts), "{tallies}");
        assert!(attempts > 2, "{attempts}");
    }
    assert_eq!(listener.arrived(), Vec::<String>::new());
    // Without the service's word the same gets out.
    let free = copy(&place, &attack(), "free");
    let mut command = Command::new(free);
    command.args(["send", "connect-udp", &to]);
    assert_eq!(finish(command).tally().allowed, 1);
    assert!(listener.has("connect-udp"));
    quiet();
}

#[test]
fn a_recording_goes_on_and_says_what_lacks() {
    let place = Place::new();
    let (shell, records) = (copy(&place, "/bin/bash".as_ref(), "job"), place.path("records"));
    let profile = no_network(shell.to_str().unwrap());
    let options = ["--record", records.to_str().unwrap()];
    let mut service = Service::start_with(&place, &[("jobs", &profile)], &options);
    let (step, over) = (place.path("step"), place.path("over"));
    let script = format!(
        "until [ -e {} ]; do sleep 0.1; done; : <{}; until [ -e {} ]; do sleep 0.1; done",
        step.display(),
        step.display(),
        over.display()
    );
    let mut job = Command::new(&shell).args(["-c", &script]).spawn().unwrap();
    let first = || recordings(&records).into_iter().next();
    until("it is recorded", || first().is_some_and(|recording| !recording.texts.is_empty()));
    service.end(libc::SIGKILL);
    fs::write(&step, "").unwrap();
    // Nobody is there.
    thread::sleep(Duration::from_secs(1));
    service.begin();
    until("it goes on", || recordings(&records).len() == 2);
    fs::write(over, "").unwrap();
    job.wait().unwrap();
    quiet();
    drop(service);
    let both = recordings(&records);
    let [one, other] = both.as_slice() else { panic!("{both:#?}") };
    assert!(one.before.is_none() && !one.knows(&step) && !one.is_whole, "{one:#?}");
    // What was done while there was no service is in there.
    let before = other.before.unwrap();
    assert!(before.decisions > 0 && before.lost_events == 0, "{before:?}");
    assert!(other.knows(&step) && other.is_whole, "{other:#?}");
}

/// What is in each recording of a directory, the oldest first, as far as it is whole.
fn recordings(directory: &Path) -> Vec<Recording> {
    let entries = fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.collect();
    files.sort();
    let read = |file: PathBuf| -> Option<Recording> {
        let mut reader = Reader::open(&file).ok()?;
        let mut recording =
            Recording { before: reader.header().continues, texts: Vec::new(), is_whole: false };
        while let Ok(Some(record)) = reader.read() {
            match record {
                Record::Event(event, _) => recording.texts.push(event.text.into_owned()),
                Record::Trailer(_) => recording.is_whole = true,
                _ => {}
            }
        }
        Some(recording)
    };
    files.into_iter().filter_map(read).collect()
}

#[test]
fn many_runs_leave_nothing_behind() {
    let place = Place::new();
    let short = copy(&place, "/bin/true".as_ref(), "short");
    let long = copy(&place, "/bin/sleep".as_ref(), "long");
    let profile = |program: &Path| no_network(program.to_str().unwrap());
    let service = Service::start(&place, &[("short", &profile(&short)), ("long", &profile(&long))]);
    let pid = service.child.as_ref().unwrap().id();
    let resident = || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    // The kernel begins runs faster than an emulated service clears them away.
    let in_a_row = |rounds: u32| {
        for _ in 0..rounds {
            sh(&format!("for i in $(seq 20); do {}; done", short.display())).success();
            quiet();
        }
    };
    // What is allocated once is, after some.
    in_a_row(1);
    let cgroups = || sh("find /sys/fs/cgroup -name 'enforcer-run-*' | wc -l").success().stdout;
    let before = (keeper::loaded(), cgroups(), resident());
    in_a_row(5 * times() - 1);
    let enrolled = status()["selected"]["enrolled"].as_u64().unwrap();
    // Many at once.
    let at_once = 100 * times().min(2);
    let mut sleepers: Vec<_> =
        (0..at_once).map(|_| Command::new(&long).arg("1000").spawn().unwrap()).collect();
    until("all are held", || runs().len() == sleepers.len());
    let selected = status()["selected"].clone();
    assert_eq!(selected["enrolled"], enrolled + u64::from(at_once), "{selected}");
    assert_eq!(
        (&selected["full"], &selected["unusable"], &selected["missed"]),
        (&0.into(), &0.into(), &0.into())
    );
    for sleeper in &mut sleepers {
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
    }
    quiet();
    // One is the keeper's.
    until("places are given up", || keeper::runs() <= 1 + 2 * RESERVE);
    assert_eq!((keeper::loaded(), cgroups()), (before.0, before.1));
    let after = resident();
    assert!(after < before.2 + 64 * 1024, "{} KiB before, {after} KiB after", before.2);
}
