// SPDX-License-Identifier: MIT OR Apache-2.0

//! Exceptions, whose every use is recorded, and variables from the environment.

use std::process::{Command, Stdio};

use crate::guest::{Place, Tally, attack, bare, collect, finish};

/// A profile that denies the secret, but for an exception until the end of the year.
fn profile(place: &Place, year: u32) -> std::path::PathBuf {
    place.profile_file(&format!(
        "stages:\n  only: {{ files: {{ read: {{ deny: [\"PLACE/secret*\"] }} }} }}\n\
         exceptions:\n  - {{ id: EX-1, stage: only, read: \"PLACE/secret\", reason: a test, \
         owner: tests@enforcer.example, expires: {year}-12-31 }}\n"
    ))
}

#[test]
fn an_exception_is_recorded_whenever_it_is_used() {
    let place = Place::new();
    let (secret, other) = (place.file("secret", "s3cret"), place.file("secret-2", "s3cret"));
    let (secret, other) = (secret.to_str().unwrap(), other.to_str().unwrap());
    let profile = profile(&place, 2999);
    assert_eq!(bare(&["read", other]), Tally::allowed(1));
    assert_eq!(place.attack(&profile, &["read", other]), Tally::denied(1));
    let program = attack();
    let run = place.run(&profile, &[program.to_str().unwrap(), "--times", "3", "read", secret]);
    assert_eq!(run.ended.tally(), Tally::allowed(3));
    let events = run.denials();
    assert_eq!(events.len(), 3, "{events:#?}");
    for event in &events {
        assert_eq!(event["verdict"], "allow", "{event:#}");
        assert_eq!(event["path"], secret, "{event:#}");
        assert_eq!(event["rule"]["exception"], "EX-1", "{event:#}");
    }
    assert!(run.ended.stderr.contains("allowed by exception"), "{}", run.ended.stderr);
    assert!(run.ended.stderr.contains("EX-1"), "{}", run.ended.stderr);
    assert_eq!(run.trailer()["denied"]["read"], 0);
}

#[test]
fn an_exception_that_has_expired_does_not_apply() {
    let place = Place::new();
    let secret = place.file("secret", "s3cret");
    let secret = secret.to_str().unwrap();
    assert_eq!(bare(&["read", secret]), Tally::allowed(1));
    assert_eq!(place.attack(&profile(&place, 2020), &["read", secret]), Tally::denied(1));
}

#[test]
fn a_variable_is_what_the_callers_environment_says() {
    let place = Place::new();
    let [first, second] = ["first", "second"].map(|name| place.file(&format!("{name}/file"), ""));
    let profile = place.profile("{ files: { write: { allow: [\"${env.WHERE:-PLACE/first}/**\"] } } }");
    let write = |value: Option<&str>, path: &std::path::Path| {
        let mut run = Command::new("enforcer");
        run.args(["run", "-q", "--profile"]).arg(&profile).arg("--").arg(attack()).arg("write").arg(path);
        run.env_remove("WHERE");
        if let Some(value) = value {
            run.env("WHERE", place.path(value));
        }
        finish(run).tally()
    };
    assert_eq!(bare(&["write", second.to_str().unwrap()]), Tally::allowed(1));
    assert_eq!(write(None, &first), Tally::allowed(1));
    assert_eq!(write(None, &second), Tally::denied(1));
    assert_eq!(write(Some("second"), &first), Tally::denied(1));
    assert_eq!(write(Some("second"), &second), Tally::allowed(1));
    // A value set inside of the run changes nothing.
    let mut run = Command::new("enforcer");
    let script = format!(
        "WHERE={} exec {} write {}",
        second.parent().unwrap().display(),
        attack().display(),
        second.display()
    );
    run.args(["run", "-q", "--profile"]).arg(place.profile(
        "{ exec: { default: allow }, files: { write: { allow: [\"${env.WHERE:-PLACE/first}/**\"] } } }",
    ));
    run.args(["--", "sh", "-c", &script]).env_remove("WHERE");
    run.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    assert_eq!(collect(run.spawn().unwrap()).tally(), Tally::denied(1));
}
