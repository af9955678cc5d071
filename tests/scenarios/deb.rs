// SPDX-License-Identifier: MIT OR Apache-2.0

//! The Debian package, in a guest booted with systemd.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use crate::{
    guest::{Place, sh, until},
    incident::Evidence,
};

const PROFILES: &str = "/etc/enforcer/profiles";
const UNIT: &str = "enforcer.service";
/// A profile that somebody wrote.
const OWN: &str = "version: 1\nname: own\nowner: own@example.com\nmode: audit\nstages: { own: {} }\n";

/// Installs one of the packages that stand beside this program. Nothing asks anything, and nothing waits for an emulated disk.
fn install(name: &str) {
    let package = std::env::current_exe().unwrap().with_file_name(name);
    sh(&format!("dpkg --force-unsafe-io --install {}", package.display())).success();
}

fn profiles() -> BTreeSet<String> {
    let entries = fs::read_dir(PROFILES).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Whether the unit runs, and whether it is enabled.
fn state() -> String {
    let shown = sh(&format!("systemctl show --property=ActiveState,UnitFileState {UNIT}")).success().stdout;
    let mut lines: Vec<&str> = shown.lines().collect();
    lines.sort_unstable();
    lines.join(" ")
}

/// The service's process, if it enrols what is selected.
fn service() -> Option<u64> {
    let asked = sh("enforcer status --json");
    let status: Value = serde_json::from_str(&asked.stdout).ok()?;
    (asked.status == 0).then(|| status["pid"].as_u64().unwrap())
}

#[test]
fn it_is_installed_upgraded_and_purged() {
    let _place = Place::alone();
    // Every guest has an enforcer, and the profiles of the sources.
    let is_profile = |name: &String| name.ends_with(".yaml") && name != "sets.yaml";
    let shipped: BTreeSet<_> = profiles().into_iter().filter(is_profile).collect();
    fs::remove_dir_all("/etc/enforcer").unwrap();
    fs::remove_file("/usr/local/bin/enforcer").unwrap();

    install("first.deb");
    assert_eq!(profiles(), shipped);
    sh("getent group enforcer").success();
    let verified = sh(&format!("systemd-analyze verify --man=no {UNIT}")).success();
    assert_eq!(verified.stderr, "");
    // Nothing is held to anything before somebody says so.
    assert_eq!(state(), "ActiveState=inactive UnitFileState=disabled");

    // Few profiles, for compiling them takes an emulated processor a second each.
    let profile = |name: &str| Path::new(PROFILES).join(name);
    shipped
        .iter()
        .filter(|name| *name != "node-build.yaml")
        .for_each(|name| fs::remove_file(profile(name)).unwrap());
    let changed = fs::read_to_string(profile("node-build.yaml")).unwrap() + "# changed\n";
    fs::write(profile("node-build.yaml"), &changed).unwrap();
    fs::write(profile("own.yaml"), OWN).unwrap();
    // What the unit takes away from the service is nothing that it takes to load programs, and to prove a denial.
    let started = sh(&format!("systemctl enable --now {UNIT} || journalctl --unit={UNIT} --output=cat"));
    let first = service();
    assert!(first.is_some(), "{started:#?}");

    // An upgrade changes the process, and nothing that people did.
    let before = profiles();
    install("second.deb");
    let version = sh("dpkg-query --show --showformat='${Version} ${db:Status-Abbrev}' enforcer").success();
    assert!(version.stdout.trim_end().ends_with("-2 ii"), "{version:#?}");
    assert_eq!(profiles(), before);
    assert_eq!(fs::read_to_string(profile("node-build.yaml")).unwrap(), changed);
    assert_eq!(state(), "ActiveState=active UnitFileState=enabled");
    let second = service();
    assert!(second.is_some() && second != first, "{first:?}, {second:?}");

    // And nothing but what people wrote stays after a purge, and the group.
    let listed = sh("dpkg --listfiles enforcer").success().stdout;
    let mut files: Vec<&str> = listed.lines().filter(|file| Path::new(file).is_file()).collect();
    assert!(files.contains(&"/usr/bin/enforcer"), "{files:?}");
    files.extend(["/var/lib/enforcer", "/run/enforcer", "/sys/fs/bpf/enforcer"]);
    files.push("/etc/systemd/system/multi-user.target.wants/enforcer.service");
    sh("dpkg --purge enforcer").success();
    files.retain(|file| fs::symlink_metadata(file).is_ok());
    assert_eq!(files, Vec::<&str>::new());
    assert_eq!(profiles(), BTreeSet::from(["own.yaml".to_owned()]));
    assert_eq!(state(), "ActiveState=inactive UnitFileState=");
}

/// Jobs of a user at the same time.
const JOBS: usize = 3;

#[test]
fn three_jobs_at_once_are_held_beside_ordinary_work() {
    let _place = Place::alone();
    sh("rm -rf /etc/enforcer /usr/local/bin/enforcer").success();
    install("first.deb");
    // Compiling profiles takes an emulated processor a second each.
    let others = profiles().into_iter().filter(|name| name != "npm-install.yaml");
    others.for_each(|name| fs::remove_file(Path::new(PROFILES).join(name)).unwrap());
    sh(&format!("systemctl start {UNIT}")).success();
    sh("testbed-services start registry && testbed-evidence start").success();
    // What others do at the same time, which the profile would deny: none of it selects.
    let home = sh("getent passwd builder | cut -d: -f6").success().stdout.trim_end().to_owned();
    let ordinary = "until [ -e $0/over ]; do cat $0/.npmrc >/dev/null && (exec 3<>/dev/udp/127.0.0.1/9) && touch $0/.bashrc || echo failed; n=$((n+1)); sleep 0.2; done; echo done $n";
    let job = |unit: &str, directory: &str, command: &str| {
        sh(&format!(
            "systemd-run --quiet --no-block --uid=builder --unit={unit} --property=RemainAfterExit=yes \
             --property=StandardOutput=file:/run/{unit}.out --property=StandardError=inherit --setenv=HOME={home} \
             --working-directory={directory} -- {command}"
        ))
        .success();
    };
    job("ordinary", &home, &format!("bash -c '{ordinary}' {home}"));
    let units: Vec<_> = (0..JOBS).map(|index| format!("job-{index}")).collect();
    let apps: Vec<_> = units.iter().map(|unit| format!("{home}/{unit}")).collect();
    for app in &apps {
        sh(&format!("testbed-app trojaned {app}")).success();
    }
    for (unit, app) in units.iter().zip(&apps) {
        job(unit, app, "npm ci");
    }
    let shown = |unit: &str, property: &str| {
        sh(&format!("systemctl show --value --property={property} {unit}"))
            .success()
            .stdout
            .trim_end()
            .to_owned()
    };
    for unit in &units {
        until("the job is over", || {
            shown(unit, "SubState") != "running" && shown(unit, "ActiveState") != "activating"
        });
        let out = || {
            let journal = sh(&format!("journalctl --unit={UNIT} --output=short-monotonic")).stdout;
            fs::read_to_string(format!("/run/{unit}.out")).unwrap_or_default() + &journal
        };
        assert_eq!(
            (shown(unit, "Result"), shown(unit, "ExecMainStatus")),
            ("success".into(), "0".into()),
            "{}",
            out()
        );
    }
    fs::write(format!("{home}/over"), "").unwrap();
    until("ordinary work is over", || shown("ordinary", "SubState") != "running");
    let ordinary = fs::read_to_string("/run/ordinary.out").unwrap();
    assert!(ordinary.starts_with("done ") && !ordinary.starts_with("done 0"), "{ordinary}");
    sh("testbed-evidence settle").success();
    let evidence = Evidence::gather();
    evidence.shows_nothing_but_attempts();
    // Three were enrolled, and each is told of its own: no denial of one names what is in another's directory.
    until("all runs are over", || {
        let status: Value = serde_json::from_str(&sh("enforcer status --json").success().stdout).unwrap();
        assert_eq!(status["selected"]["enrolled"], JOBS);
        status["runs"].as_array().unwrap().is_empty()
    });
    let journal = sh(&format!("journalctl --unit={UNIT} --output=cat")).success().stdout;
    for (unit, app) in units.iter().zip(&apps) {
        let leader = shown(unit, "ExecMainPID");
        let begun = journal
            .lines()
            .find(|line| line.contains(&format!("(pid {leader}, builder) under npm-install: ")));
        let run =
            begun.and_then(|line| line.split(':').next()).unwrap_or_else(|| panic!("{leader}: {journal}"));
        let told: Vec<_> = journal.lines().filter(|line| line.starts_with(&format!("{run}: "))).collect();
        assert!(
            told.iter().any(|line| line.contains("denied") && line.contains("plain-crypto-js-fixture")),
            "{told:#?}"
        );
        // They are found by their fields.
        let number = run.strip_prefix("run ").unwrap();
        let fields =
            format!("ENFORCER_RUN={number} ENFORCER_VERDICT=deny ENFORCER_PACKAGE=plain-crypto-js-fixture");
        let found = sh(&format!("journalctl --unit={UNIT} --output=cat {fields}")).success().stdout;
        assert!(found.contains("denied") && found.lines().all(|line| told.contains(&line)), "{found}");
        let stray =
            |line: &&&str| apps.iter().any(|other| other != app && line.contains(&format!("{other}/")));
        assert_eq!(told.iter().find(stray), None);
    }
    sh("dpkg --purge enforcer").success();
}
