// SPDX-License-Identifier: MIT OR Apache-2.0

//! The stages of the profile, and which programs lead to them.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    os::unix::ffi::OsStringExt as _,
};

use enforcer_common::table::STAGES;

use super::{
    Error,
    named::NamedSets,
    survey::{Chain, Label, Survey},
    who::Who,
};
use crate::{
    profile::{self, Compiled},
    recording::format::Header,
};

/// The stage of lifecycle scripts, where no profile names one.
pub(super) const SCRIPT: &str = "script";
/// The first stage, where neither a profile nor the command names it.
const COMMAND: &str = "command";

/// The stages, the first of which runs start in.
#[derive(Clone, Debug)]
pub(super) struct Stages {
    pub(super) names: Vec<String>,
    /// What leads to other stages.
    pub(super) edges: Vec<Edge>,
}

/// A program, or a set of them, that leads to another stage.
#[derive(Clone, Debug)]
pub(super) struct Edge {
    pub(super) from: usize,
    /// As rules write it.
    pub(super) program: String,
    pub(super) to: usize,
    pub(super) who: Who,
}

impl Stages {
    /// Those of the base; else those of the recordings.
    pub(super) fn new(survey: &Survey, sets: &NamedSets, base: Option<&Compiled>) -> Result<Self, Error> {
        if let Some(base) = base {
            return Ok(Self { names: base.stages.clone(), edges: Vec::new() });
        }
        let first = survey.first.first().cloned().unwrap_or_else(|| match survey.programs.first() {
            Some(program) if survey.programs.len() == 1 && is_name(program) && program != SCRIPT => {
                program.clone()
            }
            _ => COMMAND.to_owned(),
        });
        let number = |names: &mut Vec<String>, label: &Label| match label {
            Label::Named(name) => names.iter().position(|known| known == name).unwrap_or_else(|| {
                names.push(name.clone());
                names.len() - 1
            }),
            Label::First => 0,
        };
        let mut names = vec![first];
        let mut execs = Vec::new();
        // Stages in the order in which one comes to them.
        let mut open = vec![0];
        let mut seen = BTreeSet::from([0]);
        while let Some(from) = open.pop() {
            for ((label, chain, to), who) in &survey.execs {
                if number(&mut names.clone(), label) == from {
                    let to = number(&mut names, to);
                    execs.push((from, chain, to, who));
                    if seen.insert(to) {
                        open.insert(0, to);
                    }
                }
            }
        }
        if names.len() > STAGES {
            return Err(Error::Stages(names.len()));
        }
        let mut edges = Vec::new();
        for from in 0..names.len() {
            let execs: Vec<_> = execs.iter().filter(|exec| exec.0 == from).map(|e| (e.1, e.2, e.3)).collect();
            edges.extend(leading(from, &execs, survey, sets));
        }
        Ok(Self { names, edges })
    }
}

/// What leads from a stage to others: of each exec the last of its programs that leads nowhere else.
fn leading(from: usize, execs: &[(&Chain, usize, &Who)], survey: &Survey, sets: &NamedSets) -> Vec<Edge> {
    let mut leads = BTreeMap::<&String, BTreeSet<usize>>::new();
    for (chain, to, _) in execs {
        chain.iter().for_each(|program| _ = leads.entry(program).or_default().insert(*to));
    }
    let mut rules = BTreeMap::<usize, BTreeMap<&String, Who>>::new();
    for (chain, to, who) in execs.iter().filter(|(_, to, _)| *to != from) {
        let only = chain.iter().rev().find(|program| leads[program].len() == 1);
        if let Some(program) = only.or(chain.last()) {
            rules.entry(*to).or_default().entry(program).or_default().add((*who).clone());
        }
    }
    let mut out = Vec::new();
    for (to, mut programs) in rules {
        // A set, where it covers several of them and no program that leads elsewhere.
        let mask = |program: &String| survey.sets.get(program).copied().unwrap_or_default();
        for (bit, name, least) in sets.useful() {
            let covered: Vec<&String> =
                programs.keys().copied().filter(|program| mask(program) & bit != 0).collect();
            let elsewhere = leads.iter().any(|(program, all)| mask(program) & bit != 0 && !all.contains(&to));
            if covered.len() >= least && !elsewhere {
                let mut who = Who::default();
                covered
                    .into_iter()
                    .filter_map(|program| programs.remove(program))
                    .for_each(|more| who.add(more));
                out.push(Edge { from, program: format!("@{name}"), to, who });
            }
        }
        let edge = |(program, who): (&String, Who)| Edge { from, program: program.clone(), to, who };
        out.extend(programs.into_iter().map(edge));
    }
    out
}

/// The profiles that are shipped for the commands, by name. What one of them lets the command do with credentials, npm
/// with its own configuration, is no reason to leave it out.
pub(super) fn shipped(survey: &Survey) -> Result<BTreeMap<&'static str, Compiled>, Error> {
    let load = |name: &&'static str| Ok((*name, profile::load(name)?));
    survey.shipped.iter().map(load).collect()
}

/// The command of a recording.
pub(super) fn words(header: &Header) -> Vec<OsString> {
    let word = |text: &crate::report::json::Text| text.bytes().unwrap_or_default().into_owned();
    header.command.iter().map(|text| OsString::from_vec(word(text))).collect()
}

/// Whether a stage can be called so.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty()
        && name.len() <= 32
        && name.chars().all(plain)
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
}
