// SPDX-License-Identifier: MIT OR Apache-2.0

//! The incidents, each first bare, where it must really do its harm, and then under the shipped profile.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use serde_json::{Value, json};

use crate::guest::{Ended, Place, builder, read_record, replayed, sh};

/// What arrived at the listener, what was tried, and what the registry holds of the package that the worm spreads to.
pub(crate) struct Evidence {
    summary: Value,
    attempts: usize,
    published: String,
}

impl Evidence {
    /// What there is.
    pub(crate) fn gather() -> Self {
        let summary = serde_json::from_str(&sh("testbed-evidence summary").success().stdout).unwrap();
        let attempts = sh("testbed-evidence attempts").success().stdout.lines().count();
        sh("testbed-evidence stop").success();
        Self { summary, attempts, published: published() }
    }

    /// Fails unless credentials arrived.
    pub(crate) fn shows_theft(&self) {
        assert!(self.summary["beacons"].as_u64().unwrap() > 0, "nothing arrived: {:#}", self.summary);
        assert!(self.summary["canary_bytes"].as_u64().unwrap() > 0, "no canary left: {:#}", self.summary);
    }

    /// Fails unless it was tried, by the package's own account, and nothing arrived.
    pub(crate) fn shows_nothing_but_attempts(&self) {
        self.shows_nothing();
        assert!(self.attempts > 0, "nothing was tried");
    }

    /// Fails if anything arrived.
    fn shows_nothing(&self) {
        for total in ["connections", "datagrams", "beacons", "canary_bytes"] {
            assert_eq!(self.summary[total], 0, "{total}: {:#}", self.summary);
        }
        assert_eq!(self.summary["dns_canaries"], serde_json::json!([]), "{:#}", self.summary);
    }
}

/// Installs as `builder` from a registry, under a profile if one is named, with fresh evidence.
pub(crate) fn install(
    place: &Place,
    registry: &str,
    app: &str,
    install: &str,
    profile: Option<&str>,
) -> (Ended, Evidence) {
    sh(&format!("testbed-services start {registry} && testbed-evidence start")).success();
    std::fs::write("/etc/sudoers.d/builder", "builder ALL=(root) NOPASSWD: ALL\n").unwrap();
    let record = place.for_builder("record.jsonl");
    let wrapper = profile.map_or_else(String::new, |profile| {
        let recording = place.for_builder("recording.jsonl.zst");
        let (record, recording) = (record.display(), recording.display());
        format!("sudo enforcer run --profile {profile} --json {record} --record {recording} -- ")
    });
    let builder = builder("$app");
    let script = format!(
        "app=$(testbed-app {app})
         {builder} {wrapper}{install} || status=$?
         testbed-evidence settle >&2
         exit ${{status:-0}}"
    );
    let ended = sh(&script);
    (ended, Evidence::gather())
}

/// Whether an install published a new version of the victim's package.
#[derive(Debug, PartialEq, Eq)]
struct Spread {
    bare: bool,
    enforced: bool,
}

/// The versions of the victim's package in the registry.
fn published() -> String {
    sh("cd /srv/registry/storage/left-pad-fixture && ls *.tgz").success().stdout
}

