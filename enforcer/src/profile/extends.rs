// SPDX-License-Identifier: MIT OR Apache-2.0

//! One profile built on another: which word counts where both have one.
//!
//! What the extending profile says comes first. Its scalars win, budgets, responses and what is asked of TLS key by key. Stages of the same
//! name are joined: its rules come before those of the base, and a default that it gives wins. Its other stages come
//! behind those of the base, so that a run still starts in the base's first stage. Labels and exceptions add up.
//! What the service enrols is each profile's own: two that selected the same could not be told apart.

use std::sync::Arc;

use super::{
    decode::decode,
    document::{At, Document, Rule, Stage},
    error::{Code, Error, Problem, Span, Text},
    find::find_from,
    parse::parse,
};
use enforcer_common::table::STAGES;

/// How many profiles may be built on each other.
pub(super) const DEEP_MAX: usize = 8;

/// Reads a profile and everything that it is built on, joined. The document is complete only if there is no problem.
pub(super) fn read(source: &Arc<Text>) -> Result<(Document, Vec<Problem>), Error> {
    let (mut document, mut problems) = decode(source, &parse(source)?);
    let mut chain = vec![Arc::clone(source)];
    while let Some(base) = document.extends.take() {
        let (text, root) = match follow(&chain, &base) {
            Ok(found) => found,
            Err(error) => {
                // What the missing base would have brought is no problem of its own.
                problems.extend(error.into_problems());
                return Err(Error::new(problems));
            }
        };
        let (base, more) = decode(&text, &root);
        problems.extend(more);
        join(&mut document, base, &mut problems);
        chain.push(text);
    }
    Ok((document, problems))
}

/// The profile that the last one of a chain extends, and its tree.
fn follow(chain: &[Arc<Text>], base: &At<String>) -> Result<(Arc<Text>, super::parse::Node), Error> {
    let here = &chain[chain.len() - 1];
    let place = |problem: Problem| match problem.place {
        Some(_) => problem,
        None => problem.at(here, base.span, ""),
    };
    let found = find_from(here, &base.value);
    let text = found.map_err(|error| Error::new(error.into_problems().into_iter().map(place).collect()))?;
    let same = |known: &&Arc<Text>| match (known.path(), text.path()) {
        (Some(known), Some(path)) => known == path,
        (None, None) => known.name() == text.name(),
        _ => false,
    };
    let shown = chain.iter().chain([&text]).map(|text| text.name()).collect::<Vec<_>>().join(" → ");
    if chain.iter().any(|known| same(&known)) {
        let message = format!("`extends` goes round in a circle: {shown}");
        let help = "a profile cannot be built on itself: copy what both need into a third one";
        return Err(place(Problem::new(Code::Circle, message).help(help)).into());
    }
    if chain.len() == DEEP_MAX {
        let message = format!("more than {DEEP_MAX} profiles are built on each other: {shown}");
        return Err(place(Problem::new(Code::Circle, message).help("join some of them")).into());
    }
    let root = parse(&text)?;
    Ok((text, root))
}

/// Adds what the base says to a document.
fn join(document: &mut Document, base: Document, problems: &mut Vec<Problem>) {
    let first = |own: &mut String, base: String| {
        if own.is_empty() {
            *own = base;
        }
    };
    first(&mut document.owner, base.owner);
    first(&mut document.description, base.description);
    document.mode = document.mode.or(base.mode);
    document.on_denial = document.on_denial.or(base.on_denial);
    document.on_trip = document.on_trip.or(base.on_trip);
    document.sni = document.sni.or(base.sni);
    document.ech = document.ech.or(base.ech);
    for (own, base) in document.budgets.0.iter_mut().zip(base.budgets.0) {
        *own = own.or(base);
    }
    document.extends = base.extends;
    join_stages(document, base.stages, base.rules, problems);
    for label in &base.labels {
        if let Some(own) = document.labels.iter().find(|own| own.name.value == label.name.value) {
            problems.push(twice("label", &own.source, &own.name, &label.source, label.name.span));
        }
    }
    document.labels.extend(base.labels);
    for exception in &base.exceptions {
        if let Some(own) = document.exceptions.iter().find(|own| own.id.value == exception.id.value) {
            let theirs = &exception.rule.source;
            problems.push(twice("exception", &own.rule.source, &own.id, theirs, exception.id.span));
        }
    }
    document.exceptions.extend(base.exceptions);
}

/// Puts the base's stages first and its rules last.
fn join_stages(document: &mut Document, base: Vec<Stage>, rules: Vec<Rule>, problems: &mut Vec<Problem>) {
    let own = std::mem::replace(&mut document.stages, base);
    let mut numbers = Vec::with_capacity(own.len());
    for stage in own {
        let known = document.stages.iter().position(|known| known.name.value == stage.name.value);
        numbers.push(known.unwrap_or(document.stages.len()));
        let Some(known) = known else {
            document.stages.push(stage);
            continue;
        };
        for (base, own) in document.stages[known].defaults.iter_mut().zip(stage.defaults) {
            *base = own.or(*base);
        }
    }
    if let Some(stage) = document.stages.get(STAGES) {
        let message = format!(
            "a profile has at most {STAGES} stages; with those of the profile that it extends this one has {}",
            document.stages.len()
        );
        let problem = Problem::new(Code::StageCount, message);
        problems.push(problem.at(&stage.source, stage.name.span, "one too many"));
        document.stages.truncate(STAGES);
    }
    document.rules.retain_mut(|rule| {
        let number = numbers.get(usize::from(rule.stage)).copied().filter(|&number| number < STAGES);
        rule.stage = number.unwrap_or_default() as u8;
        number.is_some()
    });
    document.rules.extend(rules);
}

/// Something that both profiles have.
fn twice(what: &str, source: &Arc<Text>, own: &At<String>, theirs: &Text, at: Span) -> Problem {
    let (line, _) = theirs.position(at.start);
    Problem::new(Code::Twice, format!("the {what} `{}` is there twice", own.value))
        .help(format!(
            "{}:{line} has it too, and this profile is built on that: use another name",
            theirs.name()
        ))
        .at(source, own.span, "")
}
