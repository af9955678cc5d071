// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which profile, if the operator names none.

use std::ffi::{OsStr, OsString};

use super::{command::base_name, environment::Environment};

/// A profile, and the commands that it is for.
struct Use {
    programs: &'static [&'static str],
    /// The first argument that is no option.
    verbs: &'static [&'static str],
    /// Whether the program means one of these if it has no such argument.
    alone: bool,
    profile: &'static str,
}

const USES: &[Use] = &[
    Use { programs: &["npm"], verbs: INSTALL, alone: false, profile: "npm-install" },
    Use { programs: &["npm"], verbs: &["publish"], alone: false, profile: "npm-publish" },
    Use { programs: &["pnpm"], verbs: INSTALL, alone: false, profile: "pnpm-install" },
    Use { programs: &["yarn", "yarnpkg"], verbs: INSTALL, alone: true, profile: "yarn-install" },
    Use {
        programs: &["pip", "pip3"],
        verbs: &["install", "download", "wheel"],
        alone: false,
        profile: "pip-install",
    },
    Use {
        programs: &["cargo"],
        verbs: &["b", "build", "c", "check", "clippy", "d", "doc", "fetch", "rustc"],
        alone: false,
        profile: "cargo-build",
    },
];

/// What managers of npm's kind are told to install packages.
const INSTALL: &[&str] = &[
    "add",
    "ci",
    "clean-install",
    "i",
    "in",
    "ins",
    "inst",
    "install",
    "install-ci-test",
    "install-test",
    "it",
    "rebuild",
    "cit",
    "update",
    "up",
    "upgrade",
];

/// The profile: as named on the command line, in `$ENFORCER_PROFILE`, or by what COMMAND is.
#[must_use]
pub fn choose(named: Option<&OsStr>, environment: &Environment, command: &[OsString]) -> Option<OsString> {
    let from_environment = || environment.get("ENFORCER_PROFILE").filter(|name| !name.is_empty());
    named.or_else(from_environment).map(OsStr::to_owned).or_else(|| by_command(command).map(OsString::from))
}

/// The profile for what COMMAND is.
#[must_use]
pub(crate) fn by_command(command: &[OsString]) -> Option<&'static str> {
    let (program, args) = command.split_first()?;
    let program = base_name(program);
    // `cargo +toolchain build` builds too.
    let is_option = |arg: &&OsString| matches!(arg.as_encoded_bytes(), [b'-' | b'+', ..]);
    let verb = args.iter().find(|arg| !is_option(arg));
    let mut uses = USES.iter().filter(|of| of.programs.iter().any(|&name| program == name));
    uses.find(|of| verb.map_or(of.alone, |verb| of.verbs.iter().any(|&name| verb == name)))
        .map(|of| of.profile)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(named: Option<&str>, variable: &str, command: &str) -> Option<String> {
        let environment = Environment::parse(format!("ENFORCER_PROFILE={variable}").as_bytes());
        let command: Vec<OsString> = command.split(' ').map(OsString::from).collect();
        choose(named.map(OsStr::new), &environment, &command).map(|name| name.to_string_lossy().into_owned())
    }

    #[test]
    fn what_is_named_counts_first() {
        assert_eq!(chosen(Some("a"), "b", "npm ci").as_deref(), Some("a"));
        assert_eq!(chosen(None, "b", "npm ci").as_deref(), Some("b"));
        assert_eq!(chosen(None, "", "npm ci").as_deref(), Some("npm-install"));
    }

    #[test]
    fn what_is_chosen_is_there() {
        for of in USES {
            assert!(crate::profile::find(of.profile).is_ok(), "{}", of.profile);
        }
    }

    #[test]
    fn usual_commands_go_without_saying() {
        for (command, profile) in [
            ("npm ci", "npm-install"),
            ("/opt/node/bin/npm --foo install x", "npm-install"),
            ("npm publish", "npm-publish"),
            ("npm publish --tag next", "npm-publish"),
            ("pnpm i", "pnpm-install"),
            ("yarn", "yarn-install"),
            ("yarn --frozen-lockfile", "yarn-install"),
            ("yarn add x", "yarn-install"),
            ("pip install -r requirements.txt", "pip-install"),
            ("/srv/app/.venv/bin/pip3 --no-input wheel .", "pip-install"),
            ("cargo build --offline", "cargo-build"),
            ("cargo +1.85 clippy", "cargo-build"),
            ("cargo fetch --locked", "cargo-build"),
        ] {
            assert_eq!(chosen(None, "", command).as_deref(), Some(profile), "{command}");
        }
        for command in [
            "npm",
            "npm run ci",
            "npm test",
            "npm unpublish",
            "node x.js",
            "make",
            "pnpm",
            "pnpm publish",
            "yarn build",
            "npx ci",
            "pip",
            "pip list",
            "cargo",
            "cargo run",
            "cargo test",
            "cargo publish",
        ] {
            assert_eq!(chosen(None, "", command), None, "{command}");
        }
    }
}
