// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a profile says beyond plain rules: budgets, responses, types, labels, variables and selections.

use enforcer_common::{Budget, Kind, anchor::Anchors};

use super::{
    super::{Compiled, Mode, OnDenial, OnTrip, select::User},
    compile, stage,
};

/// Everything that a profile may have.
pub(super) const EVERYTHING: &str = r#"
version: 1
name: everything
owner: team@example.com
description: All of the language.
mode: audit
select:
  - argv: ["npm", "{ci,install}"]
    exe: node
    uid: 1000
    cwd: /srv/**
    cgroup: "/system.slice/runner-*.service"
    unit: "runner-*.service"
    env: { CI: "*" }
  - uid: builder
stages:
  npm:
    exec:
      default: deny
      allow:
        - node
        - { path: "@shells", stage: script, widen: true }
    network:
      allow:
        - { host: registry.example, ports: [443], protocol: tcp }
        - { address: 192.0.2.0/24, ports: ["8000-8999", 80] }
    files:
      read:
        deny: ["@credentials", { type: ".map" }, { label: internal }]
      write:
        allow: ["${workspace}/**", "${env.CACHE:-~/.cache}/**", { types: [".o", ".tar.gz"] }]
        except: [{ label: public }]
  script: {}
classify:
  internal: ["${workspace}/src/**", "**/secret/**"]
  public: ["${workspace}/src/public/**"]
budgets: { processes: 2000, files_read: 60000, files_written: 5, connections: 9, denials: 20 }
respond: { denial: kill, trip: freeze }
exceptions:
  - id: EX-7
    stage: script
    network: { host: headers.example, ports: [443] }
    reason: node-gyp fetches headers from our mirror
    owner: platform@example.com
    expires: 2027-01-31
  - id: EX-8
    stage: npm
    read: ~/.netrc
    reason: the mirror asks for a password
    owner: platform@example.com
    expires: 2027-01-31
"#;

fn anchors() -> Anchors {
    let mut anchors = Anchors::NONE;
    for (index, value) in ["/home/u/app", "/home/u", "/tmp", "/cache"].iter().enumerate() {
        anchors.set(index, value.as_bytes()).unwrap();
    }
    anchors
}

/// Whether the first stage allows something.
fn allows(profile: &Compiled, kind: Kind, path: &str) -> bool {
    profile.decide(0, kind, path.as_bytes(), &anchors()).allows()
}

#[test]
fn budgets_and_responses() {
    let profile = compile(EVERYTHING);
    let limits: Vec<_> = Budget::ALL.iter().map(|&budget| profile.budgets.0[budget as usize]).collect();
    assert_eq!(limits, [Some(2000), Some(60000), Some(5), Some(9), Some(20)]);
    assert_eq!((profile.respond.denial, profile.respond.trip), (OnDenial::Kill, OnTrip::Freeze));
    assert_eq!(profile.mode, Mode::Audit);
    let plain = compile(&stage("{}"));
    assert_eq!(plain.budgets.0, [None; 5]);
    assert_eq!((plain.respond.denial, plain.respond.trip), (OnDenial::Errno, OnTrip::KillTree));
}

#[test]
fn budgets_responses_and_variables_count_in_the_digest() {
    let plain = compile(EVERYTHING);
    for (one, other) in [
        ("denials: 20", "denials: 21"),
        (", denials: 20", ""),
        ("denial: kill", "denial: errno"),
        ("trip: freeze", "trip: kill-tree"),
        (":-~/.cache", ":-~/.caches"),
    ] {
        assert_ne!(plain.digest, compile(&EVERYTHING.replace(one, other)).digest, "{one}");
    }
    for (one, other) in [("uid: 1000", "uid: 1001"), ("All of", "Some of")] {
        assert_eq!(plain.digest, compile(&EVERYTHING.replace(one, other)).digest, "{one}");
    }
}

#[test]
fn types_are_ends_of_names() {
    let profile = compile(&stage(
        "files:\n  read: { deny: [{ type: .map }] }\n  write: { allow: [{ types: [.o, '.tar.gz'] }] }",
    ));
    for (path, read) in [("/a/x.js.map", false), ("/.map", false), ("/a/x.map/y", true), ("/a/x.maps", true)]
    {
        assert_eq!(allows(&profile, Kind::Read, path), read, "{path}");
    }
    assert!(!allows(&profile, Kind::Read, "/home/u/app/x.map (deleted)"));
    for (path, write) in [("/a/x.o", true), ("/a/b.tar.gz", true), ("/a/b.gz", false), ("/a/tar.gz", false)] {
        assert_eq!(allows(&profile, Kind::Write, path), write, "{path}");
    }
    let texts: Vec<_> = profile.rules.iter().take(2).map(|rule| rule.text.as_str()).collect();
    assert_eq!(texts, ["{ type: \".map\" }", "{ types: [\".o\", \".tar.gz\"] }"]);
}

#[test]
fn labels_stand_for_paths() {
    let profile = compile(EVERYTHING);
    assert!(!allows(&profile, Kind::Read, "/home/u/app/src/index.ts"));
    assert!(!allows(&profile, Kind::Read, "/srv/secret/x"));
    assert!(allows(&profile, Kind::Read, "/home/u/app/dist/index.js"));
    let decision = profile.decide(0, Kind::Read, b"/home/u/app/src/x", &anchors());
    assert_eq!(profile.rule(decision.rule).unwrap().text, "{ label: internal }");
    // A label that nothing uses changes nothing.
    let more = EVERYTHING.replace("classify:\n", "classify:\n  unused: [/nowhere]\n");
    assert_eq!(compile(&more).digest, profile.digest);
}

#[test]
fn variables_are_anchors_of_their_own() {
    let profile = compile(EVERYTHING);
    let [variable] = &profile.variables[..] else { panic!("{:?}", profile.variables) };
    assert_eq!(
        (variable.name.as_str(), variable.default.as_deref(), variable.anchor),
        ("CACHE", Some("~/.cache"), 3)
    );
    assert_eq!(variable.to_string(), "${env.CACHE:-~/.cache}");
    assert_eq!(profile.anchors, [0, 1, 3]);
    assert!(allows(&profile, Kind::Write, "/cache/x"));
    assert!(!allows(&profile, Kind::Write, "/caches/x"));
    let two = compile(&stage(
        "files: { write: { allow: ['{${env.A}/x,${env.B:-${tmp}/b}/**}', '${env.A}/y', '${env.A:-/a}/z'] } }",
    ));
    let names: Vec<_> = two.variables.iter().map(|v| (v.to_string(), v.anchor)).collect();
    assert_eq!(names, [("${env.A}".into(), 3), ("${env.B:-${tmp}/b}".into(), 4), ("${env.A:-/a}".into(), 5)]);
    assert_eq!(two.anchors, [3, 4, 5]);
    let decide = |path: &[u8]| two.decide(0, Kind::Write, path, &anchors()).allows();
    assert!(decide(b"/cache/x") && decide(b"/cache/y") && !decide(b"/cache/z"));
}

#[test]
fn selections_are_kept() {
    let profile = compile(EVERYTHING);
    let [npm, builder] = &profile.select[..] else { panic!("{:?}", profile.select) };
    assert_eq!(npm.argv, ["npm", "{ci,install}"]);
    assert_eq!((npm.exe.as_deref(), npm.cwd.as_deref()), (Some("node"), Some("/srv/**")));
    assert_eq!((&npm.uid, &builder.uid), (&Some(User::Id(1000)), &Some(User::Name("builder".into()))));
    assert_eq!(npm.unit.as_deref(), Some("runner-*.service"));
    assert_eq!(npm.env, [("CI".to_owned(), "*".to_owned())]);
    assert_eq!((npm.line, builder.line), (8, 15));
}
