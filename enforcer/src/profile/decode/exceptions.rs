// SPDX-License-Identifier: MIT OR Apache-2.0

//! Exceptions.

use std::sync::Arc;

use enforcer_common::Kind;

use super::{
    super::{
        date::Date,
        document::{At, Effect, Exception, Rule, Target},
        error::{Code, Problem, Span},
        keys,
        parse::{Node, Value},
    },
    Reader,
};

impl Reader<'_> {
    pub(super) fn exceptions(&mut self, node: &Node) {
        for item in self.items(node, "`exceptions`") {
            if let Some(exception) = self.exception(item) {
                self.known(&exception.id);
                self.document.exceptions.push(exception);
            }
        }
    }

    /// An exception. All of its keys are looked at before it is given up.
    fn exception(&mut self, node: &Node) -> Option<Exception> {
        let shape = &keys::EXCEPTION;
        let before = self.problems.len();
        let fields = self.map(node, "an exception", shape);
        let misspelt = self.problems.len() > before;
        if !matches!(node.value, Value::Map(_)) {
            if !misspelt {
                self.require(node.span, "an exception", shape, shape.required, &[]);
            }
            return None;
        }
        let seen: Vec<&str> = fields.iter().map(|(key, _)| key.text.as_str()).collect();
        self.require(node.span, "an exception", shape, shape.required, &seen);
        let one = misspelt || self.require_one(node.span, "an exception", shape, &seen);
        let (mut id, mut stage, mut reason, mut owner, mut expires, mut target) =
            (None, None, None, None, None, None);
        for (key, value) in fields {
            match key.text.as_str() {
                "id" => id = self.id(value),
                "stage" => stage = self.text(value, "`stage`"),
                "reason" => reason = self.text(value, "`reason`"),
                "owner" => owner = self.text(value, "`owner`"),
                "expires" => expires = self.date(value),
                "network" => target = self.destination(value).map(|target| (target.network_kind(), target)),
                word => {
                    let kind = Kind::ALL.iter().copied().find(|kind| kind.name() == word)?;
                    let glob = self.text(value, &format!("`{word}`"));
                    target = glob.map(|glob| (kind, Target::path(glob)));
                }
            }
        }
        let (kind, target) = target.filter(|_| one)?;
        let source = Arc::clone(self.source);
        let rule = Rule { source, stage: 0, kind, effect: Effect::Allow, span: node.span, target };
        let (reason, owner) = (reason?.value, owner?.value);
        Some(Exception { id: id?, stage: stage?, rule, reason, owner, expires: expires? })
    }

    fn id(&mut self, node: &Node) -> Option<At<String>> {
        let id = self.text(node, "`id`")?;
        self.name(&id.value, id.span, "the id of an exception");
        Some(id)
    }

    fn date(&mut self, node: &Node) -> Option<Date> {
        if !matches!(node.value, Value::Text(_)) {
            let message = format!("`expires` is a date; this is {}", node.value.describe());
            let help = Some("year, month and day, such as 2027-01-31".to_owned());
            self.problem(Code::WrongType, node.span, message, "", help);
            return None;
        }
        let text = self.text(node, "`expires`")?;
        let place = |problem: Problem| problem.at(self.source, text.span, "");
        let date = Date::parse(&text.value).map_err(place);
        date.map_err(|problem| self.problems.push(problem)).ok()
    }

    /// Tells if there is an exception with this id already.
    fn known(&mut self, id: &At<String>) {
        let earlier = self.document.exceptions.iter().find(|other| other.id.value == id.value);
        let earlier: Option<Span> = earlier.map(|other| other.id.span);
        if let Some(earlier) = earlier {
            let message = format!("the exception `{}` is there twice", id.value);
            let problem = Problem::new(Code::Twice, message)
                .help("records name exceptions by their ids: give each its own")
                .at(self.source, id.span, "again")
                .and(earlier, "first");
            self.problems.push(problem);
        }
    }
}
