// SPDX-License-Identifier: MIT OR Apache-2.0

//! What `enforcer profile …` answers.

#![expect(clippy::unwrap_used, reason = "helpers of tests are no tests to clippy")]

use std::{fs, path::Path};

use assert_cmd::Command;
use predicates::str::contains;
use serde_json::Value;
use tempfile::TempDir;

/// A profile with three stages, of which one transition widens and one does not.
const GOOD: &str = r#"version: 1
name: good
owner: team@example.com
description: Fetches, then builds.
stages:
  fetch:
    exec:
      allow:
        - cat
        - { path: "{dash,bash}", stage: build, widen: true }
    network:
      allow:
        - { host: mirror.example, ports: [443], protocol: tcp }
        - { address: 192.0.2.0/24, ports: [8080] }
    files:
      read: { deny: ["{~,/home/*}/{.npmrc,.ssh/**}"], except: ["~/.npmrc"] }
      write: { allow: ["${workspace}/cache/**"], deny: ["**/.git/**"] }
  build:
    exec:
      allow:
        - cat
        - "{gcc,make}"
        - { path: git, stage: git }
    files: { read: { deny: ["**/{.npmrc,.ssh/**}"] } }
  git:
    exec: { allow: [cat] }
    files: { read: { deny: ["**/{.npmrc,.ssh/**}"] } }
"#;

/// A profile that can be used, and should be looked at again.
const DOUBTFUL: &str = r#"version: 1
name: doubtful
owner: team@example.com
stages:
  first:
    exec:
      default: allow
      allow:
        - "{cat,ls}"
        - cat
        - { path: sh, stage: second, widen: true }
        - "/opt/x/**"
      deny: ["/opt/**"]
    network:
      allow:
        - { address: any }
        - { address: any, ports: [443] }
        - { host: files.transfer.sh, ports: [443] }
    files:
      read: { deny: ["/a/b"], except: ["/a/**"] }
      write: { allow: ["/**"] }
  second: {}
  third: {}
"#;

/// A profile with two errors.
const BROKEN: &str = "version: 1\nname: broken\nstages:\n  one:\n    exec: { alow: [sh] }\n";

/// A place with these profiles.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        for (name, text) in [("good", GOOD), ("doubtful", DOUBTFUL), ("broken", BROKEN)] {
            fs::write(dir.path().join(format!("{name}.yaml")), text).unwrap();
        }
        Self(dir)
    }

    /// What is written to stdout and to stderr, and the status.
    fn answer(&self, args: &[&str]) -> (String, String, i32) {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("enforcer"));
        for name in ["ENFORCER_LOG", "NO_COLOR", "CLICOLOR_FORCE", "TMPDIR"] {
            command.env_remove(name);
        }
        let output = command.current_dir(self.0.path()).arg("profile").args(args).output().unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        (without_digests(&out), err, output.status.code().unwrap())
    }

    /// What is written to stdout, where nothing is to be complained about.
    fn text(&self, args: &[&str], status: i32) -> String {
        let (out, err, code) = self.answer(args);
        assert_eq!((err.as_str(), code), ("", status), "{args:?}");
        out
    }

    fn json(&self, args: &[&str], status: i32) -> Value {
        serde_json::from_str(&self.text(args, status)).unwrap()
    }
}

/// What stays the same when the compiler lays tables out otherwise.
fn without_digests(text: &str) -> String {
    let digest = |word: &str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let mut text = text.to_owned();
    while let Some(at) = (0..text.len()).find(|&at| text.get(at..at + 64).is_some_and(digest)) {
        text.replace_range(at..at + 64, "DIGEST");
    }
    text
}

#[test]
fn check_says_what_changes_across_transitions() {
    let place = Place::new();
    insta::assert_snapshot!(place.text(&["check", "good.yaml"], 0));
    assert_eq!(place.text(&["-q", "check", "good.yaml"], 0), "");
}

#[test]
fn check_warns_and_says_where() {
    let place = Place::new();
    insta::assert_snapshot!(place.text(&["check", "doubtful.yaml"], 1));
    insta::assert_snapshot!("check_on_a_terminal", {
        let colours = place.text(&["check", "--color", "always", "doubtful.yaml"], 1);
        assert!(colours.contains('\u{1b}'));
        anstream::adapter::strip_str(&colours).to_string()
    });
}

