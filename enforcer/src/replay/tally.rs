// SPDX-License-Identifier: MIT OR Apache-2.0

//! What came of replays.

use std::{collections::BTreeMap, path::PathBuf};

/// Different findings that are kept of all recordings together; the others are only counted.
const FINDINGS: usize = 10_000;

/// What came of one replay or of many.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Recordings that were read.
    pub recordings: u64,
    /// Events in them.
    pub events: u64,
    /// Events that are denied.
    pub denied: u64,
    /// Events that are denied and were allowed then, in audit mode too.
    pub newly_denied: u64,
    /// Events that are allowed and were denied then, or in audit mode would have been.
    pub newly_allowed: u64,
    /// Of those, programs: what they would have done is not recorded.
    pub newly_executed: u64,
    /// Events that no profile decides: they are as they were recorded.
    pub carried: u64,
    /// Events of programs that would not have been executed.
    pub prevented: u64,
    /// Events of processes whose stage nobody can know.
    pub undecided: u64,
    /// Events of recordings of this very profile.
    pub own: u64,
    /// Of those, events whose verdict, reason or rule is not what was recorded.
    pub not_reproduced: u64,
    /// Programs of such recordings whose stage does not follow from the recorded execs.
    pub strayed: u64,
    /// With a second profile: events that the two decide differently.
    pub different: u64,
    /// Events that the recordings lack.
    pub lost: u64,
    /// Whether the one recording was cut off.
    pub is_cut: bool,
    /// Recordings that were cut off.
    pub cut: Vec<PathBuf>,
    /// What is reported one by one, and how often it occurs.
    pub findings: BTreeMap<Finding, u64>,
    /// Events of further findings.
    pub further: u64,
}

/// Something that is reported. Texts are fit for a terminal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Package and script, or the program.
    pub who: String,
    /// What was attempted.
    pub action: &'static str,
    /// What it was aimed at.
    pub target: String,
    /// The stage, in the profile that decided.
    pub stage: String,
    /// What was said then.
    pub then: &'static str,
    /// What the profile says, and why.
    pub now: (&'static str, String),
    /// What the second profile says, and why.
    pub against: Option<(&'static str, String)>,
}

impl Tally {
    /// Keeps a finding.
    pub fn find(&mut self, finding: Finding) {
        self.add(finding, 1);
    }

    /// Adds what came of other replays.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        for (sum, more) in [
            (&mut self.recordings, other.recordings),
            (&mut self.events, other.events),
            (&mut self.denied, other.denied),
            (&mut self.newly_denied, other.newly_denied),
            (&mut self.newly_allowed, other.newly_allowed),
            (&mut self.newly_executed, other.newly_executed),
            (&mut self.carried, other.carried),
            (&mut self.prevented, other.prevented),
            (&mut self.undecided, other.undecided),
            (&mut self.own, other.own),
            (&mut self.not_reproduced, other.not_reproduced),
            (&mut self.strayed, other.strayed),
            (&mut self.different, other.different),
            (&mut self.lost, other.lost),
            (&mut self.further, other.further),
        ] {
            *sum = sum.saturating_add(more);
        }
        self.cut.extend(other.cut);
        for (finding, count) in other.findings {
            self.add(finding, count);
        }
        self
    }

    fn add(&mut self, finding: Finding, count: u64) {
        if self.findings.len() < FINDINGS || self.findings.contains_key(&finding) {
            *self.findings.entry(finding).or_default() += count;
        } else {
            self.further += count;
        }
    }
}
