// SPDX-License-Identifier: MIT OR Apache-2.0

use std::{path::PathBuf, sync::Arc};

use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::{
    profile::check::check,
    replay::{Own, Question, Tally, replay},
};

/// A recording, line by line.
#[derive(Clone)]
struct Recording {
    header: Value,
    lines: Vec<Value>,
}

impl Recording {
    /// Of a command, under a profile with these stages.
    fn of(command: &str, stages: &[&str]) -> Self {
        let header = json!({
            "type": "recording", "version": 1, "enforcer": "0.1.0", "started": "2026-03-31T00:00:00Z", "boottime_ns": 5,
            "mode": "audit", "command": command.split(' ').collect::<Vec<_>>(), "executable": "/usr/bin/x", "masked": true,
            "user": { "uid": 1, "gid": 1 }, "host": { "kernel": "k", "version": "v", "machine": "m" }, "hooks": [],
            "variables": [
                { "name": "${workspace}", "value": "/home/u/app" }, { "name": "~", "value": "/home/u" },
                { "name": "${tmp}", "value": "/tmp" },
            ],
            "registries": [{ "name": "${npm.registry}", "host": "registry.test", "port": 443 }],
            "hosts": [["near.test", "10.0.0.9"]],
            "profile": { "name": "p", "file": "p.yaml", "sha256": "", "text": "", "stages": stages, "rules": [] },
        });
        Self { header, lines: Vec::new() }.image(0, stages[0], "/usr/bin/env", None)
    }

    /// In another workspace.
    fn at(mut self, workspace: &str) -> Self {
        self.header["variables"][0]["value"] = workspace.into();
        let text =
            serde_json::to_string(&self.lines).unwrap().replace("/home/u/app/", &format!("{workspace}/"));
        self.lines = serde_json::from_str(&text).unwrap();
        self
    }

    fn image(mut self, parent: u32, stage: &str, exe: &str, package: Option<(&str, &str)>) -> Self {
        let images = self.lines.iter().filter(|line| line["type"] == "image").count();
        let mut line = json!({
            "type": "image", "id": images + 1, "t": 1, "pid": 10, "stage": stage, "exe": exe,
            "attribution": if package.is_some() { "package" } else { "outside" },
        });
        if parent > 0 {
            line["parent"] = parent.into();
        }
        if let Some((name, script)) = package {
            line["package"] = json!({
                "name": name, "version": "1.2.3", "script": script, "path": format!("/home/u/app/node_modules/{name}"),
            });
        }
        self.lines.push(line);
        self
    }

    /// A program that is executed by another one.
    fn exec(self, parent: u32, from: &str, exe: &str, to: &str, package: Option<(&str, &str)>) -> Self {
        self.event(parent, from, "exec", exe, json!({})).image(parent, to, exe, package)
    }

    fn event(mut self, image: u32, stage: &str, kind: &str, text: &str, more: Value) -> Self {
        let mut line = json!({
            "type": "event", "t": 100, "image": image, "pid": 10, "tid": 10, "kind": kind, "text": text, "stage": stage,
            "verdict": "allow", "reason": "default",
        });
        line.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        self.lines.push(line);
        self
    }

    fn led(mut self, name: &str, address: &str) -> Self {
        let until = 60_000_000_000_u64;
        self.lines.push(json!({ "type": "led", "t": 50, "name": name, "address": address, "until": until }));
        self
    }

    fn text(&self) -> String {
        let trailer =
            serde_json::to_string(&crate::recording::format::Line::Trailer(&Default::default())).unwrap();
        let lines = [&self.header].into_iter().chain(&self.lines).map(ToString::to_string);
        lines.chain([trailer]).map(|line| line + "\n").collect()
    }
}

/// Recordings as files.
struct Files {
    _directory: TempDir,
    paths: Vec<PathBuf>,
}

impl Files {
    fn new(recordings: &[Recording]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let write = |(at, recording): (usize, &Recording)| {
            let path = directory.path().join(format!("{at}.jsonl"));
            std::fs::write(&path, recording.text()).unwrap();
            path
        };
        let paths = recordings.iter().enumerate().map(write).collect();
        Self { paths, _directory: directory }
    }

    fn learn(&self, base: Option<&str>) -> Learnt {
        let options = Options {
            name: "learnt".to_owned(),
            owner: Some("o".to_owned()),
            base: base.map(|base| (base.to_owned(), base.to_owned())),
            directory: "/nowhere".into(),
        };
        learn(&self.paths, &options, &|| ()).unwrap_or_else(|error| panic!("{error:?}"))
    }

