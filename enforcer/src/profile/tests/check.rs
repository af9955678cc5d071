// SPDX-License-Identifier: MIT OR Apache-2.0

//! Exceptions and bases, as transitions and warnings see them.

use super::super::{Code, Compiled, Date, Text, check::check_on};

/// A profile with an exception in each of its stages.
const PROFILE: &str = "version: 1
name: t
owner: o
stages:
  one:
    exec: { allow: [{ path: sh, stage: two }, cat] }
    files: { write: { allow: [/srv/one] } }
  two:
    exec: { allow: [cat] }
    files: { write: { allow: [/srv/one] } }
exceptions:
  - { id: EX-1, stage: one, write: /srv/x, reason: because, owner: who, expires: 2027-01-31 }
  - { id: EX-2, stage: two, write: /srv/y, reason: because, owner: who, expires: 2027-03-01 }
";

fn warnings(text: &str, day: &str) -> Vec<String> {
    let checked = check_on(&Text::new("t.yaml", text.to_owned()), Date::parse(day).unwrap());
    let warnings = checked.unwrap_or_else(|error| panic!("{error}")).warnings;
    warnings.map_or_else(String::new, |w| w.to_string()).lines().map(str::to_owned).collect()
}

#[test]
fn exceptions_are_warned_of_before_they_end_and_after() {
    assert!(warnings(PROFILE, "2027-01-16").is_empty());
    let help = "(who answers for it (because): ask for a new day, or remove it)";
    for (day, said) in [
        ("2027-01-17", "expires on 2027-01-31, in 14 days"),
        ("2027-01-30", "expires tomorrow"),
        ("2027-01-31", "no longer applies since 2027-01-31"),
        ("2027-02-14", "no longer applies since 2027-01-31"),
    ] {
        assert_eq!(
            warnings(PROFILE, day),
            [format!("t.yaml:12:11: W006: the exception `EX-1` {said} {help}")],
            "{day}"
        );
    }
    assert_eq!(warnings(PROFILE, "2027-03-02").len(), 2);
}

#[test]
fn exceptions_widen_nothing_and_hide_nothing() {
    let compiled = |text: String, day: &str| {
        Compiled::on(&Text::new("t.yaml", text), Date::parse(day).unwrap()).map_err(|e| e.problems()[0].code)
    };
    for day in ["2026-12-01", "2027-06-01"] {
        assert!(compiled(PROFILE.to_owned(), day).is_ok(), "{day}");
        // What only an exception allows in the stage that is left is no reason to allow it for good in the other.
        let wider = PROFILE.replace(
            "cat] }\n    files: { write: { allow: [/srv/one] } }\nexc",
            "cat] }\n    files: { write: { allow: [/srv/x] } }\nexc",
        );
        assert_ne!(wider, PROFILE);
        assert_eq!(compiled(wider, day).err(), Some(Code::Widens), "{day}");
    }
}

/// The warnings of a profile that is built on another.
fn warnings_of(base: &str, own: &str) -> Vec<String> {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("base.yaml"), format!("version: 1\nname: base\nowner: o\n{base}"))
        .unwrap();
    let path = place.path().join("own.yaml");
    std::fs::write(&path, format!("version: 1\nname: own\nextends: ./base.yaml\n{own}")).unwrap();
    let text = super::super::find(path.to_str().unwrap()).unwrap();
    let checked = check_on(&text, Date::parse("2027-01-01").unwrap()).unwrap();
    let warnings = checked.warnings.map(|warnings| warnings.to_string()).unwrap_or_default();
    let warnings = warnings.replace(&format!("{}/", place.path().display()), "");
    warnings.lines().map(str::to_owned).collect()
}

#[test]
fn a_denial_that_the_base_takes_back_is_told() {
    let base = "stages: { one: { files: { read: { deny: ['~/.*'], except: ['~/.npmrc', '~/.x/*'] } } } }";
    let own = |lines: &str| format!("stages: {{ one: {{ files: {{ read: {{ {lines} }} }} }} }}\n");
    let [warning] = &warnings_of(base, &own("deny: ['**/.npmrc', /srv/x]"))[..] else { panic!() };
    assert!(warning.starts_with("own.yaml:4:"), "{warning}");
    assert!(warning.contains("W007: except `~/.npmrc` of the base (base.yaml:4) takes back"), "{warning}");
    for meant in ["deny: ['/srv/.npmrc']", "deny: ['**/.npmrc'], except: ['/srv/.npmrc']"] {
        assert_eq!(warnings_of(base, &own(meant)), [""; 0], "{meant}");
    }
}

#[test]
fn what_allows_everything_of_a_kind_is_told() {
    let text = super::stage(
        "network:\n  allow:\n    - { unix: '**' }\n    - { unix: '@*' }\n    - { listen: any }\n    - { unix: '/run/**' }\n    \
         - { listen: any, ports: [80] }\n    - { host: '*.slack.com', ports: [443] }\n    - { host: '*.example.test', ports: [443] }",
    );
    let checked = check_on(&Text::new("t.yaml", text), Date::parse("2027-01-01").unwrap()).unwrap();
    let warnings = checked.warnings.unwrap();
    let codes: Vec<_> = warnings.problems().iter().map(|p| (p.position().unwrap().0, p.code)).collect();
    let (everything, shadowed) = (Code::AllowsEverything, Code::ShadowedRule);
    assert_eq!(
        codes.iter().filter(|(_, code)| *code != shadowed).copied().collect::<Vec<_>>(),
        [(8, everything), (9, everything), (10, everything), (13, Code::UploadHost)]
    );
    assert!(warnings.to_string().contains("also hooks.slack.com, a chat service"), "{warnings}");
    let text = super::stage("network: { default: allow }");
    let warnings = check_on(&Text::new("t.yaml", text), Date::parse("2027-01-01").unwrap()).unwrap().warnings;
    assert_eq!(warnings.unwrap().problems().len(), 1);
}

#[test]
fn what_a_profile_takes_from_its_base_is_no_mistake() {
    let base = "stages:
  one:
    exec: { allow: [cat, { path: git, stage: two, widen: true }] }
  two:
    exec: { allow: [git] }
    files: { write: { allow: [/srv/x] } }
";
    let own = "stages:
  one: { exec: { allow: [ls, { path: make, stage: three }], deny: [git, ls] } }
  three: { exec: { allow: [cat] } }
  four: {}
";
    let warnings = warnings_of(base, own);
    let lines: Vec<&str> = warnings.iter().map(|line| line.split(" (").next().unwrap()).collect();
    assert_eq!(
        lines,
        [
            "own.yaml:5:26: W002: this rule never decides: deny `ls` in line 5 matches all that it matches",
            "own.yaml:7:3: W001: nothing leads to stage `four`: no run is ever in it",
        ]
    );
}