#[test]
fn check_says_everything_about_all_profiles_at_once() {
    let place = Place::new();
    let text = place.text(&["check", "good.yaml", "broken.yaml", "absent.yaml", "doubtful.yaml"], 2);
    assert!(text.contains("\nbroken.yaml:1:1: E021: "), "{text}");
    assert!(text.contains("\nbroken.yaml:5:13: E020: "), "{text}");
    assert!(text.contains("E001: the profile absent.yaml cannot be read"), "{text}");
    assert!(text.ends_with("4 profiles: 3 errors, 10 warnings\n"), "{text}");
}

#[test]
fn check_for_programs() {
    let place = Place::new();
    let value = place.json(&["check", "--format", "json", "good.yaml", "broken.yaml"], 2);
    assert_eq!((&value["errors"], &value["warnings"]), (&2.into(), &0.into()));
    assert_eq!(value["profiles"][1]["problems"][1]["line"], 5);
    insta::assert_snapshot!(format!("{:#}", value["profiles"][0]["transitions"]));
    let sarif = place.json(&["check", "--format", "sarif", "broken.yaml"], 2);
    assert_eq!(sarif["version"], "2.1.0");
    let mut results = sarif["runs"][0]["results"].clone();
    for result in results.as_array_mut().unwrap() {
        result.as_object_mut().unwrap().remove("ruleIndex").unwrap();
    }
    insta::assert_snapshot!("check_sarif", format!("{results:#}"));
}

#[test]
fn explain_names_the_rule_that_decides() {
    let place = Place::new();
    let mut answers = String::new();
    for (args, status) in [
        (&["--exec", "/usr/bin/dash"][..], 0),
        (&["--exec", "/usr/bin/curl"], 1),
        (&["--exec", "/memfd:x (deleted)"], 1),
        (&["--open", "~/.npmrc"], 0),
        (&["--open", "/home/u/.npmrc", "--stage", "build"], 1),
        (&["--open", "${workspace}/cache/.git/x", "--write"], 1),
        (&["--open", "${workspace}/cache/x", "--write", "--walk"], 0),
        (&["--connect", "192.0.2.7:8080"], 0),
        (&["--connect", "198.51.100.7:443"], 1),
        (&["--connect", "[2001:db8::7]:53/udp", "--walk"], 1),
    ] {
        let places = ["--home", "/home/u", "--workspace", "/srv/app", "--tmp", "/tmp"];
        let whole = [&["explain", "good.yaml"][..], args, &places].concat();
        answers += &format!("$ explain good.yaml {}\n{}\n", args.join(" "), place.text(&whole, status));
    }
    insta::assert_snapshot!(answers);
}

#[test]
fn explain_finds_the_places_that_a_run_would() {
    let place = Place::new();
    let (real, link) = (place.0.path().canonicalize().unwrap().join("real"), place.0.path().join("link"));
    fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let rule = "files: { write: { allow: [\"${env.CACHE}/**\"] } }";
    let profile = format!("version: 1\nname: cached\nowner: team@example.com\nstages:\n  one:\n    {rule}\n");
    fs::write(place.0.path().join("cached.yaml"), profile).unwrap();
    let explain = |cache: &Path| {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("enforcer"));
        command.current_dir(place.0.path()).env_remove("TMPDIR").env("CACHE", cache);
        command.args(["profile", "explain", "cached.yaml", "--write", "--open"]).arg(real.join("x")).assert()
    };
    explain(&link).success();
    explain(&place.0.path().join("other")).code(1);
    explain(Path::new("cache")).code(2).stderr(contains("not an absolute path"));
}