    fn replayed(&self, learnt: &Learnt) -> Tally {
        let question = Question { profile: Some(Arc::new(learnt.profile.clone())), ..Question::default() };
        let one = |path: &PathBuf| replay(path, &question, &Own::default()).unwrap();
        self.paths.iter().map(one).fold(Tally::default(), Tally::and)
    }
}

fn learnt(recordings: &[Recording], base: Option<&str>) -> Learnt {
    let files = Files::new(recordings);
    let learnt = files.learn(base);
    assert_eq!(learnt.lacking, 0, "{}", learnt.text);
    // What is written compiles to what was asked, and nobody has anything to say about it.
    let text = Text::new("learnt.yaml", learnt.text.clone());
    let checked = check(&text).unwrap_or_else(|error| panic!("{error}\n{}", learnt.text));
    assert_eq!(checked.profile.digest, learnt.profile.digest);
    assert!(checked.warnings.is_none(), "{:?}\n{}", checked.warnings, learnt.text);
    let tally = files.replayed(&learnt);
    let never: u64 = learnt.never.values().sum();
    assert_eq!(tally.denied, never, "{}\n{:#?}\n{:#?}", learnt.text, tally.findings, learnt.never);
    let mut turned = Files::new(recordings);
    turned.paths.reverse();
    assert_eq!(turned.learn(base).text, learnt.text);
    learnt
}

fn never(learnt: &Learnt) -> Vec<String> {
    let line = |never: &Never| format!("{} {} {}: {}", never.who, never.action, never.target, never.why);
    learnt.never.keys().map(line).collect()
}

/// An install of two packages, one of which has a script.
fn install(pid: u32) -> Recording {
    let esbuild = Some(("esbuild", "postinstall"));
    let temporary = format!("/tmp/npm-{pid}-1a2b3c4d/x.tgz");
    let mut recording = Recording::of("npm ci", &["npm", "script"])
        .exec(1, "npm", "/usr/bin/node", "npm", None)
        .led("registry.test", "192.0.2.10")
        .event(2, "npm", "resolve", "registry.test", json!({}))
        .event(2, "npm", "connect", "u4c000020a:0000", json!({ "host": "registry.test" }))
        .event(2, "npm", "connect", "t4c000020a:01bb", json!({ "host": "registry.test" }))
        .event(2, "npm", "read", "/home/u/.npmrc", json!({}))
        .event(2, "npm", "read", &format!("/proc/{pid}/cgroup"), json!({}))
        .event(2, "npm", "write", &format!("/home/u/.npm/_cacache/tmp/{pid}"), json!({}))
        .event(2, "npm", "write", "/home/u/app/node_modules/esbuild/install.js", json!({}))
        .event(2, "npm", "write", "/home/u/app/node_modules/.package-lock.json", json!({}))
        .event(2, "npm", "write", &temporary, json!({}))
        .event(2, "npm", "socket", "02:1:0000", json!({}))
        .exec(2, "npm", "/usr/bin/dash", "script", esbuild)
        .exec(3, "script", "/usr/bin/node", "script", esbuild)
        .event(4, "script", "read", "/home/u/app/node_modules/esbuild/install.js", json!({}))
        .event(4, "script", "write", "/home/u/app/node_modules/esbuild/bin/esbuild", json!({}))
        .event(4, "script", "write", "/dev/null", json!({}))
        .event(4, "script", "write", "pipe:[4711]", json!({}))
        .exec(4, "script", "/home/u/app/node_modules/esbuild/bin/esbuild", "script", esbuild);
    for program in ["uname", "cat", "rm", "mkdir"] {
        recording = recording.event(3, "script", "exec", &format!("/usr/bin/{program}"), json!({}));
    }
    recording
}

/// What the dropper does, as a script of the package.
fn dropped(recording: Recording) -> Recording {
    let dropper = Some(("plain-crypto-js", "postinstall"));
    recording
        .exec(2, "npm", "/usr/bin/dash", "script", dropper)
        .exec(6, "script", "/usr/bin/python3.11", "script", dropper)
        .led("evil.test", "198.51.100.7")
        .event(7, "script", "resolve", "evil.test", json!({}))
        .event(7, "script", "connect", "t4c6336407:1f40", json!({ "host": "evil.test" }))
        .event(7, "script", "read", "/home/u/.aws/credentials", json!({}))
        .event(7, "script", "write", "/tmp/ld.py", json!({}))
        .exec(6, "script", "/usr/bin/curl", "script", dropper)
}

