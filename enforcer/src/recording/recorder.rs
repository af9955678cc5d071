// SPDX-License-Identifier: MIT OR Apache-2.0

//! From what the kernel tells to the lines of a recording.

use std::{borrow::Cow, collections::HashMap, net::IpAddr, sync::Arc};

use enforcer_common::{Reason, run::Counters};

use super::{
    format::{Event, Header, Image, Led, Line, Package, Trailer},
    mask::Mask,
    writer::Writer,
};
use crate::{
    events::{self, Attribution, Images, Record},
    evidence::{Hash, Trace},
    profile::Budgets,
    report::{
        host::rfc3339,
        json,
        reporter::{Ending, tripped_by},
        target::Target,
    },
};

/// Names that are remembered.
const NAMES: usize = 1 << 16;

/// What a recording is made of, besides what happens.
#[derive(Debug)]
pub struct Facts {
    /// The first line.
    pub header: Header,
    /// What is hidden in arguments.
    pub mask: Mask,
    /// The profile's budgets.
    pub budgets: Budgets,
}

/// Writes down what happens.
#[derive(Debug)]
pub struct Recorder {
    writer: Option<Writer>,
    trace: Option<Trace>,
    facts: Facts,
    /// The numbers of images, by those of the kernel.
    ids: HashMap<u64, u32>,
    /// The names that led to addresses.
    names: HashMap<IpAddr, Arc<str>>,
    events: u64,
}

impl Recorder {
    /// Begins a recording, which is written down, or traced for a statement, or both.
    #[must_use]
    pub fn new(mut writer: Option<Writer>, mut trace: Option<Trace>, facts: Facts) -> Self {
        put(&mut writer, &mut trace, &Line::Recording(&facts.header));
        Self { writer, trace, facts, ids: HashMap::new(), names: HashMap::new(), events: 0 }
    }

    /// What a statement says of it.
    #[must_use]
    pub const fn trace(&self) -> Option<&Trace> {
        self.trace.as_ref()
    }

    /// The hash of the file, once it is finished.
    #[must_use]
    pub fn sha256(&self) -> Option<Hash> {
        self.writer.as_ref().and_then(Writer::sha256)
    }

    /// A name led to an address, and opened it until then.
    pub fn led(&mut self, time: u64, name: &str, address: IpAddr, until: Option<u64>) {
        if self.names.len() < NAMES {
            self.names.insert(address, name.into());
        }
        let (t, until) = (self.since(time), until.map(|until| self.since(until)));
        self.put(&Line::Led(&Led { t, name: name.to_owned(), address, until }));
    }

    /// Programs were executed up to a time.
    pub fn executed(&mut self, images: &mut Images, time: u64) {
        for number in images.untold(time) {
            self.id(number, images);
        }
    }

    /// A decision was made.
    pub fn observe(&mut self, record: &Record<'_>, images: &Images) {
        if record.reason == Reason::Probe {
            return;
        }
        self.events += 1;
        let (text, hex) = match std::str::from_utf8(record.text) {
            Ok(text) => (Cow::Borrowed(text), None),
            Err(_) => {
                let hex = record.text.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
                (String::from_utf8_lossy(record.text), Some(Cow::Owned(hex)))
            }
        };
        let (mut address, mut host) = (None, None);
        if record.kind.is_address()
            && let Target::Address { address: to, protocol, .. } = Target::of(record.kind, record.text)
        {
            address = Some(Cow::Owned(format!("{to} {protocol}")));
            host = self.names.get(&to.ip()).cloned();
        }
        let image = self.id(record.image, images);
        let t = self.since(record.time);
        let stages = &self.facts.header.profile.stages;
        put(
            &mut self.writer,
            &mut self.trace,
            &Line::Event(&Event {
                t,
                image,
                pid: record.tgid,
                tid: record.tid,
                kind: record.kind.name().into(),
                text,
                hex,
                address,
                host: host.as_deref().map(Cow::Borrowed),
                stage: stages.get(usize::from(record.stage)).map_or("?", String::as_str).into(),
                verdict: record.verdict.name().into(),
                reason: record.reason.name().into(),
                rule: record.rule,
                exception: record.exception,
                step: if record.kind == enforcer_common::Kind::Exec { record.step } else { 0 },
            }),
        );
    }

