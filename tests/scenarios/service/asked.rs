// SPDX-License-Identifier: MIT OR Apache-2.0

//! `enforcer run` by members of the group, who are not root.

use super::{Service, as_builder, denies, quiet, runs, status};
use crate::guest::{Ended, Place, sh, until};

/// As the user `builder`, in a group of its own choice.
fn run(command: &str) -> Ended {
    as_builder(&format!("cd /; enforcer run {command}"))
}

#[test]
fn members_of_the_group_run_commands_without_being_root() {
    let place = Place::new();
    sh("groupadd -f enforcer && usermod -aG enforcer builder").success();
    let work = place.for_builder("work");
    sh(&format!("mkdir -p {0} && chown builder {0}", work.display())).success();
    let [one, other] = ["one", "other"].map(|name| work.join(name));
    let [one, other] = [&one, &other].map(|path| path.to_str().unwrap());
    sh(&format!("echo x >{one}; echo x >{other}; chown builder {one} {other}")).success();
    let _service = Service::start(
        &place,
        &[
            ("asked", &denies("  []", one)),
            ("selected", &denies("  - argv: [tac, '**']", other)),
            ("variable", &denies("  []", "'${env.SECRETS}/*'")),
        ],
    );
    let before = status()["selected"]["enrolled"].as_u64().unwrap();
    // What the profile denies, and that alone, is denied, and it is shown to who asked.
    let denied = run(&format!("--profile asked -- cat {one} {other}"));
    assert_eq!((denied.status, denied.stdout.as_str()), (1, "x\n"), "{denied:#?}");
    assert!(denied.stderr.contains("denied") && denied.stderr.contains(one), "{}", denied.stderr);
    assert_eq!(as_builder(&format!("cat {one} {other}")).success().stdout, "x\nx\n");
    // Status, streams and what is asked for come through; also of many in a row, some of which are over at once.
    for status in 0..10 {
        assert_eq!(run(&format!("--profile asked -- sh -c 'exit {status}'")).status, status);
    }
    let failed = run(&format!("--fail-on-denial --profile asked -- sh -c 'cat {one} || true'"));
    assert_eq!(failed.status, 100, "{failed:#?}");
    run("--fail-on-denial --profile asked -- true").success();
    // A variable of the environment means what it does for the command.
    let variable = format!("SECRETS={} enforcer run --profile variable -- cat {one}", work.display());
    assert_eq!(as_builder(&format!("cd /; {variable}")).status, 1);
    // Only what is started by it is enrolled, and what outlives it stays so.
    let left = run(&format!("--profile asked -- sh -c '(sleep 2; cat {one} || echo held) >{other} 2>&1 &'"));
    assert_eq!(left.status, 0, "{left:#?}");
    quiet();
    assert!(std::fs::read_to_string(other).unwrap().ends_with("held\n"));
    assert_eq!(status()["selected"]["enrolled"], before + 15);
    // What is selected for another profile is held to that one, whatever was asked for.
    let selected = run(&format!("--profile asked -- tac {one} {other}"));
    assert!(selected.stdout == "x\n" && selected.stderr.contains("profile selected"), "{selected:#?}");
    // Ended by root.
    let mut long = std::process::Command::new("runuser");
    long.args(["-u", "builder", "--", "enforcer", "run", "--profile", "asked", "--", "sleep", "1000"]);
    let mut long = long.spawn().unwrap();
    until("it is held", || runs().len() == 1);
    sh(&format!("enforcer kill {}", runs()[0]["run"])).success();
    assert_eq!(long.wait().unwrap().code(), Some(101));
    // What cannot be done is refused before anything is started.
    for (command, why) in [
        ("--profile nothing -- touch {}", "it has: asked, selected, variable"),
        ("--profile ./own.yaml -- touch {}", "takes root"),
        ("--profile asked --json /tmp/x -- touch {}", "--json takes root"),
        ("--profile asked -- no-such-command {}", "command not found"),
    ] {
        let new = work.join("new");
        let refused = run(&command.replace("{}", new.to_str().unwrap()));
        assert!(refused.status >= 125 && refused.stderr.contains(why), "{command}: {refused:#?}");
        assert!(!new.exists(), "{command}");
    }
    // Who is not of the group is refused.
    sh("gpasswd -d builder enforcer").success();
    let refused = run("--profile asked -- true");
    assert!(refused.status == 125 && refused.stderr.contains("closed to you"), "{refused:#?}");
    quiet();
}

/// Asks for a run, says what comes back, and starts nothing.
const IDLE: &str = r#"
import socket, time
service = socket.socket(socket.AF_UNIX)
service.connect("/run/enforcer/control.sock")
service.sendall(b'{"version":1,"ask":{"run":{"profile":"asked"}}}\n')
print(service.recv(100), flush=True)
time.sleep(1000)
"#;

#[test]
fn a_promise_ends_with_the_process_that_had_it() {
    let place = Place::new();
    let mut service = Service::start(&place, &[("asked", &denies("  []", "/nothing"))]);
    let promised = || sh("bpftool --json map dump pinned /sys/fs/bpf/enforcer/*/map-CLAIMS").success().stdout;
    assert_eq!(promised().trim(), "[]");
    let mut idle = std::process::Command::new("python3");
    let said = place.path("said");
    idle.args(["-c", IDLE]).stdout(std::fs::File::create(&said).unwrap());
    let mut idle = idle.spawn().unwrap();
    until("it is promised", || std::fs::read_to_string(&said).unwrap().contains("claimed"));
    service.end(libc::SIGKILL);
    service.begin();
    // It may still start something, which would be held.
    assert_ne!(promised().trim(), "[]");
    idle.kill().unwrap();
    idle.wait().unwrap();
    until("it is taken back", || promised().trim() == "[]");
}
