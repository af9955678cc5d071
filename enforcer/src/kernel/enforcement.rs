// SPDX-License-Identifier: MIT OR Apache-2.0

//! A run's enforcement: the programs loaded, attached and pinned, with its profile in their maps.

use std::{
    fs::{self, File},
    os::fd::{AsFd as _, AsRawFd as _},
    time::Duration,
};

use aya::{
    Btf, Ebpf, EbpfLoader, Endianness,
    maps::{Array, HashMap, Map, MapData, MapError, RingBuf},
    programs::{CgroupAttachMode, CgroupSockAddr, Lsm, ProgramError, RawTracePoint, links::FdLink},
};
use aya_log::EbpfLogger;
use enforcer_common::{
    Budget,
    address::{Grant, GrantKey},
    anchor::Anchors,
    budget::{BUDGETS, FILES_MAX, UNLIMITED},
    lookup::{Asker, Port},
    run::{Counters, MODE_AUDIT, MODE_ENFORCE, Run},
    table::CHUNK_WORDS,
};

use super::{
    Enroller, Error, Remaining, cgroup,
    hooks::{HOOKS, Hook, REDIRECTS},
    offsets,
    pins::Pins,
    probe, sys,
};
use crate::profile::{Budgets, OnDenial, OnTrip, Respond};

/// Where the kernel says which security modules are active.
pub(super) const ACTIVE_LSMS: &str = "/sys/kernel/security/lsm";

/// The kernel programs, as `build.rs` built them.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/enforcer-ebpf"));

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
    /// The values of the profile's variables.
    pub anchors: Anchors,
    /// The port of the resolver that answers the run's questions for names, on the loopback.
    pub resolver: u16,
    /// How much the run may do.
    pub budgets: Budgets,
    /// What is done beyond denying.
    pub respond: Respond,
}

impl Setup {
    /// The run's record in the kernel.
    fn run(&self) -> Run {
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
        let mut limits = [UNLIMITED; BUDGETS];
        for (limit, budget) in limits.iter_mut().zip(self.budgets.0) {
            *limit = budget.unwrap_or(UNLIMITED);
        }
        Run { mode, flags, resolver: u32::from(self.resolver), reserved: 0, limits, anchors: self.anchors }
    }

    /// Files that the kernel must be able to remember.
    fn files(&self) -> u32 {
        let of = |budget: Budget| self.budgets.0[budget as usize].map_or(0, |limit| limit.min(FILES_MAX));
        // One more of each is what trips the run.
        let files = of(Budget::FilesRead) + of(Budget::FilesWritten) + 2;
        u32::try_from(files).unwrap_or(u32::MAX)
    }
}

/// The ring buffers. Images first: they name what events refer to.
pub struct Rings {
    /// [`enforcer_common::event::ImagePart`] records.
    pub images: RingBuf<MapData>,
    /// [`enforcer_common::event::Event`] records.
    pub events: RingBuf<MapData>,
    /// What the programs have to say of themselves: only what should not happen.
    pub log: EbpfLogger<&'static dyn log::Log>,
}

/// What a run's resolver shares with the kernel programs.
#[derive(Debug)]
pub struct EgressMaps {
    /// The addresses that host rules led to.
    pub grants: HashMap<MapData, GrantKey, Grant>,
    /// Who sent the last question from a port.
    pub askers: HashMap<MapData, Port, Asker>,
}

/// A run's enforcement. Dropping it without [`Enforcement::finish`] leaves the pins, hence what is enrolled stays
/// enforced.
pub struct Enforcement {
    object: Ebpf,
    enroller: Enroller,
    pins: Pins,
}

impl Enforcement {
    /// Loads and attaches everything for a run under the compiled profile `table`.
    ///
    /// # Errors
    ///
    /// Whatever is missing, with how to mend it. Nothing is left behind then.
    pub fn start(table: &[u16], setup: &Setup) -> Result<Self, Error> {
        check_active()?;
        let types = offsets::kernel_btf()?;
        let pins = Pins::create()?;
        match Self::load(table, setup, &types, &pins) {
            Ok((object, enroller)) => Ok(Self { object, enroller, pins }),
            Err(error) => {
                pins.remove()?;
                Err(error)
            }
        }
    }

