// SPDX-License-Identifier: MIT OR Apache-2.0

//! A run's enforcement: its place among the runs of the machine, under the programs that hold them all.

use std::{fs, time::Duration};

use aya::maps::{HashMap, MapData, RingBuf};
use aya_log::EbpfLogger;
use enforcer_common::{
    Budget,
    address::{Grant, GrantKey},
    anchor::Anchors,
    budget::{BUDGETS, FILES_MAX, UNLIMITED},
    hello::NameKey,
    lookup::{Asker, Port},
    run::{Counters, MODE_AUDIT, MODE_ENFORCE, Run, place},
};

use super::{
    Charger, Enroller, Error,
    lock::Lock,
    pins::Pins,
    place::{self, Own, Place},
    probe,
    programs::Programs,
};
use crate::profile::{self, Budgets, Compiled, OnDenial, OnTrip, Respond};

/// Where the kernel says which security modules are active.
pub const ACTIVE_LSMS: &str = "/sys/kernel/security/lsm";

/// Whether denials are made or only reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Denials are made.
    Enforce,
    /// Denials are reported as would-be denials.
    Audit,
}

/// What a run is started with.
#[derive(Clone)]
pub struct Setup {
    /// Whether denials are made.
    pub mode: Mode,
    /// What tells the compiled profile from others.
    pub digest: [u8; 32],
    /// The values of the profile's variables.
    pub anchors: Anchors,
    /// The port of the resolver that answers the run's questions for names, on the loopback.
    pub resolver: u16,
    /// How much the run may do.
    pub budgets: Budgets,
    /// What is done beyond denying.
    pub respond: Respond,
    /// Whether what is allowed has an event, too.
    pub record: bool,
    /// Whether a TLS hello may have an encrypted one within.
    pub encrypted_hello: bool,
    /// Whether it is counted how long decisions take.
    pub timed: bool,
}

impl Setup {
    /// What runs of a profile are started with, but for the values of its variables; questions go to `resolver`.
    pub(crate) fn of(profile: &Compiled, resolver: u16) -> Self {
        Self {
            mode: match profile.mode {
                profile::Mode::Audit => Mode::Audit,
                profile::Mode::Enforce => Mode::Enforce,
            },
            digest: profile.digest,
            anchors: Anchors::NONE,
            resolver,
            budgets: profile.budgets,
            respond: profile.respond,
            record: false,
            encrypted_hello: profile.tls.ech,
            timed: false,
        }
    }

    /// The run's record in the kernel, but for its place.
    pub(super) fn run(&self) -> Run {
        let mode = match self.mode {
            Mode::Enforce => MODE_ENFORCE,
            Mode::Audit => MODE_AUDIT,
        };
        let mut flags = 0;
        if self.respond.denial == OnDenial::Kill {
            flags |= Run::KILL;
        }
        if self.respond.trip == OnTrip::Freeze {
            flags |= Run::FREEZE;
        }
        if self.record {
            flags |= Run::RECORD;
        }
        if self.encrypted_hello {
            flags |= Run::ENCRYPTED_HELLO;
        }
        if self.timed {
            flags |= Run::TIMED;
        }
        let mut limits = [UNLIMITED; BUDGETS];
        for (limit, budget) in limits.iter_mut().zip(self.budgets.0) {
            *limit = budget.unwrap_or(UNLIMITED);
        }
        Run {
            mode,
            flags,
            resolver: u32::from(self.resolver),
            id: 0,
            profile: 0,
            leader: 0,
            uid: 0,
            claimant: 0,
            live: 0,
            digest: self.digest,
            limits,
            anchors: self.anchors,
        }
    }

    /// Files that the kernel must be able to remember.
    pub(crate) fn files(&self) -> u32 {
        let of = |budget: Budget| self.budgets.0[budget as usize].map_or(0, |limit| limit.min(FILES_MAX));
        // One more of each is what trips the run.
        match of(Budget::FilesRead) + of(Budget::FilesWritten) {
            0 => 0,
            files => u32::try_from(files + 2).unwrap_or(u32::MAX),
        }
    }
}

/// The ring buffers. Images first: they name what events refer to.
pub struct Rings {
    /// [`enforcer_common::event::ImagePart`] records.
    pub images: RingBuf<MapData>,
    /// [`enforcer_common::event::Event`] records.
    pub events: RingBuf<MapData>,
    /// What the programs have to say of themselves: only what should not happen, in whichever run. One wrapper at a time
    /// reads it.
    pub log: Option<Log>,
}

/// The programs' own log, and the right to read it.
pub struct Log {
    logger: EbpfLogger<&'static dyn log::Log>,
    _reader: Lock,
}

impl Log {
    /// Passes on what is in it.
    pub fn flush(&mut self) {
        self.logger.flush();
    }
}

/// What is left of a run when its command has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remaining {
    /// Tasks that are still in the run. They stay enforced for as long as they live.
    pub tasks: u64,
}

/// What a run's resolver shares with the kernel programs.
#[derive(Debug)]
pub struct EgressMaps {
    /// The run.
    pub run: u32,
    /// The addresses that host rules led to.
    pub grants: HashMap<MapData, GrantKey, Grant>,
    /// The names that led there.
    pub names: HashMap<MapData, NameKey, u64>,
    /// Who sent the last question from a port, in whichever run.
    pub askers: HashMap<MapData, Port, Asker>,
    /// Counts what it refuses.
    pub charger: Charger,
}

