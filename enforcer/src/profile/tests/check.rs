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

#[test]
fn what_a_profile_takes_from_its_base_is_no_mistake() {
    let place = tempfile::tempdir().unwrap();
    let base = "version: 1
name: base
owner: o
stages:
  one:
    exec: { allow: [cat, { path: git, stage: two, widen: true }] }
  two:
    exec: { allow: [git] }
    files: { write: { allow: [/srv/x] } }
";
    let own = "version: 1
name: own
extends: ./base.yaml
stages:
  one: { exec: { allow: [ls, { path: make, stage: three }], deny: [git, ls] } }
  three: { exec: { allow: [cat] } }
  four: {}
";
    std::fs::write(place.path().join("base.yaml"), base).unwrap();
    let path = place.path().join("own.yaml");
    std::fs::write(&path, own).unwrap();
    let text = super::super::find(path.to_str().unwrap()).unwrap();
    let warnings = check_on(&text, Date::parse("2027-01-01").unwrap()).unwrap().warnings.unwrap().to_string();
    let warnings = warnings.replace(&format!("{}/", place.path().display()), "");
    let lines: Vec<&str> = warnings.lines().map(|line| line.split(" (").next().unwrap()).collect();
    assert_eq!(
        lines,
        [
            "own.yaml:5:26: W002: this rule never decides: deny `ls` in line 5 matches all that it matches",
            "own.yaml:7:3: W001: nothing leads to stage `four`: no run is ever in it",
        ]
    );
}
