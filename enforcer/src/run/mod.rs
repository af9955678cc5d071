// SPDX-License-Identifier: MIT OR Apache-2.0

//! `enforcer run`: COMMAND under a profile. `enforcer attach`: a tree that runs already, likewise.
//!
//! Everything that can go wrong goes wrong before COMMAND starts: who it runs as, the profile, the file to execute,
//! the resolver's sockets, the record, then the kernel half and its proof that denials happen. What is
//! read, written or started on the user's behalf before that happens with the user's rights.

pub mod anchors;
pub(crate) mod breaker;
mod cgroup;
pub mod child;
pub mod choose;
pub mod command;
pub mod credentials;
pub(crate) mod egress;
pub mod environment;
mod error;
pub(crate) mod evidenced;
pub(crate) mod held;
pub mod inherited;
pub mod invoker;
mod plan;
pub(crate) mod process;
pub(crate) mod readable;
pub(crate) mod recorded;
pub mod registry;
mod served;
pub mod signals;
pub mod sudo;
mod supervise;
pub(crate) mod watch;

use std::{ffi::OsString, path::PathBuf};

pub use error::Error;

use self::{inherited::Inherited, plan::Plan, signals::Signals};
use crate::{exit::Exit, report::terminal::Terminal};

/// What `enforcer run` was told.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The profile, if one was named.
    pub profile: Option<OsString>,
    /// Report only.
    pub audit: bool,
    /// Check the names in TLS hellos, whatever the profile says.
    pub sni: bool,
    /// Where to write the record.
    pub json: Option<PathBuf>,
    /// Where to write a recording.
    pub record: Option<PathBuf>,
    /// Write secrets in arguments into the recording as they are.
    pub unmasked: bool,
    /// Take a profile that allows everything if none is named, and COMMAND asks for none.
    pub observe: bool,
    /// Exit with [`Exit::Denied`] if anything was denied and COMMAND succeeded.
    pub fail_on_denial: bool,
    /// The evidence log to add to.
    pub evidence: Option<PathBuf>,
    /// Where to write a statement about what COMMAND made.
    pub attest: Option<PathBuf>,
    /// What it makes.
    pub products: Vec<PathBuf>,
    /// The key that evidence and statement are signed with.
    pub sign: Option<PathBuf>,
    /// COMMAND and its arguments.
    pub command: Vec<OsString>,
    /// The process that is put under the profile, with everything below it, instead of COMMAND.
    pub tree: Option<u32>,
}

/// Runs COMMAND under a profile, and returns how to exit. To be called from a process that has no other threads.
///
/// # Errors
///
/// COMMAND was not started.
pub fn run(options: &Options, terminal: &Terminal) -> Result<Exit, Error> {
    let inherited = Inherited::read().map_err(Error::system("read the signal mask"))?;
    let blocked = Signals::block(&inherited).map_err(Error::system("block signals"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::system("start the runtime"))?;
    let exit = runtime.block_on(async {
        let signals = Signals::new(&blocked).map_err(Error::system("wait for signals"))?;
        if !invoker::privileged() && options.tree.is_none() && served::is_there() {
            return served::run(options, terminal, &signals, inherited).await;
        }
        let plan = tokio::select! {
            biased;
            signal = signals.asked_to_stop() => {
                let signal = signal.map_err(Error::system("wait for signals"))?;
                return Ok(Exit::Signal(signal as u8));
            }
            plan = Plan::make(options, terminal, inherited) => plan?,
        };
        supervise::supervise(plan, options, terminal, &signals).await
    });
    runtime.shutdown_background();
    exit
}
