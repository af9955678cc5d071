// SPDX-License-Identifier: MIT OR Apache-2.0

use std::{io::Write as _, sync::Arc};

use serde_json::{Value, json};

use super::{Own, Question, Tally, replay_from};
use crate::{
    profile::{Compiled, Text},
    recording::Reader,
};

/// The profile that made the recording.
const MADE: &str = "
name: made
stages:
  first:
    exec: { allow: [/bin/node, { path: /bin/sh, stage: script }, { path: \"${workspace}/run\", stage: script }] }
    network: { allow: [{ host: registry.test, ports: [443] }] }
  script:
    exec: { allow: [/bin/node] }
    files: { read: { deny: [\"~/.npmrc\"] } }
";

fn compile(text: &str) -> Arc<Compiled> {
    let text = format!("version: 1\nowner: o\n{}", text.trim_start());
    Arc::new(Compiled::new(&Text::new("x.yaml", text)).unwrap_or_else(|error| panic!("{error}")))
}

/// A recording, line by line.
struct Recording(String);

impl Recording {
    fn new() -> Self {
        let text = format!("version: 1\nowner: o\n{}", MADE.trim_start());
        let profile = compile(MADE);
        Self(String::new()).line(json!({
            "type": "recording", "version": 1, "enforcer": "0.1.0", "started": "2026-03-31T00:00:00Z", "boottime_ns": 5,
            "mode": "enforce", "command": ["npm"], "executable": "/bin/npm", "masked": true,
            "user": { "uid": 1, "gid": 1 }, "host": { "kernel": "k", "version": "v", "machine": "m" }, "hooks": [],
            "variables": [
                { "name": "${workspace}", "value": "/w" }, { "name": "~", "value": "/home/u" },
            ],
            "registries": [{ "name": "${npm.registry}", "host": "mirror.test", "port": 8443 }],
            "hosts": [["near.test", "192.0.2.9"]],
            "profile": {
                "name": "made", "file": "x.yaml", "sha256": profile.digest_text(), "text": text,
                "stages": profile.stages, "rules": [],
            },
        }))
        .image(1, None, "first", "/bin/npm")
    }

    fn line(mut self, line: Value) -> Self {
        self.0 += &format!("{line}\n");
        self
    }

    fn image(self, id: u32, parent: Option<u32>, stage: &str, exe: &str) -> Self {
        let mut line = json!({
            "type": "image", "id": id, "t": id, "pid": 10, "stage": stage, "exe": exe, "attribution": "outside",
        });
        if let Some(parent) = parent {
            line["parent"] = parent.into();
        }
        self.line(line)
    }

    fn event(self, image: u32, stage: &str, kind: &str, text: &str, verdict: &str, more: Value) -> Self {
        let reason = if verdict == "allow" { "rule" } else { "default" };
        let mut line = json!({
            "type": "event", "t": 100, "image": image, "pid": 10, "tid": 11, "kind": kind, "text": text, "stage": stage,
            "verdict": verdict, "reason": reason,
        });
        line.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        self.line(line)
    }

    fn led(self, name: &str, address: &str, until: i64) -> Self {
        self.line(json!({ "type": "led", "t": 50, "name": name, "address": address, "until": until }))
    }

    fn asked(&self, profile: Option<&str>) -> Tally {
        let text = format!("{}{{\"type\":\"trailer\"}}\n", self.0);
        let text = text.replace(
            "{\"type\":\"trailer\"}",
            &serde_json::to_string(&crate::recording::format::Line::Trailer(&Default::default())).unwrap(),
        );
        let reader = Reader::new(text.as_bytes()).unwrap_or_else(|fault| panic!("{fault}"));
        let question = Question { profile: profile.map(compile), ..Question::default() };
        replay_from(reader, &question, &Own::default()).unwrap_or_else(|fault| panic!("{fault}"))
    }

    /// What another profile would have denied.
    fn denied(&self, profile: &str) -> Vec<String> {
        let tally = self.asked(Some(profile));
        let found = tally.findings.keys();
        found.map(|f| format!("{} {} in {}: {}", f.action, f.target, f.stage, f.now.1)).collect()
    }
}

fn none() -> Value {
    json!({})
}

#[test]
fn the_profile_that_made_a_recording_reproduces_it() {
    let recording = Recording::new()
        .event(1, "first", "exec", "/bin/sh", "allow", json!({ "rule": 2 }))
        .image(2, Some(1), "script", "/bin/sh")
        .event(2, "script", "read", "/home/u/.npmrc", "deny", json!({ "reason": "rule", "rule": 6 }))
        .event(2, "script", "exec", "/bin/sh", "deny", none())
        .event(1, "first", "connect", "t4c0000201:01bb", "allow", json!({ "rule": 4 }))
        .event(1, "first", "resolve", "registry.test", "allow", json!({ "rule": 4 }))
        .event(1, "first", "resolve", "a.test", "deny", none())
        .event(1, "first", "connect", "t4c0000201:0035", "allow", json!({ "reason": "resolver" }))
        .event(1, "first", "read", "", "deny", json!({ "reason": "unresolved" }))
        .event(1, "first", "connect", "t4c0000201:01bb", "deny", json!({ "reason": "budget", "rule": 3 }));
    let tally = recording.asked(None);
    assert_eq!((tally.own, tally.not_reproduced, tally.strayed, tally.carried), (9, 0, 0, 3), "{tally:#?}");
    assert_eq!((tally.denied, tally.newly_denied, tally.newly_allowed), (5, 0, 0));
    let wrong = Recording::new().event(1, "first", "read", "/x", "deny", none());
    assert_eq!(wrong.asked(None).not_reproduced, 1);
}

#[test]
fn stages_of_another_profile_are_entered_by_the_recorded_execs() {
    let other = "
name: other
stages:
  a:
    exec: { allow: [/bin/sh, { path: \"${workspace}/run\", stage: b }] }
  b:
    files: { read: { deny: [/secret] } }
";
    let read =
        |recording: Recording, image| recording.event(image, "script", "read", "/secret", "allow", none());
    // A script's stage is that of the script, if its interpreter names none.
    let script = Recording::new()
        .event(1, "first", "exec", "/w/run", "allow", none())
        .event(1, "first", "exec", "/bin/sh", "allow", json!({ "step": 1 }))
        .image(2, Some(1), "script", "/bin/sh");
    assert_eq!(read(script, 2).denied(other), ["read /secret in b: x.yaml:8"]);
    // What failed before led nowhere.
    let failed = Recording::new()
        .event(1, "first", "exec", "/w/run", "allow", none())
        .event(1, "first", "exec", "/bin/sh", "allow", none())
        .image(2, Some(1), "script", "/bin/sh");
    assert_eq!(read(failed, 2).denied(other), [""; 0]);
    // The thread that failed is not the one that succeeded.
    let threads = Recording::new()
        .event(1, "first", "exec", "/bin/sh", "allow", none())
        .event(1, "first", "exec", "/w/run", "allow", json!({ "tid": 12 }))
        .image(2, Some(1), "script", "/bin/sh");
    assert_eq!(read(threads, 2).denied(other), [""; 0]);
    // Without its exec, a stage of the same name is the guess, and there is none.
    let lost = read(Recording::new().image(2, Some(1), "script", "/bin/sh"), 2);
    assert_eq!(lost.asked(Some(other)).undecided, 1);
}

#[test]
fn what_a_denied_program_did_is_told_apart() {
    let recording = Recording::new()
        .event(1, "first", "exec", "/bin/sh", "allow", none())
        .image(2, Some(1), "script", "/bin/sh")
        .event(2, "script", "exec", "/bin/node", "allow", none())
        .image(3, Some(2), "script", "/bin/node")
        .event(3, "script", "read", "/x", "allow", none());
    let strict = "name: strict\nstages: { a: { exec: { allow: [/bin/node] } } }\n";
    let tally = recording.asked(Some(strict));
    assert_eq!((tally.denied, tally.newly_denied, tally.prevented), (1, 1, 2), "{tally:#?}");
    let audit = recording.asked(Some(&format!("mode: audit\n{strict}")));
    assert_eq!((audit.denied, audit.prevented), (1, 0), "in audit mode it would have gone on");
}

#[test]
fn names_open_what_another_profile_lets_them() {
    let connect = |recording: Recording, text, t| {
        recording.event(1, "first", "connect", text, "allow", json!({ "t": t }))
    };
    let other = "
name: other
stages:
  a:
    network: { allow: [{ host: \"*.lib.test\", ports: [443], protocol: tcp }, { host: \"${npm.registry}\" }, { host: near.test, ports: [80] }] }
";
    let mut recording = Recording::new()
        .led("a.lib.test", "192.0.2.1", 200)
        .led("mirror.test", "192.0.2.2", 200)
        .led("b.lib.test", "10.0.0.1", 200);
    for (text, t) in [
        ("t4c0000201:01bb", 100), // a.lib.test
        ("t4c0000201:01bb", 40),  // before
        ("t4c0000201:01bb", 200), // too late
        ("u4c0000201:01bb", 100), // as the C library connects to find its own address; a send looks the same
        ("u4c0000201:01bc", 100), // another port
        ("t4c0000202:20fb", 100), // the registry's port
        ("t4c0000202:01bb", 100), // not the registry's
        ("t40a000001:01bb", 100), // private
        ("t4c0000209:0050", 1),   // of the file of hosts
    ] {
        recording = connect(recording, text, t);
    }
    let tally = recording.asked(Some(other));
    assert_eq!((tally.events, tally.denied), (9, 5), "{tally:#?}");
    let lookups = Recording::new()
        .event(1, "first", "resolve", "c.lib.test", "deny", none())
        .event(1, "first", "resolve", "c.lib.test 10.0.0.1", "deny", json!({ "reason": "private" }))
        .event(1, "first", "resolve", "a\\.lib.test", "deny", none())
        .event(1, "first", "resolve", "evil.test", "deny", none());
    assert_eq!(
        lookups.denied(other),
        [
            "resolve a\\\\.lib.test in a: no rule allows it",
            "resolve c.lib.test, which is 10.0.0.1 in a: it leads to an address that is not public",
            "resolve evil.test in a: no rule allows it",
        ]
    );
}

#[test]
fn a_profile_that_is_not_in_the_recording_as_it_was_is_refused() {
    let recording = Recording::new();
    let text =
        recording.0.replace("/home/u", "/home/v").replace("- o", "- p").replace("/bin/node", "/bin/deno");
    let reader = Reader::new(text.as_bytes()).unwrap_or_else(|fault| panic!("{fault}"));
    let error = replay_from(reader, &Question::default(), &Own::default()).unwrap_err().to_string();
    assert!(error.starts_with("line 1: its profile compiles to something else now"), "{error}");
}

#[test]
fn nothing_that_a_package_chose_reaches_a_terminal_as_it_is() {
    let hostile = "/x\u{1b}[2J\u{202e}<script>\n";
    let recording = Recording::new()
        .event(1, "first", "exec", hostile, "deny", none())
        .line(json!({
            "type": "image", "id": 2, "parent": 1, "t": 1, "pid": 1, "stage": "script", "exe": hostile, "argv": [hostile],
            "attribution": "package", "package": { "name": hostile, "version": hostile, "script": hostile },
        }))
        .event(2, "script", "exec", hostile, "deny", json!({ "host": hostile }));
    let mut out = Vec::new();
    for finding in recording.asked(None).findings.keys() {
        write!(out, "{}{}{}", finding.who, finding.target, finding.now.1).unwrap();
    }
    let out = String::from_utf8(out).unwrap();
    assert!(out.contains("<script>") && !out.chars().any(|c| c.is_control() || c == '\u{202e}'), "{out:?}");
}
