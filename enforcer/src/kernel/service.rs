// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the service has of the kernel half: which commands the kernel enrols by itself, and the places that it finds ready for
//! their runs.
//!
//! All of it is in pinned maps. The service gone, commands are enrolled and held as before; what they look up by name fails
//! until there is a service again, which finds their runs here.

use std::path::Path;

use aya::maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray, RingBuf};
use enforcer_common::{
    anchor::ANCHORS,
    latency::Latency,
    run::{Counters, ENROLLED, PROFILES, RUNS, Run},
    select::{Chosen, Home, Source, Template},
    table::KINDS,
    tasks::Labelled,
};

pub use super::fill::Fill;

use super::{
    Enforcement, Error, Setup,
    enforcement::{check_active, clear_away, unload_if_idle},
    fill,
    lock::Lock,
    pins::Pins,
    place::{self, Own, Place, Sizes},
    programs::{HALT, MEMBERS, Programs},
};

/// Bytes for events of a run that wait to be read. Less than wrappers have: there are places that wait for a run.
const EVENTS: u32 = 1 << 18;
/// The same of a run that is recorded.
const EVENTS_RECORDED: u32 = 1 << 22;
/// Bytes for program images.
const IMAGES: u32 = 1 << 20;

/// A profile, as the kernel needs it to begin runs.
#[derive(Clone)]
pub struct Offer<'a> {
    /// The compiled profile.
    pub table: &'a [u16],
    /// What its runs are started with; the values of its variables are not known yet.
    pub setup: Setup,
    /// Where they come from.
    pub sources: [Source; ANCHORS],
}

/// A place that waits for a run, or for which one did not wait.
pub struct Ready {
    lock: Lock,
    own: Own,
}

/// The service's hold on the kernel half.
pub struct Service {
    programs: Programs,
    lock: Option<Lock>,
}

impl Service {
    /// Takes hold of it, and loads and attaches the programs if nobody has. What was enrolled before goes on being enrolled.
    ///
    /// # Errors
    ///
    /// Whatever is missing, with how to mend it; or there is a service already.
    pub fn open() -> Result<Self, Error> {
        check_active()?;
        let _shared = Lock::shared()?;
        let lock = Lock::service()?.ok_or(Error::Served)?;
        clear_away(true)?;
        let own = Programs::own();
        if !own.exists() {
            Programs::load()?;
        }
        Ok(Self { programs: Programs::open(&own)?, lock: Some(lock) })
    }

    /// The number of the first template that is free: the others follow.
    ///
    /// # Errors
    ///
    /// The maps could not be read.
    pub fn first_template(&self) -> Result<u16, Error> {
        let in_use = place::first_offered(&self.programs)?;
        Ok(if in_use == Some(0) { PROFILES as u16 } else { 0 })
    }

    /// Has the kernel enrol what `selection` says, each item under the offer that its template is: the first offer is
    /// [`Self::first_template`]. What was offered before no longer is; runs keep the profile that they have.
    ///
    /// # Errors
    ///
    /// The kernel's; it goes on as before then.
    pub fn arm(&mut self, offers: &[Offer<'_>], selection: &[u16]) -> Result<(), Error> {
        let _shared = Lock::shared()?;
        let first = u32::from(self.first_template()?);
        let old = if first == 0 { PROFILES } else { 0 };
        self.withdraw(first)?;
        for (index, offer) in (first..first + PROFILES).zip(offers) {
            let mut run = offer.setup.run();
            // As the kernel has the place that it copies this to.
            run.live = Run::TAKING;
            run.profile = self.profile(offer)?;
            self.offer(index, Template { run, sources: offer.sources })?;
        }
        place::enrol(&self.programs, Some(selection))?;
        self.withdraw(old)?;
        // Of other versions: one of us is enough.
        for pins in Pins::present()?.into_iter().filter(|pins| *pins != Programs::own()) {
            if let Ok(other) = Programs::open(&pins) {
                place::enrol(&other, None)?;
                unload_if_idle(other, true)?;
            }
        }
        Ok(())
    }

    /// Has the kernel enrol nothing any more. Runs stay enforced for as long as they live.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn disarm(&mut self) -> Result<(), Error> {
        {
            let _shared = Lock::shared()?;
            place::enrol(&self.programs, None)?;
            self.withdraw(0)?;
            self.withdraw(PROFILES)?;
            self.lock = None;
        }
        Self::disarm_all()
    }

    /// The same where there is no service: of every version of the programs that is loaded.
    ///
    /// # Errors
    ///
    /// There is a service; or the kernel's.
    pub fn disarm_all() -> Result<(), Error> {
        let _shared = Lock::shared()?;
        drop(Lock::service()?.ok_or(Error::Served)?);
        let disarm = |pins: Pins| -> Result<(), Error> {
            let programs = Programs::open(&pins)?;
            place::enrol(&programs, None)?;
            unload_if_idle(programs, false)
        };
        // One that cannot be read does not keep the others.
        let disarmed: Vec<_> = Pins::all()?.into_iter().map(disarm).collect();
        disarmed.into_iter().collect()
    }

