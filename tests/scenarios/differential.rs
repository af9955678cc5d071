// SPDX-License-Identifier: MIT OR Apache-2.0

//! The kernel's verdicts against `decide()` in userspace, over generated profiles and accesses that are really made.

use std::{
    fmt::Write as _,
    fs,
    net::SocketAddrV4,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use enforcer::profile;
use enforcer_common::{
    Kind,
    address::{Endpoint, Protocol},
    anchor::Anchors,
};
use fastrand::Rng;
use serde_json::{Value, json};

use crate::guest::{Place, attack, collect, read_record, sh};

/// Profiles, and accesses under each: 10,000 in all.
const PROFILES: u64 = 10;
const ACCESSES: usize = 1000;

/// An access: as the attack program has it, and as it is decided about.
struct Access {
    line: String,
    kinds: &'static [Kind],
    text: Vec<u8>,
}

#[test]
fn the_kernel_decides_as_userspace_does() {
    let place = Place::new();
    let tree = Tree::make(&place.path("t"));
    let mut denied = 0;
    for seed in 0..PROFILES {
        println!("seed {seed}");
        let mut rng = Rng::with_seed(seed);
        let file = place.profile_file(&profile_text(&mut rng));
        let compiled = profile::load(file.to_str().unwrap()).unwrap_or_else(|error| panic!("{error}"));
        let accesses: Vec<Access> = (0..ACCESSES).map(|_| tree.access(&mut rng)).collect();
        let (results, events) = tree.perform(&place, &file, &accesses, &[]);
        let decide = |access: &Access, kind| compiled.decide(0, kind, &access.text, &tree.anchors);
        let mut expected = Vec::new();
        assert_eq!(results.len(), accesses.len());
        for (access, result) in accesses.iter().zip(results.chars()) {
            // The first kind that is denied.
            let decisions = access.kinds.iter().map(|&kind| (kind, decide(access, kind)));
            let denied = decisions.into_iter().find(|(_, decision)| !decision.allows());
            assert_eq!(result, if denied.is_some() { 'x' } else { '.' }, "{}: {denied:?}", access.line);
            expected.extend(denied.map(|denied| (&access.line, denied)));
        }
        assert_eq!(events.len(), expected.len(), "events of denials");
        for (event, (line, (kind, decision))) in events.iter().zip(&expected) {
            assert_eq!(event["action"], kind.name(), "{line}: {event:#}");
            assert_eq!(event["reason"], decision.reason.name(), "{line}: {event:#}");
            let rule = event["rule"]["number"].as_u64().unwrap_or(0);
            assert_eq!(rule, u64::from(decision.rule), "{line}: {event:#}");
        }
        denied += expected.len();
    }
    // Neither all nor nothing, or the comparison would be worth little.
    let all = PROFILES as usize * ACCESSES;
    assert!((all / 10..all * 9 / 10).contains(&denied), "{denied} of {all} were denied");
}

/// What replay says that another profile would have denied is what that profile does deny when the same is done again.
#[test]
fn a_replay_under_another_profile_says_what_a_rerun_shows() {
    let place = Place::new();
    let tree = Tree::make(&place.path("t"));
    let mut changed = 0;
    for seed in 100..104 {
        println!("seed {seed}");
        let mut rng = Rng::with_seed(seed);
        let profiles = ["one.yaml", "other.yaml"].map(|name| {
            let file = place.path(name);
            fs::rename(place.profile_file(&profile_text(&mut rng)), &file).unwrap();
            file
        });
        // An access that needs two permissions asks for the second if it has the first, so what is recorded differs.
        let accesses =
            std::iter::repeat_with(|| tree.access(&mut rng)).filter(|access| access.kinds.len() == 1);
        let accesses: Vec<Access> = accesses.take(300).collect();
        let recordings = profiles.each_ref().map(|profile| {
            let recording = profile.with_extension("jsonl");
            tree.perform(&place, profile, &accesses, &["--record", recording.to_str().unwrap()]);
            recording
        });
        for profile in &profiles {
            let mut said = recordings.each_ref().map(|recording| denied(profile, recording));
            for finding in said.iter_mut().flatten() {
                changed += usize::from(finding["then"].take() == "allow");
            }
            assert!(said[0] == said[1], "{}: {said:#?}", profile.display());
        }
    }
    assert!(changed > 100, "{changed} accesses were decided differently");
}

/// What a profile would have denied of a recording.
fn denied(profile: &Path, recording: &Path) -> Vec<Value> {
    let answer = sh(&format!(
        "enforcer replay --json --profile {} {} || [ $? = 1 ]",
        profile.display(),
        recording.display()
    ));
    let mut answer: Value = serde_json::from_str(&answer.success().stdout).unwrap();
    assert_eq!((&answer["further"], &answer["lost"]), (&json!(0), &json!(0)), "{answer:#}");
    let mut findings = std::mem::take(answer["findings"].as_array_mut().unwrap());
    findings.retain(|finding| finding["verdict"] == "deny");
    findings
}

/// Names in the tree; those with a point are files only.
const NAMES: [&str; 7] = ["a", "b", "ab", "lib", "x.map", "y.js", "x.map.bak"];
/// Components of globs.
const GLOBS: [&str; 13] =
    ["a", "b", "ab", "*", "**", "?", "[ab]*", "{a,lib}", "x.map", "*.map", "*.js", "{x,y}.*", "*b"];

/// Files to open and to execute, with the places of the run among them.
struct Tree {
    root: PathBuf,
    files: Vec<PathBuf>,
    anchors: Anchors,
}

impl Tree {
    fn make(root: &Path) -> Self {
        fs::create_dir(root).unwrap();
        fs::copy("/usr/bin/true", root.join("true")).unwrap();
        let mut tree = Self { root: root.to_owned(), files: Vec::new(), anchors: Anchors::NONE };
        tree.fill(root, 3);
        for (index, place) in ["a", "", "b"].iter().enumerate() {
            let place = root.join(place);
            tree.anchors.set(index, place.to_str().unwrap().as_bytes()).unwrap();
        }
        tree
    }

    fn fill(&mut self, dir: &Path, depth: usize) {
        for name in NAMES {
            let path = dir.join(name);
            if depth > 1 && !name.contains('.') {
                fs::create_dir(&path).unwrap();
                self.fill(&path, depth - 1);
            } else {
                fs::hard_link(self.root.join("true"), &path).unwrap();
                self.files.push(path);
            }
        }
    }

    fn access(&self, rng: &mut Rng) -> Access {
        if rng.u8(..8) == 0 {
            let to =
                SocketAddrV4::new([198, 51, 100, rng.u8(..4) * 64 + 1].into(), 8000 + u16::from(rng.u8(..4)));
            let mut text = [0; 64];
            let endpoint = Endpoint::v4(to.ip().octets(), to.port(), Protocol::Udp);
            let len = endpoint.write(|index, byte| text[index] = byte);
            return Access {
                line: format!("connect {to}"),
                kinds: &[Kind::Connect],
                text: text[..len].to_vec(),
            };
        }
        let file = rng.choice(&self.files).unwrap().to_str().unwrap();
        let (what, kinds) = match rng.u8(..32) {
            0 => ("exec", &[Kind::Exec][..]),
            1..12 => ("write", &[Kind::Write][..]),
            12..20 => ("update", &[Kind::Write, Kind::Read][..]),
            _ => ("read", &[Kind::Read][..]),
        };
        Access { line: format!("{what} {file}"), kinds, text: file.into() }
    }

    /// Makes the accesses under the profile; returns what came of each, and the events.
    fn perform(
        &self,
        place: &Place,
        profile: &Path,
        accesses: &[Access],
        options: &[&str],
    ) -> (String, Vec<Value>) {
        let script: String = accesses.iter().map(|access| format!("{}\n", access.line)).collect();
        let (script, record) = (place.file("script", &script), place.path("record.jsonl"));
        let mut run = Command::new("enforcer");
        run.args(["run", "-q", "--profile"]).arg(profile).arg("--json").arg(&record).args(options).arg("--");
        run.arg(attack()).arg("script").arg(script);
        run.current_dir(self.root.join("a")).env("HOME", &self.root).env("TMPDIR", self.root.join("b"));
        run.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let ended = collect(run.spawn().unwrap()).success();
        let record = read_record(&record);
        assert_eq!(record.last().unwrap()["lost_events"], 0);
        let events = record.into_iter().filter(|line| line["type"] == "event").collect();
        (ended.stdout.trim().to_owned(), events)
    }
}

/// A profile of one stage. What the attack program itself needs is allowed: no rule reaches beyond the tree.
fn profile_text(rng: &mut Rng) -> String {
    let mut text = String::from("stages:\n  only:\n    files:\n");
    let mut section = |name: &str, indent: &str, default: &str, effects: &[&str], rng: &mut Rng| {
        let _ = writeln!(text, "{indent}{name}:\n{indent}  default: {default}");
        for effect in effects {
            let rules: Vec<String> = (0..rng.usize(1..6)).map(|_| format!("\"{}\"", glob(rng))).collect();
            let _ = writeln!(text, "{indent}  {effect}: [{}]", rules.join(", "));
        }
    };
    section("read", "      ", "allow", &["allow", "deny", "except"], rng);
    let default = if rng.bool() { "allow" } else { "deny" };
    section("write", "      ", default, &["allow", "deny", "except"], rng);
    section("exec", "    ", default, &["allow", "deny", "except"], rng);
    let _ = writeln!(text, "    network:\n      default: {default}");
    for effect in ["allow", "deny"] {
        let (octet, bits, port) = (rng.u8(..4) * 64, rng.u8(24..30), 8000 + u16::from(rng.u8(..4)));
        let block = u32::from_be_bytes([198, 51, 100, octet]) & (u32::MAX << (32 - bits));
        let block = std::net::Ipv4Addr::from(block);
        let _ = writeln!(
            text,
            "      {effect}: [{{ address: {block}/{bits}, ports: [\"{port}-{}\"] }}]",
            port + 1
        );
    }
    text
}

/// A glob for something in the tree.
fn glob(rng: &mut Rng) -> String {
    let mut glob = String::from(*rng.choice(&["PLACE/t", "~", "${workspace}", "${tmp}"]).unwrap());
    for _ in 0..rng.usize(1..4) {
        let _ = write!(glob, "/{}", rng.choice(&GLOBS).unwrap());
    }
    glob
}
