// SPDX-License-Identifier: MIT OR Apache-2.0

//! `enforcer daemon`: the service. The kernel enrols what the profiles select, whether or not this process is there; this
//! process says what that is, answers what runs look up by name, tells and records what happens, and ends what is tripped.
//!
//! Everything that must outlive it is in pinned maps: killed and started again, it finds the runs there and goes on.

pub(crate) mod claim;
pub mod control;
mod error;
mod group;
mod known;
mod member;
pub mod metrics;
mod notify;
mod origins;
pub mod otlp;
mod profiles;
mod reserve;
mod state;
mod users;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

use aya::maps::{MapData, RingBuf};
use nix::sys::resource::{Resource, setrlimit};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::LocalSet,
    time::MissedTickBehavior,
};

pub use error::Error;

use self::{control::Control, notify::Notify, state::State};
use crate::{
    evidence::{Entry, Log, entry},
    kernel::{Enforcement, Service, Setup},
    profile::Compiled,
    report::terminal::Terminal,
    run::readable::readable,
};

/// How often is looked for runs that nobody told of, changed profiles, and places to make ready.
const TICK: Duration = Duration::from_secs(1);

/// Files that may be open at a time.
const FILES: u64 = 1 << 16;

/// What `enforcer daemon` was told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the profiles are.
    pub profiles: PathBuf,
    /// Where recordings of runs go, if runs are to be recorded.
    pub record: Option<PathBuf>,
    /// The evidence log.
    pub evidence: Option<PathBuf>,
    /// The key that evidence is signed with.
    pub sign: Option<PathBuf>,
    /// Where commands come in.
    pub socket: PathBuf,
    /// Where metrics may be asked for, if they may.
    pub metrics: Option<metrics::Address>,
    /// The collector that is told what happens, if one is.
    pub otlp: Option<otlp::Collector>,
    /// Places that are ready for runs to begin in.
    pub reserve: usize,
}

/// Serves until it is told to stop. What is enrolled stays enforced then, and what is selected goes on being enrolled.
///
/// # Errors
///
/// It could not begin: nothing has changed then.
pub fn run(options: Options, terminal: Terminal) -> Result<(), Error> {
    // A run has some thirty files: maps, rings, sockets.
    setrlimit(Resource::RLIMIT_NOFILE, FILES, FILES)
        .map_err(|error| Error::system("have many files open")(error.into()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::system("start the runtime"))?;
    let served = runtime.block_on(LocalSet::new().run_until(serve(options, terminal)));
    runtime.shutdown_background();
    served
}

async fn serve(options: Options, terminal: Terminal) -> Result<(), Error> {
    let mut stop = signal(SignalKind::terminate()).map_err(Error::system("wait for signals"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::system("wait for signals"))?;
    let mut hangup = signal(SignalKind::hangup()).map_err(Error::system("wait for signals"))?;
    let kernel = Service::open()?;
    prove()?;
    let waker = kernel.waker()?;
    let state = State::new(options, terminal, kernel)?;
    state.load_at_start()?;
    state.adopt();
    state.look();
    let control = Control::bind(&state.options.socket)?;
    tokio::task::spawn_local(control.serve(Rc::clone(&state)));
    if let Some(address) = &state.options.metrics {
        let (listener, state) = (metrics::Listener::bind(address).await?, Rc::clone(&state));
        tokio::task::spawn_local(listener.serve(move || metrics::told(&state)));
    }
    let notify = Notify::from_environment();
    notify.ready(&state.summary());
    terminal.note(&state.summary());
    let mut waker = Waker::new(waker)?;
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = stop.recv() => break,
            _ = interrupt.recv() => break,
            () = state.stopped() => break,
            _ = hangup.recv() => {
                notify.reloading();
                state.reload();
                notify.ready(&state.summary());
            }
            () = waker.woken() => state.look(),
            _ = tick.tick() => {
                if state.profiles_changed() {
                    state.reload();
                    notify.ready(&state.summary());
                }
                state.look();
                state.tell_chosen();
                state.forget_claims();
                notify.alive();
            }
        }
    }
    notify.stopping();
    terminal.note(
        "the service ends; what is enrolled stays enforced, and what is selected goes on being enrolled",
    );
    if let Some(otlp) = &state.otlp {
        otlp.finish().await;
    }
    Ok(())
}

/// Has nothing enrolled any more, where there is no service to say it to.
///
/// # Errors
///
/// There is a service after all; or the kernel's.
pub fn disarm(evidence: Option<&Path>) -> Result<(), Error> {
    Service::disarm_all()?;
    if let Some(path) = evidence {
        let entry =
            entry::Service { enforcer: env!("CARGO_PKG_VERSION"), armed: false, profiles: BTreeMap::new() };
        Log::open(path, None)?.append(&[Entry::Service(entry)])?;
    }
    Ok(())
}

/// Proves that denials happen on this machine, in a run that is over at once.
fn prove() -> Result<(), Error> {
    let nothing = crate::profile::Text::new("proof", include_str!("proof.yaml").to_owned());
    let profile = Compiled::new(&nothing)?;
    let kernel = Enforcement::start(&profile.table, &Setup::of(&profile, 0))?;
    let proven = kernel.probe();
    kernel.finish()?;
    Ok(proven?)
}

/// Tells when runs have begun.
struct Waker {
    ring: RingBuf<MapData>,
    ready: tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>,
}

impl Waker {
    fn new(ring: RingBuf<MapData>) -> Result<Self, Error> {
        let ready = readable(&ring).map_err(Error::system("wait for runs"))?;
        Ok(Self { ring, ready })
    }

    /// Waits until runs have begun. Which ones is seen among the runs, so that none is missed.
    async fn woken(&mut self) {
        // An error would come again and again; the tick looks as well.
        if let Ok(mut ready) = self.ready.readable().await {
            while self.ring.next().is_some() {}
            ready.clear_ready();
        } else {
            std::future::pending::<()>().await;
        }
    }
}
