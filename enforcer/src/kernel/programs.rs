// SPDX-License-Identifier: MIT OR Apache-2.0

//! The programs and their maps: loaded and attached once, for all runs of the machine.

use std::{
    fs::{self, File},
    os::fd::{AsFd as _, AsRawFd as _},
    path::PathBuf,
};

use aya::{
    Btf, Ebpf, EbpfLoader, Endianness,
    maps::{Array, HashMap, Map, MapData},
    programs::{
        CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, CgroupSockAddr, Iter, Lsm, ProgramError,
        ProgramInfo, RawTracePoint, links::FdLink,
    },
};
use aya_log::EbpfLogger;
use enforcer_common::{
    lookup::{Asker, Port},
    run::{Counters, Run},
    select::Template,
};
use sha2::{Digest as _, Sha256};

use super::{
    Charger, Enroller, Error, cgroup,
    hooks::{GATE, HOOKS, Hook, PAGES, REDIRECTS},
    offsets,
    pins::{Partial, Pins},
    sys,
};

/// The kernel programs, as `build.rs` built them.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/enforcer-ebpf"));

/// What puts a task under a run. Run, not attached.
const ENROL: &str = "enrol";
/// What charges a run for what the resolver refused it. Likewise.
const CHARGE: &str = "charge";
/// What gives back the places of runs that the kernel began. Likewise.
pub(super) const RELEASE: &str = "release";
/// What ends runs. Likewise.
pub(super) const HALT: &str = "halt";
/// What puts a tree under a run, when its link is read.
pub(super) const ATTACH: &str = "attach";
/// What tells of all that is in runs. Likewise.
pub(super) const MEMBERS: &str = "members";
/// A program that writes to the log, by which the log is found.
const LOGS: &str = "file_open";
/// Prefixes of pins.
const LINK: &str = "link";
const MAP: &str = "map";
const PROGRAM: &str = "program";
/// The maps that the agent uses. The programs hold the others.
const MAPS: [&str; 18] = [
    "RUNS",
    "COUNTERS",
    "LATENCIES",
    "TABLES",
    "GRANTS",
    "NAMES",
    "FILES",
    "EVENTS",
    "IMAGES",
    "ASKERS",
    "SELECTION",
    "TEMPLATES",
    "CLAIMS",
    "ATTACH",
    "HOMES",
    "CHOSEN",
    "RESOLVERS",
    "BEGUN",
];

/// A version of the programs, attached.
pub(super) struct Programs {
    pins: Pins,
    enroller: RawTracePoint,
    /// The runs, by place.
    pub(super) runs: Array<MapData, Run>,
    /// What is counted for them.
    pub(super) counters: Array<MapData, Counters>,
    /// What the runs are made from that the kernel begins.
    pub(super) templates: Array<MapData, Template>,
    /// The ports that their questions go to, by place.
    pub(super) resolvers: Array<MapData, u32>,
}

impl Programs {
    /// The pins of the version that this agent was built with.
    pub(super) fn own() -> Pins {
        let digest = Sha256::digest(OBJECT);
        Pins::of(&digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>())
    }

    /// Their pins.
    pub(super) fn pins(&self) -> &Pins {
        &self.pins
    }

    /// Opens what is pinned.
    pub(super) fn open(pins: &Pins) -> Result<Self, Error> {
        let array = |map| move |source| Error::Map { action: "open", map, source };
        let enroller = RawTracePoint::from_pin(pins.path(PROGRAM, ENROL))
            .map_err(|source| Error::Program { action: "open", hook: "enrolment", source })?;
        Ok(Self {
            pins: pins.clone(),
            enroller,
            runs: Map::Array(map(pins, "RUNS")?).try_into().map_err(array("RUNS"))?,
            counters: Map::Array(map(pins, "COUNTERS")?).try_into().map_err(array("COUNTERS"))?,
            templates: Map::Array(map(pins, "TEMPLATES")?).try_into().map_err(array("TEMPLATES"))?,
            resolvers: Map::Array(map(pins, "RESOLVERS")?).try_into().map_err(array("RESOLVERS"))?,
        })
    }

