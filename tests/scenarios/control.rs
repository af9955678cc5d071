// SPDX-License-Identifier: MIT OR Apache-2.0

//! Outside of a run nothing changes, and runs do not touch each other.

use std::{
    net::TcpListener,
    process::{Command, Stdio},
    thread,
};

use crate::guest::{Place, Tally, attack, bare, collect};

#[test]
fn a_process_outside_is_free_while_a_run_is_denied_the_same() {
    let place = Place::new();
    let secret = place.file("secret", "s3cret");
    let stop = place.path("stop");
    let listener = TcpListener::bind("198.51.100.21:0").unwrap();
    let to = listener.local_addr().unwrap().to_string();
    thread::spawn(move || listener.incoming().for_each(drop));
    let profile =
        place.profile("{ exec: { allow: [\"/mnt/**\"] }, files: { read: { deny: [\"PLACE/secret\"] } } }");
    let attempts: [&[&str]; 3] =
        [&["read", secret.to_str().unwrap()], &["exec", "/usr/bin/true"], &["send", "connect-tcp", &to]];
    let script = "import subprocess,sys,os,json
attack, stop = sys.argv[1:3]
ways = [way.split(' ') for way in sys.argv[3:]]
rounds = 0
while not os.path.exists(stop) or rounds < 1:
    for way in ways:
        tally = json.loads(subprocess.run([attack] + way, stdout=subprocess.PIPE).stdout)
        assert tally == {'allowed': 0, 'denied': 1, 'failed': 0}, (way, tally)
    rounds += 1
    print(rounds, flush=True)
";
    let mut run = Command::new("enforcer");
    run.args(["run", "-q", "--profile"]).arg(&profile).args(["--", "python3", "-c", script]);
    run.arg(attack()).arg(&stop).args(attempts.map(|args| args.join(" ")));
    run.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = run.spawn().unwrap();
    for _ in 0..10 {
        for args in attempts {
            assert_eq!(bare(args), Tally::allowed(1), "{args:?}");
        }
    }
    std::fs::write(&stop, "").unwrap();
    collect(child).success();
}

#[test]
fn two_runs_at_once_each_have_their_own_profile() {
    let place = [Place::new(), Place::new()];
    let secret = place.each_ref().map(|place| place.file("secret", "s3cret"));
    let ready = place.each_ref().map(|place| place.path("ready"));
    let children: Vec<_> = (0..2)
        .map(|mine| {
            let profile = place[mine].profile(
                "{ exec: { allow: [\"/mnt/**\", cat] }, files: { read: { deny: [\"PLACE/secret\"] }, write: { allow: [\"PLACE/**\"] } } }",
            );
            let script = format!(
                "import os,time
open('{}','w')
while not os.path.exists('{}'): time.sleep(0.02)
def can(path):
    try: open(path); return True
    except PermissionError: return False
print(can('{}'), can('{}'))",
                ready[mine].display(),
                ready[1 - mine].display(),
                secret[mine].display(),
                secret[1 - mine].display()
            );
            let mut run = Command::new("enforcer");
            run.args(["run", "-q", "--profile"]).arg(profile).args(["--", "python3", "-c", &script]);
            run.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            run.spawn().unwrap()
        })
        .collect();
    for child in children {
        assert_eq!(collect(child).success().stdout, "False True\n");
    }
}
