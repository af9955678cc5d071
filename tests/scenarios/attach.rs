// SPDX-License-Identifier: MIT OR Apache-2.0

//! A tree that runs already is put under a profile.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::guest::{Place, finish, sh, signal, until};

/// Everything may be read but the secret.
const DENIES: &str = "  all:\n    exec: { default: allow }\n    files: { read: { default: allow, deny: [PLACE/secret] }, write: { default: allow } }\n";
/// A tree of shells, four deep, each of which tries again and again to read the secret: by itself, and by children that it goes
/// on making. The last of them tells what came of it by name.
const TREE: &str = r#"
depth=$1 place=$2
[ "$depth" -lt 4 ] && { bash "$place/tree" $((depth + 1)) "$place" & }
while [ ! -e "$place/over" ]; do
    { read -r line <"$place/secret"; } 2>/dev/null && echo >"$place/read-$depth" || echo >"$place/denied-$depth"
    (cat "$place/secret" >/dev/null 2>&1 && echo >"$place/read-below-$depth" || echo >"$place/denied-below-$depth")
    sleep 0.2
done
wait
"#;

/// A tree that goes on until it is told to stop.
struct Tree<'a> {
    place: &'a Place,
    root: Child,
}

impl<'a> Tree<'a> {
    fn grow(place: &'a Place) -> Self {
        place.file("secret", "s3cret\n");
        let script = place.file("tree", TREE);
        let mut root = Command::new("bash");
        root.arg(script).arg("1").arg(place.path("")).stdin(Stdio::null());
        let tree = Self { place, root: root.spawn().unwrap() };
        // The control: all of it reads.
        tree.until_all("read");
        assert!(tree.told("denied").is_empty());
        tree
    }

    /// What those that read the secret, or were denied, are called.
    fn told(&self, what: &str) -> Vec<PathBuf> {
        let all = (1..=4).flat_map(|depth| [format!("{what}-{depth}"), format!("{what}-below-{depth}")]);
        all.map(|name| self.place.path(&name)).filter(|path| path.exists()).collect()
    }

    /// Waits until all of it have.
    fn until_all(&self, what: &str) {
        until(what, || self.told(what).len() == 8);
    }

    /// Forgets what has come of it so far.
    fn forget(&self) {
        for what in ["read", "denied"] {
            self.told(what).iter().for_each(|path| fs::remove_file(path).unwrap());
        }
    }
}

impl Drop for Tree<'_> {
    fn drop(&mut self) {
        self.place.file("over", "");
        let _ = self.root.wait();
    }
}

/// Puts a tree under a profile, and waits until it is.
fn attach(profile: &Path, pid: u32, log: &Path, options: &[&str]) -> Child {
    let mut attach = Command::new("enforcer");
    attach.args(["attach", "--pid", &pid.to_string(), "--profile"]).arg(profile).args(options);
    let mut child = attach.stderr(fs::File::create(log).unwrap()).spawn().unwrap();
    until("it is held", || {
        let said = fs::read_to_string(log).unwrap();
        assert!(child.try_wait().unwrap().is_none(), "{said}");
        said.contains("is held to the profile")
    });
    child
}

#[test]
fn a_tree_that_grows_all_the_time_is_held_as_a_whole() {
    let place = Place::new();
    let (profile, log) = (place.profile_file(&format!("stages:\n{DENIES}")), place.path("log"));
    let mut tree = Tree::grow(&place);
    let record = place.path("tree.jsonl");
    let mut held = attach(&profile, tree.root.id(), &log, &["--record", record.to_str().unwrap()]);
    // From here on none of it reads, whatever it started before, and whatever it goes on to start.
    tree.forget();
    tree.until_all("denied");
    assert!(tree.told("read").is_empty(), "{:?}", tree.told("read"));
    // Who is outside does.
    sh(&format!("cat {}", place.path("secret").display())).success();
    place.file("over", "");
    tree.root.wait().unwrap();
    assert_eq!(held.wait().unwrap().code(), Some(0));
    let said = fs::read_to_string(&log).unwrap();
    assert!(said.contains("denied") && said.contains("secret"), "{said}");
    // Its verdicts are reproduced, though nothing was seen of how its stages were come by.
    let replay = sh(&format!("enforcer replay --json {}", record.display()));
    let answer: serde_json::Value = serde_json::from_str(&replay.stdout).unwrap();
    assert_eq!((&answer["own"], &answer["not_reproduced"]), (&answer["events"], &0.into()), "{answer:#}");
}

