// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the numbers of a recording mean, from the recording.

use std::time::SystemTime;

use crate::{
    profile::{Compiled, Date, Text},
    recording::format::Header,
    report::{
        Legend,
        escape::escape,
        legend::{Rule, Stage},
    },
};

/// The parts of the recorded profile that reports name. Rules are as recorded. Where a rule would be added follows from the
/// profile's text, if it can still be read: what it extends may be another today, its own lines are not.
pub(super) fn legend(header: &Header) -> Legend {
    let recorded = &header.profile;
    let shown = |text: &String| escape(text.as_bytes());
    let anchors = header
        .variables
        .iter()
        .filter_map(|variable| Some((shown(&variable.name), variable.value.bytes()?.into_owned())));
    let anchors: Vec<_> = anchors.collect();
    let rule =
        |(place, text): &(String, String)| Rule { place: shown(place), text: shown(text), exception: None };
    let mut legend = Legend {
        name: shown(&recorded.name),
        file: shown(&recorded.file),
        digest: shown(&recorded.sha256),
        stages: recorded.stages.iter().map(|name| Stage { name: shown(name), ..Stage::default() }).collect(),
        rules: recorded.rules.iter().map(rule).collect(),
        anchors: anchors.clone(),
        ..Legend::default()
    };
    let started = humantime::parse_rfc3339(&header.started).unwrap_or(SystemTime::UNIX_EPOCH);
    let text = Text::new(&recorded.file, recorded.text.clone());
    let Ok(compiled) = Compiled::on(&text, Date::of(started)) else { return legend };
    if compiled.stages != recorded.stages {
        return legend;
    }
    let again = Legend::with(&compiled, anchors);
    if compiled.digest_text() == recorded.sha256 {
        for (rule, same) in legend.rules.iter_mut().zip(&again.rules) {
            rule.exception = same.exception.as_ref().map(shown);
        }
    }
    for (stage, same) in legend.stages.iter_mut().zip(again.stages) {
        (stage.line, stage.kinds) = (same.line, same.kinds);
    }
    legend.budgets = again.budgets;
    legend
}