#[test]
fn explain_knows_what_is_no_file() {
    let place = Place::new();
    let network = "    network:
      allow:
        - { host: '*.mirror.example', ports: [443] }
        - { host: '${npm.registry}' }
        - { unix: '${tmp}/**' }
        - { unix: '@build*' }
        - { listen: any, ports: [8080], protocol: tcp }
        - { socket: packet }
      deny:
        - { address: 192.0.2.0/24 }
";
    let exception = "exceptions:\n  - { id: EX-7, stage: one, network: { address: 192.0.2.7 }, reason: r, owner: o, expires: 2999-01-31 }\n";
    let text = format!("version: 1\nname: net\nowner: o\nstages:\n  one:\n{network}{exception}");
    fs::write(place.0.path().join("net.yaml"), text).unwrap();
    for (args, status, said) in [
        (
            ["--unix", "/tmp/x.sock"],
            0,
            "allowed: unix /tmp/x.sock, stage one of net\n  allow { unix: \"${tmp}/**\" }  net.yaml:10",
        ),
        (["--unix", "@builder"], 0, "net.yaml:11  decides"),
        (["--unix", "/run/docker.sock"], 1, "the stage's default is deny"),
        (["--listen", "0.0.0.0:8080"], 0, "net.yaml:12  decides"),
        (["--listen", "127.0.0.1:1"], 0, "the enforcer's own rules  decides"),
        (["--listen", "0.0.0.0:8081"], 1, "denied: listen 0.0.0.0:8081 tcp, stage one"),
        (["--socket", "packet"], 0, "net.yaml:13  decides"),
        (["--socket", "tcp"], 0, "the enforcer's own rules  decides"),
        (["--socket", "vsock"], 1, "denied: socket vsock, stage one"),
        (["--resolve", "a.mirror.example"], 0, "net.yaml:8  decides"),
        (
            ["--resolve", "mirror.example"],
            1,
            "if it is the registry's name, { host: \"${npm.registry}\" } (net.yaml:9) allows it",
        ),
        // An exception takes no denial of an address back.
        (["--connect", "192.0.2.7:443"], 1, "matches too, but deny is stronger"),
    ] {
        let places = ["--home", "/home/u", "--workspace", "/srv/app", "--tmp", "/tmp"];
        let text = place.text(&[&["explain", "net.yaml"][..], &args, &places].concat(), status);
        assert!(text.contains(said), "{args:?}\n{text}");
        assert!(!text.contains("takes it back"), "{text}");
    }
    let shown = place.text(&["show", "net.yaml"], 0);
    assert!(
        shown.contains("unix") && shown.contains("deny, allow 2") && !shown.contains("resolve"),
        "{shown}"
    );
}

#[test]
fn exceptions_are_shown_and_named() {
    let place = Place::new();
    let exception = "exceptions:\n  - { id: EX-7, stage: build, read: ~/.npmrc, reason: for now, owner: who, expires: 2999-01-31 }\n";
    fs::write(place.0.path().join("excepted.yaml"), format!("{GOOD}{exception}")).unwrap();
    let text = place.text(&["show", "excepted.yaml"], 0);
    assert!(text.contains("  EX-7  stage build  read ~/.npmrc  until 2999-01-31  who  for now\n"), "{text}");
    let args = ["explain", "excepted.yaml", "--stage", "build", "--open", "~/.npmrc", "--home", "/home/u"];
    let text = place.text(&args, 0);
    assert!(text.contains("\n  exception EX-7 ~/.npmrc   excepted.yaml:29  decides "), "{text}");
    assert!(text.contains("matches, but an except rule takes it back"), "{text}");
    let value = place.json(&[&args[..], &["--json"]].concat(), 0);
    assert_eq!(value["rule"]["exception"], "EX-7");
}

#[test]
fn explain_for_programs() {
    let place = Place::new();
    let args = ["explain", "good.yaml", "--json", "--home", "/home/u", "--open", "/home/u/.npmrc"];
    let value = place.json(&args, 0);
    assert_eq!(value["spellings"], serde_json::json!(["/home/u/.npmrc", "~/.npmrc"]));
    assert_eq!((&value["verdict"], &value["reason"]), (&"allow".into(), &"default".into()));
    assert_eq!(value["matching"][1]["effect"], "except");
    let walks = place.json(&[&args[..], &["--walk"]].concat(), 0);
    assert_eq!(walks["walks"][1]["steps"][0][0], "~");
}

#[test]
fn what_is_too_long_is_denied_and_said_so() {
    let long = format!("/{}", "x".repeat(5000));
    let text = Place::new().text(&["explain", "good.yaml", "--open", &long], 1);
    assert!(text.contains("  no rule is asked: too-long\n"), "{text}");
}

#[test]
fn explain_refuses_what_cannot_be_asked() {
    let place = Place::new();
    for (args, message) in [
        (&["--exec", "node"][..], "`node` is not absolute"),
        (&["--connect", "mirror.example:443"], "not an address and a port"),
        (&["--connect", "192.0.2.1:443/sctp"], "`sctp` is not a protocol"),
        (&["--exec", "/x", "--stage", "nosuch"], "it has: fetch, build, git"),
        (&["--resolve", "192.0.2.1"], "not a name that is looked up"),
        (&["--socket", "vsok"], "did you mean `vsock`?"),
        (&["--unix", "x.sock"], "`x.sock` is not absolute"),
        (&["--exec", "/x", "--home", "/"], "--home cannot be /"),
        (&["--exec", "/x", "--open", "/x"], "cannot be used with"),
        (&[], "required"),
    ] {
        let (out, err, status) = place.answer(&[&["explain", "good.yaml"][..], args].concat());
        assert_eq!((out.as_str(), status), ("", 2), "{args:?}");
        assert!(err.contains(message), "{err}");
    }
    let (_, err, status) = place.answer(&["explain", "broken.yaml", "--exec", "/x"]);
    assert!(status == 2 && err.contains("E020"), "{err}");
}

