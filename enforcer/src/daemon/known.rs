// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the service knows of a run and the kernel does not: written down when the run begins, for the service that finds the
//! run after this one. A run's own processes could have changed what they show of themselves by then.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use enforcer_common::run::Run;
use serde::{Deserialize, Serialize};

use crate::{
    kernel::Service,
    profile::Registry as Of,
    run::registry::{Registries, Registry},
};

/// The directory, below the kernel half's own.
const DIRECTORY: &str = "runs";

/// What is known of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The profile's name.
    pub profile: String,
    /// The process that was enrolled.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
    /// Their name.
    pub user: Option<String>,
    /// The command, for people.
    pub command: String,
    /// When it began, as RFC 3339 has it.
    pub started: String,
    /// Where packages come from: variable, host, port.
    pub registries: Vec<(String, String, u16)>,
}

impl Known {
    /// What was written down of a run; not of another one with its number, from before the programs were loaded anew.
    pub(super) fn read(run: &Run) -> Option<Self> {
        let known: Self = serde_json::from_slice(&fs::read(file(run.id)).ok()?).ok()?;
        ((known.pid, known.uid) == (run.leader, run.uid)).then_some(known)
    }

    /// Writes it down.
    pub(super) fn write(&self, run: u32) -> io::Result<()> {
        let path = file(run);
        let directory = path.parent().unwrap_or(Path::new("/"));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let mut new = path.clone().into_os_string();
        new.push(".new");
        let mut out =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        out.write_all(&serde_json::to_vec(self)?)?;
        fs::rename(new, path)
    }

    /// The run is over.
    pub(super) fn forget(run: u32) {
        let _ = fs::remove_file(file(run));
    }

    /// Keeps where packages come from.
    pub(super) fn keep(&mut self, registries: &Registries) {
        let keep = |(of, Registry { host, port }): &(Of, Registry)| {
            (of.variable().to_owned(), host.to_string(), *port)
        };
        self.registries = registries.iter().map(keep).collect();
    }

    /// Where packages come from.
    pub(super) fn registries(&self) -> Registries {
        let read = |(variable, host, port): &(String, String, u16)| {
            let of = Of::ALL.into_iter().find(|of| of.variable() == variable)?;
            Some((of, Registry { host: url::Host::parse(host).ok()?, port: *port }))
        };
        self.registries.iter().filter_map(read).collect()
    }
}

fn file(run: u32) -> PathBuf {
    Service::runtime_directory().join(DIRECTORY).join(format!("{run}.json"))
}
