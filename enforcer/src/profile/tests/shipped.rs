// SPDX-License-Identifier: MIT OR Apache-2.0

//! The shipped profiles and sets: what they must allow and what they must not.

use enforcer_common::{Kind, anchor::Anchors};

use super::super::{Compiled, Effect, Host, Mode, find, leads_to, sets::Sets};

/// A shipped profile and where it runs.
struct Shipped {
    profile: Compiled,
    anchors: Anchors,
}

impl Shipped {
    fn new(name: &str) -> Self {
        let profile = Compiled::new(&find(name).unwrap()).unwrap_or_else(|e| panic!("{}", e.render(false)));
        let mut anchors = Anchors::NONE;
        anchors.set(0, b"/home/b/app").unwrap();
        anchors.set(1, b"/home/b").unwrap();
        anchors.set(2, b"/tmp").unwrap();
        Self { profile, anchors }
    }

    fn allows(&self, stage: &str, kind: Kind, path: &str) -> bool {
        let stage = self.profile.stage(stage).unwrap();
        self.profile.decide(stage, kind, path.as_bytes(), &self.anchors).allows()
    }

    /// The stage after an exec; `None` if it is denied.
    fn exec(&self, stage: &str, path: &str) -> Option<&str> {
        let number = self.profile.stage(stage).unwrap();
        let decision = self.profile.decide(number, Kind::Exec, path.as_bytes(), &self.anchors);
        let next = usize::from(leads_to(&decision).unwrap_or(number));
        decision.allows().then(|| self.profile.stages[next].as_str())
    }

    fn stages(&self) -> impl Iterator<Item = &str> {
        self.profile.stages.iter().map(String::as_str)
    }
}

const NAMES: [&str; 2] = ["npm-install", "node-build"];

#[test]
fn every_profile() {
    for name in NAMES {
        let shipped = Shipped::new(name);
        assert_eq!(shipped.profile.name, name);
        assert_eq!(shipped.profile.mode, Mode::Enforce);
        assert!(shipped.profile.owner.contains('@') && !shipped.profile.description.is_empty());
        for stage in shipped.stages() {
            for kind in [Kind::Read, Kind::Write] {
                for path in ["pipe:[4711]", "/dev/null", "/dev/tty", "/dev/pts/3"] {
                    assert!(shipped.allows(stage, kind, path), "{name} {stage} {kind:?} {path}");
                }
            }
            for path in [
                "/memfd:x (deleted)",
                "/memfd:/home/b/app/node_modules/x (deleted)",
                "/tmp/x",
                "/tmp/npm-1234/x",
                "/home/b/x",
                "/home/b/.cache/x",
                "/dev/shm/x",
                "/usr/bin/curl",
                "/usr/bin/wget",
                "/usr/bin/nc.openbsd",
                "/usr/bin/ssh",
                "/usr/bin/sudo",
                "/usr/bin/perl",
                "/usr/bin/docker",
                "/usr/bin/systemd-run",
                "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
            ] {
                assert_eq!(shipped.exec(stage, path), None, "{name} {stage} {path}");
            }
            for path in [
                "/home/b/.ssh/id_ed25519",
                "/home/b/.aws/credentials",
                "/root/.aws/credentials",
                "/home/other/.config/gh/hosts.yml",
                "/home/b/.config/google-chrome/Default/Cookies",
                "/home/b/.bash_history",
                "/home/b/app/packages/x/.npmrc",
                "/home/b/.npmrc.json/.npmrc",
                "/proc/4711/environ",
                "/proc/4711/task/4712/mem",
                "/etc/shadow",
                "/run/secrets/token",
                "/home/b/.netrc (deleted)",
            ] {
                assert!(!shipped.allows(stage, Kind::Read, path), "{name} {stage} reads {path}");
            }
            for path in
                ["/usr/lib/libc.so.6", "/proc/self/maps", "/etc/ssl/openssl.cnf", "/home/b/app/src/index.ts"]
            {
                assert!(shipped.allows(stage, Kind::Read, path), "{name} {stage} may not read {path}");
            }
            for path in [
                "/home/b/.bashrc",
                "/home/b/.ssh/authorized_keys",
                "/home/b/.npmrc",
                "/home/b/app/.git/hooks/pre-commit",
                "/home/b/app/.github/workflows/x.yml",
                "/home/b/app/.husky/pre-commit",
                "/etc/cron.d/x",
                "/usr/local/bin/node",
                "/proc/4711/mem",
            ] {
                assert!(!shipped.allows(stage, Kind::Write, path), "{name} {stage} writes {path}");
            }
        }
    }
}

#[test]
fn only_npm_itself_reaches_the_registry() {
    let install = Shipped::new("npm-install").profile;
    let hosts: Vec<_> = install.hosts.iter().map(|h| (h.stage, h.host.clone(), h.ports.len())).collect();
    assert_eq!(hosts, [(0, Host::NpmRegistry, 0)]);
    assert_eq!(Shipped::new("node-build").profile.hosts, []);
    for name in NAMES {
        let shipped = Shipped::new(name);
        let connect = |rule: &&super::super::Rule| rule.kind == Kind::Connect && rule.effect == Effect::Allow;
        let rules: Vec<u16> = shipped.profile.rules.iter().filter(connect).map(|r| r.number).collect();
        assert_eq!(rules, shipped.profile.hosts.iter().map(|h| h.rule).collect::<Vec<_>>());
        for stage in shipped.stages() {
            for text in ["t47f000001:0050", "t4c0000201:01bb", "u4c0000235:0035", "x4c0000201:01bb"] {
                assert!(!shipped.allows(stage, Kind::Connect, text));
            }
        }
    }
}

