// SPDX-License-Identifier: MIT OR Apache-2.0

//! The shipped sets: `@credentials` and its like, from `profiles/sets.yaml`.

use std::sync::Arc;

use super::{
    error::{Code, Error, Problem, Text},
    glob::Glob,
    parse::{Value, parse},
};

/// The sets as they are shipped.
const SHIPPED: &str = include_str!("../../../profiles/sets.yaml");

/// A named set of globs.
#[derive(Clone, Debug)]
pub struct Set {
    /// The name, without `@`.
    pub name: String,
    /// What is in it and why.
    pub description: String,
    /// The globs as written.
    pub paths: Vec<String>,
    /// The globs as read.
    pub(super) globs: Vec<Glob>,
}

impl Set {
    /// How many names or paths it stands for, those with stars counted once.
    #[must_use]
    pub fn alternatives(&self) -> usize {
        self.globs.iter().map(Glob::alternatives).sum()
    }
}

/// All shipped sets, in written order.
#[derive(Clone, Debug)]
pub struct Sets(Vec<Set>);

impl Sets {
    /// Reads the shipped sets.
    ///
    /// # Errors
    ///
    /// Never in a released binary: the tests read them too.
    pub fn shipped() -> Result<Self, Error> {
        Self::read(&Text::new("sets.yaml (built in)", SHIPPED.to_owned()))
    }

    /// The sets.
    pub fn iter(&self) -> impl Iterator<Item = &Set> {
        self.0.iter()
    }

    /// The set of this name, without `@`.
    pub(super) fn get(&self, name: &str) -> Option<&Set> {
        self.0.iter().find(|set| set.name == name)
    }

    fn read(source: &Arc<Text>) -> Result<Self, Error> {
        let root = parse(source)?;
        let wrong = |span| Error::from(Problem::new(Code::WrongType, "not a set").at(source, span, ""));
        let Value::Map(entries) = root.value else { return Err(wrong(root.span)) };
        let mut sets = Vec::new();
        for (name, node) in entries {
            let Value::Map(fields) = node.value else { return Err(wrong(node.span)) };
            let mut set =
                Set { name: name.text, description: String::new(), paths: Vec::new(), globs: Vec::new() };
            for (key, node) in fields {
                match (key.text.as_str(), node.value) {
                    ("description", Value::Text(text)) => set.description = text.trim().to_owned(),
                    ("paths", Value::List(items)) => {
                        for item in items {
                            let Value::Text(text) = item.value else { return Err(wrong(item.span)) };
                            let glob = Glob::parse(&text).map_err(|fault| {
                                Problem::new(fault.code, fault.message)
                                    .maybe_help(fault.help)
                                    .at(source, item.span, "")
                            })?;
                            set.paths.push(text);
                            set.globs.push(glob);
                        }
                    }
                    _ => return Err(wrong(key.span)),
                }
            }
            sets.push(set);
        }
        Ok(Self(sets))
    }
}
