// SPDX-License-Identifier: MIT OR Apache-2.0

//! One pass over a recording.

use std::{path::Path, sync::Arc};

use enforcer_common::{Reason, Verdict};

use super::{Account, Count, Refused, Run, Timeline, actors::Actors, legend::legend, programs::Programs};
use crate::{
    events::Attribution,
    recording::{
        Fault, Reader, Record,
        format::{Event, Header, Trailer},
        reader::Words,
    },
    report::{
        Denial, Legend,
        escape::escape,
        fold::{Fold, Show},
        number::counted,
        target::{Target, arguments},
    },
};

/// Tells what is in a file.
///
/// # Errors
///
/// It is no recording, or not one that can be read. What is wrong behind the first line is one of [`Account::gaps`].
pub fn open(path: &Path) -> Result<(Account, Option<Fault>), Fault> {
    Ok(account(Reader::open(path)?))
}

/// Tells what is in a recording, up to where it can be read, and why no further.
#[must_use]
pub fn account(mut reader: Reader<'_>) -> (Account, Option<Fault>) {
    let mut gather = Gather::new(reader.header());
    let fault = loop {
        match reader.read() {
            Ok(Some(Record::Image(image))) => {
                gather.at(image.t);
                let actor = gather.actors.of(&image);
                gather.programs.add(&image, actor);
            }
            Ok(Some(Record::Led(led))) => gather.at(led.t),
            Ok(Some(Record::Event(event, words))) => gather.event(&event, &words),
            Ok(Some(Record::Trailer(trailer))) => gather.trailer(&trailer),
            Ok(None) => break None,
            Err(fault) => break Some(fault),
        }
    };
    let account = gather.finish(fault.as_ref(), reader.is_cut());
    (account, fault)
}

struct Gather {
    run: Run,
    legend: Legend,
    actors: Actors,
    programs: Programs,
    timeline: Timeline,
    denied: Fold,
    denials: Vec<Refused>,
    excepted: Fold,
    exceptions: Vec<Refused>,
    count: Count,
    gaps: Vec<String>,
}

impl Gather {
    fn new(header: &Header) -> Self {
        let words: Vec<_> = header.command.iter().map(|word| word.bytes().unwrap_or_default()).collect();
        let shown = |text: &str| escape(text.as_bytes());
        let user = match &header.user.name {
            Some(name) => format!("{} ({})", shown(name), header.user.uid),
            None => header.user.uid.to_string(),
        };
        Self {
            run: Run {
                command: arguments(words.iter().map(AsRef::as_ref)).trim_start().to_owned(),
                started: shown(&header.started),
                user,
                kernel: format!("{} {}", shown(&header.host.kernel), shown(&header.host.machine)),
                enforcer: shown(&header.enforcer),
                enforced: header.mode == "enforce",
                ..Run::default()
            },
            legend: legend(header),
            actors: Actors::default(),
            programs: Programs::default(),
            timeline: Timeline::default(),
            denied: Fold::default(),
            denials: Vec::new(),
            excepted: Fold::default(),
            exceptions: Vec::new(),
            count: Count::default(),
            gaps: Vec::new(),
        }
    }

    /// Time went on.
    fn at(&mut self, time: i64) {
        self.run.last = self.run.last.max(time);
    }

