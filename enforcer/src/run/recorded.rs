// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a recording says of a run besides what happens.

use std::{ffi::OsString, os::unix::ffi::OsStrExt as _, path::Path};

use enforcer_common::run::Counters;

use super::{egress, invoker::Invoker, registry::Registries};
use crate::{
    dns::hosts::Hosts,
    evidence::{Entry, Hash, entry},
    kernel::hooks::{HOOKS, REDIRECTS},
    profile::{Compiled, Text},
    recording::{
        Facts,
        format::{Before, Header, Profile, Registry, VERSION, Variable},
        mask::Mask,
    },
    report::{
        Legend,
        host::{Host, rfc3339},
        json::{Text as Shown, User},
    },
};

/// Names of the system's file of hosts that are written down.
const HOSTS: usize = 4096;
/// Bytes of COMMAND that are written into evidence.
const COMMAND: usize = 1 << 16;

/// A run that is recorded.
pub(crate) struct Recorded<'a> {
    /// The command as it was typed, and its arguments.
    pub(crate) command: &'a [OsString],
    /// Whether secrets in arguments are written down as they are.
    pub(crate) unmasked: bool,
    pub(crate) invoker: &'a Invoker,
    pub(crate) file: &'a Path,
    pub(crate) text: &'a Text,
    pub(crate) profile: &'a Compiled,
    pub(crate) legend: &'a Legend,
    pub(crate) registries: &'a Registries,
    pub(crate) enforces: bool,
    /// What had been counted when it came to us, if it was another's before.
    pub(crate) before: Option<Counters>,
}

impl Recorded<'_> {
    /// The beginning of the recording.
    pub(crate) fn facts(&self) -> Facts {
        let Self { command, invoker, file, legend, .. } = self;
        let environment = invoker.environment.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let mask = if self.unmasked { Mask::nothing() } else { Mask::secrets(environment) };
        let command: Vec<_> = command.iter().map(|word| word.as_bytes().to_vec()).collect();
        let boottime = egress::now().unwrap_or_default().as_nanos();
        let header = Header {
            version: VERSION,
            enforcer: env!("CARGO_PKG_VERSION").to_owned(),
            started: rfc3339(std::time::SystemTime::now()),
            boottime_ns: u64::try_from(boottime).unwrap_or(u64::MAX),
            mode: if self.enforces { "enforce" } else { "audit" }.to_owned(),
            command: mask.arguments(&command).iter().map(|word| word.as_slice().into()).collect(),
            executable: file.as_os_str().into(),
            masked: mask.is_on(),
            user: User { uid: invoker.uid.as_raw(), gid: invoker.gid.as_raw(), name: invoker.name.clone() },
            host: Host::current(),
            hooks: HOOKS.iter().chain(REDIRECTS).map(|hook| hook.name.to_owned()).collect(),
            profile: self.profile(),
            variables: legend
                .anchors
                .iter()
                .map(|(name, value)| Variable { name: name.clone(), value: value.as_slice().into() })
                .collect(),
            registries: self
                .registries
                .iter()
                .map(|(of, registry)| Registry {
                    name: of.variable().to_owned(),
                    host: registry.host.to_string(),
                    port: registry.port,
                })
                .collect(),
            hosts: Hosts::read().iter().take(HOSTS).map(|(name, to)| (name.to_owned(), to)).collect(),
            continues: self.before.map(|counters| Before {
                decisions: counters.decisions(),
                lost_events: counters.lost_events,
                lost_images: counters.lost_images,
            }),
        };
        Facts { header, mask, budgets: self.profile.budgets }
    }

    /// What evidence says before COMMAND starts.
    pub(crate) fn opening(&self, run: &str) -> Vec<Entry> {
        let Self { command, invoker, file, text, legend, .. } = self;
        let environment = invoker.environment.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let command: Vec<_> = command.iter().map(|word| word.as_bytes().to_vec()).collect();
        let mut left = COMMAND;
        let masked = Mask::secrets(environment).arguments(&command);
        let fitting = masked.iter().take_while(|word| {
            left = left.saturating_sub(word.len() + 1);
            left > 0
        });
        let shown: Vec<Shown> = fitting.map(|word| word.as_slice().into()).collect();
        let profile = entry::Profile {
            run: run.to_owned(),
            name: legend.name.clone(),
            file: legend.file.clone(),
            sha256: legend.digest.clone(),
            text_sha256: Hash::of(text.text().as_bytes()),
        };
        let enrol = entry::Enrol {
            run: run.to_owned(),
            enforcer: env!("CARGO_PKG_VERSION"),
            mode: if self.enforces { "enforce" } else { "audit" },
            user: User { uid: invoker.uid.as_raw(), gid: invoker.gid.as_raw(), name: invoker.name.clone() },
            command_cut: shown.len() < masked.len(),
            command: shown,
            executable: file.as_os_str().into(),
            variables: legend
                .anchors
                .iter()
                .map(|(name, value)| (name.clone(), value.as_slice().into()))
                .collect(),
        };
        vec![Entry::Profile(Box::new(profile)), Entry::Enrol(Box::new(enrol))]
    }

    fn profile(&self) -> Profile {
        let Self { text, profile, legend, .. } = self;
        Profile {
            name: profile.name.clone(),
            file: legend.file.clone(),
            sha256: legend.digest.clone(),
            text: text.text().to_owned(),
            stages: profile.stages.clone(),
            rules: legend.rules.iter().map(|rule| (rule.place.clone(), rule.text.clone())).collect(),
        }
    }
}
