// SPDX-License-Identifier: MIT OR Apache-2.0

//! Which profile, if the operator names none.

use std::ffi::{OsStr, OsString};

use super::{command::base_name, environment::Environment};

/// Programs that install packages.
const MANAGERS: &[&str] = &["npm", "pnpm", "yarn"];
/// What they are told to do so.
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
/// The profile for that.
const NPM_INSTALL: &str = "npm-install";

/// The profile: as named on the command line, in `$ENFORCER_PROFILE`, or by what COMMAND is.
#[must_use]
pub fn choose(named: Option<&OsStr>, environment: &Environment, command: &[OsString]) -> Option<OsString> {
    let from_environment = || environment.get("ENFORCER_PROFILE").filter(|name| !name.is_empty());
    named.or_else(from_environment).map(OsStr::to_owned).or_else(|| by_command(command).map(OsString::from))
}

fn by_command(command: &[OsString]) -> Option<&'static str> {
    let (program, args) = command.split_first()?;
    let program = base_name(program);
    let manager = MANAGERS.iter().find(|&&name| program == name)?;
    let verb = args.iter().find(|arg| !arg.as_encoded_bytes().starts_with(b"-"));
    let installs = match verb {
        Some(verb) => INSTALL.iter().any(|&name| verb == name),
        None => *manager == "yarn", // `yarn` alone installs.
    };
    installs.then_some(NPM_INSTALL)
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
    fn installing_goes_without_saying() {
        for command in [
            "npm ci",
            "/opt/node/bin/npm --foo install x",
            "pnpm i",
            "yarn",
            "yarn --frozen-lockfile",
            "yarn add x",
        ] {
            assert_eq!(chosen(None, "", command).as_deref(), Some("npm-install"), "{command}");
        }
        for command in ["npm", "npm run ci", "npm test", "node x.js", "make", "yarn build", "npx ci"] {
            assert_eq!(chosen(None, "", command), None, "{command}");
        }
    }
}
