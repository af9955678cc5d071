// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a statement says that happened in a run: the lines of a recording, each thing once.

use std::collections::BTreeMap;

use enforcer_common::Kind;
use serde::Serialize;

use crate::{
    recording::format::{Event, Header, Image, Line, Package, Trailer},
    report::{json::Text, target::Target},
};

/// Programs, contacts and files that are kept, of each; the rest is counted.
const KEPT: usize = 100_000;

/// What happened in a run.
#[derive(Debug, Default)]
pub struct Trace {
    pub(super) header: Option<Header>,
    pub(super) trailer: Option<Trailer>,
    pub(super) images: Vec<Image>,
    pub(super) contacts: BTreeMap<Contact, u64>,
    pub(super) files: BTreeMap<File, u64>,
    pub(super) omitted: Omitted,
    pub(super) exceptions: u64,
}

/// What did not fit: different ones of the programs, events of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Omitted {
    /// Programs.
    pub process: u64,
    /// Contacts.
    pub network: u64,
    /// Files.
    #[serde(rename = "fileAccess")]
    pub files: u64,
}

/// Something that was reached over the network, or was to be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Contact {
    pub(super) ip: Option<String>,
    pub(super) hostname: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) protocol: Option<&'static str>,
    pub(super) action: &'static str,
    pub(super) verdict: String,
    pub(super) image: u32,
}

/// A file that was opened or executed, or was to be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct File {
    pub(super) path: Vec<u8>,
    pub(super) access: &'static str,
    pub(super) verdict: String,
}

impl Trace {
    /// Takes a line in.
    pub fn observe(&mut self, line: &Line<'_>) {
        match line {
            Line::Recording(header) => self.header = Some((*header).clone()),
            Line::Image(_) if self.images.len() >= KEPT => self.omitted.process += 1,
            Line::Image(image) => self.images.push((*image).clone()),
            Line::Led(_) => {}
            Line::Event(event) => self.event(event),
            Line::Trailer(trailer) => self.trailer = Some((*trailer).clone()),
        }
    }

    fn event(&mut self, event: &Event<'_>) {
        self.exceptions += u64::from(event.exception != 0);
        let Some(&kind) = Kind::ALL.iter().find(|kind| kind.name() == event.kind) else { return };
        let verdict = event.verdict.clone().into_owned();
        let text = match &event.hex {
            Some(hex) => crate::report::json::bytes_of(hex).unwrap_or_default(),
            None => event.text.as_bytes().to_vec(),
        };
        let contact = Contact {
            ip: None,
            hostname: event.host.clone().map(std::borrow::Cow::into_owned),
            port: None,
            protocol: None,
            action: kind.name(),
            verdict: verdict.clone(),
            image: event.image,
        };
        match (kind, Target::of(kind, &text)) {
            (Kind::Exec | Kind::Read | Kind::Write, Target::Path(path)) => {
                let file = File { path, access: kind.name(), verdict };
                count(&mut self.files, file, &mut self.omitted.files);
            }
            (Kind::Connect, Target::Address { address, protocol, .. }) => {
                let (ip, port) =
                    (Some(address.ip().to_string()), Some(address.port()).filter(|&port| port > 0));
                let contact = Contact { ip, port, protocol: Some(protocol), ..contact };
                count(&mut self.contacts, contact, &mut self.omitted.network);
            }
            (Kind::Resolve, Target::Name { name, .. }) => {
                let hostname = Some(String::from_utf8_lossy(&name).into_owned());
                let contact = Contact { hostname, ..contact };
                count(&mut self.contacts, contact, &mut self.omitted.network);
            }
            _ => {}
        }
    }

    /// The program that an event names, if it is kept.
    pub(super) fn image(&self, id: u32) -> Option<&Image> {
        self.images.get(usize::try_from(id).ok()?.checked_sub(1)?).filter(|image| image.id == id)
    }
}

/// Who did something.
#[derive(Debug, Serialize)]
pub(super) struct Invoker<'a> {
    /// In `monitorLog.process`.
    pub(super) id: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exe: Option<&'a Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) package: Option<&'a Package>,
}

fn count<T: Ord>(map: &mut BTreeMap<T, u64>, key: T, omitted: &mut u64) {
    let full = map.len() >= KEPT;
    match map.get_mut(&key) {
        Some(count) => *count += 1,
        None if full => *omitted += 1,
        None => drop(map.insert(key, 1)),
    }
}
