// SPDX-License-Identifier: MIT OR Apache-2.0

//! `${env.NAME}`: variables of the environment as the beginnings of paths.
//!
//! Each is an anchor of its own, so that a profile compiles to the same bytes whatever the environment is. Which
//! directory one stands for is found out when a run begins.

use std::fmt;

use enforcer_common::anchor::ANCHORS;

use super::{
    error::{Code, Problem},
    glob::ANCHOR_NAMES,
};

/// Different variables that a profile may use.
pub const VARIABLES_MAX: usize = ANCHORS - ANCHOR_NAMES.len();

/// A variable of the environment that a profile uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name in the environment.
    pub name: String,
    /// What it stands for if it is not set: an absolute path, or one that begins with `~`, `${home}`, `${workspace}`
    /// or `${tmp}`.
    pub default: Option<String>,
    /// Its anchor: an index into [`enforcer_common::anchor::Anchors`].
    pub anchor: usize,
}

/// As globs name it.
impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&written(&self.name, self.default.as_deref()))
    }
}

/// As globs name it.
pub(super) fn written(name: &str, default: Option<&str>) -> String {
    match default {
        Some(default) => format!("${{env.{name}:-{default}}}"),
        None => format!("${{env.{name}}}"),
    }
}

/// Reads what stands between `${env.` and `}`: name and default.
pub(super) fn read(text: &str) -> Result<(String, Option<String>), Problem> {
    let (name, default) = match text.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (text, None),
    };
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !begins || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(Problem::new(Code::Variable, format!("`{name}` cannot be the name of a variable"))
            .help("write `${env.NAME}` or `${env.NAME:-/default}`; a name is of letters, digits and `_`"));
    }
    if let Some(default) = default {
        check_default(default)?;
    }
    Ok((name.to_owned(), default.map(str::to_owned)))
}

/// Refuses a default that is no place.
fn check_default(default: &str) -> Result<(), Problem> {
    let fault = |message: String, help: &str| Err(Problem::new(Code::Variable, message).help(help));
    let rest = split_default(default).1;
    let anchored = rest.len() < default.len();
    let begins = if anchored { rest.is_empty() || rest.starts_with('/') } else { rest.starts_with('/') };
    if !begins {
        let help = "an absolute path, or one that begins with `~`, `${home}`, `${workspace}` or `${tmp}`";
        return fault(format!("the default `{default}` is no place"), help);
    }
    if rest.contains(['*', '?', '[', ']', '{', '}', '\\']) {
        return fault(format!("the default `{default}` is a glob"), "name one directory");
    }
    if rest.split('/').any(|part| matches!(part, "." | "..")) {
        return fault(
            format!("the default `{default}` has `.` or `..` in it"),
            "write the path without them",
        );
    }
    Ok(())
}

/// The anchor that a default begins with, and the rest of it.
#[must_use]
pub fn split_default(default: &str) -> (Option<usize>, &str) {
    if let Some(rest) = default.strip_prefix('~') {
        return (ANCHOR_NAMES.iter().position(|name| *name == "home"), rest);
    }
    let named = ANCHOR_NAMES.iter().enumerate().find_map(|(index, name)| {
        default.strip_prefix(&format!("${{{name}}}")).map(|rest| (Some(index), rest))
    });
    named.unwrap_or((None, default))
}

/// The variables of a profile, in the order in which its rules name them.
#[derive(Debug, Default)]
pub(super) struct Variables(pub(super) Vec<Variable>);

impl Variables {
    /// The anchor of a variable.
    pub(super) fn anchor(&mut self, name: &str, default: Option<&str>) -> Result<usize, Problem> {
        let same = |known: &&Variable| known.name == name && known.default.as_deref() == default;
        if let Some(known) = self.0.iter().find(same) {
            return Ok(known.anchor);
        }
        if self.0.len() == VARIABLES_MAX {
            let known: Vec<String> = self.0.iter().map(|known| format!("`{known}`")).collect();
            let message = format!("a profile may use {VARIABLES_MAX} different variables of the environment");
            return Err(Problem::new(Code::VariableCount, message).help(format!(
                "there are {} already; the same one with another default counts too",
                known.join(", ")
            )));
        }
        let anchor = ANCHOR_NAMES.len() + self.0.len();
        self.0.push(Variable { name: name.to_owned(), default: default.map(str::to_owned), anchor });
        Ok(anchor)
    }
}
