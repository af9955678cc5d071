// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a profile says of the whole run: budgets, responses and labels.

use std::sync::Arc;

use enforcer_common::Budget;

use super::{
    super::{
        document::{At, Label},
        error::Code,
        keys,
        parse::{Node, Value},
    },
    Reader,
};

impl Reader<'_> {
    /// The items of a list of texts, of which there is at least one.
    pub(super) fn texts(&mut self, node: &Node, what: &str, item: &str) -> Option<Vec<At<String>>> {
        let before = self.problems.len();
        let texts: Vec<_> = self.items(node, what).iter().filter_map(|node| self.text(node, item)).collect();
        if texts.is_empty() && self.problems.len() == before {
            let help = Some(format!("add {item}, or remove it"));
            self.problem(Code::BadValue, node.span, format!("{what} is empty"), "", help);
        }
        (!texts.is_empty()).then_some(texts)
    }

    /// A whole number.
    pub(super) fn number(&mut self, node: &Node, what: &str, least: u64, most: u64) -> Option<u64> {
        let (code, found) = match &node.value {
            Value::Int(number) => (Code::BadValue, u64::try_from(*number).ok()),
            _ => (Code::WrongType, None),
        };
        let number = found.filter(|number| (least..=most).contains(number));
        if number.is_none() {
            let range = if most == keys::COUNT_MAX {
                format!("from {least} up")
            } else {
                format!("from {least} to {most}")
            };
            let message = format!("{what} is a whole number {range}; this is {}", node.value.describe());
            self.problem(code, node.span, message, "", None);
        }
        number
    }

    pub(super) fn budgets(&mut self, node: &Node) {
        for (key, node) in self.map(node, "`budgets`", &keys::BUDGETS) {
            let Some(budget) = Budget::ALL.iter().copied().find(|budget| budget.name() == key.text) else {
                continue;
            };
            let limit = self.number(node, &format!("`{}`", key.text), 1, keys::budget_max(budget));
            self.document.budgets.0[budget as usize] = limit;
        }
    }

    pub(super) fn respond(&mut self, node: &Node) {
        for (key, node) in self.map(node, "`respond`", &keys::RESPOND) {
            if key.text == "denial" {
                self.document.on_denial = self.word(node, "`denial`", keys::ON_DENIAL);
            } else {
                self.document.on_trip = self.word(node, "`trip`", keys::ON_TRIP);
            }
        }
    }

    pub(super) fn tls(&mut self, node: &Node) {
        for (key, node) in self.map(node, "`tls`", &keys::TLS) {
            if key.text == "sni" {
                self.document.sni = self.word(node, "`sni`", keys::SNI);
            } else {
                self.document.ech = self.word(node, "`ech`", keys::ECH);
            }
        }
    }

    /// The labels.
    pub(super) fn classify(&mut self, node: &Node) {
        let entries = match &node.value {
            Value::Map(entries) => &entries[..],
            Value::Null => &[],
            other => {
                let message =
                    format!("`classify` is a map from each label to its globs; this is {}", other.describe());
                return self.problem(Code::WrongType, node.span, message, "a map belongs here", None);
            }
        };
        for (key, node) in entries {
            self.name(&key.text, key.span, "the name of a label");
            let globs = self.texts(node, &format!("the label `{}`", key.text), "a glob").unwrap_or_default();
            let name = At { span: key.span, value: key.text.clone() };
            self.document.labels.push(Label { source: Arc::clone(self.source), name, globs });
        }
    }
}
