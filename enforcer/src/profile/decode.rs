// SPDX-License-Identifier: MIT OR Apache-2.0

//! From the tree to a [`Document`]: which keys there are, what they take, and what is wrong, all of it at once.

mod exceptions;
mod files;
mod network;
mod select;
mod settings;

use std::sync::Arc;

use enforcer_common::{Kind, table::STAGES};

use super::{
    document::{At, Document, Effect, LANGUAGE, NETWORK, Rule, Stage, Target},
    error::{Code, Problem, Span, Text, list, suggest},
    keys::{self, Shape},
    parse::{Key, Node, Value},
};

/// Characters that a name may have.
pub(super) const NAME_MAX: usize = 64;

/// Reads the tree. The document is complete only if there is no problem.
pub(super) fn decode(source: &Arc<Text>, root: &Node) -> (Document, Vec<Problem>) {
    let mut reader = Reader { source, problems: Vec::new(), document: Document::default() };
    reader.profile(root);
    let mut document = reader.document;
    document.rules.sort_by_key(|rule| rule.span.start);
    (document, reader.problems)
}

struct Reader<'a> {
    source: &'a Arc<Text>,
    problems: Vec<Problem>,
    document: Document,
}

impl<'a> Reader<'a> {
    fn problem(&mut self, code: Code, span: Span, message: String, label: &str, help: Option<String>) {
        self.problems.push(Problem::new(code, message).maybe_help(help).at(self.source, span, label));
    }