    /// Tells the kernel where users are at home; those that are not told any more keep what was told.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn users(&mut self, homes: &[(u32, Home)]) -> Result<(), Error> {
        let failed = |source| Error::Map { action: "write", map: "HOMES", source };
        let map = Map::HashMap(self.programs.map("HOMES")?);
        let mut map: HashMap<MapData, u32, Home> = map.try_into().map_err(failed)?;
        homes.iter().try_for_each(|(uid, home)| map.insert(uid, home, 0).map_err(failed))
    }

    /// Has the kernel enrol what a process starts next under the offer of this number, unless an item chooses it.
    ///
    /// # Errors
    ///
    /// The map could not be written, or too many processes wait for that.
    pub fn claim(&mut self, process: u32, template: u16) -> Result<(), Error> {
        self.claims()?.insert(process, u32::from(template), 0).map_err(failed_claim)
    }

    /// Takes that back, if nothing has come of it yet.
    ///
    /// # Errors
    ///
    /// The map could not be written.
    pub fn disclaim(&mut self, process: u32) -> Result<(), Error> {
        match self.claims()?.remove(&process) {
            Err(MapError::KeyNotFound) | Ok(()) => Ok(()),
            Err(error) => Err(failed_claim(error)),
        }
    }

    /// Takes back what processes were promised that are not there any more, by a service that ended before they did. A process that
    /// comes to have the number of one would have its next child enrolled.
    ///
    /// # Errors
    ///
    /// The map could not be read or written.
    pub fn forget_claims(&mut self, is_there: impl Fn(u32) -> bool) -> Result<(), Error> {
        let claims = self.claims()?;
        for process in claims.keys().collect::<Result<Vec<_>, _>>().map_err(failed_claim)? {
            if !is_there(process) {
                self.disclaim(process)?;
            }
        }
        Ok(())
    }

    fn claims(&self) -> Result<HashMap<MapData, u32, u32>, Error> {
        Map::HashMap(self.programs.map("CLAIMS")?).try_into().map_err(failed_claim)
    }

    /// What tells of runs that have begun, as the kernel writes it.
    ///
    /// # Errors
    ///
    /// The map could not be opened.
    pub fn waker(&self) -> Result<RingBuf<MapData>, Error> {
        let map = Map::RingBuf(self.programs.map("BEGUN")?);
        map.try_into().map_err(|source| Error::Map { action: "open", map: "BEGUN", source })
    }

    /// The runs that the kernel has begun and that are not over, with their places.
    ///
    /// # Errors
    ///
    /// The map could not be read.
    pub fn runs(&self) -> Result<Vec<(u32, Run)>, Error> {
        let runs = place::live(&self.programs)?;
        let begun = |(place, run): &(u32, Run)| *place >= ENROLLED && run.live == Run::TAKEN;
        Ok(runs.into_iter().filter(begun).collect())
    }

    /// A place that no run has and that `except` does not name.
    ///
    /// # Errors
    ///
    /// The map could not be read.
    pub fn spare(&self, except: impl Fn(u32) -> bool) -> Result<Option<u32>, Error> {
        let taken = place::live(&self.programs)?;
        Ok((ENROLLED..RUNS).find(|place| !except(*place) && taken.iter().all(|(other, _)| other != place)))
    }

    /// Makes a place ready: for the run that the kernel will begin there, or has begun. Its questions go to `port`.
    ///
    /// # Errors
    ///
    /// The kernel's; or another process has the place.
    pub fn ready(&mut self, place: u32, port: u16, recorded: bool) -> Result<Ready, Error> {
        let lock = self.lock(place)?;
        let events = if recorded { EVENTS_RECORDED } else { EVENTS };
        // What a service before us has put there is as good: the kernel waits a while for each map that is exchanged.
        let own = match Own::found(&self.programs, place)? {
            Some(own) => own,
            None => Own::make(&self.programs, place, Sizes { files: 0, events, images: IMAGES })?,
        };
        self.port(place, port)?;
        Ok(Ready { lock, own })
    }

    /// Whether no run has this place.
    ///
    /// # Errors
    ///
    /// The map could not be read.
    pub fn is_free(&self, place: u32) -> Result<bool, Error> {
        place::is_free(&self.programs, place)
    }

    /// Takes a place's maps away. What the kernel has begun there meanwhile is made ready again when it is found.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn retire(&mut self, place: u32, ready: Ready) -> Result<(), Error> {
        let _shared = Lock::shared()?;
        self.port(place, 0)?;
        place::take_out(&self.programs, place)?;
        ready.lock.remove()
    }

    /// The enforcement of a run that has begun at a place; `port` is where its questions go.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn begin(&mut self, run: &Run, ready: Ready, port: u16, files: u32) -> Result<Enforcement, Error> {
        let at = enforcer_common::run::place(run.id);
        if run.resolver != u32::from(port) {
            place::write(&mut self.programs, at, Run { resolver: u32::from(port), ..*run })?;
        }
        place::remember(&self.programs, at, files)?;
        let programs = Programs::open(&Programs::own())?;
        let Ready { lock, own } = ready;
        Ok(Enforcement { programs, place: Place { id: run.id, lock, own: Some(own) } })
    }

    /// Whether the kernel enrols anything.
    ///
    /// # Errors
    ///
    /// The map could not be read.
    pub fn is_armed(&self) -> Result<bool, Error> {
        place::selects(&self.programs)
    }

    /// Every task that is in a run, whoever began that.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn members(&self) -> Result<Vec<Labelled>, Error> {
        let told = self.programs.visit(MEMBERS)?;
        Ok(told.as_chunks().0.iter().copied().map(Labelled::from_bytes).collect())
    }

    /// What is counted for a run.
    ///
    /// # Errors
    ///
    /// The map could not be read.
    pub fn counters(&self, run: u32) -> Result<Counters, Error> {
        place::counters(&self.programs, enforcer_common::run::place(run))
    }

    /// Ends a run, as if it were over a budget: nothing is allowed any more, and whatever attempts something is killed, or
    /// stopped.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn halt(&mut self, run: u32, freeze: bool) -> Result<(), Error> {
        let at = enforcer_common::run::place(run);
        let mut record = place::record(&self.programs, at)?;
        if record.live != 0 && record.id == run {
            record.flags = if freeze { record.flags | Run::FREEZE } else { record.flags & !Run::FREEZE };
            place::write(&mut self.programs, at, record)?;
        }
        self.programs.call(HALT, "ending a run", u64::from(run))
    }

    /// What came of the commands that were selected.
    ///
    /// # Errors
    ///
    /// The map could not be read.
    pub fn chosen(&self) -> Result<Chosen, Error> {
        let failed = |source| Error::Map { action: "read", map: "CHOSEN", source };
        let map = Map::Array(self.programs.map("CHOSEN")?);
        let map: Array<MapData, Chosen> = map.try_into().map_err(failed)?;
        map.get(&0, 0).map_err(failed)
    }

    /// How long decisions took, by their kind: in runs for which [`Setup::timed`] was said.
    ///
    /// # Errors
    ///
    /// The map could not be read.
    pub fn latencies(&self) -> Result<[Latency; KINDS], Error> {
        let failed = |source| Error::Map { action: "read", map: "LATENCIES", source };
        let map = Map::PerCpuArray(self.programs.map("LATENCIES")?);
        let map: PerCpuArray<MapData, Latency> = map.try_into().map_err(failed)?;
        let mut kinds = [Latency::default(); KINDS];
        for (index, kind) in (0..).zip(&mut kinds) {
            for cpu in map.get(&index, 0).map_err(failed)?.iter() {
                kind.add(cpu);
            }
        }
        Ok(kinds)
    }

    /// How full the maps are.
    ///
    /// # Errors
    ///
    /// A map could not be read.
    pub fn fills(&self) -> Result<Vec<Fill>, Error> {
        fill::fills(&self.programs)
    }

    /// Where the kernel half's own files are.
    #[must_use]
    pub fn runtime_directory() -> &'static Path {
        Path::new(super::lock::DIRECTORY)
    }

    fn lock(&self, place: u32) -> Result<Lock, Error> {
        Lock::run(self.programs.pins(), place)?.ok_or(Error::Full { what: "runs", limit: RUNS - ENROLLED })
    }

    fn port(&mut self, place: u32, port: u16) -> Result<(), Error> {
        let set = self.programs.resolvers.set(place, u32::from(port), 0);
        set.map_err(|source| Error::Map { action: "write", map: "RESOLVERS", source })
    }

    /// The place of an offer's compiled profile, which is loaded if no other run has it.
    fn profile(&self, offer: &Offer<'_>) -> Result<u32, Error> {
        let known = place::loaded(&self.programs, &offer.setup.digest)?;
        known.map_or_else(|| place::load(&self.programs, offer.table), Ok)
    }

    fn offer(&mut self, index: u32, template: Template) -> Result<(), Error> {
        let set = self.programs.templates.set(index, template, 0);
        set.map_err(|source| Error::Map { action: "write", map: "TEMPLATES", source })
    }

    /// Takes back one half of the templates, which nothing is made from any more.
    fn withdraw(&mut self, first: u32) -> Result<(), Error> {
        for index in first..first + PROFILES {
            let failed = |source| Error::Map { action: "read", map: "TEMPLATES", source };
            let mut template = self.programs.templates.get(&index, 0).map_err(failed)?;
            if template.run.live != 0 {
                template.run.live = 0;
                self.offer(index, template)?;
                place::unload_unused(&self.programs, template.run.profile)?;
            }
        }
        Ok(())
    }
}

fn failed_claim(source: MapError) -> Error {
    Error::Map { action: "write", map: "CLAIMS", source }
}
