// SPDX-License-Identifier: MIT OR Apache-2.0

use std::{fmt::Write as _, time::Duration};

use enforcer_common::{Budget, run::Counters};
use opentelemetry_proto::tonic::common::v1::any_value::Value;

use super::*;
use crate::{
    exit::Exit,
    report::{
        json::{Process, Rule, Target},
        target,
    },
};

pub(in super::super) fn about() -> About {
    About {
        run: 771,
        profile: "npm-install".to_owned(),
        mode: "enforce",
        started: "2026-03-31T00:00:00Z".to_owned(),
    }
}

/// A denial by default, of a script of a package.
pub(in super::super) fn event(action: &'static str, target: Target) -> Event {
    let text = |text: &str| Text::Utf8(text.to_owned());
    Event {
        seq: 1,
        time: String::new(),
        boottime_ns: 0,
        verdict: "deny",
        action,
        target,
        stage: "script".to_owned(),
        reason: "default",
        explanation: "no rule allows it; npm-install.yaml:56".to_owned(),
        rule: None,
        attribution: "package",
        package: Some(Package {
            name: text("@scope/plain-crypto-js"),
            version: Some(text("4.2.1")),
            script: Some(text("postinstall")),
            path: None,
        }),
        process: Process {
            pid: 4711,
            tid: 4712,
            exe: Some(text("/usr/bin/node")),
            argv: vec![text("node"), text("--token=s3cret")],
            argv_cut: false,
            ancestors: vec![],
        },
    }
}

/// A target, from what the kernel tells.
fn aimed(kind: Kind, text: &[u8]) -> Target {
    (&target::Target::of(kind, text)).into()
}

/// An address, and the name that led there.
fn address(host: Option<&str>) -> Target {
    let mut target = aimed(Kind::Connect, b"t4cb007107:1f40");
    if let Some(address) = &mut target.address {
        address.host = host.map(|host| host.as_bytes().into());
    }
    target
}

fn at() -> SystemTime {
    UNIX_EPOCH + Duration::new(1_774_915_201, 5)
}

/// A value as people write it.
fn shown(value: &AnyValue) -> String {
    match &value.value {
        Some(Value::StringValue(text)) => format!("{text:?}"),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::ArrayValue(array)) => {
            format!("[{}]", array.values.iter().map(shown).collect::<Vec<_>>().join(", "))
        }
        other => format!("{other:?}"),
    }
}

/// A record as lines, without the time when it was made.
fn lines(record: &LogRecord) -> String {
    let LogRecord { event_name, severity_text, severity_number, time_unix_nano, body, attributes, .. } =
        record;
    let body = body.as_ref().map(shown).unwrap_or_default();
    let mut text = format!("{event_name} {severity_text} {severity_number} {time_unix_nano}\n  {body}\n");
    for attribute in attributes {
        let value = attribute.value.as_ref().map(shown).unwrap_or_default();
        let _ = writeln!(text, "  {} = {value}", attribute.key);
    }
    text
}

#[test]
fn events_have_the_attributes_that_their_action_has() {
    let with_rule = |event: Event, exception: Option<&str>| Event {
        reason: "rule",
        explanation: "npm-install.yaml:78".to_owned(),
        rule: Some(Rule {
            number: 7,
            place: Some("npm-install.yaml:78".to_owned()),
            text: Some("@credentials".to_owned()),
            exception: exception.map(str::to_owned),
        }),
        ..event
    };
    let alone = |event: Event| Event { attribution: "outside", package: None, ..event };
    let events = [
        event("connect", address(Some("evil.example"))),
        event("connect", address(None)),
        alone(event("connect", aimed(Kind::Connect, b"u620010db8000000000000000000000001:0035"))),
        event("resolve", aimed(Kind::Resolve, b"beacon.test")),
        event("resolve", aimed(Kind::Resolve, b"cache.example 10.0.0.1")),
        event("exec", aimed(Kind::Exec, b"/usr/bin/curl")),
        event("argv", aimed(Kind::Argv, b"/usr/bin/node\x1f-e\x1fs3cret")),
        with_rule(event("read", aimed(Kind::Read, b"/home/u/.npmrc")), None),
        alone(event("write", aimed(Kind::Write, b"/tmp/a\nb\xff"))),
        event("unix", aimed(Kind::Unix, b"/run/docker.sock")),
        event("listen", aimed(Kind::Listen, b"t400000000:1f90")),
        event("socket", aimed(Kind::Socket, b"28:1:0000")),
        Event { verdict: "would-deny", ..event("read", Target::default()) },
        with_rule(
            Event { verdict: "allow", ..event("connect", address(Some("headers.example"))) },
            Some("EX-7"),
        ),
    ];
    let text: Vec<_> = events.iter().map(|event| lines(&of_event(&about(), event, at()))).collect();
    assert!(!text.concat().contains("s3cret"));
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn the_end_of_a_run_says_what_was_counted() {
    let mut counters =
        Counters { lost_events: 3, tripped: u64::from(Budget::Denials as u8) + 1, ..Counters::default() };
    counters.decided[Kind::Read as usize] = 1500;
    counters.decided[Kind::Exec as usize] = 29;
    counters.denied[Kind::Exec as usize] = 6;
    counters.denied[Kind::Argv as usize] = 1;
    counters.denied[Kind::Resolve as usize] = 12;
    let ending = Ending { exit: Exit::SUCCESS, counters, malformed: 0, remaining: 2 };
    let mut record = of_ending(&about(), &ending);
    assert!(record.time_unix_nano > nanoseconds(at()));
    record.time_unix_nano = 0;
    insta::assert_snapshot!(lines(&record));
}
