// SPDX-License-Identifier: MIT OR Apache-2.0

//! Stages and transitions as pictures: text for Mermaid and Graphviz.

use crate::profile::{Compiled, edges::Edge};

/// Rules that the label of an arrow names.
const NAMED: usize = 3;

/// A Mermaid flowchart. What widens is a thick arrow.
pub(super) fn mermaid(profile: &Compiled, edges: &[Edge]) -> String {
    let escape = |text: &str| text.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;");
    let mut out = "flowchart LR\n".to_owned();
    for (number, name) in profile.stages.iter().enumerate() {
        let [open, close] = if number == 0 { ["([", "])"] } else { ["[", "]"] };
        out += &format!("    s{number}{open}\"{}\"{close}\n", escape(name));
    }
    for edge in edges {
        let arrow = if edge.more.is_empty() { "-->" } else { "==>" };
        let label = escape(&label(profile, edge, ", "));
        out += &format!("    s{} {arrow}|\"{label}\"| s{}\n", edge.from, edge.to);
    }
    out
}

/// A Graphviz graph. What widens is a thick arrow.
pub(super) fn dot(profile: &Compiled, edges: &[Edge]) -> String {
    let escape = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let mut out =
        format!("digraph \"{}\" {{\n    rankdir=LR;\n    node [shape=box];\n", escape(&profile.name));
    for (number, name) in profile.stages.iter().enumerate() {
        let first = if number == 0 { ", style=rounded" } else { "" };
        out += &format!("    s{number} [label=\"{}\"{first}];\n", escape(name));
    }
    for edge in edges {
        let style = if edge.more.is_empty() { "" } else { ", penwidth=3" };
        let label = label(profile, edge, "\n");
        let label = label.split('\n').map(escape).collect::<Vec<_>>().join("\\n");
        out += &format!("    s{} -> s{} [label=\"{label}\"{style}];\n", edge.from, edge.to);
    }
    out + "}\n"
}

/// What leads there: the globs of the first rules.
fn label(profile: &Compiled, edge: &Edge, between: &str) -> String {
    let glob = |text: &str| {
        let inner = text.strip_prefix("{ path: \"").and_then(|rest| rest.split_once("\", stage: "));
        inner.map_or(text, |(glob, _)| glob).to_owned()
    };
    let rules = edge.rules.iter().filter_map(|&number| profile.rule(number));
    let mut globs: Vec<String> = rules.take(NAMED).map(|rule| glob(&rule.text)).collect();
    if edge.rules.len() > NAMED {
        globs.push(format!("and {} more", edge.rules.len() - NAMED));
    }
    globs.join(between)
}
