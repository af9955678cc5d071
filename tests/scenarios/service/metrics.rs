// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the service counts, for whoever collects that.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    time::Duration,
};

use serde_json::Value;

use super::{Service, copy, quiet, runs, status};
use crate::guest::{Place, sh, until};

const METRICS: &str = "/run/enforcer/metrics.sock";

/// What comes of asking for them by curl.
fn asking(curl: &str) -> String {
    format!("{curl} --silent --show-error --fail --max-time 60 --unix-socket {METRICS} http://x/metrics")
}

fn metrics() -> String {
    sh(&asking("curl")).success().stdout
}

/// One number of them.
fn number(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name}:\n{text}")).parse().unwrap()
}

/// The same of a run, or of the profile.
fn of_profile(text: &str, name: &str) -> u64 {
    number(text, &format!("{name}{{profile=\"counted\"}}"))
}

/// What there is of a number, over all that it is told apart by.
fn sum(text: &str, name: &str) -> u64 {
    let of_name = text.lines().filter(|line| line.starts_with(&format!("{name}{{")));
    of_name.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

/// All denials.
fn denials(text: &str) -> u64 {
    sum(text, "enforcer_denials_total")
}

/// All decisions.
fn decisions(text: &str) -> u64 {
    sum(text, "enforcer_decisions_total")
}

/// The decisions of which it is told how long they took.
fn timed(text: &str) -> u64 {
    sum(text, "enforcer_decision_duration_seconds_count")
}

#[test]
fn they_are_what_the_status_says_and_closed_to_runs() {
    let place = Place::new();
    let secret = place.file("secret", "x");
    let secret = secret.to_str().unwrap();
    let shell = copy(&place, "/bin/bash".as_ref(), "job");
    let shell = shell.to_str().unwrap();
    let profile = format!(
        "select: [{{ exe: {shell} }}]\nstages:\n  all:\n    exec: {{ default: allow }}\n    network: {{ allow: [{{ unix: \"/**\" }}] }}\n    files: {{ read: {{ default: allow, deny: [{secret}] }}, write: {{ default: allow }} }}\n"
    );
    let mut service =
        Service::start_with(&place, &[("counted", &profile)], &["--metrics", &format!("unix:{METRICS}")]);
    let text = metrics();
    assert!(text.ends_with("\n# EOF\n"), "{text}");
    // The programs that measure it may have been there before this service.
    let before = timed(&text);
    assert_eq!((of_profile(&text, "enforcer_runs_begun_total"), denials(&text)), (0, 0), "{text}");
    let kind =
        sh(&format!("{} --output /dev/null --write-out '%{{content_type}}'", asking("curl"))).success();
    assert_eq!(kind.stdout, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let mode = sh(&format!("stat -c %a:%U {METRICS}")).success().stdout;
    assert!(["600:root\n", "660:root\n"].contains(&mode.as_str()), "{mode}");

    // One run is denied two files and the metrics, which it may have outside, and waits.
    let (wait, tried) = (place.path("wait"), place.path("tried"));
    let script = format!(
        "cat {secret}; cat {secret}; {}; echo \"curl $?\" >{}; read line <{}",
        asking("curl"),
        tried.display(),
        wait.display()
    );
    let script = place.file("script", &script);
    sh(&format!("mkfifo {0}; {shell} {1} >/dev/null 2>&1 </dev/null &", wait.display(), script.display()))
        .success();
    until("it has tried", || std::fs::read_to_string(&tried).is_ok_and(|text| text.ends_with('\n')));
    // 7: failed to connect.
    assert_eq!(std::fs::read_to_string(&tried).unwrap(), "curl 7\n");
    service.tells("what is in a run has no say in the service");
    metrics();

    // While it sleeps, both ways say the same. It may not sleep yet when it is first looked at.
    let same = |run: &Value, text: &str| {
        run["decisions"] == decisions(text)
            && run["tasks"] == of_profile(text, "enforcer_tasks")
            && run["denied"] == denials(text)
    };
    let mut last = (Value::Null, String::new());
    until("metrics and status agree", || {
        last = (runs().remove(0), metrics());
        same(&last.0, &last.1)
    });
    let (run, text) = last;
    assert_eq!(run["tasks"], 1, "{run}");
    assert_eq!(
        number(&text, "enforcer_denials_total{profile=\"counted\",action=\"read\",verdict=\"deny\"}"),
        2
    );
    assert_eq!(
        number(&text, "enforcer_denials_total{profile=\"counted\",action=\"unix\",verdict=\"deny\"}"),
        1
    );
    let denied = denials(&text);
    // Each decision has taken some time.
    assert_eq!(timed(&text) - before, decisions(&text));
    let all = "enforcer_decision_duration_seconds";
    let bucket = |le: &str| number(&text, &format!("{all}_bucket{{le=\"{le}\",action=\"read\"}}"));
    assert_eq!(bucket("+Inf"), number(&text, &format!("{all}_count{{action=\"read\"}}")));
    assert!(bucket("+Inf") > bucket("2.56e-7"));
    // One is the keeper's.
    assert_eq!(number(&text, "enforcer_map_entries{map=\"labels\"}"), 2);
    assert_eq!(number(&text, "enforcer_map_limit{map=\"grants\"}"), 16384);
    assert_eq!(of_profile(&text, "enforcer_runs"), 1);
    assert_eq!(of_profile(&text, "enforcer_events_lost_total"), 0);
    let how = status();
    assert_eq!(how["selected"]["enrolled"], number(&text, "enforcer_commands_total{outcome=\"enrolled\"}"));
    assert_eq!(how["profiles"].as_array().unwrap().len() as u64, number(&text, "enforcer_profiles"));
    assert_eq!((how["armed"] == true, how["problem"].is_null()), (true, true));
    for (name, value) in [
        ("places_used", 1),
        ("places_limit", 256),
        ("armed", 1),
        ("profiles_refused", 0),
        ("profiles_limit", 64),
    ] {
        assert_eq!(number(&text, &format!("enforcer_{name}")), value, "{name}");
    }

    // What is over stays counted, and another run is added to it.
    sh(&format!("echo >{}", wait.display())).success();
    quiet();
    let after = metrics();
    assert!(decisions(&after) >= decisions(&text));
    assert_eq!((denials(&after), of_profile(&after, "enforcer_runs")), (denied, 0), "{after}");
    sh(&format!("{shell} -c 'cat {secret} || true'")).success();
    quiet();
    let after = metrics();
    assert_eq!(denials(&after), denied + 1, "{after}");
    for (name, value) in
        [("runs_begun_total", 2), ("runs_ended_total", 2), ("run_duration_seconds_count", 2), ("tasks", 0)]
    {
        assert_eq!(of_profile(&after, &format!("enforcer_{name}")), value, "{name}");
    }
    // A change that is refused is seen.
    service.profile("broken", "stages: {}\n");
    service.tells("profiles stay as they were");
    assert_eq!(number(&metrics(), "enforcer_profiles_refused"), 1);

    rubbish_does_not_hurt();
    assert_eq!(status()["pid"], service.child.as_ref().unwrap().id());
    assert_eq!(denials(&metrics()), denied + 1);
    // The next service counts anew.
    std::fs::remove_file(service.profiles.join("broken.yaml")).unwrap();
    service.end(libc::SIGKILL);
    service.begin();
    assert_eq!(denials(&metrics()), 0);
}

/// Rubbish, more clients that say nothing than there may be, and one that does not listen.
fn rubbish_does_not_hurt() {
    let client = || {
        let stream = UnixStream::connect(METRICS).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    };
    let rubbish: [&[u8]; 4] =
        [b"\0\xff\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"{\"version\":1}\n\n", &[b'x'; 100_000]];
    for bytes in rubbish {
        let mut stream = client();
        // The service may have given up in the middle.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.windows(5).any(|part| part == b"# EOF"), "{bytes:?}");
    }
    let idle: Vec<_> = (0..12).map(|_| client()).collect();
    let mut deaf = client();
    deaf.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    // They are put out one after the other.
    assert!(metrics().ends_with("# EOF\n"));
    drop(idle);
}
