// SPDX-License-Identifier: MIT OR Apache-2.0

//! Rules for files.

use super::{
    super::{
        document::Target,
        keys,
        parse::{Node, Value},
    },
    Reader, unquoted,
};

impl Reader<'_> {
    /// A glob, or a map with types or a label.
    pub(super) fn file(&mut self, node: &Node) -> Option<Target> {
        match &node.value {
            Value::Map(entries) if !unquoted(entries) => {}
            _ => return self.text(node, "a glob").map(Target::path),
        }
        let before = self.problems.len();
        let fields = self.map(node, "a rule for files", &keys::FILE);
        let misspelt = self.problems.len() > before;
        let seen: Vec<&str> = fields.iter().map(|(key, _)| key.text.as_str()).collect();
        if misspelt || !self.require_one(node.span, "a rule for files", &keys::FILE, &seen) {
            return None;
        }
        let &(key, value) = fields.first()?;
        match key.text.as_str() {
            "type" => self.text(value, "`type`").map(|one| Target::Types(vec![one])),
            "types" => self.texts(value, "`types`", "a type").map(Target::Types),
            _ => self.text(value, "`label`").map(Target::Label),
        }
    }
}
