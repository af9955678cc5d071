// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the service counts over all runs since it began, for those who watch many machines: OpenMetrics.
//!
//! Labels are names of profiles, of actions and of verdicts, and nothing that a run could choose: so there are only so many.

mod listener;
mod text;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime},
};

use enforcer_common::{
    Kind, Verdict,
    latency::Latency,
    run::{Counters, MODE_AUDIT, Run},
    select::Chosen,
    table::KINDS,
};
use prometheus_client::metrics::histogram::Histogram;

pub(super) use self::listener::Listener;
pub use self::listener::{Address, AddressError};
use super::{
    known::Known,
    otlp::{Otlp, Told},
    profiles::Loaded,
    state::State,
};
use crate::{
    kernel::{self, Service, service::Fill},
    profile,
};

/// Seconds that runs are told apart by.
const BUCKETS: [f64; 13] =
    [0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0];

/// What is counted.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    profiles: BTreeMap<String, Sum>,
    runs: BTreeMap<u32, Tally>,
    /// When profiles were last loaded.
    loaded: Option<SystemTime>,
}

/// What is counted for the runs of one profile, those that are over included.
#[derive(Clone, Debug)]
struct Sum {
    /// By action.
    decisions: BTreeMap<&'static str, u64>,
    /// By action and verdict.
    denials: BTreeMap<(&'static str, &'static str), u64>,
    lost_events: u64,
    lost_images: u64,
    refused_forks: u64,
    begun: u64,
    ended: u64,
    tripped: u64,
    durations: Histogram,
    /// Now.
    runs: u64,
    tasks: u64,
}

/// A run that is under way.
#[derive(Debug)]
struct Tally {
    profile: String,
    verdict: Verdict,
    began: Instant,
    /// What of it is in its profile's sum, or was before we came.
    seen: Counters,
}

/// How things are, to be told.
#[derive(Debug)]
struct Reading {
    profiles: BTreeMap<String, Sum>,
    loaded: Option<SystemTime>,
    known: u64,
    selecting: u64,
    failed: bool,
    armed: bool,
    chosen: Chosen,
    places: u64,
    ready: u64,
    /// By action.
    latencies: BTreeMap<&'static str, Latency>,
    fills: Vec<Fill>,
    /// What became of records for a collector.
    otlp: Option<Told>,
}

impl Metrics {
    /// Profiles were loaded. What has not happened yet is told, too: a count that is there from the beginning can be seen to grow.
    pub(super) fn loaded<'a>(&mut self, profiles: impl Iterator<Item = &'a Loaded>) {
        for Loaded { compiled, .. } in profiles {
            let verdict =
                if compiled.mode == profile::Mode::Audit { Verdict::WouldDeny } else { Verdict::Deny };
            let sum = self.profiles.entry(compiled.name.clone()).or_default();
            for kind in Kind::ALL {
                sum.decisions.entry(kind.action()).or_default();
                sum.denials.entry((kind.action(), verdict.name())).or_default();
            }
        }
        self.loaded = Some(SystemTime::now());
    }

    /// A run has been found.
    pub(super) fn found(&mut self, run: &Run, known: &Known, adopted: bool, kernel: &Service) {
        // What was counted before we came is in the sums of the service before us.
        let before = if adopted { kernel.counters(run.id).unwrap_or_default() } else { Counters::default() };
        let written = adopted.then(|| Known::read(run)).flatten();
        let known = written.as_ref().unwrap_or(known);
        let began = humantime::parse_rfc3339(&known.started).unwrap_or_else(|_| SystemTime::now());
        self.begun(run, &known.profile, began.elapsed().unwrap_or_default(), before);
    }

    /// A run has been found, which began some time ago, and for which this much was counted before it was ours.
    fn begun(&mut self, run: &Run, profile: &str, ago: Duration, before: Counters) {
        // One that could not be watched comes again.
        self.runs.entry(run.id).or_insert_with(|| {
            self.profiles.entry(profile.to_owned()).or_default().begun += 1;
            let now = Instant::now();
            Tally {
                profile: profile.to_owned(),
                verdict: if run.mode == MODE_AUDIT { Verdict::WouldDeny } else { Verdict::Deny },
                began: now.checked_sub(ago).unwrap_or(now),
                seen: before,
            }
        });
    }

    /// This much was counted for a run so far.
    pub(super) fn saw(&mut self, run: u32, now: &Counters) {
        let Some(tally) = self.runs.get_mut(&run) else { return };
        // Less than before: its place has been given back meanwhile.
        if now.decisions() >= tally.seen.decisions() {
            let sum = self.profiles.entry(tally.profile.clone()).or_default();
            sum.add(&tally.seen, now, tally.verdict);
            tally.seen = *now;
        }
    }

    /// Nothing is left of the runs that are not among these.
    pub(super) fn left(&mut self, runs: &[(u32, Run)]) {
        let profiles = &mut self.profiles;
        self.runs.retain(|id, tally| {
            let is_left = runs.iter().any(|(_, run)| run.id == *id);
            if !is_left {
                let sum = profiles.entry(tally.profile.clone()).or_default();
                sum.ended += 1;
                sum.durations.observe(tally.began.elapsed().as_secs_f64());
            }
            is_left
        });
    }

    /// The sums, with what is under way now.
    fn sums(&self) -> BTreeMap<String, Sum> {
        let mut sums = self.profiles.clone();
        for tally in self.runs.values() {
            if let Some(sum) = sums.get_mut(&tally.profile) {
                sum.runs += 1;
                sum.tasks += tally.seen.tasks;
            }
        }
        sums
    }
}

