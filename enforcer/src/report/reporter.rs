// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tells everybody: the terminal and the record.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    net::IpAddr,
    sync::Arc,
};

use enforcer_common::{Budget, Reason, Verdict, budget::HALTED, run::Counters};
use tokio::sync::broadcast;

use super::{
    Denial, Legend,
    denial::who,
    fold::{Fold, Show},
    host::{Clock, rfc3339},
    json::{self, Line},
    line::{self as shown, DENIED, NAME},
    summary::Summary,
    target::Target,
    terminal::{Terminal, warning},
};
use crate::{
    cli::output::Verbosity,
    daemon::{
        claim::Listener,
        control::protocol::{Reply, line},
        otlp::Export,
    },
    events::{Attribution, Image, Images, pump::Observed},
    exit::Exit,
    profile::Budgets,
};

/// Uses of exceptions that are shown; the record has all.
const EXCEPTIONS: usize = 64;
/// Names that are remembered.
const NAMES: usize = 1 << 16;

/// Tells everybody what happens.
#[derive(Debug)]
pub struct Reporter {
    terminal: Terminal,
    json: Option<json::Writer<File>>,
    legend: Legend,
    enforced: bool,
    fold: Fold,
    exceptions: HashSet<Denial>,
    clock: Clock,
    seq: u64,
    /// The names that led to addresses.
    names: HashMap<IpAddr, Arc<str>>,
    /// Who else is told, and of which run.
    tap: Option<(broadcast::Sender<Arc<str>>, u32)>,
    /// The way to a collector.
    export: Option<Export>,
    /// Who has asked the service for the run.
    listener: Option<Listener>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    /// How the enforcer exits.
    pub exit: Exit,
    /// What the kernel counted for COMMAND's tree.
    pub counters: Counters,
    /// Records that could not be decoded.
    pub malformed: u64,
    /// Tasks that are left.
    pub remaining: u64,
}

impl Reporter {
    /// `enforced`: denials are made, and not only reported.
    #[must_use]
    pub fn new(terminal: Terminal, legend: Legend, enforced: bool) -> Self {
        Self {
            terminal,
            json: None,
            legend,
            enforced,
            fold: Fold::default(),
            exceptions: HashSet::new(),
            clock: Clock::current(),
            seq: 0,
            names: HashMap::new(),
            tap: None,
            export: None,
            listener: None,
        }
    }

    /// A name led the run to an address.
    pub fn led(&mut self, name: String, address: IpAddr) {
        if self.names.len() < NAMES {
            self.names.insert(address, name.into());
        }
    }

    /// Tells others, too, as lines of the service's protocol.
    pub(crate) fn tap(&mut self, to: broadcast::Sender<Arc<str>>, run: u32) {
        self.tap = Some((to, run));
    }

    /// Tells a collector, too.
    pub(crate) fn export(&mut self, to: Export) {
        self.export = Some(to);
    }

    /// Tells whoever has asked the service for this run what is said of it.
    pub(crate) fn tell(&mut self, listener: Listener) {
        self.listener = Some(listener);
    }

    /// Says something.
    fn say(&self, text: &str) {
        self.terminal.print(text);
        self.listener_told(text.to_owned());
    }

    /// Says it to whoever has asked for the run, too.
    fn listener_told(&self, text: String) {
        if let Some(listener) = &self.listener {
            listener.tell(Reply::Told(text));
        }
    }

    /// Says that something went wrong.
    fn caution(&self, text: &str) {
        self.say(&warning(text));
    }

    /// Begins the record.
    pub fn record(&mut self, file: Option<File>, header: json::Header) {
        self.json = file.map(json::Writer::new);
        if let Some(json) = &mut self.json {
            json.write(&Line::Header(Box::new(header)));
        }
        self.flush();
    }

    /// Whether anything was denied, or in audit mode would have been.
    #[must_use]
    pub fn saw_denials(&self) -> bool {
        self.fold.events() > 0
    }