#[test]
fn an_install_is_learnt_and_a_dropper_still_denied() {
    let learnt = learnt(&[install(4711), install(12).at("/srv/ci/app")], None);
    insta::assert_snapshot!(learnt.text);
    assert_eq!(never(&learnt), [""; 0]);
    let denied = Files::new(&[dropped(install(4711))]).replayed(&learnt);
    let denied: Vec<_> =
        denied.findings.keys().map(|f| format!("{} {} {}", f.who, f.action, f.target)).collect();
    insta::assert_snapshot!(denied.join("\n"));
}

#[test]
fn only_what_the_base_lacks_is_written() {
    let more = install(4711)
        .event(4, "script", "exec", "/usr/bin/python3.11", json!({}))
        .event(4, "script", "exec", "/opt/sdk-1.2.3/bin/tool", json!({}))
        .led("binaries.example", "192.0.2.11")
        .event(4, "script", "resolve", "binaries.example", json!({}))
        .event(4, "script", "connect", "t4c000020b:01bb", json!({ "host": "binaries.example" }))
        .event(4, "script", "read", "/home/u/app/.env", json!({}))
        .event(4, "script", "read", "/home/u/.npmrc", json!({}));
    let learnt = learnt(&[more], Some("npm-install"));
    insta::assert_snapshot!(learnt.text);
    assert_eq!(
        never(&learnt),
        [
            "esbuild postinstall read ${workspace}/.env: it is in @env-files",
            "esbuild postinstall read ~/.npmrc: it is in @credentials",
        ]
    );
    assert!(!self::learnt(&[install(1)], Some("npm-install")).text.contains("stages:"));
}

#[test]
fn where_a_recording_has_one_stage_scripts_have_theirs() {
    let esbuild = Some(("esbuild", "postinstall"));
    let recording = Recording::of("npm test", &["any"])
        .exec(1, "any", "/usr/bin/node", "any", None)
        .exec(2, "any", "/usr/bin/dash", "any", esbuild)
        .exec(3, "any", "/usr/bin/node", "any", esbuild);
    let learnt = learnt(&[recording], None);
    assert_eq!(learnt.profile.stages, ["npm", "script"]);
    assert!(learnt.text.contains("- { path: dash, stage: script }"), "{}", learnt.text);
    let make = Recording::of("make", &["any"]).exec(1, "any", "/usr/bin/cc", "any", None);
    assert_eq!(self::learnt(std::slice::from_ref(&make), None).profile.stages, ["make"]);
    let mixed = self::learnt(&[make, install(5)], None);
    assert_eq!(mixed.profile.stages, ["npm", "script"]);
}

#[test]
fn some_things_are_never_learnt() {
    let rule = json!({ "verdict": "would-deny", "reason": "rule", "rule": 1 });
    let recording = Recording::of("make", &["any"])
        .event(1, "any", "read", "/home/u/.ssh/id_ed25519", json!({}))
        .event(1, "any", "write", "/home/u/.ssh/authorized_keys", json!({}))
        .event(1, "any", "exec", "/home/u/.ssh/rc", json!({}))
        .event(1, "any", "unix", "/run/docker.sock", json!({}))
        .event(1, "any", "escape", "", json!({ "verdict": "would-deny", "reason": "outside" }))
        .event(1, "any", "socket", "1c:1:0000", json!({}))
        .event(1, "any", "read", "/home/u/app/secret.map", rule)
        .event(1, "any", "read", "/home/u/app/other.map", json!({}))
        .event(1, "any", "unix", "/run/nscd/socket", json!({}))
        .event(1, "any", "unix", "@x/4711", json!({}));
    let learnt = learnt(&[recording], None);
    insta::assert_snapshot!(format!("{}\n{}", never(&learnt).join("\n"), learnt.text));
}

#[test]
fn hosts_are_exact_and_addresses_only_where_no_name_led_there() {
    let recording = Recording::of("make", &["any"])
        .led("a.test", "192.0.2.1")
        .event(1, "any", "resolve", "a.test", json!({}))
        .event(1, "any", "connect", "t4c0000201:01bb", json!({ "host": "a.test" }))
        .event(1, "any", "connect", "u4c0000201:01bb", json!({ "host": "a.test" }))
        .event(1, "any", "resolve", "looked-up.test", json!({}))
        .led("in.test", "10.0.0.1")
        .event(1, "any", "resolve", "in.test", json!({}))
        .event(1, "any", "connect", "t40a000001:1f90", json!({ "host": "in.test" }))
        .event(1, "any", "connect", "t40a000009:1f90", json!({ "host": "near.test" }))
        .event(1, "any", "resolve", "near.test", json!({}))
        .event(1, "any", "connect", "t4cb007107:1f40", json!({}))
        .event(1, "any", "connect", "t47f000001:c000", json!({}))
        .event(1, "any", "connect", "t4c0000209:01bb", json!({ "host": "never-led.test" }))
        .event(1, "any", "listen", "t400000000:1f90", json!({}))
        .event(1, "any", "listen", "t400000000:c001", json!({}));
    insta::assert_snapshot!(learnt(&[recording], None).text);
}