impl Default for Sum {
    fn default() -> Self {
        Self {
            decisions: BTreeMap::new(),
            denials: BTreeMap::new(),
            lost_events: 0,
            lost_images: 0,
            refused_forks: 0,
            begun: 0,
            ended: 0,
            tripped: 0,
            durations: Histogram::new(BUCKETS),
            runs: 0,
            tasks: 0,
        }
    }
}

impl Sum {
    /// Adds what a run has done between `before` and `now`.
    fn add(&mut self, before: &Counters, now: &Counters, verdict: Verdict) {
        let grown = |of: fn(&Counters) -> u64| of(now).saturating_sub(of(before));
        self.lost_events += grown(|counters| counters.lost_events);
        self.lost_images += grown(|counters| counters.lost_images);
        self.refused_forks += grown(|counters| counters.refused_forks);
        self.tripped += u64::from(before.tripped == 0 && now.tripped != 0);
        for &kind in Kind::ALL {
            let grown = |of: fn(&Counters) -> &[u64; KINDS]| {
                of(now)[kind as usize].saturating_sub(of(before)[kind as usize])
            };
            *self.decisions.entry(kind.action()).or_default() += grown(|counters| &counters.decided);
            let denied = grown(|counters| &counters.denied);
            if denied > 0 {
                *self.denials.entry((kind.action(), verdict.name())).or_default() += denied;
            }
        }
    }
}

/// How things are, as OpenMetrics has it.
pub(super) fn told(state: &State) -> Result<String, String> {
    let reading = read(state).map_err(|error| error.to_string())?;
    text::text(reading).map_err(|error| error.to_string())
}

fn read(state: &State) -> Result<Reading, kernel::Error> {
    let kernel = state.kernel.borrow();
    let mut metrics = state.metrics.borrow_mut();
    let runs = kernel.runs()?;
    for (_, run) in &runs {
        metrics.saw(run.id, &kernel.counters(run.id)?);
    }
    let profiles = state.profiles.borrow();
    let selecting = profiles.iter().filter(|loaded| !loaded.compiled.select.is_empty()).count();
    Ok(Reading {
        profiles: metrics.sums(),
        loaded: metrics.loaded,
        known: profiles.len() as u64,
        selecting: selecting as u64,
        failed: state.problem.borrow().is_some(),
        armed: kernel.is_armed()?,
        chosen: kernel.chosen()?,
        places: runs.len() as u64,
        ready: state.ready() as u64,
        latencies: by_action(&kernel.latencies()?),
        fills: kernel.fills()?,
        otlp: state.otlp.as_ref().map(Otlp::told),
    })
}

/// What is known of decisions of each kind, put together by action.
fn by_action(kinds: &[Latency; KINDS]) -> BTreeMap<&'static str, Latency> {
    let mut actions = BTreeMap::<_, Latency>::new();
    for kind in Kind::ALL {
        actions.entry(kind.action()).or_default().add(&kinds[*kind as usize]);
    }
    actions
}