#[test]
fn show_draws_stages_and_transitions() {
    let place = Place::new();
    for format in ["table", "mermaid", "dot"] {
        insta::assert_snapshot!(
            format!("show_{format}"),
            place.text(&["show", "good.yaml", "--format", format], 0)
        );
    }
    let value = place.json(&["show", "good.yaml", "--format", "json"], 0);
    assert_eq!(value["stages"][0]["rules"]["write"]["deny"], 1);
    assert_eq!(value["transitions"][0]["to"], "build");
}

#[test]
fn diff_finds_what_changes() {
    let place = Place::new();
    let changed = GOOD
        .replace("        - \"{gcc,make}\"\n", "")
        .replace("ports: [8080]", "ports: [8080, 9090]")
        .replace("stage: build, widen: true", "stage: git")
        .replace("${workspace}/cache/**", "${workspace}/cache/*")
        .replace("owner: team", "mode: audit\nowner: team")
        .replace("mirror.example", "other.example");
    fs::write(place.0.path().join("changed.yaml"), changed).unwrap();
    let args = ["diff", "good.yaml", "changed.yaml"];
    insta::assert_snapshot!(place.text(&args, 1));
    let value = place.json(&[&args[..], &["--json"]].concat(), 1);
    assert_eq!(value["stages"][0]["stage"], "fetch");
    assert_eq!(value["settings"][0]["to"], "audit");
}

#[test]
fn diff_looks_at_what_is_decided_and_not_at_the_text() {
    let place = Place::new();
    let other = GOOD.replace("[cat]", "[\"/{usr/,usr/local/,}{bin,sbin}/cat\"]").replace(
        "192.0.2.0/24, ports: [8080] }",
        "192.0.2.0/25, ports: [8080] }\n        - { address: 192.0.2.128/25, ports: [8080] }",
    );
    fs::write(place.0.path().join("other.yaml"), other).unwrap();
    let text = place.text(&["diff", "good.yaml", "other.yaml"], 0);
    assert_eq!(text, "no difference: both decide the same\n");
    let (_, err, status) = place.answer(&["diff", "good.yaml", "absent.yaml"]);
    assert!(status == 2 && err.contains("absent.yaml"), "{err}");
}

#[test]
fn sets_and_profiles_are_listed() {
    let place = Place::new();
    assert!(place.text(&["sets"], 0).contains("  @shells "));
    let shells = place.text(&["sets", "@shells"], 0);
    assert!(shells.starts_with("@shells: ") && shells.contains("\n  dash\n"), "{shells}");
    assert_eq!(shells, place.text(&["sets", "shells"], 0));
    let (_, err, status) = place.answer(&["sets", "nosuch"]);
    assert!(status == 2 && err.contains("@shells"), "{err}");
    let list = place.text(&["list"], 0);
    assert!(list.contains("npm-install.yaml (built in)"), "{list}");
    let profiles = place.json(&["list", "--json"], 0);
    let npm =
        profiles["profiles"].as_array().unwrap().iter().find(|profile| profile["name"] == "npm-install");
    assert_eq!(npm.unwrap()["file"], "npm-install.yaml (built in)");
    let one = place.json(&["sets", "--json", "@shells"], 0);
    assert!(one["paths"].as_array().unwrap().contains(&"dash".into()), "{one}");
    let sets = place.json(&["sets", "--json"], 0);
    assert!(sets["sets"].as_array().unwrap().contains(&one));
}

#[test]
fn shipped_profiles_have_no_warnings() {
    let place = Place::new();
    let list = place.text(&["list"], 0);
    let names: Vec<&str> = list
        .lines()
        .filter(|line| line.contains("(built in)"))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(names.len() >= 2);
    place.text(&[&["-q", "check"][..], &names].concat(), 0);
}

#[test]
fn every_command_has_help() {
    let place = Place::new();
    for command in ["check", "explain", "show", "diff"] {
        let help = place.text(&[command, "--help"], 0);
        assert!(help.contains("Examples:"), "{help}");
    }
    for command in ["list", "sets"] {
        place.text(&[command, "--help"], 0);
    }
}
