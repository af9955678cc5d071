// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the scenarios share: a scratch place, a profile, a run under it, and what came of it.

use std::{
    fs,
    io::Read as _,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::keeper;

/// Longest that any command of a scenario may take. Emulated guests on a busy machine are slow; a hang is far slower.
const PATIENCE: Duration = Duration::from_secs(600);

/// How a script runs a command as the user `builder` in a directory. npm finds what node compiled of it the last time: compiling it
/// takes an emulated processor ten seconds.
pub(crate) fn builder(dir: &str) -> String {
    format!(
        "runuser -u builder -- env -C {dir} HOME=/home/builder NODE_COMPILE_CACHE=/tmp/node-compile-cache"
    )
}

/// The attack program, which stands beside this one.
pub(crate) fn attack() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    here.parent().unwrap().join("attack")
}

/// A directory of the test's own. Refuses to work anywhere but in the guest.
pub(crate) struct Place {
    dir: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self::bare();
        keeper::keep();
        place
    }

    /// A place for a test about loading the programs: none are loaded.
    pub(crate) fn alone() -> Self {
        let place = Self::bare();
        keeper::end();
        place
    }

    fn bare() -> Self {
        assert!(
            Path::new("/run/enforcer-testbed").exists(),
            "scenarios run in the guest only: cargo xtask test"
        );
        let dir = TempDir::new_in("/var/tmp").unwrap();
        fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        Self { dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A file with some content.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// A path below this place where the user `builder` can create files.
    pub(crate) fn for_builder(&self, name: &str) -> PathBuf {
        let dir = self.path("builder");
        fs::create_dir_all(&dir).unwrap();
        std::os::unix::fs::chown(&dir, Some(1000), Some(1000)).unwrap();
        dir.join(name)
    }

    /// A profile whose only stage is `stage`, a YAML mapping in flow style. `PLACE` in it stands for this place.
    pub(crate) fn profile(&self, stage: &str) -> PathBuf {
        self.profile_file(&format!("stages:\n  only: {stage}\n"))
    }

    /// A profile with these stages.
    pub(crate) fn profile_file(&self, stages: &str) -> PathBuf {
        let head = "version: 1\nname: scenario\nowner: tests@enforcer.example\n";
        let place = self.dir.path().to_str().unwrap();
        self.file("profile.yaml", &format!("{head}{}", stages.replace("PLACE", place)))
    }

    /// A run of `command` under `profile`, with its record kept here.
    pub(crate) fn run(&self, profile: &Path, command: &[&str]) -> Run {
        self.run_with(profile, &[], command)
    }

    /// The same, with more options.
    pub(crate) fn run_with(&self, profile: &Path, options: &[&str], command: &[&str]) -> Run {
        let record = self.path("record.jsonl");
        let mut run = Command::new("enforcer");
        run.args(["run", "--profile"]).arg(profile).arg("--json").arg(&record);
        let recording = self.path("recording.jsonl.zst");
        let _ = fs::remove_file(&recording);
        run.arg("--record").arg(&recording).args(options).arg("--").args(command);
        let run = Run { ended: finish(run), record };
        // Where nothing was started there is none.
        if recording.exists() {
            replayed(&recording, false);
        }
        run
    }

    /// The attack under `profile`, and its tally.
    pub(crate) fn attack(&self, profile: &Path, args: &[&str]) -> Tally {
        let attack = attack();
        let command: Vec<&str> = [attack.to_str().unwrap()].into_iter().chain(args.iter().copied()).collect();
        self.run(profile, &command).ended.tally()
    }
}

/// The attack with the enforcer out of the way.
pub(crate) fn bare(args: &[&str]) -> Tally {
    let mut command = Command::new(attack());
    command.args(args);
    finish(command).tally()
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// As a shell has it.
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Fails the test unless the command succeeded.
    pub(crate) fn success(self) -> Self {
        assert_eq!(self.status, 0, "{}", self.stderr);
        self
    }

    /// What the attack counted.
    pub(crate) fn tally(&self) -> Tally {
        let line = self.stdout.lines().last().unwrap_or_default();
        let json: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no tally: {self:#?}"));
        let number = |name: &str| json[name].as_u64().unwrap();
        Tally { allowed: number("allowed"), denied: number("denied"), failed: number("failed") }
    }
}

/// How attempts ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) allowed: u64,
    pub(crate) denied: u64,
    pub(crate) failed: u64,
}

impl Tally {
    pub(crate) const fn allowed(allowed: u64) -> Self {
        Self { allowed, denied: 0, failed: 0 }
    }

    pub(crate) const fn denied(denied: u64) -> Self {
        Self { allowed: 0, denied, failed: 0 }
    }
}

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) ended: Ended,
    record: PathBuf,
}