#[test]
fn who_is_interrupted_leaves_the_tree_held() {
    let place = Place::new();
    let (profile, log) = (place.profile_file(&format!("stages:\n{DENIES}")), place.path("log"));
    let tree = Tree::grow(&place);
    let mut held = attach(&profile, tree.root.id(), &log, &[]);
    signal(held.id(), libc::SIGTERM);
    assert_eq!(held.wait().unwrap().code(), Some(128 + libc::SIGTERM));
    tree.forget();
    tree.until_all("denied");
    assert!(tree.told("read").is_empty());
    // It has a run, and gets no other.
    let mut second = Command::new("enforcer");
    second.args(["attach", "--pid", &tree.root.id().to_string(), "--profile"]).arg(&profile);
    let refused = finish(second);
    assert!(refused.status == 125 && refused.stderr.contains("held to a run already"), "{refused:?}");
}

#[test]
fn over_a_budget_all_of_it_is_ended() {
    let place = Place::new();
    let (profile, log) =
        (place.profile_file(&format!("budgets: {{ denials: 20 }}\nstages:\n{DENIES}")), place.path("log"));
    let mut tree = Tree::grow(&place);
    let mut held = attach(&profile, tree.root.id(), &log, &[]);
    until("its root is killed", || tree.root.try_wait().unwrap().is_some());
    let script = place.path("tree");
    until("all of it is", || sh(&format!("pgrep --full {}", script.display())).status == 1);
    assert_eq!(held.wait().unwrap().code(), Some(101), "{}", fs::read_to_string(&log).unwrap());
}

#[test]
fn what_a_process_says_of_itself_opens_nothing() {
    let place = Place::new();
    let (home, log) = (place.path("home"), place.path("log"));
    let secret = place.file("home/secret", "s3cret\n");
    sh(&format!("useradd --home-dir {} attached && chown attached {}", home.display(), secret.display()))
        .success();
    let profile = place.profile_file(
        "stages:\n  all:\n    exec: { default: allow }\n    files: { read: { default: allow, deny: [~/secret] }, write: { default: allow } }\n",
    );
    let script = format!(
        "until [ -e {0}/over ]; do cat {1} >/dev/null 2>&1 && echo >{0}/read || echo >{0}/denied; sleep 0.2; done",
        place.path("").display(),
        secret.display()
    );
    sh(&format!("chmod 777 {}", place.path("").display())).success();
    let mut job = Command::new("setpriv");
    job.args(["--reuid=attached", "--clear-groups", "bash", "-c", &script]);
    job.env("HOME", "/elsewhere").env("TMPDIR", &home).env("ENFORCER_PROFILE", "/elsewhere.yaml");
    let mut job = job.stdin(Stdio::null()).spawn().unwrap();
    until("it reads", || place.path("read").exists());
    // Who attaches names the profile.
    let unnamed = sh(&format!("enforcer attach --pid {}", job.id()));
    assert!(unnamed.status == 125 && unnamed.stderr.contains("no profile"), "{unnamed:?}");
    let mut held = attach(&profile, job.id(), &log, &[]);
    fs::remove_file(place.path("read")).unwrap();
    until("it is denied", || place.path("denied").exists());
    let _ = fs::remove_file(place.path("read"));
    fs::remove_file(place.path("denied")).unwrap();
    until("it is denied again", || place.path("denied").exists());
    assert!(!place.path("read").exists());
    place.file("over", "");
    job.wait().unwrap();
    held.wait().unwrap();
    sh("userdel attached").success();
}

#[test]
fn what_cannot_be_held_is_refused() {
    let place = Place::new();
    let profile = place.profile_file(&format!("stages:\n{DENIES}"));
    let profile = profile.display();
    let refused = |pid: &str, options: &str, why: &str| {
        let refused = sh(&format!("exec enforcer attach --pid {pid} --profile {profile} {options}"));
        assert!(refused.status == 125 && refused.stderr.contains(why), "{pid} {options}: {refused:?}");
    };
    refused("4194304", "", "there is no process 4194304");
    refused(&std::process::id().to_string(), "", "one that has started it");
    refused("0", "", "invalid value");
    refused("4194304", "--sign key", "--evidence");
    let builder = crate::guest::builder("/");
    let refused = sh(&format!("{builder} enforcer attach --pid 4194304 --profile {profile}"));
    assert!(refused.status == 125 && refused.stderr.contains("takes root"), "{refused:?}");
}
