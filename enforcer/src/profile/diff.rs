// SPDX-License-Identifier: MIT OR Apache-2.0

//! Two profiles compared by what they decide. Stages are the same if they have the same name.

use enforcer_common::Budget;

use super::{
    compile::Compiled,
    difference::{Difference, Stage, allowed_only_by, leads_elsewhere},
};
use crate::report::number::counted;

/// What is different.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// What is not about a stage: its name, and what it is in the first and the second profile.
    pub settings: Vec<(String, String, String)>,
    /// Stages that only the first has.
    pub removed: Vec<String>,
    /// Stages that only the second has.
    pub added: Vec<String>,
    /// Stages of both that decide differently, in the order of the first.
    pub stages: Vec<StageDiff>,
}

/// What is different in a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageDiff {
    /// Its name.
    pub name: String,
    /// What only the second allows.
    pub allowed: Vec<Difference>,
    /// What only the first allows.
    pub denied: Vec<Difference>,
    /// What both allow, but what leads to another stage in the second.
    pub elsewhere: Vec<Difference>,
}

impl Diff {
    /// From the first to the second.
    #[must_use]
    pub fn new(one: &Compiled, two: &Compiled) -> Self {
        let lacks = |profile: &Compiled, name: &str| profile.stage(name).is_none();
        let only = |here: &Compiled, there: &Compiled| {
            here.stages.iter().filter(|name| lacks(there, name)).cloned().collect()
        };
        let stages = one.stages.iter().filter_map(|name| {
            let stage = |profile| Some(Stage { profile, number: Compiled::stage(profile, name)? });
            let (a, b) = (stage(one)?, stage(two)?);
            let diff = StageDiff {
                name: name.clone(),
                allowed: allowed_only_by(b, a),
                denied: allowed_only_by(a, b),
                elsewhere: leads_elsewhere(a, b),
            };
            Some(diff).filter(|d| !(d.allowed.is_empty() && d.denied.is_empty() && d.elsewhere.is_empty()))
        });
        Self {
            settings: settings(one, two),
            removed: only(one, two),
            added: only(two, one),
            stages: stages.collect(),
        }
    }

    /// Whether both profiles decide the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What is not about a stage.
fn settings(one: &Compiled, two: &Compiled) -> Vec<(String, String, String)> {
    let tls = |profile: &Compiled| {
        let sni = if profile.tls.sni { "required" } else { "ignored" };
        format!("sni {sni}, ech {}", if profile.tls.ech { "allow" } else { "deny" })
    };
    let respond = |profile: &Compiled| {
        let respond = profile.respond;
        format!("{:?}, {:?}", respond.denial, respond.trip).to_lowercase()
    };
    let first = |profile: &Compiled| profile.stages.first().cloned().unwrap_or_default();
    let mut all = vec![
        ("mode".to_owned(), one.mode.name().to_owned(), two.mode.name().to_owned()),
        ("first stage".to_owned(), first(one), first(two)),
        ("respond".to_owned(), respond(one), respond(two)),
        ("tls".to_owned(), tls(one), tls(two)),
    ];
    if one.select != two.select {
        let shown = |profile: &Compiled| counted(profile.select.len() as u64, "selection");
        // The numbers may be the same.
        all.push(("select".to_owned(), shown(one), format!("{}, not the same", shown(two))));
    }
    for (budget, (a, b)) in Budget::ALL.iter().zip(one.budgets.0.iter().zip(&two.budgets.0)) {
        let shown = |limit: &Option<u64>| limit.map_or("no limit".to_owned(), |limit| limit.to_string());
        all.push((format!("budget {}", budget.name()), shown(a), shown(b)));
    }
    all.retain(|(_, a, b)| a != b);
    all
}