    /// Something happened.
    pub fn observe(&mut self, observed: &Observed<'_>) {
        let record = &observed.record;
        if record.reason == Reason::Probe {
            return;
        }
        self.seq += 1;
        let mut denial = Denial::of(observed);
        if let Target::Address { address, host, .. } = &mut denial.target {
            *host = self.names.get(&address.ip()).cloned();
        }
        let is_tapped = self.tap.as_ref().is_some_and(|(to, _)| to.receiver_count() > 0);
        if is_tapped || self.export.is_some() || self.json.is_some() {
            let event = self.event(&denial, observed);
            self.pass_on(event);
        }
        if denial.verdict == Verdict::Allow {
            self.exception(denial);
            return;
        }
        let show = self.fold.add(&denial);
        if self.terminal.verbosity() < Verbosity::Normal {
            return;
        }
        match show {
            Show::Yes => {
                let line = shown::line(&denial, &self.legend);
                self.terminal.denial(&line, denial.fields(&self.legend, record.tgid));
                self.listener_told(line);
            }
            Show::LastOfKind => {
                let (who, kind) = (denial.who(), denial.kind.action());
                self.say(&format!("enforcer: further {kind} denials of {who} are counted only"));
            }
            Show::No => {}
        }
    }

    /// Tells those who are told of every event.
    fn pass_on(&mut self, event: json::Event) {
        if let Some(export) = &self.export {
            export.event(&event, self.clock.time(event.boottime_ns));
        }
        if let Some((to, run)) = self.tap.as_ref().filter(|(to, _)| to.receiver_count() > 0) {
            let event = serde_json::to_value(&event).unwrap_or_default();
            if let Ok(line) = line(&Reply::Event { run: *run, event }) {
                // Who was there a moment ago may have gone.
                let _ = to.send(line.into());
            }
        }
        if let Some(json) = &mut self.json {
            json.write(&Line::Event(Box::new(event)));
        }
    }

    /// An exception was used: told once for each package and target, as long as there are few.
    fn exception(&mut self, used: Denial) {
        if self.terminal.verbosity() < Verbosity::Normal || self.exceptions.len() > EXCEPTIONS {
            return;
        }
        if self.exceptions.insert(used.clone()) {
            self.say(&match self.exceptions.len() > EXCEPTIONS {
                true => "enforcer: further uses of exceptions are in the record only".to_owned(),
                false => shown::line(&used, &self.legend),
            });
        }
    }

    /// The run was tripped by `image`; `done` says what became of it.
    pub fn tripped(&mut self, counters: &Counters, image: Option<&Image>, done: &str) {
        let who = who(image);
        let why = match counters.tripped {
            HALTED => "it was ended by request".to_owned(),
            _ => self.legend.over(tripped_by(counters).map_or(u16::MAX, |budget| budget as u16)),
        };
        self.say(&format!("enforcer: {DENIED}tripped{DENIED:#}  {NAME}{who}{NAME:#}  {why}: {done}"));
    }

    /// Something went wrong.
    pub fn warning(&self, text: &str) {
        self.caution(text);
    }

    /// There is a pause: what was written should be where it can be read.
    pub fn flush(&mut self) {
        if let Some(error) = self.json.as_mut().and_then(json::Writer::flush) {
            let text = format!("failed to write the record: {error}; it ends here, enforcement goes on");
            self.caution(&text);
        }
    }

    /// The run is over.
    pub fn finish(&mut self, ending: &Ending) {
        let Ending { exit, counters, malformed, remaining } = *ending;
        let summary = Summary {
            legend: &self.legend,
            enforced: self.enforced,
            fold: &self.fold,
            counters: &counters,
            malformed,
            remaining,
        };
        let verbosity = self.terminal.verbosity();
        let anything = summary.denied() > 0 || self.fold.events() > 0;
        if verbosity >= Verbosity::Verbose || (anything && verbosity == Verbosity::Normal) {
            self.say(&summary.text());
        } else if anything {
            self.say(&summary.headline());
        }
        for over in self.would_trip(&counters) {
            self.caution(&over);
        }
        for loss in summary.losses() {
            self.caution(&loss);
        }
        if let Some(leftover) = summary.leftover() {
            self.caution(&leftover);
        }
        if let Some(export) = &self.export {
            export.ended(ending);
        }
        if let Some(json) = &mut self.json {
            let budgets = &self.legend.budgets;
            json.write(&Line::Trailer(trailer(exit, &counters, budgets, malformed, remaining)));
        }
        self.flush();
        if let Some(error) = self.json.as_ref().and_then(json::Writer::error) {
            self.caution(&format!("the record is incomplete: {error}"));
        }
    }

