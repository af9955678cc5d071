// SPDX-License-Identifier: MIT OR Apache-2.0

//! Transitions, for people and programs.

use serde_json::{Value, json};

use crate::{
    profile::{Compiled, difference::Difference, edges::Edge},
    report::table::columns,
};

/// A line for each transition and for what changes across it; nothing if there is none.
pub(super) fn text(profile: &Compiled, edges: &[Edge]) -> String {
    let mut rows = Vec::new();
    for edge in edges {
        let [from, to] = [edge.from, edge.to].map(|stage| &profile.stages[usize::from(stage)]);
        let changes = |word: &str, differences: &[Difference]| {
            differences.iter().map(|d| format!("{word} {d}")).collect::<Vec<_>>()
        };
        let mut lines = changes("allows more:", &edge.more);
        lines.extend(changes("allows less:", &edge.less));
        if lines.is_empty() {
            lines.push("allows the same".to_owned());
        }
        for (i, line) in lines.into_iter().enumerate() {
            let name = if i == 0 { format!("{from} -> {to}") } else { String::new() };
            rows.push(vec![name, line]);
        }
    }
    columns(&rows)
}

/// The same as JSON.
pub(super) fn values(profile: &Compiled, edges: &[Edge]) -> Vec<Value> {
    let one = |edge: &Edge| {
        let rules: Vec<Value> = edge.rules.iter().filter_map(|&n| profile.rule(n)).map(rule).collect();
        json!({
            "from": profile.stages[usize::from(edge.from)],
            "to": profile.stages[usize::from(edge.to)],
            "rules": rules,
            "allows_more": differences(&edge.more),
            "allows_less": differences(&edge.less),
        })
    };
    edges.iter().map(one).collect()
}

/// A rule and its place.
pub(super) fn rule(rule: &crate::profile::Rule) -> Value {
    json!({
        "number": rule.number,
        "effect": rule.effect.name(),
        "text": rule.text,
        "file": &*rule.file,
        "line": (rule.line > 0).then_some(rule.line),
        "exception": rule.exception,
    })
}

/// Kinds and examples; an example is null where the rules are too large to be compared.
pub(super) fn differences(differences: &[Difference]) -> Vec<Value> {
    differences.iter().map(|d| json!({ "kind": d.kind.name(), "example": d.example() })).collect()
}