/// The theft happens bare, and does not under each profile; the report names the package. Under `npm-install` the install
/// goes on.
fn stopped(profiles: &[&str], app: &str, command: &str, package: &str, clean: &Path) -> Spread {
    let place = Place::new();
    let before = published();
    let (ended, bare) = install(&place, "registry", app, command, None);
    ended.success();
    bare.shows_theft();
    let mut spread = Spread { bare: bare.published != before, enforced: false };
    for &profile in profiles {
        println!("{profile}");
        let (ended, held) = install(&place, "registry", app, command, Some(profile));
        if profile == "npm-install" {
            held.shows_nothing_but_attempts();
        } else {
            // A learnt profile does not even let it keep its account.
            held.shows_nothing();
        }
        let lines = read_record(&place.for_builder("record.jsonl"));
        let theirs = lines.iter().filter(|line| line["package"]["name"] == package).count();
        assert!(theirs > 0, "no denial names {package}: {lines:#?}");
        assert!(ended.stderr.contains(package), "{}", ended.stderr);
        for forget in [false, true] {
            let replayed = replayed(&place.for_builder("recording.jsonl.zst"), forget);
            assert_eq!((&replayed["lost"], &replayed["cut"]), (&json!(0), &json!([])), "{replayed:#}");
            let findings = replayed["findings"].as_array().unwrap().iter();
            assert!(
                findings.filter(|f| f["package"].as_str().unwrap().contains(package)).count() > 0,
                "{replayed:#}"
            );
        }
        if profile == "npm-install" {
            // Under the strict profile all of it would have been denied, too.
            let [own, strict] = ["", "--profile npm-ci-strict"].map(|asked| {
                let recording = place.for_builder("recording.jsonl.zst");
                let asked =
                    sh(&format!("enforcer replay --json {asked} {} || [ $? = 1 ]", recording.display()));
                let answer: Value = serde_json::from_str(&asked.success().stdout).unwrap();
                answer["denied"].as_u64().unwrap()
            });
            assert!(strict >= own && own > 0, "{strict} {own}");
            // What is new against an install of something harmless, and nothing else, is the package's.
            let news = news(clean, &place.for_builder("recording.jsonl.zst"));
            let others: Vec<_> = news.iter().filter(|new| new["package"] != package).collect();
            assert!(others.is_empty() && news.len() > 3, "{news:#?}");
        }
        spread.enforced |= held.published != bare.published;
        if profile == "npm-install" {
            ended.success();
        }
    }
    spread
}

/// What a recording has that an earlier one has not.
fn news(old: &Path, new: &Path) -> Vec<Value> {
    let compared =
        sh(&format!("enforcer compare --json {} -- {} || [ $? = 1 ]", old.display(), new.display()));
    let mut compared: Value = serde_json::from_str(&compared.success().stdout).unwrap();
    std::mem::take(compared["news"].as_array_mut().unwrap())
}

/// A recording of the install of something harmless.
fn clean() -> &'static Path {
    static CLEAN: OnceLock<(Place, PathBuf)> = OnceLock::new();
    let (_, recording) = CLEAN.get_or_init(|| {
        let place = Place::new();
        let app = "--empty /home/builder/empty";
        install(&place, "registry", app, "npm install left-pad-fixture", Some("npm-install")).0.success();
        let recording = place.for_builder("recording.jsonl.zst");
        (place, recording)
    });
    recording
}

#[test]
fn the_dropper() {
    // The lock file of the day before, installed twice: elsewhere and on another day nothing is news.
    let place = Place::new();
    let clean = ["clean", "clean /home/builder/job-2/checkout"].map(|app| {
        install(&place, "registry", app, "npm ci", Some("npm-install")).0.success();
        sh("date -s '+1 day'").success();
        let recording = place.path(&app.replace(['/', ' '], "-"));
        std::fs::rename(place.for_builder("recording.jsonl.zst"), &recording).unwrap();
        recording
    });
    sh("date -s '-2 days'").success();
    assert_eq!(news(&clean[0], &clean[1]), Vec::<Value>::new());
    // A profile that is learnt from these lets a third one through, and the dropper, whose script it lets start, do nothing.
    let learnt = place.path("learnt.yaml");
    let learnt = learnt.to_str().unwrap();
    let [one, other] = clean.each_ref().map(|recording| recording.display());
    sh(&format!(
        "enforcer learn {one} {other} -o {learnt} && enforcer replay --profile {learnt} {one} {other}"
    ))
    .success();
    install(&place, "registry", "clean /home/builder/third", "npm ci", Some(learnt)).0.success();
    let lines = read_record(&place.for_builder("record.jsonl"));
    let denials: Vec<_> = lines.iter().filter(|line| line["type"] == "event").collect();
    assert!(denials.is_empty() && !lines.is_empty(), "{denials:#?}");
    stopped(&["npm-install", learnt], "trojaned", "npm ci", "plain-crypto-js-fixture", &clean[0]);
}

#[test]
fn the_worm() {
    let spread = stopped(
        &["npm-install"],
        "--empty /home/builder/empty",
        "npm install @enforcer-fixture/tinycolor",
        "@enforcer-fixture/tinycolor",
        clean(),
    );
    assert_eq!(spread, Spread { bare: true, enforced: false });
}

#[test]
fn the_miner() {
    stopped(
        &["npm-install"],
        "--empty /home/builder/empty",
        "npm install ua-parser-fixture",
        "ua-parser-fixture",
        clean(),
    );
}