    /// Of a run in audit mode: the budgets that would have tripped it.
    fn would_trip(&self, counters: &Counters) -> Vec<String> {
        let over = |&&budget: &&Budget| {
            let limit = self.legend.budgets.0[budget as usize];
            !self.enforced && limit.is_some_and(|limit| counters.spent[budget as usize] > limit)
        };
        let text = |&budget: &Budget| {
            let why = self.legend.over(budget as u16);
            format!("{why} ({} were spent): the run would have been tripped", counters.spent[budget as usize])
        };
        Budget::ALL.iter().filter(over).map(text).collect()
    }

    fn event(&self, denial: &Denial, observed: &Observed<'_>) -> json::Event {
        let Observed { record, image, images } = observed;
        let rule = (denial.rule != 0).then(|| json::Rule {
            number: denial.rule,
            place: self.legend.place_of_rule(denial.rule).map(str::to_owned),
            text: self.legend.rule(denial.rule).map(|rule| rule.text.clone()),
            exception: self.legend.rule(denial.rule).and_then(|rule| rule.exception.clone()),
        });
        let bytes = |bytes: &Vec<u8>| bytes.as_slice().into();
        json::Event {
            seq: self.seq,
            time: self.clock.text(record.time),
            boottime_ns: record.time,
            verdict: record.verdict.name(),
            action: record.kind.name(),
            target: (&denial.target).into(),
            stage: self.legend.stage(record.stage).to_owned(),
            reason: record.reason.name(),
            explanation: denial.why(&self.legend),
            rule,
            attribution: match denial.attribution {
                Attribution::Unknown => "unknown",
                Attribution::Outside => "outside",
                Attribution::Package(_) => "package",
            },
            package: denial.attribution.package().map(|package| json::Package {
                name: bytes(&package.name),
                version: package.version.as_ref().map(bytes),
                script: package.script.as_ref().map(bytes),
                path: package.path.as_ref().map(bytes),
            }),
            process: process(record.tgid, record.tid, *image, images),
        }
    }
}

fn process(pid: u32, tid: u32, image: Option<&Image>, images: &Images) -> json::Process {
    let path = |image: &Image| image.path.as_slice().into();
    json::Process {
        pid,
        tid,
        exe: image.filter(|image| !image.path.is_empty()).map(path),
        argv: image
            .map(|image| image.argv.iter().map(|arg| arg.as_slice().into()).collect())
            .unwrap_or_default(),
        argv_cut: image.is_some_and(|image| !image.argv_complete),
        ancestors: image.map(|image| images.ancestors(image).map(path).collect()).unwrap_or_default(),
    }
}

/// The budget that a run was tripped by.
pub(crate) fn tripped_by(counters: &Counters) -> Option<Budget> {
    Budget::from_wire(u8::try_from(counters.tripped.checked_sub(1)?).ok()?)
}

fn trailer(
    exit: Exit,
    counters: &Counters,
    budgets: &Budgets,
    malformed: u64,
    remaining_tasks: u64,
) -> json::Trailer {
    let [exec, read, write, connect, unix, listen, socket, ..] = counters.denied;
    json::Trailer {
        ended: rfc3339(std::time::SystemTime::now()),
        exit: exit.code(),
        signal: match exit {
            Exit::Signal(signal) => Some(signal),
            _ => None,
        },
        denied: json::Denied { exec, read, write, connect, unix, listen, socket },
        decisions: counters.decisions(),
        lost_events: counters.lost_events,
        lost_images: counters.lost_images,
        refused_forks: counters.refused_forks,
        malformed,
        remaining_tasks,
        budgets: json::spent(counters, budgets),
        tripped: tripped_by(counters).map(Budget::name),
        refused_since: counters.refused_since,
    }
}
