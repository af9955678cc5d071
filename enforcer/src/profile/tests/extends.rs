// SPDX-License-Identifier: MIT OR Apache-2.0

//! What one profile built on another means.

use std::fs;

use enforcer_common::{Budget, Kind, anchor::Anchors};

use super::super::{Code, Compiled, Error, Mode, OnDenial, OnTrip, Text, leads_to};

/// Compiles the first of some files, each a name and what it has beside version and name.
fn compiled(files: &[(&str, &str)]) -> Result<Compiled, Error> {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("version: 1\nname: test\n{text}")).unwrap();
    }
    let (name, _) = files[0];
    let path = directory.path().canonicalize().unwrap().join(name);
    Compiled::new(&Text::of_file(name, fs::read_to_string(&path).unwrap(), &path))
}

const BASE: &str = "owner: base@example.com
description: The base.
mode: audit
stages:
  first:
    exec: { allow: [node, { path: \"/opt/**\", stage: second, widen: true }], deny: [/opt/deny] }
    files: { write: { allow: [/srv/base] }, read: { default: deny } }
  second: {}
classify: { a: [/a] }
budgets: { processes: 10, denials: 5 }
respond: { denial: kill, trip: freeze }
select: [{ uid: 1 }]
exceptions:
  - { id: E1, stage: second, read: /x, reason: r, owner: o, expires: 2099-01-01 }
tls: { sni: required, ech: allow }
";

const OWN: &str = "extends: ./lib/base.yaml
owner: own@example.com
mode: enforce
stages:
  third: {}
  first:
    exec: { allow: [{ path: /opt/x, stage: third, widen: true }, { path: /opt/y, stage: first }], deny: [\"/opt/d*\"] }
    files: { write: { default: allow, deny: [{ label: a }, { label: b }] } }
classify: { b: [/b] }
budgets: { processes: 20, files_read: 7 }
respond: { denial: errno }
select: [{ uid: 2 }]
exceptions:
  - { id: E2, stage: third, read: /x, reason: r, owner: o, expires: 2099-01-01 }
tls: { ech: deny }
";

#[test]
fn what_the_extending_profile_says_comes_first() {
    let profile = compiled(&[("own.yaml", OWN), ("lib/base.yaml", BASE)]).unwrap();
    assert_eq!((profile.name.as_str(), profile.owner.as_str()), ("test", "own@example.com"));
    assert_eq!((profile.description.as_str(), profile.mode), ("The base.", Mode::Enforce));
    assert_eq!(profile.stages, ["first", "second", "third"]);
    let budget = |budget: Budget| profile.budgets.0[budget as usize];
    assert_eq!((budget(Budget::Processes), budget(Budget::Denials)), (Some(20), Some(5)));
    assert_eq!((budget(Budget::FilesRead), budget(Budget::Connections)), (Some(7), None));
    assert_eq!((profile.tls.sni, profile.tls.ech), (true, false));
    assert_eq!((profile.respond.denial, profile.respond.trip), (OnDenial::Errno, OnTrip::Freeze));
    assert_eq!(profile.select.len(), 1);
    let ids: Vec<_> = profile.exceptions.iter().map(|e| (e.id.as_str(), e.stage)).collect();
    assert_eq!(ids, [("E2", 2), ("E1", 1)]);
    let decide = |kind, path: &str| profile.decide(0, kind, path.as_bytes(), &Anchors::NONE);
    let exec = |path| {
        let decision = decide(Kind::Exec, path);
        (decision.allows(), leads_to(&decision))
    };
    assert_eq!(exec("/opt/x"), (true, Some(2)));
    assert_eq!(exec("/opt/y"), (true, Some(0)));
    assert_eq!(exec("/opt/z"), (true, Some(1)));
    assert_eq!(exec("/usr/bin/node"), (true, None));
    assert!(!exec("/opt/deny").0 && !exec("/opt/dx").0);
    // Defaults that are written win, in whichever file they are.
    assert!(decide(Kind::Write, "/etc/x").allows() && !decide(Kind::Read, "/etc/x").allows());
    assert!(!decide(Kind::Write, "/a").allows() && !decide(Kind::Write, "/b").allows());
}

#[test]
fn rules_and_problems_name_their_file() {
    let profile = compiled(&[("own.yaml", OWN), ("lib/base.yaml", BASE)]).unwrap();
    let decision = profile.decide(0, Kind::Exec, b"/opt/z", &Anchors::NONE);
    assert_eq!(profile.rule(decision.rule).unwrap().to_string(), "lib/base.yaml:8");
    let decision = profile.decide(0, Kind::Exec, b"/opt/x", &Anchors::NONE);
    assert_eq!(profile.rule(decision.rule).unwrap().to_string(), "own.yaml:9");
    let broken = BASE.replace("/srv/base", "srv/base").replace("uid: 1", "uid: -1");
    let own = OWN.replace("/opt/x", "opt/x");
    let error = compiled(&[("own.yaml", &own), ("lib/base.yaml", &broken)]).unwrap_err();
    let shown: Vec<String> = error.to_string().lines().map(|line| line.chars().take(24).collect()).collect();
    assert_eq!(shown, ["lib/base.yaml:9:31: E041", "lib/base.yaml:14:17: E02", "own.yaml:9:29: E041: `op"]);
}

#[test]
fn a_transition_that_the_base_has_too_is_told_with_both_files() {
    let own = "extends: ./base.yaml\nstages:\n  first: { exec: { allow: [\"/opt/**\"] } }\n";
    let error = compiled(&[("own.yaml", own), ("base.yaml", BASE)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "base.yaml:8:35: E063: this rule never leads to its stage: `/opt/**` allows the same before it \
         (own.yaml:5 decides instead: of the allow rules that match, the first does)"
    );
}

#[test]
fn shipped_profiles_can_be_extended_by_name() {
    let own = "extends: npm-install\nowner: o\nbudgets: { processes: 9 }\n";
    let profile = Compiled::new(&Text::new("own.yaml", format!("version: 1\nname: own\n{own}"))).unwrap();
    assert_eq!(profile.stages, ["npm", "script", "git"]);
    assert_eq!(&*profile.rules[0].file, "npm-install.yaml (built in)");
    assert_eq!((&*profile.source, profile.name.as_str()), ("own.yaml", "own"));
}

#[test]
fn labels_and_exceptions_are_there_once() {
    let own = OWN.replace("b: [/b]", "b: [/b], a: [/c]").replace("id: E2", "id: E1");
    let error = compiled(&[("own.yaml", &own), ("lib/base.yaml", BASE)]).unwrap_err();
    let lines: Vec<_> = error.to_string().lines().map(str::to_owned).collect();
    assert_eq!(
        lines,
        [
            "own.yaml:11:22: E025: the label `a` is there twice (lib/base.yaml:11 has it too, and this profile is \
             built on that: use another name)",
            "own.yaml:16:11: E025: the exception `E1` is there twice (lib/base.yaml:16 has it too, and this profile \
             is built on that: use another name)",
        ]
    );
}

#[test]
fn circles_and_long_chains_are_refused() {
    let error = compiled(&[
        ("a.yaml", "extends: ./sub/b.yaml\n"),
        ("sub/b.yaml", "extends: ../c.yaml\n"),
        ("c.yaml", "extends: ./sub/../a.yaml\n"),
    ])
    .unwrap_err();
    assert_eq!(error.problems().len(), 1);
    let problem = &error.problems()[0];
    assert_eq!(problem.code, Code::Circle);
    assert_eq!(
        problem.message,
        "`extends` goes round in a circle: a.yaml → sub/b.yaml → sub/../c.yaml → sub/../sub/../a.yaml"
    );
    let files: Vec<(String, String)> = (0..10)
        .map(|i| (format!("{i}.yaml"), format!("extends: ./{}.yaml\nstages: {{ s{i}: {{}} }}\n", i + 1)))
        .collect();
    let chain = |last: usize| {
        let mut files: Vec<_> = files.iter().take(last).map(|(n, t)| (n.as_str(), t.as_str())).collect();
        let name = format!("{last}.yaml");
        files.push((&name, "owner: o\nstages: { base: {} }\n"));
        compiled(&files)
    };
    assert_eq!(chain(7).unwrap().stages, ["base", "s6", "s5", "s4", "s3", "s2", "s1", "s0"]);
    assert_eq!(chain(8).unwrap_err().problems()[0].code, Code::Circle);
}

#[test]
fn a_base_that_is_not_there_is_the_only_problem() {
    let own = "extends: ./base.yaml\nexceptions:\n  - { id: E, stage: first, read: /x, reason: r, owner: o, expires: 2099-01-01 }\n";
    let error = compiled(&[("own.yaml", own)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "own.yaml:3:10: E001: the profile base.yaml cannot be read: No such file or directory (os error 2) \
         (`./base.yaml` is looked for from the directory of own.yaml)"
    );
    let own = "extends: npm-instal\n";
    let error = compiled(&[("own.yaml", own)]).unwrap_err();
    assert!(error.to_string().contains("did you mean `npm-install`?"), "{error}");
}