    /// Loads, attaches and pins the version that this agent was built with. Under the shared lock.
    pub(super) fn load() -> Result<(), Error> {
        let types = offsets::kernel_btf()?;
        let offsets = offsets::from_btf(&types)?;
        let btf = Btf::parse(&types, Endianness::default()).map_err(|error| Error::Load(error.into()))?;
        let mut object = EbpfLoader::new()
            .btf(Some(&btf))
            .override_global("OFFSETS", &offsets, true)
            .load(OBJECT)
            .map_err(Error::Load)?;
        Self::own().create(|pins| {
            for name in MAPS {
                let map = object.map(name).ok_or(Error::Missing(name))?;
                pins.pin(MAP, name, |path| map.pin(path))?;
            }
            for name in [ENROL, CHARGE, RELEASE, HALT] {
                load_callable(&mut object, name, pins)?;
            }
            for name in [ATTACH, MEMBERS] {
                visit(&mut object, name, &btf, pins)?;
            }
            for hook in HOOKS {
                attach(&mut object, hook, &btf, pins)?;
            }
            if offsets::sends_pages(&types)? {
                attach(&mut object, &PAGES, &btf, pins)?;
            }
            let root = cgroup::root().map_err(Error::NoCgroup)?;
            for hook in REDIRECTS {
                redirect(&mut object, hook, &root, pins)?;
            }
            gate(&mut object, &root, pins)
        })
    }

    /// Detaches them. Under the shared lock, and only when nothing is enrolled.
    pub(super) fn unload(self) -> Result<(), Error> {
        self.pins.remove()
    }

    /// What puts a task under a run.
    pub(super) fn enroller(&self, run: u32) -> Result<Enroller, Error> {
        let failed = |source| Error::Program { action: "open", hook: "enrolment", source };
        Ok(Enroller { program: self.enroller.fd().map_err(failed)?.as_fd().as_raw_fd(), run })
    }

    /// What charges runs for what the resolver refused them.
    pub(super) fn charger(&self) -> Result<Charger, Error> {
        let failed = |source| Error::Program { action: "open", hook: "charging", source };
        let program = RawTracePoint::from_pin(self.pins.path(PROGRAM, CHARGE)).map_err(failed)?;
        let program = program.fd().map_err(failed)?.as_fd().try_clone_to_owned();
        Ok(Charger { program: program.map_err(|source| Error::System { action: "keep a program", source })? })
    }

    /// Calls a program that is never attached, for a run.
    pub(super) fn call(&self, name: &'static str, action: &'static str, run: u64) -> Result<(), Error> {
        let failed = |source| Error::Program { action: "open", hook: action, source };
        let program = RawTracePoint::from_pin(self.pins.path(PROGRAM, name)).map_err(failed)?;
        let fd = program.fd().map_err(failed)?.as_fd().as_raw_fd();
        sys::run_program(fd, &run).map(drop).map_err(|source| Error::System { action, source })
    }

    /// Has every task looked at by one of the programs for that, and returns what it tells.
    pub(super) fn visit(&self, name: &str) -> Result<Vec<u8>, Error> {
        let path = self.pins.path(LINK, name);
        fs::read(&path).map_err(|source| Error::Pin { action: "read", path, source })
    }

    /// A map of theirs.
    pub(super) fn map(&self, name: &'static str) -> Result<MapData, Error> {
        map(&self.pins, name)
    }

    /// Who sent the last question from a port.
    pub(super) fn askers(&self) -> Result<HashMap<MapData, Port, Asker>, Error> {
        Map::LruHashMap(self.map("ASKERS")?).try_into().map_err(|source| Error::Map {
            action: "open",
            map: "ASKERS",
            source,
        })
    }

    /// What they have to say of themselves.
    pub(super) fn log(&self) -> Result<EbpfLogger<&'static dyn log::Log>, Error> {
        let program = ProgramInfo::from_pin(self.pins.path(PROGRAM, LOGS))
            .map_err(|source| Error::Program { action: "open", hook: LOGS, source })?;
        EbpfLogger::init_from_id(program.id()).map_err(|_| Error::Missing("AYA_LOGS"))
    }
}

/// Where the runs of a version are: by the map one knows its programs.
pub(super) fn pin_of_runs(pins: &Pins) -> PathBuf {
    pins.path(MAP, "RUNS")
}