#[test]
fn an_install() {
    let shipped = Shipped::new("npm-install");
    // npm as distributions install it, and what it starts.
    assert_eq!(shipped.exec("npm", "/usr/lib/node_modules/npm/bin/npm-cli.js"), Some("npm"));
    assert_eq!(shipped.exec("npm", "/usr/local/lib/node_modules/npm/bin/npx-cli.js"), Some("npm"));
    assert_eq!(shipped.exec("npm", "/usr/bin/env"), Some("npm"));
    assert_eq!(shipped.exec("npm", "/home/b/.nvm/versions/node/v22.1.0/bin/node"), Some("npm"));
    assert_eq!(shipped.exec("npm", "/usr/bin/dash"), Some("script"));
    assert_eq!(shipped.exec("npm", "/bin/bash"), Some("script"));
    assert_eq!(shipped.exec("npm", "/home/b/app/node_modules/x/y"), None);
    assert_eq!(shipped.exec("npm", "/usr/bin/python3.11"), None);
    // Scripts.
    for path in [
        "/usr/bin/node",
        "/usr/bin/dash",
        "/usr/bin/env",
        "/usr/bin/[",
        "/usr/bin/x86_64-linux-gnu-gcc-12",
        "/usr/lib/gcc/x86_64-linux-gnu/12/cc1plus",
        "/usr/bin/make",
        "/usr/bin/python3.11",
        "/usr/lib/node_modules/npm/node_modules/@npmcli/run-script/lib/node-gyp-bin/node-gyp",
        "/home/b/app/node_modules/@esbuild/linux-x64/bin/esbuild",
        "/home/b/app/packages/a/node_modules/.bin/x",
        "/home/b/app/scripts/prepare.sh",
    ] {
        assert_eq!(shipped.exec("script", path), Some("script"), "{path}");
    }
    assert_eq!(shipped.exec("script", "/usr/bin/git"), Some("git"));
    assert_eq!(shipped.exec("git", "/usr/bin/dash"), None);
    assert_eq!(shipped.exec("script", "/home/b/app/dist/x"), None);
    // Files.
    let write = |stage, path| shipped.allows(stage, Kind::Write, path);
    let read = |stage, path| shipped.allows(stage, Kind::Read, path);
    assert!(write("npm", "/home/b/app/node_modules/x/index.js"));
    assert!(write("npm", "/home/b/app/package-lock.json"));
    assert!(write("npm", "/home/b/.npm/_cacache/tmp/x"));
    assert!(!write("npm", "/home/b/app/src/index.js"));
    assert!(write("script", "/home/b/app/node_modules/x/build/Release/x.node"));
    assert!(write("script", "/home/b/app/.husky/_/h"));
    assert!(!write("script", "/home/b/app/package.json"));
    assert!(!write("script", "/home/b/.npm/_cacache/index-v5/x"));
    assert!(!write("script", "/home/b/app/.git/config.lock"));
    assert!(write("git", "/home/b/app/.git/config.lock"));
    assert!(!write("git", "/home/b/app/.git/hooks/pre-commit"));
    assert!(read("npm", "/home/b/.npmrc") && read("npm", "/home/b/app/.npmrc") && read("npm", "/etc/npmrc"));
    assert!(!read("script", "/home/b/.npmrc") && !read("script", "/home/b/app/.npmrc"));
    assert!(!read("script", "/home/b/app/.env") && !read("script", "/home/b/app/.git/config"));
    assert!(read("git", "/home/b/app/.git/config"));
    assert!(!read("npm", "/home/b/.yarnrc.yml"));
}

#[test]
fn a_build() {
    let shipped = Shipped::new("node-build");
    assert_eq!(shipped.exec("npm", "/usr/bin/dash"), Some("build"));
    assert_eq!(shipped.exec("build", "/home/b/app/node_modules/esbuild/bin/esbuild"), Some("build"));
    assert_eq!(shipped.exec("build", "/usr/lib/node_modules/npm/bin/npm-cli.js"), Some("build"));
    assert_eq!(shipped.exec("build", "/usr/bin/git"), Some("git"));
    assert_eq!(shipped.exec("build", "/home/b/app/dist/x"), None);
    let write = |path: &str| shipped.allows("build", Kind::Write, path);
    assert!(write("/home/b/app/dist/bundle.js") && write("/home/b/app/.next/cache/x") && write("/tmp/x"));
    for path in ["package.json", "package-lock.json", ".npmrc", ".gitlab-ci.yml", ".git/config"] {
        assert!(!write(&format!("/home/b/app/{path}")), "{path}");
    }
    assert!(shipped.allows("build", Kind::Read, "/home/b/app/.env.production"));
    assert!(!shipped.allows("build", Kind::Read, "/home/b/.npmrc"));
}

#[test]
fn sets_are_described_and_globs_stand_there_once() {
    let sets = Sets::shipped().unwrap_or_else(|e| panic!("{}", e.render(false)));
    let mut names: Vec<_> = sets.iter().map(|set| set.name.as_str()).collect();
    for set in sets.iter() {
        assert!(set.description.len() > 5 && !set.paths.is_empty(), "@{}", set.name);
        let mut paths = set.paths.clone();
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), set.paths.len(), "@{} has a glob twice", set.name);
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), sets.iter().count());
}

/// The example of the language reference.
pub(super) fn example() -> &'static str {
    let reference = include_str!("../../../../profiles/README.md");
    reference.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap()
}

#[test]
fn the_reference_has_an_example_that_compiles() {
    assert_eq!(super::compile(example()).stages, ["first", "second"]);
}