    fn load(table: &[u16], setup: &Setup, types: &[u8], pins: &Pins) -> Result<(Ebpf, Enroller), Error> {
        let offsets = offsets::from_btf(types)?;
        let btf = Btf::parse(types, Endianness::default()).map_err(|error| Error::Load(error.into()))?;
        let mut object = EbpfLoader::new()
            .btf(Some(&btf))
            .override_global("OFFSETS", &offsets, true)
            .map_max_entries("FILES", setup.files())
            .map_max_entries("TABLES", chunks(table))
            .load(OBJECT)
            .map_err(Error::Load)?;
        fill(&mut object, table, setup)?;
        let counters = object.map("COUNTERS").ok_or(Error::Missing("COUNTERS"))?;
        let path = pins.counters();
        counters.pin(&path).map_err(|error| Error::Pin {
            action: "pin",
            path,
            source: std::io::Error::other(error),
        })?;
        let enroller = load_enroller(&mut object)?;
        for hook in HOOKS {
            attach(&mut object, hook, &btf, pins)?;
        }
        let root = cgroup::root().map_err(Error::NoCgroup)?;
        for hook in REDIRECTS {
            redirect(&mut object, hook, &root, pins)?;
        }
        Ok((object, enroller))
    }

    /// What puts a task under this run.
    #[must_use]
    pub fn enroller(&self) -> Enroller {
        self.enroller
    }

    /// Proves that this run's denials happen.
    ///
    /// # Errors
    ///
    /// What was not denied.
    pub fn probe(&self) -> Result<(), Error> {
        probe::run(self.enroller, || self.counters())
    }

    /// Takes the ring buffers, once.
    ///
    /// # Errors
    ///
    /// They were taken already.
    pub fn take_rings(&mut self) -> Result<Rings, Error> {
        let log = EbpfLogger::init(&mut self.object).map_err(|_| Error::Missing("AYA_LOGS"))?;
        let mut take = |name: &'static str| {
            let map = self.object.take_map(name).ok_or(Error::Missing(name))?;
            RingBuf::try_from(map).map_err(|source| Error::Map { action: "open", map: name, source })
        };
        Ok(Rings { images: take("IMAGES")?, events: take("EVENTS")?, log })
    }

    /// Takes what the resolver needs, once.
    ///
    /// # Errors
    ///
    /// It was taken already.
    pub fn take_egress(&mut self) -> Result<EgressMaps, Error> {
        let mut take = |name| self.object.take_map(name).ok_or(Error::Missing(name));
        let failed = |map| move |source| Error::Map { action: "open", map, source };
        let grants = take("GRANTS")?.try_into().map_err(failed("GRANTS"))?;
        let askers = take("ASKERS")?.try_into().map_err(failed("ASKERS"))?;
        Ok(EgressMaps { grants, askers })
    }

    /// What the kernel counted so far.
    ///
    /// # Errors
    ///
    /// The map could not be read.
    pub fn counters(&self) -> Result<Counters, Error> {
        let map = self.object.map("COUNTERS").ok_or(Error::Missing("COUNTERS"))?;
        let failed = |source| Error::Map { action: "read", map: "COUNTERS", source };
        let counters: Array<&MapData, Counters> = map.try_into().map_err(failed)?;
        counters.get(&0, 0).map_err(failed)
    }

    /// Lets go of the run if nothing of it is left; otherwise what is left stays enforced.
    ///
    /// A task's memory is given back a moment after it is reaped, so this looks a few times, for about a second.
    ///
    /// # Errors
    ///
    /// The counters could not be read, or the pins not removed.
    pub fn finish(self) -> Result<Remaining, Error> {
        for _ in 0..100 {
            if self.counters()?.tasks == 0 {
                self.pins.remove()?;
                return Ok(Remaining { tasks: 0 });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Remaining { tasks: self.counters()?.tasks })
    }
}

/// Refuses at once where the probe is bound to fail, with the reason.
fn check_active() -> Result<(), Error> {
    match fs::read_to_string(ACTIVE_LSMS) {
        Ok(active) if !active.trim().split(',').any(|name| name == "bpf") => {
            Err(Error::NotActive { active: active.trim().to_owned() })
        }
        _ => Ok(()), // Active, or securityfs is not mounted: the probe will tell.
    }
}

