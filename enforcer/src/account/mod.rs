// SPDX-License-Identifier: MIT OR Apache-2.0

//! A recorded run, told to whoever has to judge it.
//!
//! One pass over a recording makes an [`Account`] of bounded size; each renderer makes one format of it. Texts of an account
//! are fit for a terminal: what packages chose in them controls nothing. What else a format needs is its renderer's.

mod actors;
mod gather;
mod legend;
mod programs;
pub mod render;
#[cfg(test)]
mod tests;
mod timeline;

use std::collections::BTreeMap;

use enforcer_common::Verdict;

pub use self::{
    actors::{Actor, Count, Seen},
    gather::{account, open},
    programs::Program,
    timeline::{BUCKETS, Bar, Timeline},
};
use crate::report::{Denial, Legend, json::Spent, suggest::suggest};

/// What a recording says.
#[derive(Debug)]
pub struct Account {
    /// The run.
    pub run: Run,
    /// The profile that decided.
    pub legend: Legend,
    /// Who acted, in the order in which they appeared.
    pub actors: Vec<Actor>,
    /// The programs that were executed, each behind its parent.
    pub programs: Vec<Program>,
    /// When.
    pub timeline: Timeline,
    /// What was denied, or in audit mode would have been, in the order in which it first was.
    pub denials: Vec<Refused>,
    /// Denials that are none of those.
    pub unlisted: u64,
    /// Exceptions that were used.
    pub exceptions: Vec<Refused>,
    /// Decisions.
    pub count: Count,
    /// Whether the recording could be read to its end.
    pub is_whole: bool,
    /// What is not in this account, a sentence each.
    pub gaps: Vec<String>,
}

/// A run.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// COMMAND and its arguments.
    pub command: String,
    /// When it started: RFC 3339, UTC.
    pub started: String,
    /// When it ended.
    pub ended: Option<String>,
    /// The time of the last thing that is recorded, in nanoseconds since the start.
    pub last: i64,
    /// The status that `enforcer` exited with.
    pub exit: Option<u8>,
    /// The signal that ended COMMAND.
    pub signal: Option<u8>,
    /// The budget that tripped it.
    pub tripped: Option<String>,
    /// The user.
    pub user: String,
    /// The kernel.
    pub kernel: String,
    /// Version of the enforcer.
    pub enforcer: String,
    /// Whether denials were made, and not only reported.
    pub enforced: bool,
    /// What was spent of the budgets.
    pub budgets: BTreeMap<String, Spent>,
}

/// Something that was denied, or allowed by an exception only.
#[derive(Clone, Debug)]
pub struct Refused {
    /// What it is.
    pub denial: Denial,
    /// How often it happened.
    pub events: u64,
    /// When it first did.
    pub first: i64,
    /// Whose doing it was.
    pub actor: usize,
    /// The program.
    pub program: usize,
}

impl Refused {
    /// `denied`, `would be denied`, or `allowed by exception`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self.denial.verdict {
            Verdict::Deny => "denied",
            Verdict::WouldDeny => "would be denied",
            Verdict::Allow => "allowed by exception",
        }
    }
}

impl Account {
    /// One line: what became of COMMAND.
    #[must_use]
    pub fn headline(&self) -> String {
        use crate::report::number::counted;
        let headline = match (self.count.denied, self.run.enforced) {
            (0, true) => "nothing was denied".to_owned(),
            (0, false) => "nothing would have been denied".to_owned(),
            (denied, true) => format!("denied {}", counted(denied, "action")),
            (denied, false) => format!("would have denied {}", counted(denied, "action")),
        };
        if self.is_whole { headline } else { format!("{headline}, as far as can be read") }
    }

    /// How COMMAND ended, if that is known.
    #[must_use]
    pub fn ending(&self) -> Option<String> {
        let Run { exit, signal, tripped, .. } = &self.run;
        let status = match signal {
            Some(signal) => format!("ended by signal {signal}"),
            None => format!("exit status {}", (*exit)?),
        };
        Some(match tripped {
            Some(budget) => format!("{status}, tripped by its budget of {budget}"),
            None => status,
        })
    }

    /// The number of an actor, and it, those first that were denied most, and then those that did most.
    #[must_use]
    pub fn ranked(&self) -> Vec<(usize, &Actor)> {
        let mut ranked: Vec<_> = self.actors.iter().enumerate().collect();
        ranked.sort_by_key(|(_, actor)| {
            let count = actor.total();
            std::cmp::Reverse((count.denied, count.allowed))
        });
        ranked
    }

    /// What an actor was denied.
    pub fn denied_to(&self, actor: usize) -> impl Iterator<Item = &Refused> {
        self.denials.iter().filter(move |refused| refused.actor == actor)
    }

    /// The YAML that would allow what an actor was denied, as far as there is a simple one.
    #[must_use]
    pub fn remedy(&self, actor: usize) -> Option<String> {
        let denials = self.denied_to(actor).map(|refused| &refused.denial);
        suggest(denials, &self.legend).map(|(yaml, _)| yaml)
    }

    /// The YAML that would allow one thing.
    #[must_use]
    pub fn remedy_of(&self, refused: &Refused) -> Option<String> {
        suggest(std::iter::once(&refused.denial), &self.legend).map(|(yaml, _)| yaml)
    }

    /// Stage and reason.
    #[must_use]
    pub fn why(&self, refused: &Refused) -> String {
        let Refused { denial, .. } = refused;
        format!("stage {}: {}", self.legend.stage(denial.stage), denial.why(&self.legend))
    }

    /// Where in the profile it was decided, or a rule about it would stand: file and line.
    #[must_use]
    pub fn place(&self, refused: &Refused) -> (String, Option<u32>) {
        let Denial { rule, stage, kind, reason, .. } = refused.denial;
        let by_rule = (reason == enforcer_common::Reason::Rule)
            .then(|| self.legend.place_of_rule(rule).map(str::to_owned))
            .flatten();
        let place = by_rule
            .or_else(|| self.legend.place_of_default(stage, kind))
            .unwrap_or_else(|| self.legend.file.clone());
        match place.rsplit_once(':').map(|(file, line)| (file, line.parse::<u32>())) {
            Some((file, Ok(line))) if line > 0 => (file.to_owned(), Some(line)),
            _ => (place, None),
        }
    }
}

/// A time since the start, in seconds.
#[must_use]
pub fn seconds(nanoseconds: i64) -> String {
    let milliseconds = nanoseconds.div_euclid(1_000_000);
    let sign = if milliseconds < 0 { "-" } else { "" };
    let milliseconds = milliseconds.unsigned_abs();
    format!("{sign}{}.{:03} s", milliseconds / 1000, milliseconds % 1000)
}
