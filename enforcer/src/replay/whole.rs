// SPDX-License-Identifier: MIT OR Apache-2.0

//! A whole recording, from its first line to its last.

use std::{collections::HashMap, path::Path, sync::Arc};

use enforcer_common::{Kind, Reason, Verdict};

use super::{
    judge::{Answer, Judge},
    own::Own,
    tally::{Finding, Tally},
};
use crate::{
    profile::Compiled,
    recording::{
        Fault, Reader, Record,
        format::{Event, Image},
        reader::Words,
    },
    report::{escape::escape, target::Target},
};

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// The profile; none for the one that made the recording.
    pub profile: Option<Arc<Compiled>>,
    /// Another one: only what the two decide differently is reported.
    pub against: Option<Arc<Compiled>>,
    /// Work out stages and grants of the recording's own profile as for any other.
    pub forget: bool,
}

/// Asks about a recording.
///
/// # Errors
///
/// What is wrong with it.
pub fn replay(path: &Path, question: &Question, own: &Own) -> Result<Tally, Fault> {
    let mut tally = replay_from(Reader::open(path)?, question, own)?;
    if tally.is_cut {
        tally.cut.push(path.to_owned());
    }
    Ok(tally)
}

/// Asks about a recording that is read.
///
/// # Errors
///
/// What is wrong with it.
pub fn replay_from(mut reader: Reader<'_>, question: &Question, own: &Own) -> Result<Tally, Fault> {
    let profile = match &question.profile {
        Some(profile) => Arc::clone(profile),
        None => own.of(reader.header()).map_err(|what| Fault::Line { line: 1, what })?,
    };
    let mut judge = Judge::new(&profile, reader.header(), question.forget);
    let against = question.against.as_deref();
    let mut against = against.map(|profile| Judge::new(profile, reader.header(), question.forget));
    let (mut tally, mut who) = (Tally { recordings: 1, ..Tally::default() }, Who::default());
    while let Some(record) = reader.read()? {
        match record {
            Record::Image(image) => {
                who.add(&image);
                judge.image(&image);
                if let Some(against) = &mut against {
                    against.image(&image);
                }
            }
            Record::Led(led) => {
                judge.led(&led);
                if let Some(against) = &mut against {
                    against.led(&led);
                }
            }
            Record::Event(event, words) => {
                tally.events += 1;
                let answer = judge.event(&event, &words);
                match &mut against {
                    None => one(&mut tally, &judge, &who, &event, &words, answer),
                    Some(other) => {
                        let second = other.event(&event, &words);
                        two(&mut tally, (&judge, other), &who, &event, &words, (answer, second));
                    }
                }
            }
            Record::Trailer(trailer) => tally.lost += trailer.lost_events + trailer.lost_images,
        }
    }
    tally.strayed = judge.strayed();
    tally.is_cut = reader.is_cut();
    Ok(tally)
}

/// Counts what a profile says.
fn one(
    tally: &mut Tally,
    judge: &Judge<'_>,
    who: &Who,
    event: &Event<'_>,
    words: &Words<'_>,
    answer: Option<Answer>,
) {
    let Some(answer) = answer else {
        tally.undecided += 1;
        return;
    };
    let allowed = words.verdict == Verdict::Allow;
    let decision = answer.decision;
    tally.carried += u64::from(answer.carried);
    tally.prevented += u64::from(answer.prevented);
    if judge.is_own() {
        tally.own += 1;
        let same = decision.allows() == allowed
            && decision.reason == words.reason
            && decision.rule == event.rule
            && decision.exception == event.exception;
        if !same {
            tally.not_reproduced += 1;
            tally.find(finding(judge, who, event, words, &answer, None));
            return;
        }
    }
    match (decision.allows(), allowed) {
        (false, _) => {
            tally.denied += 1;
            tally.newly_denied += u64::from(allowed);
            tally.find(finding(judge, who, event, words, &answer, None));
        }
        (true, false) => {
            tally.newly_allowed += 1;
            tally.newly_executed += u64::from(words.kind == Kind::Exec);
        }
        (true, true) => {}
    }
}

/// Counts what two profiles say differently.
fn two(
    tally: &mut Tally,
    judges: (&Judge<'_>, &Judge<'_>),
    who: &Who,
    event: &Event<'_>,
    words: &Words<'_>,
    answers: (Option<Answer>, Option<Answer>),
) {
    let (Some(first), Some(second)) = answers else {
        tally.undecided += 1;
        return;
    };
    tally.carried += u64::from(first.carried);
    tally.prevented += u64::from(first.prevented || second.prevented);
    tally.denied += u64::from(!first.decision.allows());
    if first.decision.allows() != second.decision.allows() {
        tally.different += 1;
        let against = said(judges.1, words, &second);
        tally.find(finding(judges.0, who, event, words, &first, Some(against)));
    }
}

fn finding(
    judge: &Judge<'_>,
    who: &Who,
    event: &Event<'_>,
    words: &Words<'_>,
    answer: &Answer,
    against: Option<(&'static str, String)>,
) -> Finding {
    let mut target = Target::of(words.kind, &words.text).to_string();
    if let Some(host) = &event.host {
        target = format!("{target} ({})", escape(host.as_bytes()));
    }
    let stages = &judge.profile().stages;
    Finding {
        who: who.of(event.image),
        action: words.kind.name(),
        target,
        stage: stages.get(usize::from(answer.stage)).cloned().unwrap_or_default(),
        then: words.verdict.name(),
        now: said(judge, words, answer),
        against,
    }
}

/// What a profile says, and why.
fn said(judge: &Judge<'_>, words: &Words<'_>, answer: &Answer) -> (&'static str, String) {
    let decision = answer.decision;
    let why = match decision.reason {
        _ if answer.carried => format!("{}, as recorded", words.reason.name()),
        Reason::Rule => judge.profile().rule(decision.rule).map(ToString::to_string).unwrap_or_default(),
        Reason::Default if decision.allows() => "the stage's default".to_owned(),
        Reason::Default => "no rule allows it".to_owned(),
        Reason::Private => "it leads to an address that is not public".to_owned(),
        reason => reason.name().to_owned(),
    };
    (decision.verdict.name(), why)
}

/// Who did things, by the numbers of the images.
#[derive(Debug, Default)]
struct Who {
    names: Vec<Arc<str>>,
    known: HashMap<String, Arc<str>>,
}

impl Who {
    fn add(&mut self, image: &Image) {
        let name = name(image);
        let shared = self.known.entry(name).or_insert_with_key(|name| name.as_str().into());
        self.names.push(Arc::clone(shared));
    }

    fn of(&self, image: u32) -> String {
        self.names.get(image as usize - 1).map(|name| name.to_string()).unwrap_or_default()
    }
}

/// Package and script, or the program, fit for a terminal.
fn name(image: &Image) -> String {
    let shown = |text: &crate::report::json::Text| escape(&text.bytes().unwrap_or_default());
    let program = image.exe.as_ref().map(|exe| {
        let bytes = exe.bytes().unwrap_or_default();
        escape(bytes.rsplit(|&byte| byte == b'/').next().unwrap_or_default())
    });
    match (&image.package, program) {
        (Some(package), _) => {
            let mut name = shown(&package.name);
            if let Some(version) = &package.version {
                name += &format!("@{}", shown(version));
            }
            if let Some(script) = &package.script {
                name += &format!(" {}", shown(script));
            }
            name
        }
        (None, Some(program)) if image.attribution == "unknown" => format!("unknown package ({program})"),
        (None, Some(program)) => program,
        (None, None) => "unknown process".to_owned(),
    }
}