    fn event(&mut self, event: &Event<'_>, words: &Words<'_>) {
        self.at(event.t);
        let Some(place) = self.programs.place(event.image) else { return };
        let denied = words.verdict != Verdict::Allow;
        let mut target = Target::of(words.kind, &words.text);
        if let (Target::Address { host, .. }, Some(name)) = (&mut target, &event.host) {
            *host = Some(Arc::from(&**name));
        }
        self.count.add(denied);
        self.timeline.add(place.actor, event.t, denied);
        self.programs.decided(place, denied);
        // Of questions to name servers, the names are told.
        let told = (words.reason != Reason::Resolver).then(|| target.to_string());
        self.actors.see(place.actor, words.kind, denied, told);
        if !denied && event.exception == 0 {
            return;
        }
        let attribution = self.actors.list[place.actor].attribution.clone();
        let program = match attribution {
            Attribution::Package(_) => None,
            _ if place.is_other => None,
            _ => self.programs.list.get(place.program).map(|program| program.name.clone().into_bytes()),
        };
        let denial = Denial {
            attribution,
            program,
            kind: words.kind,
            target,
            stage: words.stage,
            reason: if event.exception != 0 { Reason::Rule } else { words.reason },
            rule: if event.exception != 0 { event.exception } else { event.rule },
            verdict: words.verdict,
        };
        let (fold, list) = match denied {
            true => (&mut self.denied, &mut self.denials),
            false => (&mut self.excepted, &mut self.exceptions),
        };
        let new = fold.add(&denial) == Show::Yes;
        if new {
            let (actor, program) = (place.actor, place.program);
            list.push(Refused { denial: denial.clone(), events: 0, first: event.t, actor, program });
        }
        if denied && let Some(at) = fold.place(&denial) {
            self.programs.refused(place, at);
        }
    }

    fn trailer(&mut self, trailer: &Trailer) {
        let Trailer { ended, exit, signal, tripped, budgets, .. } = trailer;
        self.run.ended = Some(escape(ended.as_bytes()));
        self.run.exit = Some(*exit);
        self.run.signal = *signal;
        self.run.tripped = tripped.as_ref().map(|budget| escape(budget.as_bytes()));
        let shown = budgets.iter().take(64).map(|(name, spent)| (escape(name.as_bytes()), spent.clone()));
        self.run.budgets = shown.collect();
        for (count, noun, what) in [
            (trailer.lost_events, "event", "lost while it was recorded"),
            (trailer.lost_images, "record", "of programs lost: what they did has no package"),
            (trailer.malformed, "record", "that could not be decoded"),
            (
                trailer.refused_forks,
                "attempt",
                "to make a process failed: it could not be put under the profile",
            ),
            (trailer.remaining_tasks, "task", "outlived COMMAND: what they do is not recorded"),
            (trailer.refused_since, "attempt", "refused after the run was tripped, which have no events"),
        ] {
            if count > 0 {
                self.gaps.push(format!("{} {what}", counted(count, noun)));
            }
        }
    }

    fn finish(mut self, fault: Option<&Fault>, is_cut: bool) -> Account {
        match fault {
            Some(fault) => {
                self.gaps.insert(0, format!("the recording is damaged: {fault}; nothing behind that is told"))
            }
            None if is_cut => {
                let text = "the recording was cut off: it is told up to its last whole line";
                self.gaps.insert(0, text.to_owned());
            }
            None => {}
        }
        let further = self.actors.list.iter().map(|actor| actor.further).sum();
        for (count, noun, what) in [
            (self.programs.further(), "program", "too many to be told apart"),
            (further, "event", "of targets that are too many to be listed"),
        ] {
            if count > 0 {
                self.gaps.push(format!("{} {what}", counted(count, noun)));
            }
        }
        for (list, fold) in [(&mut self.denials, &self.denied), (&mut self.exceptions, &self.excepted)] {
            for (refused, (_, events)) in list.iter_mut().zip(fold.listed()) {
                refused.events = *events;
            }
        }
        let unlisted = self.denied.unlisted();
        if unlisted > 0 {
            self.gaps.push(format!("{} too many to be listed", counted(unlisted, "denial")));
        }
        let Self { run, legend, actors, programs, timeline, denials, exceptions, count, gaps, .. } = self;
        Account {
            run,
            legend,
            actors: actors.list,
            programs: programs.finish(),
            timeline,
            denials,
            unlisted,
            exceptions,
            count,
            is_whole: fault.is_none() && !is_cut,
            gaps,
        }
    }
}
