// SPDX-License-Identifier: MIT OR Apache-2.0

//! Ways out of a run that go by no file and no address.

use std::{
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
};

use crate::guest::{Place, Tally, attack, bare, sh};

/// The user `builder`: newer kernels let whoever may watch performance read what is root's to see, whatever modules say.
const BUILDER: u32 = 1000;
const AS_BUILDER: [&str; 4] = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"];

/// A process of the same user, outside, for as long as this lives.
struct Victim(Child);

impl Victim {
    fn new() -> Self {
        let mut sleep = Command::new("sleep");
        sleep
            .arg("infinity")
            .uid(BUILDER)
            .gid(BUILDER)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self(sleep.spawn().unwrap())
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const ANY: &str =
    "{ exec: { default: allow }, files: { write: { default: allow } }, network: { default: allow } }";

#[test]
fn a_process_outside_cannot_be_got_hold_of() {
    let (place, victim) = (Place::new(), Victim::new());
    let (profile, pid) = (place.profile(ANY), victim.pid());
    let attack = attack();
    for way in ["attach", "seize", "read", "write", "memory", "environment", "descriptor", "link", "root"] {
        let command = [&AS_BUILDER[..], &[attack.to_str().unwrap(), "trace", way, &pid]].concat();
        assert_eq!(sh(&command.join(" ")).tally(), Tally::allowed(1), "{way}");
        let run = place.run(&profile, &command);
        let Tally { allowed, denied, failed } = run.ended.tally();
        // Behind /proc the answer is EACCES, whoever says no.
        assert_eq!((allowed, denied + failed), (0, 1), "{way}: {run:#?}");
        let denials = run.denials();
        let [denial] = &denials[..] else { panic!("{way}: {denials:#?}") };
        assert_eq!(denial["action"], "escape", "{way}: {denial:#}");
        assert_eq!(denial["traced"]["name"], "sleep", "{way}: {denial:#}");
    }
}

#[test]
fn a_process_of_the_run_is_traced_within_its_stage_alone() {
    let place = Place::new();
    let attack = attack();
    let attack = attack.to_str().unwrap();
    assert_eq!(bare(&["traced", "/usr/bin/true"]), Tally::allowed(1));
    let same = place.profile(ANY);
    assert_eq!(place.run(&same, &[attack, "traced", "/usr/bin/true"]).ended.tally(), Tally::allowed(1));
    let stages = "stages:
  first: { exec: { allow: [{ path: /usr/bin/true, stage: second, widen: true }] } }
  second: { exec: { default: allow } }
";
    let other = place.profile_file(stages);
    let run = place.run(&other, &[attack, "traced", "/usr/bin/true"]);
    assert_eq!(run.ended.tally(), Tally::denied(1), "{run:#?}");
    assert_eq!(run.denials()[0]["reason"], "traced", "{run:#?}");
    assert_eq!(place.run(&other, &[attack, "exec", "/usr/bin/true"]).ended.tally(), Tally::allowed(1));
}

#[test]
fn no_namespace_is_made_in_which_one_is_root() {
    let place = Place::new();
    assert_eq!(bare(&["namespace"]), Tally::allowed(1));
    let profile = place.profile(ANY);
    let run = place.run(&profile, &[attack().to_str().unwrap(), "namespace"]);
    assert_eq!(run.ended.tally(), Tally::denied(1), "{run:#?}");
    assert_eq!(run.denials()[0]["namespace"], "user", "{run:#?}");
}
