// SPDX-License-Identifier: MIT OR Apache-2.0

//! pnpm, yarn, pip and cargo, against real registries by name: an ordinary install meets no denial, looks up the registry
//! and nothing else, and has the same result as without the enforcer; what a package's build steals does not leave.

use crate::{
    guest::{Place, builder, read_record, sh},
    incident,
};

/// How one of them fetches what an application needs.
struct Manager {
    profile: &'static str,
    /// What has to be running, and the name by which the user's own configuration knows it.
    service: &'static str,
    host: &'static str,
    app: &'static str,
    /// As `builder`, in the application's directory, before the install.
    prepare: &'static str,
    install: &'static str,
    /// What it remembers of earlier installs, in the home directory. Without it, everything is fetched again.
    caches: &'static str,
    /// Where the result is.
    result: &'static str,
}

const PNPM: Manager = Manager {
    profile: "pnpm-install",
    service: "registry",
    host: "registry.test",
    app: "small",
    prepare: "true",
    install: "pnpm install",
    caches: ".cache/pnpm .local/share/pnpm .local/state/pnpm",
    result: "node_modules dist",
};

const YARN: Manager =
    Manager { profile: "yarn-install", install: "yarn install", caches: ".cache/yarn .yarn", ..PNPM };

const PIP: Manager = Manager {
    profile: "pip-install",
    service: "pypi",
    host: "pypi.test",
    app: "python",
    prepare: "python3 -m venv --without-pip --system-site-packages .venv",
    install: ".venv/bin/python -m pip install --requirement requirements.txt",
    caches: ".cache/pip",
    result: ".venv",
};

const CARGO: Manager = Manager {
    profile: "cargo-build",
    service: "crates",
    host: "crates.test",
    app: "crates",
    prepare: "true",
    install: "cargo fetch --locked",
    caches: ".cargo/registry",
    result: "/home/builder/.cargo/registry/cache /home/builder/.cargo/registry/src",
};

/// What an install left behind, and whom it asked for.
#[derive(Debug, PartialEq, Eq)]
struct Installed {
    names: String,
    /// Names, kinds, modes, links and contents.
    files: String,
}

impl Manager {
    fn install(&self, wrapper: &str) -> Installed {
        let Self { app, prepare, install, caches, result, .. } = self;
        let as_builder = builder("\"$app\"");
        // The enforcer's resolver asks in mixed case. Notes of when something was installed, and what Python compiled, have
        // the time in them.
        let script = format!(
            "app=$(testbed-app {app})
             as_builder() {{ {as_builder} \"$@\" >&2; }}
             (cd /home/builder && rm -rf {caches})
             as_builder {prepare}
             : >/var/log/testbed/dns.log
             as_builder {wrapper} {install}
             sed -n 's/.* query[[][^ ]* \\([^ ]*\\) from .*/\\1/p' /var/log/testbed/dns.log |
               tr A-Z a-z | sort -u | xargs
             cd \"$app\"
             keep='! -type d ! -path */__pycache__/* ! -name .modules.yaml ! -name .pnpm-workspace-state*'
             set -f
             find {result} $keep -printf '%p %y %m %l\\n' | sort
             find {result} $keep -type f -print0 | sort -z | xargs -0 sha256sum"
        );
        let stdout = sh(&script).success().stdout;
        let (names, files) = stdout.split_once('\n').unwrap();
        Installed { names: names.to_owned(), files: files.to_owned() }
    }

    fn is_undisturbed(&self) {
        let place = Place::new();
        sh(&format!("testbed-services start {}", self.service)).success();
        std::fs::write("/etc/sudoers.d/builder", "builder ALL=(root) NOPASSWD: ALL\n").unwrap();
        let bare = self.install("");
        assert!(bare.files.lines().count() > 10, "too little was installed: {}", bare.files);
        assert_eq!(bare.names, self.host);
        let record = place.for_builder("record.jsonl");
        let wrapper = format!("sudo enforcer run --profile {} --json {} --", self.profile, record.display());
        let held = self.install(&wrapper);
        let lines = read_record(&record);
        let denials: Vec<_> = lines.iter().filter(|line| line["type"] == "event").collect();
        assert!(denials.is_empty(), "{denials:#?}");
        let trailer = lines.last().unwrap();
        assert!(trailer["decisions"].as_u64().unwrap() > 100, "{trailer:#}");
        assert_eq!(trailer["lost_events"], 0);
        assert_eq!(held.names, self.host);
        let differs = bare.files.lines().zip(held.files.lines()).find(|(bare, held)| bare != held);
        assert!(bare == held, "the first difference: {differs:?}");
    }
}

/// What steals while it is installed.
struct Theft {
    by: Manager,
    app: &'static str,
    install: &'static str,
}

impl Theft {
    fn is_stopped(&self) {
        let place = Place::new();
        let Self { by, app, install } = self;
        let (ended, bare) = incident::install(&place, by.service, app, install, None);
        ended.success();
        bare.shows_theft();
        let (ended, held) = incident::install(&place, by.service, app, install, Some(by.profile));
        // As it would have it: nobody notices.
        ended.success();
        held.shows_nothing_but_attempts();
        let lines = read_record(&place.for_builder("record.jsonl"));
        let denials = lines.iter().filter(|line| line["type"] == "event");
        assert!(denials.count() > 0, "{lines:#?}");
    }
}

#[test]
fn pnpm() {
    PNPM.is_undisturbed();
}

#[test]
fn yarn() {
    YARN.is_undisturbed();
}

#[test]
fn pip() {
    PIP.is_undisturbed();
    Theft {
        by: PIP,
        app: "python",
        install: "python3 -m pip install --no-cache-dir --target vendor request-like-fixture",
    }
    .is_stopped();
}

#[test]
fn cargo() {
    CARGO.is_undisturbed();
}