/// A run's enforcement. Dropping it without [`Enforcement::finish`] leaves its place taken, hence what is enrolled stays
/// enforced.
pub struct Enforcement {
    pub(super) programs: Programs,
    pub(super) place: Place,
}

impl Enforcement {
    /// Finds a place for a run under the compiled profile `table`; loads and attaches the programs if no other run has.
    ///
    /// # Errors
    ///
    /// Whatever is missing, with how to mend it. Nothing is left behind then.
    pub fn start(table: &[u16], setup: &Setup) -> Result<Self, Error> {
        check_active()?;
        let _shared = Lock::shared()?;
        clear_away(false)?;
        let own = Programs::own();
        if !own.exists() {
            Programs::load()?;
        }
        let mut programs = Programs::open(&own)?;
        match Place::take(&mut programs, setup.run(), table, setup.files()) {
            Ok(place) => Ok(Self { programs, place }),
            Err(error) => {
                unload_if_idle(programs, false)?;
                Err(error)
            }
        }
    }

    /// What puts a task under this run.
    ///
    /// # Errors
    ///
    /// The program is not there.
    pub fn enroller(&self) -> Result<Enroller, Error> {
        self.programs.enroller(self.place.id)
    }

    /// Proves that this run's denials happen.
    ///
    /// # Errors
    ///
    /// What was not denied.
    pub fn probe(&self) -> Result<(), Error> {
        probe::run(self.enroller()?, || self.counters())
    }

    /// Takes the ring buffers, and what the resolver needs, once.
    ///
    /// # Errors
    ///
    /// They were taken already.
    pub fn take(&mut self) -> Result<(Rings, EgressMaps), Error> {
        let log = match Lock::log()? {
            Some(reader) => Some(Log { logger: self.programs.log()?, _reader: reader }),
            None => None,
        };
        let Own { grants, names, events, images } = self.place.own().ok_or(Error::Missing("EVENTS"))?;
        let egress = EgressMaps {
            run: self.place.id,
            grants,
            names,
            askers: self.programs.askers()?,
            charger: self.programs.charger()?,
        };
        Ok((Rings { images, events, log }, egress))
    }

    /// What the kernel counted so far.
    ///
    /// # Errors
    ///
    /// The map could not be read.
    pub fn counters(&self) -> Result<Counters, Error> {
        place::counters(&self.programs, place(self.place.id))
    }

    /// What is done with the run if it is tripped.
    ///
    /// # Errors
    ///
    /// The map could not be read.
    pub(crate) fn on_trip(&self) -> Result<OnTrip, Error> {
        let flags = place::record(&self.programs, place(self.place.id))?.flags;
        Ok(if flags & Run::FREEZE == 0 { OnTrip::KillTree } else { OnTrip::Freeze })
    }

    /// Lets go of the run if nothing of it is left; otherwise what is left stays enforced.
    ///
    /// A task's memory is given back a moment after it is reaped, so this looks a few times, for about a second.
    ///
    /// # Errors
    ///
    /// The counters could not be read, or the place not given back.
    pub fn finish(self) -> Result<Remaining, Error> {
        for _ in 0..100 {
            if self.counters()?.tasks == 0 {
                let Self { mut programs, place } = self;
                let _shared = Lock::shared()?;
                place.give_back(&mut programs)?;
                unload_if_idle(programs, false)?;
                return Ok(Remaining { tasks: 0 });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Remaining { tasks: self.counters()?.tasks })
    }
}

/// Gives back the places of runs that have neither a wrapper nor a task, and detaches other versions of the programs that
/// hold nothing. Under the shared lock; `serving` is for the service.
pub(super) fn clear_away(serving: bool) -> Result<(), Error> {
    let own = Programs::own();
    for pins in Pins::all()? {
        match Programs::open(&pins) {
            Ok(mut programs) if pins == own => drop(place::sweep(&mut programs)?),
            Ok(programs) => unload_if_idle(programs, serving)?,
            // Of a version that kept its books differently. What may still be alive in it stays enforced.
            Err(error) => tracing::warn!(
                "{pins} cannot be read and is left as it is ({error}); remove it when nothing of its runs is left"
            ),
        }
    }
    Ok(())
}

/// Detaches the programs if they hold nothing, and are not to enrol anything. Under the shared lock. `serving` is for the service, which
/// knows that they are not its own.
pub(super) fn unload_if_idle(mut programs: Programs, serving: bool) -> Result<(), Error> {
    let idle = place::sweep(&mut programs)? && !place::selects(&programs)?;
    // They may be those of a service that is about to begin.
    if !idle || !serving && Lock::service()?.is_none() {
        return Ok(());
    }
    programs.unload()?;
    // Of places that a service had made ready.
    Lock::clear_runs()
}

/// Refuses at once where the probe is bound to fail, with the reason.
pub(super) fn check_active() -> Result<(), Error> {
    match fs::read_to_string(ACTIVE_LSMS) {
        Ok(active) if !active.trim().split(',').any(|name| name == "bpf") => {
            Err(Error::NotActive { active: active.trim().to_owned() })
        }
        _ => Ok(()), // Active, or securityfs is not mounted: the probe will tell.
    }
}