/// Chunks that a compiled profile takes.
fn chunks(table: &[u16]) -> u32 {
    table.len().div_ceil(CHUNK_WORDS) as u32
}

/// Writes the run's profile and settings into the maps, and freezes what nobody may change any more.
fn fill(object: &mut Ebpf, table: &[u16], setup: &Setup) -> Result<(), Error> {
    for (index, words) in (0..).zip(table.chunks(CHUNK_WORDS)) {
        let mut chunk = vec![0; CHUNK_WORDS].into_boxed_slice();
        chunk[..words.len()].copy_from_slice(words);
        let chunk: Box<[u16; CHUNK_WORDS]> = chunk.try_into().map_err(|_| Error::Missing("TABLES"))?;
        set(object, "TABLES", index, &*chunk)?;
    }
    freeze(object, "TABLES")?;
    set(object, "RUNS", 0, &setup.run())?;
    freeze(object, "RUNS")
}

/// Writes an element of an array.
fn set<T: aya::Pod>(object: &mut Ebpf, name: &'static str, index: u32, value: &T) -> Result<(), Error> {
    let failed = |source: MapError| Error::Map { action: "write", map: name, source };
    let map = object.map_mut(name).ok_or(Error::Missing(name))?;
    let mut array: Array<&mut MapData, T> = map.try_into().map_err(failed)?;
    array.set(index, value, 0).map_err(failed)
}

/// Makes an array unchangeable for userspace, us included.
fn freeze(object: &Ebpf, name: &'static str) -> Result<(), Error> {
    let Some(Map::Array(data)) = object.map(name) else {
        return Err(Error::Missing(name));
    };
    sys::freeze(data.fd().as_fd()).map_err(|source| Error::System { action: "freeze a map", source })
}

fn load_enroller(object: &mut Ebpf) -> Result<Enroller, Error> {
    let failed = |source| Error::Program { action: "load", hook: "enrolment", source };
    let program = object.program_mut("enrol").ok_or(Error::Missing("enrol"))?;
    let program: &mut RawTracePoint = program.try_into().map_err(failed)?;
    program.load().map_err(failed)?;
    Ok(Enroller { program: program.fd().map_err(failed)?.as_fd().as_raw_fd() })
}

/// Loads a hook's program, attaches it, and pins the link.
fn attach(object: &mut Ebpf, hook: &Hook, btf: &Btf, pins: &Pins) -> Result<(), Error> {
    let failed = |action| move |source| Error::Program { action, hook: hook.name, source };
    let program = object.program_mut(hook.name).ok_or(Error::Missing(hook.name))?;
    let program: &mut Lsm = program.try_into().map_err(failed("load"))?;
    program.load(hook.name, btf).map_err(|source| match source {
        ProgramError::Btf(_) => Error::NoHook { hook: hook.name, source },
        _ => Error::Program { action: "load", hook: hook.name, source },
    })?;
    let link = program.attach().map_err(failed("attach"))?;
    pin(program.take_link(link).map_err(failed("attach"))?.into(), hook, pins)
}

/// Loads a program of the cgroup hierarchy, attaches it at the root, and pins the link.
fn redirect(object: &mut Ebpf, hook: &Hook, root: &File, pins: &Pins) -> Result<(), Error> {
    let failed = |action| move |source| Error::Program { action, hook: hook.name, source };
    let program = object.program_mut(hook.name).ok_or(Error::Missing(hook.name))?;
    let program: &mut CgroupSockAddr = program.try_into().map_err(failed("load"))?;
    program.load().map_err(failed("load"))?;
    // A link takes no flags, and lives beside those of others.
    let link = program.attach(root, CgroupAttachMode::Single).map_err(failed("attach"))?;
    let link = program.take_link(link).map_err(failed("attach"))?;
    pin(link.try_into().map_err(|_| Error::Missing(hook.name))?, hook, pins)
}

/// Pins a link.
fn pin(link: FdLink, hook: &Hook, pins: &Pins) -> Result<(), Error> {
    let path = pins.link(hook.name);
    link.pin(&path).map_err(|error| Error::Pin {
        action: "pin",
        path,
        source: std::io::Error::other(error),
    })?;
    Ok(())
}
