// SPDX-License-Identifier: MIT OR Apache-2.0

//! Exceptions as rules.

use super::{
    super::{
        automaton::Pattern,
        compile::HostRule,
        date::Date,
        document::{self, Effect},
        exception::Exception,
    },
    Lowering, Matched,
};

impl Lowering<'_> {
    /// An exception. One that no longer applies is looked into as well, but is no rule.
    pub(super) fn exception(&mut self, exception: &document::Exception, today: Date) {
        let written = &exception.rule;
        let Some(stage) = self.stage(&written.source, &exception.stage) else { return };
        let variables = self.variables.0.len();
        let Some(matched) = self.target(written) else { return };
        let expired = exception.expires <= today;
        if expired {
            self.variables.0.truncate(variables);
        }
        let rule = (!expired).then(|| self.exempt(exception, stage, matched));
        let (line, _) = written.source.position(exception.id.span.start);
        self.out.exceptions.push(Exception {
            id: exception.id.value.clone(),
            stage,
            rule,
            reason: exception.reason.clone(),
            owner: exception.owner.clone(),
            expires: exception.expires,
            expired,
            line,
        });
    }

    /// Makes an exception a rule: it allows, and for paths takes denials away too.
    fn exempt(&mut self, exception: &document::Exception, stage: u8, matched: Matched) -> u16 {
        let kind = exception.rule.kind;
        let number = self.number(&exception.rule);
        if let Some(rule) = self.out.rules.last_mut() {
            rule.stage = stage;
            rule.exception = Some(exception.id.value.clone());
        }
        let texts = match matched {
            Matched::Paths(globs) => {
                let texts = self.texts(&globs, number, Effect::Except);
                let except = Pattern::new(number, Effect::Except, texts);
                self.pattern(stage, kind, Pattern { recorded: true, ..except });
                self.texts(&globs, number, Effect::Allow)
            }
            Matched::Texts(texts) => texts,
            Matched::Host(host) => {
                self.out.hosts.push(HostRule { rule: number, stage, recorded: true, ..host });
                return number;
            }
        };
        self.pattern(stage, kind, Pattern { recorded: true, ..Pattern::new(number, Effect::Allow, texts) });
        number
    }
}
