// SPDX-License-Identifier: MIT OR Apache-2.0

//! What `enforcer profile check` would say of a profile is done: rules that never decide are left out, and `widen` where it
//! has no effect.

use std::collections::BTreeSet;

use super::{
    Error, Options,
    named::NamedSets,
    rules::{Item, Model},
    survey::Survey,
    text, write,
};
use crate::profile::{Code, Compiled, check::check};

/// How often it is checked, at most.
const TIMES: usize = 8;

/// The profile, as a text and compiled, and how many rules were learnt.
pub(super) fn tidy(
    model: &Model,
    sets: &NamedSets,
    options: &Options,
    survey: &Survey,
) -> Result<(String, Compiled, usize), Error> {
    let mut lists = model.lists(sets);
    for time in 1.. {
        let (written, ids) = write::profile(&lists, model, options, survey);
        let source = text(options, written.clone());
        let checked = check(&source)?;
        let mut never = BTreeSet::new();
        let mut needless = BTreeSet::new();
        let warnings = checked.warnings.as_ref().map(|warnings| warnings.problems()).unwrap_or_default();
        for problem in warnings {
            let own = problem.place.as_ref().is_some_and(|place| place.source.name() == source.name());
            let line = problem.position().filter(|_| own).map(|(line, _)| line as usize - 1);
            let Some(id) = line.and_then(|line| ids.get(line).copied().flatten()) else { continue };
            match problem.code {
                Code::ShadowedRule => _ = never.insert(id),
                Code::NeedlessWiden => _ = needless.insert(id),
                _ => {}
            }
        }
        if never.is_empty() && needless.is_empty() || time == TIMES {
            let learnt = lists.iter().flatten().flatten().filter(|item| item.learnt).count();
            return Ok((written, checked.profile, learnt));
        }
        for (stage, all) in lists.iter_mut().enumerate() {
            for (place, items) in all.iter_mut().enumerate() {
                for (at, Item { text, .. }) in items.iter_mut().enumerate() {
                    if needless.contains(&(stage, place, at)) {
                        *text = text.replace(", widen: true", "");
                    }
                }
                let mut at = 0..;
                items.retain(|_| !never.contains(&(stage, place, at.next().unwrap_or_default())));
            }
        }
    }
    // The loop has returned.
    Err(Error::TooMuch(TIMES))
}