impl Run {
    /// The lines of the record.
    pub(crate) fn record(&self) -> Vec<Value> {
        read_record(&self.record)
    }

    /// The recorded denials.
    pub(crate) fn denials(&self) -> Vec<Value> {
        self.record().into_iter().filter(|line| line["type"] == "event").collect()
    }

    /// The end of the record.
    pub(crate) fn trailer(&self) -> Value {
        self.record()
            .pop()
            .filter(|line| line["type"] == "trailer")
            .unwrap_or_else(|| panic!("cut off: {self:#?}"))
    }
}

/// Replays a recording: the profile that made it decides the same again. With `forget`, stages and open addresses are worked
/// out, as for any other profile, and not taken from the recording.
pub(crate) fn replayed(recording: &Path, forget: bool) -> Value {
    let mut replay = Command::new("enforcer");
    replay.args(["replay", "--json"]).args(forget.then_some("--forget")).arg(recording);
    let ended = finish(replay);
    let answer: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:#?}"));
    assert!(ended.status < 2 && answer["recordings"] == 1, "{ended:#?}");
    let exact = if forget { json!(0) } else { answer["events"].clone() };
    assert_eq!((&answer["own"], &answer["not_reproduced"]), (&exact, &json!(0)), "{answer:#}");
    if answer["lost"] == 0 {
        for changed in ["newly_denied", "newly_allowed", "strayed", "undecided"] {
            assert_eq!(answer[changed], 0, "{changed}: {answer:#}");
        }
    }
    answer
}

/// The lines of a record.
pub(crate) fn read_record(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Runs a shell script outside of any run.
pub(crate) fn sh(script: &str) -> Ended {
    let mut command = Command::new("bash");
    command.args(["-euc", script]);
    finish(command)
}

/// Runs a command to its end, within reason.
pub(crate) fn finish(mut command: Command) -> Ended {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    collect(child)
}

/// Waits for a child whose output is piped.
pub(crate) fn collect(mut child: Child) -> Ended {
    let mut outs: Vec<_> = [
        child.stdout.take().map(|out| Box::new(out) as Box<dyn std::io::Read + Send>),
        child.stderr.take().map(|err| Box::new(err) as Box<dyn std::io::Read + Send>),
    ]
    .into_iter()
    .map(|stream| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut stream) = stream {
                let _ = stream.read_to_end(&mut bytes);
            }
            String::from_utf8_lossy(&bytes).into_owned()
        })
    })
    .collect();
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            panic!("a command did not end within {PATIENCE:?}");
        }
        thread::sleep(Duration::from_millis(10));
    };
    let stderr = outs.pop().unwrap().join().unwrap();
    let stdout = outs.pop().unwrap().join().unwrap();
    let status = status.code().unwrap_or_else(|| 128 + status.signal().unwrap());
    // Shown by the test runner if the test fails.
    print!("{stderr}");
    Ended { status, stdout, stderr }
}

/// Waits until something is so, within reason.
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Sends a signal.
pub(crate) fn signal(pid: u32, signal: i32) {
    // SAFETY: a plain system call.
    assert_eq!(unsafe { libc::kill(pid as i32, signal) }, 0);
}

/// Whether no child of a process is alive: zombies do not count.
pub(crate) fn tree_is_dead(pid: u32) -> bool {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().all(|child| {
        let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        stat.is_empty() || stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z'))
    })
}
