// SPDX-License-Identifier: MIT OR Apache-2.0

//! From the tree to a [`Document`]: which keys there are, what they take, and what is wrong, all of it at once.

use std::sync::Arc;

use enforcer_common::{Kind, table::STAGES};

use super::{
    document::{At, Document, Effect, LANGUAGE, Mode, Rule, Stage, Target},
    error::{Code, Problem, Span, Text, list, suggest},
    parse::{Key, Node, Value},
};

/// The keys of a profile.
const PROFILE: &[&str] = &["version", "name", "owner", "description", "mode", "stages"];
/// Keys that the language will have.
const LATER: &[&str] =
    &["select", "budgets", "respond", "exceptions", "extends", "classify", "argv", "widen", "unix", "types"];
/// The keys of a stage.
const STAGE: &[&str] = &["exec", "network", "files"];
/// The keys of a kind's rules.
const RULES: &[&str] = &["default", "allow", "deny", "except"];
/// The keys of a network's rules.
const NETWORK: &[&str] = &["default", "allow", "deny"];
/// The keys of an exec rule.
const EXEC: &[&str] = &["path", "stage"];
/// The keys of a network rule.
const DESTINATION: &[&str] = &["address", "host", "ports", "protocol"];
/// Characters that a name may have.
const NAME_MAX: usize = 64;

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
    fn map<'n>(&mut self, node: &'n Node, what: &str, keys: &[&str]) -> Vec<(&'n Key, &'n Node)> {
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
            } else if LATER.contains(&text) {
                let version = env!("CARGO_PKG_VERSION");
                let message = format!("`{text}` is not supported yet in version {version}");
                let help =
                    "remove it: a profile whose parts have no effect would promise too much".to_owned();
                self.problem(Code::NotSupported, key.span, message, "not supported yet", Some(help));
            } else {
                let message = format!("{what} has no key `{text}`");
                self.problem(Code::UnknownKey, key.span, message, "unknown key", Some(suggest(text, keys)));
            }
        }
        known
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
        for (key, node) in self.map(root, "a profile", PROFILE) {
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
                    let words = [("enforce", Mode::Enforce), ("audit", Mode::Audit)];
                    if let Some(mode) = self.word(node, "`mode`", &words) {
                        self.document.mode = mode;
                    }
                }
                _ => self.stages(node),
            }
        }
        if !matches!(root.value, Value::Map(_)) {
            return;
        }
        for (key, why) in [
            ("version", "the version of the language: `version: 1`"),
            ("name", "the name that reports use"),
            ("owner", "who answers for it, such as a team's address"),
            ("stages", "at least one stage; the first is the one that the command starts in"),
        ] {
            if !seen.contains(&key) {
                let message = format!("the profile has no `{key}`");
                self.problem(Code::MissingKey, root.span, message, "", Some(format!("add {why}")));
            }
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
            self.document.stages.push(Stage::new(At { span: key.span, value: key.text.clone() }));
            self.stage(number, node);
        }
    }

    fn stage(&mut self, stage: u8, node: &Node) {
        for (key, node) in self.map(node, "a stage", STAGE) {
            match key.text.as_str() {
                "exec" => self.rules(stage, Kind::Exec, node, "`exec`", RULES),
                "network" => self.rules(stage, Kind::Connect, node, "`network`", NETWORK),
                _ => {
                    for (key, node) in self.map(node, "`files`", &["read", "write"]) {
                        let (kind, what) = match key.text.as_str() {
                            "read" => (Kind::Read, "`read`"),
                            _ => (Kind::Write, "`write`"),
                        };
                        self.rules(stage, kind, node, what, RULES);
                    }
                }
            }
        }
    }

    /// The rules of one kind.
    fn rules(&mut self, stage: u8, kind: Kind, node: &Node, what: &str, keys: &[&str]) {
        for (key, node) in self.map(node, what, keys) {
            let effect = match key.text.as_str() {
                "default" => {
                    if let Some(allows) = self.word(node, "`default`", &[("allow", true), ("deny", false)]) {
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
                    Kind::Connect => self.destination(item),
                    Kind::Exec => self.program(item, effect),
                    Kind::Read | Kind::Write => {
                        self.text(item, "a glob").map(|glob| Target::Glob { glob, leads_to: None })
                    }
                };
                if let Some(target) = target {
                    self.document.rules.push(Rule { stage, kind, effect, span: item.span, target });
                }
            }
        }
    }

    /// A glob, or a map with the stage that it leads to.
    fn program(&mut self, node: &Node, effect: Effect) -> Option<Target> {
        let Value::Map(entries) = &node.value else {
            return self.text(node, "a glob").map(|glob| Target::Glob { glob, leads_to: None });
        };
        if !entries.is_empty() && entries.iter().all(|(_, v)| matches!(v.value, Value::Null)) {
            // `{sh,bash}` without quotes.
            self.text(node, "a glob");
            return None;
        }
        let (mut glob, mut leads_to, mut named) = (None, None, false);
        for (key, value) in self.map(node, "an exec rule", EXEC) {
            if key.text == "path" {
                named = true;
                glob = self.text(value, "`path`");
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
            let help = Some("`path: \"…\"`: a glob, the name of a program or `@set`".to_owned());
            self.problem(Code::MissingKey, node.span, "this exec rule has no `path`".into(), "", help);
        }
        Some(Target::Glob { glob: glob?, leads_to })
    }

    /// A network rule.
    fn destination(&mut self, node: &Node) -> Option<Target> {
        if let Value::Text(text) = &node.value {
            let key = if text.starts_with(|c: char| c.is_ascii_digit()) || text.contains(':') {
                "address"
            } else {
                "host"
            };
            let message = "a network rule is a map of `address` or `host`, `ports` and `protocol`".to_owned();
            self.problem(Code::WrongType, node.span, message, "", Some(format!("write `{key}: \"{text}\"`")));
            return None;
        }
        let before = self.problems.len();
        let fields = self.map(node, "a network rule", DESTINATION);
        let misspelt = self.problems.len() > before;
        let named = |key: &str| fields.iter().any(|(k, _)| k.text == key);
        let (has_address, has_host) = (named("address"), named("host"));
        let (mut address, mut host, mut ports, mut protocol) = (None, None, None, None);
        for (key, value) in fields {
            match key.text.as_str() {
                "address" => address = self.text(value, "`address`"),
                "host" => host = self.text(value, "`host`"),
                "protocol" => protocol = self.text(value, "`protocol`"),
                _ => ports = self.ports(value),
            }
        }
        let message = match (has_address, has_host) {
            (false, false) if misspelt => return None,
            (false, false) => "this network rule names no destination",
            (true, true) => "this network rule names an address and a host",
            _ => return Some(Target::Net { address, host, ports, protocol }),
        };
        let help = Some("one of `address: 192.0.2.0/24`, `address: any`, `host: name`".to_owned());
        self.problem(Code::Destination, node.span, message.to_owned(), "", help);
        None
    }

    /// A list of ports and ranges; they are looked into later.
    fn ports(&mut self, node: &Node) -> Option<At<Vec<At<String>>>> {
        if let Value::Int(port) = &node.value {
            let help = Some(format!("write `ports: [{port}]`"));
            self.problem(Code::WrongType, node.span, "`ports` is a list".into(), "", help);
            return None;
        }
        let mut ports = Vec::new();
        for item in self.items(node, "`ports`") {
            let value = match &item.value {
                Value::Int(number) => number.to_string(),
                Value::Text(text) => text.clone(),
                other => {
                    let message = format!(
                        "a port is a number or a range such as \"8000-8999\"; this is {}",
                        other.describe()
                    );
                    self.problem(Code::Port, item.span, message, "", None);
                    continue;
                }
            };
            ports.push(At { span: item.span, value });
        }
        if ports.is_empty() && matches!(node.value, Value::List(_) | Value::Null) {
            let help = Some("leave `ports` out to mean every port".to_owned());
            self.problem(Code::Port, node.span, "this list of ports is empty".into(), "", help);
        }
        Some(At { span: node.span, value: ports })
    }
}

/// "a deny", "an except".
fn article(effect: Effect) -> String {
    match effect {
        Effect::Deny => format!("a {}", effect.name()),
        Effect::Allow | Effect::Except => format!("an {}", effect.name()),
    }
}
