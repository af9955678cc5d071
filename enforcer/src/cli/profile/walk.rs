// SPDX-License-Identifier: MIT OR Apache-2.0

//! A walk through the automaton, for people and programs.

use enforcer_common::table::{ABSORBING, Outcome};
use serde_json::{Value, json};

use crate::profile::{Compiled, explain::Spelling};

/// Columns of a line.
const WIDTH: usize = 100;

/// The states of a walk, byte by byte, on as few lines as they need.
pub(super) fn text(profile: &Compiled, spelling: &Spelling) -> String {
    let mut out = format!("  walk of {}\n", spelling.shown);
    let mut line = format!("    {}", state(spelling.start));
    for (byte, next) in &spelling.steps {
        let step = format!(" {byte} {}", state(*next));
        if line.chars().count() + step.chars().count() > WIDTH {
            out.push_str(&line);
            out.push('\n');
            line = "   ".to_owned();
        }
        line.push_str(&step);
    }
    if spelling.early {
        line.push_str(" (what follows changes nothing)");
    }
    out + &format!("{line}\n    {}\n", outcome(profile, spelling.outcome))
}

/// The same as JSON.
pub(super) fn value(spelling: &Spelling) -> Value {
    let steps: Vec<Value> = spelling.steps.iter().map(|(byte, next)| json!([byte, next])).collect();
    json!({ "spelling": spelling.shown, "start": spelling.start, "steps": steps })
}

/// The number of a state; one that ends the walk is the number of its outcome.
fn state(state: u16) -> String {
    match state.checked_sub(ABSORBING) {
        Some(outcome) => format!("[outcome {outcome}]"),
        None => state.to_string(),
    }
}

/// What is said in the end.
fn outcome(profile: &Compiled, outcome: Outcome) -> String {
    let rule = |number: u16| {
        profile
            .rule(number)
            .map_or_else(|| format!("rule {number}"), |rule| format!("{} ({rule})", rule.text))
    };
    let mut said = Vec::new();
    if outcome.flags & Outcome::DENY != 0 {
        said.push(format!("deny {}", rule(outcome.deny_rule)));
    }
    if outcome.flags & Outcome::EXCEPT != 0 {
        said.push("except".to_owned());
    }
    if outcome.flags & Outcome::ALLOW != 0 {
        said.push(format!("allow {}", rule(outcome.allow_rule)));
    }
    if said.is_empty() { "says: no rule".to_owned() } else { format!("says: {}", said.join(", ")) }
}
