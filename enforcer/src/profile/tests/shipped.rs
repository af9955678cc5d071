// SPDX-License-Identifier: MIT OR Apache-2.0

//! The shipped profiles and sets: what they must allow and what they must not.

use enforcer_common::{Kind, anchor::Anchors};

use super::super::{Compiled, Effect, Host, Mode, Registry, diff::Diff, find, leads_to, sets::Sets};

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
        // Nobody has set a variable.
        for variable in &profile.variables {
            let Some(default) = &variable.default else { continue };
            let value = default.replace("${workspace}", "/home/b/app").replace('~', "/home/b");
            anchors.set(variable.anchor, value.as_bytes()).unwrap();
        }
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

const NAMES: [&str; 8] = [
    "cargo-build",
    "node-build",
    "npm-ci-strict",
    "npm-install",
    "npm-publish",
    "pip-install",
    "pnpm-install",
    "yarn-install",
];

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
                ["/usr/lib/libc.so.6", "/proc/self/maps", "/etc/ssl/openssl.cnf", "/home/b/app/lib/index.js"]
            {
                assert!(shipped.allows(stage, Kind::Read, path), "{name} {stage} may not read {path}");
            }
            let sources = shipped.allows(stage, Kind::Read, "/home/b/app/src/index.ts");
            assert_eq!(sources, name != "npm-publish", "{name} {stage}");
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
fn only_the_manager_itself_reaches_the_registry() {
    for (name, reaches) in [
        ("cargo-build", Some(("cargo", Registry::Cargo))),
        ("node-build", None),
        ("npm-ci-strict", Some(("npm", Registry::Npm))),
        ("npm-install", Some(("npm", Registry::Npm))),
        ("npm-publish", Some(("npm", Registry::Npm))),
        ("pip-install", Some(("pip", Registry::Pip))),
        ("pnpm-install", Some(("pnpm", Registry::Pnpm))),
        ("yarn-install", Some(("yarn", Registry::Yarn))),
    ] {
        let profile = Shipped::new(name).profile;
        let hosts: Vec<_> = profile.hosts.iter().map(|h| (h.stage, h.host.clone(), h.ports.len())).collect();
        let expected = |(stage, registry)| (profile.stage(stage).unwrap(), Host::Registry(registry), 0);
        let expected: Vec<_> = reaches.map(expected).into_iter().collect();
        assert_eq!(hosts, expected, "{name}");
    }
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

/// Everything that a stage of the strict profile allows, the base allows too.
#[test]
fn a_strict_install() {
    let [strict, base] = ["npm-ci-strict", "npm-install"].map(Shipped::new);
    assert_eq!(strict.profile.stages, base.profile.stages);
    let between = Diff::new(&base.profile, &strict.profile);
    let more: Vec<_> = between.stages.iter().flat_map(|stage| &stage.allowed).collect();
    assert!(more.is_empty(), "{more:#?}");
    assert_eq!(strict.exec("npm", "/usr/bin/dash"), Some("script"));
    for path in
        ["/usr/bin/dash", "/bin/bash", "/usr/bin/python3.11", "/usr/bin/make", "/usr/bin/git", "/usr/bin/tar"]
    {
        assert_eq!(strict.exec("script", path), None, "{path}");
    }
    for path in ["/usr/bin/node", "/usr/bin/env", "/home/b/app/node_modules/@esbuild/linux-x64/bin/esbuild"] {
        assert_eq!(strict.exec("script", path), Some("script"), "{path}");
    }
    let write = |stage, path: &str| strict.allows(stage, Kind::Write, path);
    for stage in ["npm", "script"] {
        assert!(write(stage, "/home/b/app/node_modules/x/package.json"));
        assert!(write(stage, "/home/b/app/packages/a/node_modules/x/y/package-lock.json"));
        assert!(write(stage, "/tmp/x"));
        for path in
            ["package.json", "package-lock.json", "packages/a/package.json", "dist/x.js", ".husky/_/h"]
        {
            assert!(!write(stage, &format!("/home/b/app/{path}")), "{stage} {path}");
        }
    }
    assert!(write("npm", "/home/b/.npm/_cacache/tmp/x") && !write("script", "/home/b/.npm/_logs/x"));
    assert!(strict.profile.budgets != base.profile.budgets);
}

#[test]
fn a_publish() {
    let shipped = Shipped::new("npm-publish");
    assert_eq!(shipped.exec("npm", "/usr/bin/dash"), Some("script"));
    for path in ["/usr/bin/git", "/usr/bin/python3.11", "/usr/bin/gcc"] {
        assert_eq!(shipped.exec("script", path), None, "{path}");
    }
    let read = |stage, path: &str| shipped.allows(stage, Kind::Read, path);
    for stage in ["npm", "script"] {
        for path in ["package.json", "lib/index.js", "packages/a/dist/index.d.ts", ".git/HEAD", "tools/x.js"]
        {
            assert!(read(stage, &format!("/home/b/app/{path}")), "{stage} {path}");
        }
        for path in [
            "lib/index.js.map",
            "packages/a/dist/x.css.map",
            "node_modules/x/y.map",
            "src/index.ts",
            "packages/a/src/x.ts",
            "internal/x",
            "signing.key",
            ".env.production",
            ".github/workflows/x.yml",
            ".git/objects/pack/x.pack",
        ] {
            assert!(!read(stage, &format!("/home/b/app/{path}")), "{stage} {path}");
        }
    }
    assert!(read("npm", "/home/b/.npmrc") && read("npm", "/home/b/app/.npmrc"));
    assert!(!read("script", "/home/b/.npmrc") && !read("script", "/home/b/app/.npmrc"));
    let write = |stage, path| shipped.allows(stage, Kind::Write, path);
    assert!(write("script", "/home/b/app/dist/LICENCE") && !write("npm", "/home/b/app/dist/LICENCE"));
    assert!(!write("script", "/home/b/app/package.json") && !write("npm", "/home/b/app/package.json"));
    assert!(write("npm", "/home/b/.npm/_cacache/tmp/x") && !write("script", "/home/b/.npm/_cacache/tmp/x"));
}

#[test]
fn an_install_with_pnpm() {
    let shipped = Shipped::new("pnpm-install");
    let modules = "/usr/local/lib/node_modules";
    // A program; or a script, which `env pnpm` starts, and whose node is pnpm.
    assert_eq!(shipped.exec("pnpm", &format!("{modules}/pnpm/pnpm")), Some("pnpm"));
    assert_eq!(shipped.exec("pnpm", &format!("{modules}/pnpm/bin/pnpm.cjs")), Some("start"));
    assert_eq!(shipped.exec("pnpm", &format!("{modules}/corepack/dist/pnpm.js")), Some("start"));
    assert_eq!(shipped.exec("pnpm", "/usr/bin/env"), Some("pnpm"));
    assert_eq!(shipped.exec("start", "/usr/bin/env"), Some("start"));
    assert_eq!(shipped.exec("start", "/usr/bin/node"), Some("pnpm"));
    assert_eq!(shipped.exec("start", "/usr/bin/dash"), None);
    for path in
        ["/usr/bin/dash", "/usr/bin/node", "/usr/bin/rm", "/usr/bin/gcc", "/home/b/app/node_modules/x/y"]
    {
        assert_eq!(shipped.exec("pnpm", path), Some("script"), "{path}");
    }
    for path in ["/usr/bin/node", "/usr/bin/dash", "/home/b/app/node_modules/.bin/x", "/usr/bin/sed"] {
        assert_eq!(shipped.exec("script", path), Some("script"), "{path}");
    }
    let write = |stage, path| shipped.allows(stage, Kind::Write, path);
    for path in [
        "/home/b/.local/share/pnpm/store/v11/files/00/x",
        "/home/b/.cache/pnpm/v12/metadata/x.jsonl",
        "/home/b/.local/state/pnpm/pnpm-state.json",
        "/home/b/app/pnpm-lock.yaml",
        "/home/b/app/.pnpm-lock.yaml.4711.0.tmp",
        "/home/b/app/package.json",
    ] {
        assert!(write("pnpm", path), "{path}");
        assert!(!write("script", path) && !write("start", path), "{path}");
    }
    assert!(write("script", "/home/b/app/node_modules/.pnpm/x@1.0.0/node_modules/x/build/x.node"));
    assert!(!write("pnpm", "/home/b/.local/share/pnpm/pnpm") && !write("pnpm", "/home/b/app/src/x.ts"));
    let read = |stage, path| shipped.allows(stage, Kind::Read, path);
    for path in ["/home/b/.npmrc", "/home/b/.config/pnpm/auth.ini", "/home/b/app/.npmrc"] {
        assert!(read("pnpm", path) && !read("script", path) && !read("start", path), "{path}");
    }
}

#[test]
fn an_install_with_yarn() {
    let shipped = Shipped::new("yarn-install");
    assert_eq!(shipped.exec("start", "/usr/bin/env"), Some("start"));
    assert_eq!(shipped.exec("start", "/usr/share/yarn/bin/yarn.js"), Some("start"));
    assert_eq!(shipped.exec("start", "/usr/bin/node"), Some("yarn"));
    assert_eq!(shipped.exec("start", "/home/b/app/node_modules/x/y"), None);
    for path in [
        "/usr/bin/dash",
        "/usr/bin/node",
        "/usr/bin/env",
        "/usr/bin/gcc",
        "/tmp/xfs-ee4a57d1/node",
        "/home/b/app/node_modules/x/y",
    ] {
        assert_eq!(shipped.exec("yarn", path), Some("script"), "{path}");
    }
    for path in
        ["/tmp/xfs-ee4a57d1/esbuild", "/tmp/yarn--1700000000000-0.1/node", "/home/b/app/.yarn/unplugged/x/y"]
    {
        assert_eq!(shipped.exec("script", path), Some("script"), "{path}");
    }
    let write = |stage, path| shipped.allows(stage, Kind::Write, path);
    for path in [
        "/home/b/app/yarn.lock",
        "/home/b/app/package.json",
        "/home/b/app/.yarn/install-state.gz",
        "/home/b/app/.yarn/cache/x.zip",
        "/home/b/app/.pnp.cjs",
        "/home/b/.yarn/berry/cache/x.zip",
        "/home/b/.cache/yarn/v6/x",
    ] {
        assert!(write("yarn", path), "{path}");
        assert!(!write("script", path) && !write("start", path), "{path}");
    }
    assert!(
        write("script", "/home/b/app/node_modules/x/y") && write("script", "/home/b/app/.yarn/unplugged/x/y")
    );
    // What yarn itself is made of.
    for stage in ["yarn", "script"] {
        assert!(!write(stage, "/home/b/app/.yarn/releases/yarn-4.9.0.cjs"));
        assert!(!write(stage, "/home/b/app/.yarn/plugins/x.cjs") && !write(stage, "/home/b/app/.yarnrc.yml"));
    }
    let read = |stage, path| shipped.allows(stage, Kind::Read, path);
    for path in ["/home/b/.npmrc", "/home/b/.yarnrc.yml", "/home/b/app/.npmrc"] {
        assert!(read("yarn", path) && !read("script", path), "{path}");
    }
}

#[test]
fn an_install_with_pip() {
    let shipped = Shipped::new("pip-install");
    for path in [
        "/usr/bin/python3.11",
        "/home/b/.pyenv/versions/3.11.7/bin/python3.11",
        "/home/b/app/.venv/bin/python",
        "/usr/bin/lsb_release",
        "/usr/bin/dash",
        "/home/b/.cargo/bin/rustup",
    ] {
        assert_eq!(shipped.exec("pip", path), Some("build"), "{path}");
    }
    assert_eq!(shipped.exec("pip", "/usr/bin/git"), None);
    for path in
        ["/usr/bin/python3.11", "/usr/bin/gcc", "/usr/lib/gcc/x86_64-linux-gnu/12/cc1", "/usr/bin/getopt"]
    {
        assert_eq!(shipped.exec("build", path), Some("build"), "{path}");
    }
    let write = |stage, path| shipped.allows(stage, Kind::Write, path);
    for path in [
        "/home/b/app/.venv/lib/python3.11/site-packages/x.py",
        "/home/b/.cache/pip/x",
        "/home/b/.local/bin/x",
    ] {
        assert!(write("pip", path) && !write("build", path), "{path}");
    }
    assert!(!write("pip", "/home/b/app/.venv/lib/python3.11/site-packages/sitecustomize.py"));
    assert!(!write("pip", "/home/b/app/setup.py") && !write("build", "/home/b/app/setup.py"));
    assert!(write("build", "/home/b/app/build/lib/x.py") && write("build", "/tmp/pip-req-build-x/y"));
    let read = |stage, path| shipped.allows(stage, Kind::Read, path);
    assert!(read("pip", "/home/b/.config/pip/pip.conf") && !read("build", "/home/b/.config/pip/pip.conf"));
    assert!(!read("pip", "/home/b/.pypirc") && !read("pip", "/home/b/.netrc"));
}

#[test]
fn a_build_with_cargo() {
    let shipped = Shipped::new("cargo-build");
    let toolchain = "/home/b/.rustup/toolchains/stable-x86_64-unknown-linux-gnu";
    let target = "/home/b/app/target/debug";
    assert_eq!(shipped.exec("cargo", &format!("{toolchain}/bin/cargo")), Some("cargo"));
    assert_eq!(shipped.exec("cargo", "/home/b/.cargo/bin/rustup"), Some("cargo"));
    assert_eq!(shipped.exec("cargo", &format!("{toolchain}/bin/rustc")), Some("rustc"));
    assert_eq!(shipped.exec("cargo", &format!("{toolchain}/bin/clippy-driver")), Some("rustc"));
    let script = format!("{target}/build/c-610939b3076641e5/build-script-build");
    assert_eq!(shipped.exec("cargo", &script), Some("script"));
    for path in ["/usr/bin/dash", "/usr/bin/cc", "/usr/bin/git", "/home/b/app/target/debug/c"] {
        assert_eq!(shipped.exec("cargo", path), None, "{path}");
    }
    for path in [
        "/usr/bin/x86_64-linux-gnu-gcc-12",
        "/usr/lib/gcc/x86_64-linux-gnu/12/collect2",
        &format!("{toolchain}/lib/rustlib/x86_64-unknown-linux-gnu/bin/gcc-ld/ld.lld"),
    ] {
        assert_eq!(shipped.exec("rustc", path), Some("rustc"), "{path}");
        assert_eq!(shipped.exec("script", path), Some("script"), "{path}");
    }
    for path in ["/usr/bin/python3.11", "/usr/bin/dash", "/usr/bin/make", &script] {
        assert_eq!(shipped.exec("rustc", path), None, "{path}");
    }
    assert_eq!(shipped.exec("script", "/usr/bin/make"), Some("script"));
    let write = |stage, path: &str| shipped.allows(stage, Kind::Write, path);
    assert!(write("cargo", "/home/b/.cargo/.package-cache") && write("cargo", "/home/b/app/Cargo.lock"));
    assert!(
        write("cargo", "/home/b/.cargo/registry/src/x/y/lib.rs")
            && write("rustc", &format!("{target}/deps/x.o"))
    );
    assert!(write("script", &format!("{target}/build/c-610939b3076641e5/out/x.rs")));
    for path in [&script, &format!("{target}/deps/libx.rlib"), "/home/b/.cargo/registry/src/x/y/lib.rs"] {
        assert!(!write("script", path), "{path}");
    }
    for stage in ["cargo", "rustc", "script"] {
        for path in ["/home/b/.cargo/bin/cargo", "/home/b/app/src/main.rs", "/home/b/.cargo/config.toml"] {
            assert!(!write(stage, path), "{stage} {path}");
        }
        assert!(!shipped.allows(stage, Kind::Read, "/home/b/.cargo/credentials.toml"));
        assert!(shipped.allows(stage, Kind::Read, "/home/b/.cargo/config.toml"));
    }
    assert!(shipped.allows("cargo", Kind::Read, "/home/b/app/.git/config"));
    assert!(!shipped.allows("script", Kind::Read, "/home/b/app/.git/config"));
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