    /// There is a pause. Returns the error that ended the writing, once.
    pub fn flush(&mut self) -> Option<&std::io::Error> {
        self.writer.as_mut()?.flush()
    }

    /// The run is over. Returns the error that ended the writing.
    pub fn finish(&mut self, images: &mut Images, ending: &Ending) -> Option<&std::io::Error> {
        images.conclude_all();
        self.executed(images, u64::MAX >> 8);
        let trailer = self.trailer(ending);
        self.put(&Line::Trailer(&trailer));
        self.writer.as_mut()?.finish()
    }

    /// The number of an image, which is written down with those that led to it if it was not.
    fn id(&mut self, number: u64, images: &Images) -> u32 {
        let mut line = vec![number];
        while let Some(image) = line.last().and_then(|&number| images.peek(number))
            && image.parent != 0
            && !self.ids.contains_key(&image.parent)
        {
            line.push(image.parent);
        }
        for &number in line.iter().rev() {
            if !self.ids.contains_key(&number) {
                let id = u32::try_from(self.ids.len() + 1).unwrap_or(u32::MAX);
                let image = self.image(id, images.peek(number));
                self.put(&Line::Image(&image));
                self.ids.insert(number, id);
            }
        }
        self.ids.get(&number).copied().unwrap_or_default()
    }

    fn put(&mut self, line: &Line<'_>) {
        put(&mut self.writer, &mut self.trace, line);
    }

    fn image(&self, id: u32, image: Option<&events::Image>) -> Image {
        let Some(image) = image else {
            return Image { id, attribution: "unknown".into(), lost: true, ..Image::default() };
        };
        let stages = &self.facts.header.profile.stages;
        Image {
            id,
            parent: self.ids.get(&image.parent).copied(),
            t: self.since(image.time),
            pid: image.tgid,
            stage: stages.get(usize::from(image.stage)).cloned().unwrap_or_default(),
            exe: (!image.path.is_empty()).then(|| image.path.as_slice().into()),
            argv: self.facts.mask.arguments(&image.argv).iter().map(|word| word.as_slice().into()).collect(),
            argv_cut: !image.argv_complete,
            attribution: match image.attribution {
                Attribution::Unknown => "unknown",
                Attribution::Outside => "outside",
                Attribution::Package(_) => "package",
            }
            .into(),
            package: image.attribution.package().map(package),
            lost: false,
        }
    }

    fn trailer(&self, ending: &Ending) -> Trailer {
        let Ending { exit, counters, malformed, remaining } = ending;
        let Counters { denied, lost_events, lost_images, refused_forks, refused_since, .. } = *counters;
        let kinds = enforcer_common::Kind::ALL.iter();
        Trailer {
            ended: rfc3339(std::time::SystemTime::now()),
            exit: exit.code(),
            signal: match exit {
                crate::exit::Exit::Signal(signal) => Some(*signal),
                _ => None,
            },
            events: self.events,
            images: self.ids.len() as u64,
            decisions: counters.decisions(),
            denied: kinds.map(|&kind| (kind.name().to_owned(), denied[kind as usize])).collect(),
            lost_events,
            lost_images,
            refused_forks,
            malformed: *malformed,
            remaining_tasks: *remaining,
            budgets: json::spent(counters, &self.facts.budgets),
            tripped: tripped_by(counters).map(|budget| budget.name().to_owned()),
            refused_since,
        }
    }

    /// Nanoseconds from the start.
    fn since(&self, time: u64) -> i64 {
        let from = self.facts.header.boottime_ns;
        i64::try_from(i128::from(time) - i128::from(from)).unwrap_or(i64::MAX)
    }
}

fn put(writer: &mut Option<Writer>, trace: &mut Option<Trace>, line: &Line<'_>) {
    if let Some(writer) = writer {
        writer.write(line);
    }
    if let Some(trace) = trace {
        trace.observe(line);
    }
}

/// A package, as recordings write it.
pub(crate) fn package(package: &events::Package) -> Package {
    let text = |bytes: &Vec<u8>| bytes.as_slice().into();
    Package {
        name: text(&package.name),
        version: package.version.as_ref().map(text),
        script: package.script.as_ref().map(text),
        path: package.path.as_ref().map(text),
    }
}
