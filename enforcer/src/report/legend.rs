// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the numbers in an event mean: the names and places of a profile's stages and rules.

use std::{os::unix::ffi::OsStrExt as _, path::Path};

use enforcer_common::{Budget, Kind};

use super::number::grouped;
use crate::{
    profile::{self, Budgets, Compiled, document::NETWORK},
    run::anchors::Places,
};

/// The parts of a profile that reports name.
#[derive(Clone, Debug, Default)]
pub struct Legend {
    /// Its name.
    pub name: String,
    /// Where it was read from.
    pub file: String,
    /// SHA-256 of the compiled profile, in hexadecimal.
    pub digest: String,
    /// The stages, by number.
    pub stages: Vec<Stage>,
    /// The rules, by number from 1.
    pub rules: Vec<Rule>,
    /// How much the run may do.
    pub budgets: Budgets,
    /// The profile's variables and their values in this run: the text that stands for it in a glob, and its value.
    pub anchors: Vec<(String, Vec<u8>)>,
}

/// A stage.
#[derive(Clone, Debug, Default)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// Its line.
    pub line: u32,
    /// The line of the rules for each [`Kind`], where there are any.
    pub kinds: [Option<u32>; Kind::ALL.len()],
}

/// A rule.
#[derive(Clone, Debug, Default)]
pub struct Rule {
    /// Its file and line.
    pub place: String,
    /// The rule as it is written.
    pub text: String,
    /// The id of the exception that it is.
    pub exception: Option<String>,
}

impl Legend {
    /// Of a profile in a run with these places.
    #[must_use]
    pub fn new(profile: &Compiled, places: &Places) -> Self {
        let anchor =
            |(_, name, value): (usize, &str, &Path)| (name.to_owned(), value.as_os_str().as_bytes().to_vec());
        Self::with(profile, places.named().into_iter().map(anchor).collect())
    }

    /// Of a profile in a run with these variables.
    #[must_use]
    pub fn with(profile: &Compiled, anchors: Vec<(String, Vec<u8>)>) -> Self {
        let first_line = |stage: usize, kind: Option<Kind>| {
            // Where the stage is in this profile, not in one that it extends, and not where its exceptions are.
            let here = |rule: &&profile::Rule| rule.file == profile.source && rule.exception.is_none();
            let of_stage = profile.rules.iter().filter(here).filter(|rule| usize::from(rule.stage) == stage);
            of_stage.filter(|rule| kind.is_none_or(|kind| rule.kind == kind)).map(|rule| rule.line).min()
        };
        let stage = |(number, name): (usize, &String)| {
            let mut kinds = [None; Kind::ALL.len()];
            for &kind in Kind::ALL {
                kinds[kind as usize] = first_line(number, Some(kind));
            }
            // They stand below one key.
            let network = NETWORK.iter().filter_map(|&kind| kinds[kind as usize]).min();
            for kind in NETWORK.into_iter().chain([Kind::Resolve]) {
                kinds[kind as usize] = kinds[kind as usize].or(network);
            }
            Stage { name: name.clone(), line: first_line(number, None).unwrap_or(0), kinds }
        };
        let rule = |rule: &profile::Rule| Rule {
            place: rule.to_string(),
            text: rule.text.clone(),
            exception: rule.exception.clone(),
        };
        Self {
            name: profile.name.clone(),
            file: profile.source.to_string(),
            digest: profile.digest_text(),
            stages: profile.stages.iter().enumerate().map(stage).collect(),
            rules: profile.rules.iter().map(rule).collect(),
            budgets: profile.budgets,
            anchors,
        }
    }

    /// The name of a stage.
    #[must_use]
    pub fn stage(&self, number: u8) -> &str {
        self.stages.get(usize::from(number)).map_or("?", |stage| &stage.name)
    }

    /// A rule; there is none with number 0.
    #[must_use]
    pub fn rule(&self, number: u16) -> Option<&Rule> {
        self.rules.get(usize::from(number).checked_sub(1)?)
    }

    /// What it means that a budget was exceeded, by the number of the [`Budget`].
    #[must_use]
    pub fn over(&self, budget: u16) -> String {
        let budget = u8::try_from(budget).ok().and_then(Budget::from_wire);
        let limit = budget.and_then(|budget| self.budgets.0[budget as usize]);
        match (budget, limit) {
            (Some(budget), Some(limit)) => {
                format!("the budget of {} {} is used up", grouped(limit), budget.name())
            }
            _ => "a budget is used up".to_owned(),
        }
    }

    /// File and line of a rule.
    #[must_use]
    pub fn place_of_rule(&self, number: u16) -> Option<&str> {
        self.rule(number).map(|rule| rule.place.as_str())
    }

    /// File and line where a rule for `kind` would be added to a stage.
    #[must_use]
    pub fn place_of_default(&self, stage: u8, kind: Kind) -> Option<String> {
        let stage = self.stages.get(usize::from(stage))?;
        match stage.kinds[kind as usize].unwrap_or(stage.line) {
            0 => Some(self.file.clone()),
            line => Some(format!("{}:{line}", self.file)),
        }
    }
}