/// Opens a pinned map.
fn map(pins: &Pins, name: &'static str) -> Result<MapData, Error> {
    MapData::from_pin(pins.path(MAP, name)).map_err(|source| Error::Map { action: "open", map: name, source })
}

/// Loads and pins a program that is run and never attached.
fn load_callable(object: &mut Ebpf, name: &'static str, pins: &Partial) -> Result<(), Error> {
    let failed = |source| Error::Program { action: "load", hook: name, source };
    let program = object.program_mut(name).ok_or(Error::Missing(name))?;
    let program: &mut RawTracePoint = program.try_into().map_err(failed)?;
    program.load().map_err(failed)?;
    pins.pin(PROGRAM, name, |path| program.pin(path))
}

/// Loads a program that looks at every task, and pins its link: reading that calls it.
fn visit(object: &mut Ebpf, name: &'static str, btf: &Btf, pins: &Partial) -> Result<(), Error> {
    let failed = |action| move |source| Error::Program { action, hook: name, source };
    let program = object.program_mut(name).ok_or(Error::Missing(name))?;
    let program: &mut Iter = program.try_into().map_err(failed("load"))?;
    program.load("task", btf).map_err(failed("load"))?;
    let link = program.attach().map_err(failed("attach"))?;
    let link = program.take_link(link).map_err(failed("attach"))?;
    let link: FdLink = link.try_into().map_err(|_| Error::Missing(name))?;
    pins.pin(LINK, name, |path| link.pin(path).map(drop))
}

/// Loads a hook's program, attaches it, and pins the link.
fn attach(object: &mut Ebpf, hook: &Hook, btf: &Btf, pins: &Partial) -> Result<(), Error> {
    let failed = |action| move |source| Error::Program { action, hook: hook.name, source };
    let program = object.program_mut(hook.name).ok_or(Error::Missing(hook.name))?;
    let program: &mut Lsm = program.try_into().map_err(failed("load"))?;
    program.load(hook.name, btf).map_err(|source| match source {
        ProgramError::Btf(_) => Error::NoHook { hook: hook.name, source },
        _ => Error::Program { action: "load", hook: hook.name, source },
    })?;
    if hook.name == LOGS {
        pins.pin(PROGRAM, LOGS, |path| program.pin(path))?;
    }
    let link = program.attach().map_err(failed("attach"))?;
    let link: FdLink = program.take_link(link).map_err(failed("attach"))?.into();
    pins.pin(LINK, hook.name, |path| link.pin(path).map(drop))
}

/// Loads a program of the cgroup hierarchy, attaches it at the root, and pins the link.
fn redirect(object: &mut Ebpf, hook: &Hook, root: &File, pins: &Partial) -> Result<(), Error> {
    let failed = |action| move |source| Error::Program { action, hook: hook.name, source };
    let program = object.program_mut(hook.name).ok_or(Error::Missing(hook.name))?;
    let program: &mut CgroupSockAddr = program.try_into().map_err(failed("load"))?;
    program.load().map_err(failed("load"))?;
    // A link takes no flags, and lives beside those of others.
    let link = program.attach(root, CgroupAttachMode::Single).map_err(failed("attach"))?;
    let link = program.take_link(link).map_err(failed("attach"))?;
    let link: FdLink = link.try_into().map_err(|_| Error::Missing(hook.name))?;
    pins.pin(LINK, hook.name, |path| link.pin(path).map(drop))
}

/// Loads the program that stands where packets leave, attaches it at the root, and pins the link.
fn gate(object: &mut Ebpf, root: &File, pins: &Partial) -> Result<(), Error> {
    let failed = |action| move |source| Error::Program { action, hook: GATE.name, source };
    let program = object.program_mut(GATE.name).ok_or(Error::Missing(GATE.name))?;
    let program: &mut CgroupSkb = program.try_into().map_err(failed("load"))?;
    program.load().map_err(failed("load"))?;
    let link = program.attach(root, CgroupSkbAttachType::Egress, CgroupAttachMode::Single);
    let link = program.take_link(link.map_err(failed("attach"))?).map_err(failed("attach"))?;
    let link: FdLink = link.try_into().map_err(|_| Error::Missing(GATE.name))?;
    pins.pin(LINK, GATE.name, |path| link.pin(path).map(drop))
}
