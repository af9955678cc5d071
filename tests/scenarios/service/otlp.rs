// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a collector hears of runs, and what becomes of runs when there is none.

use std::{net::TcpListener, process::Command};

use super::{Service, copy, quiet, runs, status};
use crate::{
    collector::{Collector, Record},
    guest::{Place, finish, sh, until},
};

const HERE: &str = "127.0.0.1:4318";
/// What is denied in a loop finds no room for all of it.
const MANY: u64 = 8_000;

/// A shell that is selected, and a profile that lets it read everything but a secret.
fn shell(place: &Place) -> (String, String, String) {
    let secret = place.file("secret", "x").to_str().unwrap().to_owned();
    let shell = copy(place, "/bin/bash".as_ref(), "job").to_str().unwrap().to_owned();
    let profile = format!(
        "select: [{{ exe: {shell} }}]\nstages:\n  all:\n    exec: {{ default: allow }}\n    files: {{ read: {{ default: allow, deny: [{secret}] }}, write: {{ default: allow }} }}\n"
    );
    (shell, secret, profile)
}

fn otlp() -> serde_json::Value {
    status()["otlp"].clone()
}

#[test]
fn denials_and_the_end_of_a_run_arrive_with_what_they_are_about() {
    let place = Place::new();
    let (shell, secret, profile) = shell(&place);
    let collector = Collector::start(TcpListener::bind(HERE).unwrap(), &place.path("heard.jsonl"));
    let _service = Service::start_with(&place, &[("told", &profile)], &["--otlp", &format!("http://{HERE}")]);
    // The last one is the collector: what is in a run has no more of it than the profile says.
    let script = format!(
        "cat {secret}; getent hosts beacon.test; for to in 198.51.100.7/443 127.0.0.1/4318; do (: >/dev/tcp/$to); done; :"
    );
    let mut job = Command::new(&shell);
    job.args(["-c", &script]);
    finish(job).success();
    until("the run is told to be over", || !collector.named("enforcer.summary").is_empty());
    quiet();
    let denials = collector.named("enforcer.denial");
    let only = |action: &str, key: &str, value: &str| -> &Record {
        let is_so = |record: &&Record| {
            record.get("enforcer.action").as_deref() == Some(action)
                && record.get(key).as_deref() == Some(value)
        };
        denials.iter().find(is_so).unwrap_or_else(|| panic!("{action} {key} {value}: {denials:#?}"))
    };
    let has = |record: &Record, of: &[(&str, &str)]| {
        for (key, value) in of {
            assert_eq!(record.get(key).as_deref(), Some(*value), "{key}: {record:#?}");
        }
    };
    let read = only("read", "file.path", &secret);
    has(read, &[("enforcer.profile", "told"), ("enforcer.stage", "all"), ("enforcer.verdict", "deny")]);
    has(read, &[("enforcer.reason", "rule"), ("process.executable.path", "/usr/bin/cat")]);
    let rule = read.get("enforcer.rule").unwrap();
    assert!(rule.contains("told.yaml:"), "{rule}");
    assert_eq!((&read.record["severityNumber"], &read.record["severityText"]), (&13.into(), &"WARN".into()));
    only("resolve", "dns.question.name", "beacon.test");
    let connect = only("connect", "server.address", "198.51.100.7");
    has(connect, &[("server.port", "443"), ("network.peer.address", "198.51.100.7")]);
    has(connect, &[("network.transport", "tcp"), ("enforcer.reason", "default")]);
    only("connect", "server.port", "4318");
    assert_eq!(connect.get("enforcer.run"), read.get("enforcer.run"));
    assert!(denials.iter().all(|record| record.get("process.pid").is_some_and(|pid| pid != "0")));

    let [summary] = &collector.named("enforcer.summary")[..] else { panic!("one run has one end") };
    assert_eq!(summary.get("enforcer.run"), read.get("enforcer.run"));
    has(summary, &[("enforcer.profile", "told"), ("enforcer.mode", "enforce")]);
    has(summary, &[("enforcer.lost_events", "0"), ("enforcer.denied.read", "1")]);
    let total = summary.get("enforcer.denied.total").unwrap();
    assert_eq!(total, denials.len().to_string(), "{denials:#?}");
    let name = sh("hostname").success().stdout;
    assert_eq!(summary.of_resource("host.name").as_deref(), Some(name.trim_end()));
    assert_eq!(summary.of_resource("service.name").as_deref(), Some("enforcer"));
    let told = otlp();
    assert_eq!((&told["sent"], &told["waiting"]), (&collector.records().len().into(), &0.into()), "{told}");
}

#[test]
fn without_the_collector_everything_goes_on_and_what_waits_arrives_later() {
    let place = Place::new();
    let (shell, secret, profile) = shell(&place);
    let url = format!("http://{HERE}");
    let metrics = "/run/enforcer/metrics.sock";
    let service = Service::start_with(
        &place,
        &[("told", &profile)],
        &["--otlp", &url, "--metrics", &format!("unix:{metrics}")],
    );
    let denied = || sh(&format!("{shell} -c 'cat {secret}' 2>/dev/null || echo denied")).success().stdout;
    assert_eq!(denied(), "denied\n");
    service.tells(&format!("the collector at {url}/v1/logs is away"));
    assert!(otlp()["waiting"].as_u64() >= Some(1) && !otlp()["problem"].is_null(), "{}", otlp());
    // More than may wait, from a run that is held all the same.
    let loop_ = format!("for i in $(seq {MANY}); do : <{secret} && echo read; done 2>/dev/null; :");
    let mut flood = Command::new(&shell);
    flood.args(["-c", &loop_]);
    assert_eq!(finish(flood).success().stdout, "");
    assert_eq!(denied(), "denied\n");
    quiet();
    let told = otlp();
    let [waiting, dropped] = ["waiting", "dropped"].map(|name| told[name].as_u64().unwrap());
    assert!((1..=4096 + 512).contains(&waiting) && dropped > 0, "{told}");
    service.tells("there is room for no more");
    let counted = sh(&format!("curl --silent --fail --unix-socket {metrics} http://x/metrics")).success();
    assert!(
        counted.stdout.contains(&format!("enforcer_otlp_records_total{{outcome=\"dropped\"}} {dropped}\n")),
        "{}",
        counted.stdout
    );

    let collector = Collector::start(TcpListener::bind(HERE).unwrap(), &place.path("heard.jsonl"));
    until("what has waited arrives", || otlp()["waiting"] == 0);
    service.tells("answers again");
    let told = otlp();
    assert_eq!((&told["sent"], &told["dropped"]), (&waiting.into(), &dropped.into()), "{told}");
    assert_eq!(collector.records().len() as u64, waiting);
    assert!(told["problem"].is_null() && runs().is_empty(), "{told}");
    assert_eq!(status()["pid"], service.child.as_ref().unwrap().id());
    // And what happens from now on.
    assert_eq!(denied(), "denied\n");
    until("the next run is told", || collector.named("enforcer.summary").len() >= 2);
    let text = sh("enforcer status").success().stdout;
    assert!(text.contains(&format!("collector  {url}/v1/logs, ")), "{text}");
}

#[test]
fn what_is_no_url_of_a_collector_is_one_error() {
    for wrong in ["https://collector.test:4318", "collector.test:4318", "http://collector.test"] {
        let refused = sh(&format!("enforcer daemon --otlp {wrong}"));
        assert_eq!(refused.status, 2, "{refused:?}");
        assert!(refused.stderr.contains("not http://HOST:PORT"), "{refused:?}");
    }
}
