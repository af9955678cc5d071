// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which commands are enrolled, and with which values of variables.

use std::fs;

use super::{JOB, Service, as_builder, denies, quiet, status};
use crate::guest::{Place, sh};

fn job(place: &Place, name: &str) -> String {
    let path = place.file(name, JOB);
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn what_is_selected_is_held_and_nothing_else() {
    let place = Place::new();
    let secret = place.file("secret", "x");
    let secret = secret.to_str().unwrap();
    let (one, other) = (job(&place, "one-job"), job(&place, "other-job"));
    let profile = denies("  - argv: [one-job, \"**\"]\n    env: { CI_PROJECT: 'org/*' }", secret);
    let service = Service::start(&place, &[("jobs", &profile)]);
    let (read, denied) = (format!("read {secret}\n"), format!("denied {secret}\n"));
    for (command, expected) in [
        (format!("CI_PROJECT=org/app {one} {secret}"), &denied),
        // A shell that reads it, and one that finds it by env.
        (format!("CI_PROJECT=org/app sh {one} {secret}"), &denied),
        (format!("CI_PROJECT=org/app env -- sh {one} {secret}"), &denied),
        // What it starts, and what outlives it.
        (format!("CI_PROJECT=org/app {one} /dev/null {secret} | tail -n 1"), &denied),
        // Neither another project's, nor another command.
        (format!("CI_PROJECT=other/app {one} {secret}"), &read),
        (format!("{one} {secret}"), &read),
        (format!("CI_PROJECT=org/app {other} {secret}"), &read),
        (format!("CI_PROJECT=org/app sh -c 'cat {secret} >/dev/null && echo read {secret}' {one}"), &read),
    ] {
        assert_eq!(&sh(&command).success().stdout, expected, "{command}");
    }
    quiet();
    let selected = &status()["selected"];
    assert!(selected["enrolled"].as_u64() >= Some(4), "{selected}");
    assert_eq!((&selected["full"], &selected["missed"]), (&0.into(), &0.into()));
    service.tells("under jobs: ");
    service.tells("denied");
}

#[test]
fn variables_have_the_values_of_the_command() {
    let place = Place::new();
    let job = job(&place, "job");
    let files = "\"~/mine\", \"${workspace}/here\", \"${tmp}/there\", \"${env.CACHE:-~/cache}/file\", \"${env.SET:-/x}/file\"";
    let profile = denies("  - argv: [job]\n    uid: builder\n    cwd: /var/tmp/**", files);
    let _service = Service::start(&place, &[("variables", &profile)]);
    let work = place.for_builder("work");
    let work = work.to_str().unwrap();
    let set_up = format!(
        "mkdir -p {work}/tmp {work}/home/cache ~/cache; cd {work}
         for file in here tmp/there home/mine home/cache/file ~/mine ~/cache/file; do echo x > $file; done;"
    );
    let tried = format!("here tmp/there {work}/home/mine {work}/home/cache/file ~/mine ~/cache/file");
    let ask = |variables: &str| {
        let asked = as_builder(&format!("export HOME=/home/builder; {set_up} {variables} {job} {tried}"));
        let lines = asked.success().stdout;
        lines.lines().map(|line| if line.starts_with("denied") { 'x' } else { '.' }).collect::<String>()
    };
    // By default: the directory that it is started in, the home directory that the system lists, /tmp.
    assert_eq!(ask(""), "x...xx");
    assert_eq!(ask(&format!("TMPDIR={work}/tmp")), "xx..xx");
    assert_eq!(ask(&format!("TMPDIR={work}/tmp/")), "xx..xx");
    assert_eq!(ask(&format!("env HOME={work}/home")), "x.xx..");
    assert_eq!(ask("CACHE=/home/builder/cache"), "x...xx");
    assert_eq!(ask(&format!("CACHE={work}/home/cache")), "x..xx.");
    assert_eq!(ask(&format!("SET={work}/home/cache")), "x..xxx");
    // Somewhere else, and somebody else: not selected.
    let home = as_builder(&format!("cd /home/builder; {job} mine")).success();
    assert_eq!(home.stdout, "read mine\n");
    assert_eq!(sh(&format!("cd {work}; {job} here")).success().stdout, "read here\n");
    // What cannot be a variable's value: the command is killed, and that is told.
    let before = status()["selected"]["unusable"].as_u64().unwrap();
    let long = format!("{work}/{}/{}", "l".repeat(200), "m".repeat(200));
    let killed = as_builder(&format!("mkdir -p {long}; cd {long}; {job} /dev/null"));
    assert_eq!(killed.status, 128 + libc::SIGKILL, "{killed:?}");
    assert_eq!(status()["selected"]["unusable"], before + 1);
}

#[test]
fn what_profiles_say_changes_all_at_once() {
    let place = Place::new();
    let job = job(&place, "job");
    let [one, other] = ["one", "other"].map(|name| place.file(name, "x"));
    let [one, other] = [&one, &other].map(|path| path.to_str().unwrap());
    let service = Service::start(&place, &[("changing", &denies("  - argv: [job]", one))]);
    let tries = || sh(&format!("{job} {one} {other}")).success().stdout;
    assert_eq!(tries(), format!("denied {one}\nread {other}\n"));
    // One that was begun before the change goes on under what it began with.
    let wait = place.path("wait");
    sh(&format!("mkfifo {}", wait.display())).success();
    sh(&format!("{job} {} {one} {other} >{} 2>&1 &", wait.display(), place.path("early").display()))
        .success();
    service.profile("changing", &denies("  - argv: [job]", other));
    service.tells("profiles read");
    assert_eq!(tries(), format!("read {one}\ndenied {other}\n"));
    // A bad one changes nothing, and is told.
    service.profile("broken", "stages: {}\n");
    service.tells("profiles stay as they were");
    assert_eq!(tries(), format!("read {one}\ndenied {other}\n"));
    assert!(status()["problem"].as_str().unwrap().contains("broken.yaml"), "{:#}", status());
    // So does a second one that selects the same.
    service.profile("broken", &denies("  - argv: [job]", one));
    crate::guest::until("the tie is told", || service.told().contains("both select some commands"));
    assert_eq!(tries(), format!("read {one}\ndenied {other}\n"));
    fs::remove_file(service.profiles.join("broken.yaml")).unwrap();
    crate::guest::until("the problem is over", || status()["problem"].is_null());
    sh(&format!("echo >{}", wait.display())).success();
    let early = place.path("early");
    crate::guest::until("the early one is over", || {
        fs::read_to_string(&early).is_ok_and(|text| text.lines().count() == 3)
    });
    let text = fs::read_to_string(&early).unwrap();
    assert!(text.ends_with(&format!("denied {one}\nread {other}\n")), "{text}");
}