    /// The entries of a map; keys that it does not have are problems.
    fn map<'n>(&mut self, node: &'n Node, what: &str, shape: &Shape) -> Vec<(&'n Key, &'n Node)> {
        let keys = &shape.names()[..];
        let entries = match &node.value {
            Value::Map(entries) => entries,
            Value::Null => return Vec::new(),
            other => {
                let message = format!("{what} is a map of {}; this is {}", list(keys), other.describe());
                self.problem(Code::WrongType, node.span, message, "a map belongs here", None);
                return Vec::new();
            }
        };
        let mut known = Vec::new();
        for (key, value) in entries {
            let text = key.text.as_str();
            if keys.contains(&text) {
                known.push((key, value));
            } else {
                let message = format!("{what} has no key `{text}`");
                self.problem(Code::UnknownKey, key.span, message, "unknown key", Some(suggest(text, keys)));
            }
        }
        known
    }

    /// Tells of keys that must be there and are not.
    fn require(&mut self, span: Span, what: &str, shape: &Shape, required: &[&str], seen: &[&str]) {
        for key in required.iter().filter(|key| !seen.contains(key)) {
            let message = format!("{what} has no `{key}`");
            self.problem(Code::MissingKey, span, message, "", Some(format!("add {}", shape.about(key))));
        }
    }

    /// Tells if there is not exactly one of the keys of which there must be one.
    fn require_one(&mut self, span: Span, what: &str, shape: &Shape, seen: &[&str]) -> bool {
        let found: Vec<&str> = seen.iter().copied().filter(|key| shape.one_of.contains(key)).collect();
        let help = Some(format!("write one of {}", list(shape.one_of)));
        match found[..] {
            [_] => return true,
            [] => self.problem(
                Code::MissingKey,
                span,
                format!("{what} does not say what it is about"),
                "",
                help,
            ),
            _ => {
                let message = format!("{what} is about one thing; this one names {}", list(&found));
                self.problem(Code::BadValue, span, message, "", help);
            }
        }
        false
    }

    /// The items of a list; nothing is an empty list.
    fn items<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        match &node.value {
            Value::List(items) => items,
            Value::Null => &[],
            other => {
                let help = match other {
                    Value::Text(text) => {
                        Some(format!("write `[\"{text}\"]`, or a `- ` before it on a line of its own"))
                    }
                    _ => None,
                };
                let message = format!("{what} is a list; this is {}", other.describe());
                self.problem(Code::WrongType, node.span, message, "a list belongs here", help);
                &[]
            }
        }
    }

    /// A text that is not empty.
    fn text(&mut self, node: &Node, what: &str) -> Option<At<String>> {
        let help = match &node.value {
            Value::Text(text) if !text.trim().is_empty() => {
                return Some(At { span: node.span, value: text.clone() });
            }
            Value::Text(_) => {
                self.problem(
                    Code::BadValue,
                    node.span,
                    format!("{what} is empty"),
                    "text belongs here",
                    None,
                );
                return None;
            }
            Value::Null => {
                Some("`~` and an empty value mean nothing in YAML: quote what is meant".to_owned())
            }
            Value::Int(_) | Value::Float | Value::Bool(_) => Some("quote it".to_owned()),
            Value::Map(_) | Value::List(_)
                if self.source.text()[node.span.start..].starts_with(['{', '[']) =>
            {
                Some("text with `{` or `[` must be quoted".to_owned())
            }
            Value::Map(_) | Value::List(_) => None,
        };
        let message = format!("{what} is text; this is {}", node.value.describe());
        self.problem(Code::WrongType, node.span, message, "text belongs here", help);
        None
    }

    /// One of some words.
    fn word<T: Copy>(&mut self, node: &Node, what: &str, words: &[(&str, T)]) -> Option<T> {
        let text = match &node.value {
            Value::Text(text) => text.as_str(),
            _ => "",
        };
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let message = format!("{what} is one of {}; this is {}", list(&names), node.value.describe());
        let help = super::error::nearest(text, names).map(|n| format!("did you mean `{n}`?"));
        self.problem(Code::BadValue, node.span, message, "", help);
        None
    }

    /// True or false.
    fn truth(&mut self, node: &Node, what: &str) -> bool {
        if let Value::Bool(value) = node.value {
            return value;
        }
        let message = format!("{what} is `true` or `false`; this is {}", node.value.describe());
        self.problem(Code::WrongType, node.span, message, "", None);
        false
    }

    /// A name: letters, digits, `-`, `_` and `.`.
    fn name(&mut self, text: &str, span: Span, what: &str) {
        let ok = text.len() <= NAME_MAX
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if !ok {
            let message = format!("`{text}` cannot be {what}");
            let help = format!("up to {NAME_MAX} letters, digits, `-`, `_` and `.`, a letter or digit first");
            self.problem(Code::BadValue, span, message, "", Some(help));
        }
    }

    fn profile(&mut self, root: &Node) {
        if matches!(root.value, Value::Null) {
            let help = Some("profiles/npm-install.yaml is one to begin with".to_owned());
            return self.problem(Code::MissingKey, root.span, "the profile is empty".into(), "", help);
        }
        let mut seen = Vec::new();
        for (key, node) in self.map(root, "a profile", &keys::PROFILE) {
            seen.push(key.text.as_str());
            match key.text.as_str() {
                "version" => self.version(node),
                "name" => {
                    if let Some(name) = self.text(node, "`name`") {
                        self.name(&name.value, name.span, "the name of a profile");
                        self.document.name = name.value;
                    }
                }
                "owner" => {
                    if let Some(owner) = self.text(node, "`owner`") {
                        self.document.owner = owner.value;
                    }
                }
                "description" => {
                    if let Some(text) = self.text(node, "`description`") {
                        self.document.description = text.value;
                    }
                }
                "mode" => {
                    let mode = self.word(node, "`mode`", keys::MODE);
                    self.document.mode = mode;
                }
                "extends" => {
                    let base = self.text(node, "`extends`");
                    self.document.extends = base;
                }
                "select" => self.select(node),
                "classify" => self.classify(node),
                "budgets" => self.budgets(node),
                "respond" => self.respond(node),
                "tls" => self.tls(node),
                "exceptions" => self.exceptions(node),
                _ => self.stages(node),
            }
        }
        if !matches!(root.value, Value::Map(_)) {
            return;
        }
        let shape = &keys::PROFILE;
        self.require(root.span, "the profile", shape, shape.required, &seen);
        if !seen.contains(&"extends") {
            self.require(root.span, "the profile", shape, keys::REQUIRED_ALONE, &seen);
        }
    }

    fn version(&mut self, node: &Node) {
        let found = match &node.value {
            Value::Int(LANGUAGE) => return,
            Value::Int(other) => {
                let message = format!("`version: {other}` is not supported; this enforcer reads {LANGUAGE}");
                self.problem(Code::NotSupported, node.span, message, "", None);
                return;
            }
            other => other.describe(),
        };
        let message = format!("`version` is the number {LANGUAGE}; this is {found}");
        self.problem(Code::WrongType, node.span, message, "", Some(format!("write `version: {LANGUAGE}`")));
    }

    fn stages(&mut self, node: &Node) {
        let Value::Map(entries) = &node.value else {
            let message = format!(
                "`stages` is a map from each stage's name to its rules; this is {}",
                node.value.describe()
            );
            self.problem(Code::WrongType, node.span, message, "a map belongs here", None);
            return;
        };
        if entries.is_empty() {
            self.problem(Code::StageCount, node.span, "a profile has at least one stage".into(), "", None);
        }
        for (index, (key, node)) in entries.iter().enumerate() {
            let Some(number) = u8::try_from(index).ok().filter(|_| index < STAGES) else {
                let message =
                    format!("a profile has at most {STAGES} stages; this one has {}", entries.len());
                self.problem(Code::StageCount, key.span, message, "one too many", None);
                break;
            };
            self.name(&key.text, key.span, "the name of a stage");
            self.document.stages.push(Stage {
                source: Arc::clone(self.source),
                name: At { span: key.span, value: key.text.clone() },
                defaults: [None; Kind::ALL.len()],
            });
            self.stage(number, node);
        }
    }

    fn stage(&mut self, stage: u8, node: &Node) {
        for (key, node) in self.map(node, "a stage", &keys::STAGE) {
            match key.text.as_str() {
                "exec" => self.rules(stage, Kind::Exec, node, "`exec`", &keys::EXEC_RULES),
                "network" => self.rules(stage, Kind::Connect, node, "`network`", &keys::NETWORK_RULES),
                _ => {
                    for (key, node) in self.map(node, "`files`", &keys::FILES) {
                        let (kind, what) = match key.text.as_str() {
                            "read" => (Kind::Read, "`read`"),
                            _ => (Kind::Write, "`write`"),
                        };
                        self.rules(stage, kind, node, what, &keys::FILE_RULES);
                    }
                }
            }
        }
    }

    /// The rules of one kind.
    fn rules(&mut self, stage: u8, kind: Kind, node: &Node, what: &str, shape: &Shape) {
        for (key, node) in self.map(node, what, shape) {
            let effect = match key.text.as_str() {
                "default" => {
                    let allows = self.word(node, "`default`", keys::DEFAULT);
                    let kinds = if kind == Kind::Connect { &NETWORK[..] } else { &[kind] };
                    for &kind in kinds {
                        self.document.stages[usize::from(stage)].defaults[kind as usize] = allows;
                    }
                    continue;
                }
                "allow" => Effect::Allow,
                "deny" => Effect::Deny,
                _ => Effect::Except,
            };
            for item in self.items(node, &format!("`{}`", key.text)) {
                let target = match kind {
                    Kind::Exec => self.program(item, effect).map(|target| (kind, target)),
                    Kind::Read | Kind::Write => self.file(item).map(|target| (kind, target)),
                    _ => self.destination(item).map(|target| (target.network_kind(), target)),
                };
                if let Some((kind, target)) = target {
                    let source = Arc::clone(self.source);
                    self.document.rules.push(Rule { source, stage, kind, effect, span: item.span, target });
                }
            }
        }
    }

    /// A glob, or a map with the stage that it leads to.
    fn program(&mut self, node: &Node, effect: Effect) -> Option<Target> {
        let Value::Map(entries) = &node.value else {
            return self.text(node, "a glob").map(Target::path);
        };
        if unquoted(entries) {
            self.text(node, "a glob");
            return None;
        }
        let (mut glob, mut args, mut leads_to, mut named, mut widen) = (None, None, None, false, None);
        for (key, value) in self.map(node, "an exec rule", &keys::EXEC) {
            if key.text == "path" {
                named = true;
                glob = self.text(value, "`path`");
            } else if key.text == "args" {
                let items = self.items(value, "`args`").iter();
                let read: Option<Vec<_>> = items.map(|item| self.text(item, "a glob")).collect();
                // Without them the rule would be about all arguments.
                let read = read.unwrap_or_default();
                args = Some(At { span: value.span, value: read });
            } else if key.text == "widen" {
                widen = self.truth(value, "`widen`").then_some(key.span);
            } else {
                leads_to = self.text(value, "`stage`");
                if effect != Effect::Allow {
                    let message = format!("{} rule leads to no stage", article(effect));
                    let help = Some("`stage` belongs to rules below `allow`".to_owned());
                    self.problem(Code::BadValue, key.span, message, "", help);
                }
            }
        }
        if !named {
            let help = Some(keys::EXEC.about("path").to_owned());
            self.problem(Code::MissingKey, node.span, "this exec rule has no `path`".into(), "", help);
        }
        if let Some(span) = widen.filter(|_| !entries.iter().any(|(key, _)| key.text == "stage")) {
            let message =
                "`widen` is about the stage that a rule leads to; this rule leads to none".to_owned();
            self.problem(Code::BadValue, span, message, "", Some("add `stage: …`, or remove `widen`".into()));
        }
        Some(Target::Glob { glob: glob?, args, leads_to, widen: widen.is_some() })
    }
}

/// Whether a map is `{sh,bash}` without quotes.
fn unquoted(entries: &[(Key, Node)]) -> bool {
    !entries.is_empty() && entries.iter().all(|(_, value)| matches!(value.value, Value::Null))
}

/// "a deny", "an except".
fn article(effect: Effect) -> String {
    match effect {
        Effect::Deny => format!("a {}", effect.name()),
        Effect::Allow | Effect::Except => format!("an {}", effect.name()),
    }
}