#[test]
fn directories_are_named_as_a_whole_where_much_was_written() {
    let mut recording = Recording::of("make", &["any"]);
    for directory in ["app/build/obj", "app/src", ".cache/tool", ".config"] {
        for file in ["a", "b", "c", "d", "e", "f"] {
            let path = format!("/home/u/{directory}/{file}.o");
            recording = recording.event(1, "any", "write", &path, json!({}));
        }
        recording = recording.event(1, "any", "write", "/home/u/app/one/file", json!({}));
    }
    for path in ["/home/u/app/a'b\"c", "/home/u/app/\u{202e}x", "/home/u/app/a*[b]{c}", "/var/tmp/abcdef/x"] {
        recording = recording.event(1, "any", "write", path, json!({}));
    }
    let hex = json!({ "hex": "2f686f6d652f752f6170702fff0a" });
    recording = recording.event(1, "any", "write", "/home/u/app/\u{fffd}\n", hex);
    insta::assert_snapshot!(learnt(&[recording], None).text);
}

/// Kind, text, and the host that led there.
type Action = (&'static str, String, Option<&'static str>);

/// Something that a program does.
fn action() -> impl Strategy<Value = Action> {
    let name = "[a-z@~$'\"*?{}# é-]{1,3}[0-9]{0,2}";
    let directory = prop_oneof![
        Just("/home/u/app"),
        Just("/home/u/app/node_modules"),
        Just("/home/u"),
        Just("/tmp"),
        Just("/usr/bin"),
        Just("/opt/x"),
        Just("/home/u/.ssh"),
        Just("/home/u/app/packages/a/node_modules"),
        Just("/etc"),
    ];
    let path = (directory, prop::collection::vec(name, 1..4))
        .prop_map(|(directory, names)| format!("{directory}/{}", names.join("/")));
    let kind = prop_oneof![Just("exec"), Just("read"), Just("write"), Just("unix")];
    let port = prop_oneof![Just(443_u16), Just(0), Just(40_000), any::<u16>()];
    let endpoint = (prop_oneof![Just('t'), Just('u')], 0_u32..6, port);
    let endpoint = endpoint
        .prop_map(|(protocol, host, port)| format!("{protocol}4{:08x}:{port:04x}", 0xc000_0200 + host));
    let host = prop::option::of(prop_oneof![Just("a.test"), Just("registry.test"), Just("not a name")]);
    prop_oneof![
        4 => (kind, path).prop_map(|(kind, path)| (kind, path, None)),
        1 => (prop_oneof![Just("connect"), Just("listen")], endpoint, host),
        1 => prop_oneof![Just("a.test"), Just("b.test"), Just("registry.test"), Just("x y")]
            .prop_map(|name| ("resolve", name.to_owned(), None)),
        1 => (0_u32..50, 1_u32..6, 0_u32..20)
            .prop_map(|(a, b, c)| ("socket", format!("{a:02x}:{b:x}:{c:04x}"), None)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Whatever runs did: what is learnt of them allows it, but for what is said not to be learnt.
    #[test]
    fn what_was_learnt_suffices(
        runs in prop::collection::vec(prop::collection::vec((1_u32..6, action(), 0_u8..8), 1..40), 1..4),
        base in prop::option::weighted(0.3, Just("npm-install")),
    ) {
        let recording = |actions: &Vec<(u32, Action, u8)>| {
            let mut recording = install(7).led("a.test", "192.0.2.1").led("registry.test", "192.0.2.3");
            for (image, (kind, text, host), then) in actions {
                let stage = if *image < 3 { "npm" } else { "script" };
                let mut more = host.map_or(json!({}), |host| json!({ "host": host }));
                match then {
                    0 => more.as_object_mut().unwrap().extend(
                        json!({ "verdict": "deny", "reason": "rule", "rule": 1 }).as_object().cloned().unwrap(),
                    ),
                    1 => more["verdict"] = "would-deny".into(),
                    _ => {}
                }
                recording = recording.event(*image, stage, kind, text, more);
            }
            recording
        };
        let recordings: Vec<_> = runs.iter().map(recording).collect();
        learnt(&recordings, base);
    }
}
