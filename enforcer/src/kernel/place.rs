// SPDX-License-Identifier: MIT OR Apache-2.0

//! Places: where a run's own maps are, among those of all runs.
//!
//! A place is taken as long as its record says so. It is given back by the wrapper at the end of its run; if something of
//! the run outlives the wrapper, by the next wrapper that finds no task left in it. From [`ENROLLED`] on the kernel takes places
//! itself, and the service does for them what wrappers do for theirs.

use std::os::fd::AsFd as _;

use aya::{
    Pod,
    maps::{Array, HashMap, Map, MapData, MapError, RingBuf},
};
use aya_obj::generated::{
    BPF_F_INNER_MAP, BPF_F_NO_PREALLOC,
    bpf_map_type::{self, BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_RINGBUF},
};
use enforcer_common::{
    address::{Grant, GrantKey},
    budget::FileKey,
    hello::NameKey,
    run::{Counters, ENROLLED, PROFILES, RUNS, Run},
    select::{TEMPLATES, Template, words},
    table::CHUNK_WORDS,
};

use super::{
    Error,
    lock::Lock,
    programs::{Programs, RELEASE},
    sys,
};

/// Addresses that a run may have been led to at a time.
const GRANTS: u32 = 1 << 14;
/// Names that led to them. As many as there are in a few installs: each takes 300 bytes.
const NAMES: u32 = 1 << 12;
/// Bytes for events that wait to be read.
const EVENTS: u32 = 1 << 20;
/// The same of a run that is recorded: some 100,000 events, for as long as the agent has no turn.
const EVENTS_RECORDED: u32 = 1 << 24;
/// Bytes for program images that wait to be read.
const IMAGES: u32 = 1 << 22;
/// What the kernel enrols.
const SELECTION: &str = "SELECTION";
/// The maps that each run has of its own.
const OWN: [&str; 5] = ["GRANTS", "NAMES", "FILES", "EVENTS", "IMAGES"];

/// A run's place, and what is in it.
pub(super) struct Place {
    /// The run's number.
    pub(super) id: u32,
    /// Held while the wrapper lives.
    pub(super) lock: Lock,
    pub(super) own: Option<Own>,
}

/// The maps that are a run's own and that the agent uses.
pub(super) struct Own {
    /// Addresses that host rules led to.
    pub(super) grants: HashMap<MapData, GrantKey, Grant>,
    /// The names that led there.
    pub(super) names: HashMap<MapData, NameKey, u64>,
    /// Verdicts.
    pub(super) events: RingBuf<MapData>,
    /// Program images.
    pub(super) images: RingBuf<MapData>,
}

impl Own {
    /// Makes them, and puts them into a place.
    pub(super) fn make(programs: &Programs, place: u32, sizes: Sizes) -> Result<Self, Error> {
        let own = |name, kind, key, value, entries, flags| -> Result<MapData, Error> {
            let map = create(name, kind, key, value, entries, flags)?;
            put(programs, name, place, &map)?;
            Ok(map)
        };
        let (key, value) = (size_of::<GrantKey>(), size_of::<Grant>());
        let grants = own("GRANTS", BPF_MAP_TYPE_HASH, key, value, GRANTS, BPF_F_NO_PREALLOC)?;
        let (key, value) = (size_of::<NameKey>(), size_of::<u64>());
        let names = own("NAMES", BPF_MAP_TYPE_HASH, key, value, NAMES, BPF_F_NO_PREALLOC)?;
        remember(programs, place, sizes.files)?;
        let events = own("EVENTS", BPF_MAP_TYPE_RINGBUF, 0, 0, sizes.events, 0)?;
        let images = own("IMAGES", BPF_MAP_TYPE_RINGBUF, 0, 0, sizes.images, 0)?;
        Self::of(grants, names, events, images)
    }

    /// Those that another process has put into a place; `None` if one of them is not there.
    pub(super) fn found(programs: &Programs, place: u32) -> Result<Option<Self>, Error> {
        let at = |name| found(programs, name, place);
        let (Some(grants), Some(names), Some(events), Some(images)) =
            (at("GRANTS")?, at("NAMES")?, at("EVENTS")?, at("IMAGES")?)
        else {
            return Ok(None);
        };
        Self::of(grants, names, events, images).map(Some)
    }

    /// Takes out what a run has left in them.
    fn empty(mut self) -> Result<(), Error> {
        while self.events.next().is_some() {}
        while self.images.next().is_some() {}
        clear_out(&mut self.grants, "GRANTS")?;
        clear_out(&mut self.names, "NAMES")
    }

    fn of(grants: MapData, names: MapData, events: MapData, images: MapData) -> Result<Self, Error> {
        let failed = |map| move |source| Error::Map { action: "open", map, source };
        Ok(Self {
            grants: Map::HashMap(grants).try_into().map_err(failed("GRANTS"))?,
            names: Map::HashMap(names).try_into().map_err(failed("NAMES"))?,
            events: Map::RingBuf(events).try_into().map_err(failed("EVENTS"))?,
            images: Map::RingBuf(images).try_into().map_err(failed("IMAGES"))?,
        })
    }
}

/// How large they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Files that can be remembered.
    pub(super) files: u32,
    /// Bytes for events.
    pub(super) events: u32,
    /// Bytes for program images.
    pub(super) images: u32,
}

/// Has the kernel remember that many files at a place.
pub(super) fn remember(programs: &Programs, place: u32, files: u32) -> Result<(), Error> {
    if files == 0 {
        return Ok(());
    }
    let (key, value) = (size_of::<FileKey>(), size_of::<u8>());
    put(programs, "FILES", place, &create("FILES", BPF_MAP_TYPE_HASH, key, value, files, 0)?)
}

impl Place {
    /// Takes a free place for a run with this record, under the compiled profile `table`, and memory of `files` files.
    /// Under the shared lock.
    pub(super) fn take(programs: &mut Programs, run: Run, table: &[u16], files: u32) -> Result<Self, Error> {
        let runs = live(programs)?;
        let place = (0..ENROLLED).find(|place| runs.iter().all(|(taken, _)| taken != place));
        let place = place.ok_or(Error::Full { what: "runs", limit: ENROLLED })?;
        let profile = match loaded(programs, &run.digest)? {
            Some(profile) => profile,
            None => load(programs, table)?,
        };
        let lock = Lock::run(programs.pins(), place)?.ok_or(Error::Full { what: "runs", limit: ENROLLED })?;
        let events = if run.flags & Run::RECORD != 0 { EVENTS_RECORDED } else { EVENTS };
        match Own::make(programs, place, Sizes { files, events, images: IMAGES })
            .and_then(|own| Ok((own, enter(programs, place, run, profile)?)))
        {
            Ok((own, id)) => Ok(Self { id, lock, own: Some(own) }),
            Err(error) => {
                lock.remove()?;
                Err(error)
            }
        }
    }

    /// The maps that are the run's own, once.
    pub(super) fn own(&mut self) -> Option<Own> {
        self.own.take()
    }

    /// Gives it back. Under the shared lock, and only when no task is left. The service's maps stay for the next run there:
    /// the kernel waits for every program under way whenever one is exchanged (`maybe_wait_bpf_programs`).
    pub(super) fn give_back(self, programs: &mut Programs) -> Result<(), Error> {
        let place = enforcer_common::run::place(self.id);
        if place < ENROLLED {
            clear(programs, place)?;
        } else {
            if let Some(own) = Own::found(programs, place)? {
                own.empty()?;
            }
            release(programs, place)?;
        }
        self.lock.remove()
    }
}

/// Gives back the places that have neither a wrapper nor a task. True if none is taken then. Under the shared lock.
pub(super) fn sweep(programs: &mut Programs) -> Result<bool, Error> {
    let mut idle = true;
    for (place, run) in live(programs)? {
        if run.live == Run::TAKING {
            idle = false;
            continue;
        }
        let tasks = counters(programs, place)?.tasks;
        match Lock::run(programs.pins(), place)? {
            Some(lock) if tasks == 0 => {
                clear(programs, place)?;
                lock.remove()?;
            }
            _ => idle = false,
        }
    }
    Ok(idle)
}

/// Writes the record by which a place is taken, and says the run's number.
fn enter(programs: &mut Programs, place: u32, mut run: Run, profile: u32) -> Result<u32, Error> {
    // Labels and sockets of the run that had the place before are not this one's.
    let before = record(programs, place)?.id;
    run.id = (before / RUNS).wrapping_add(1).wrapping_mul(RUNS) | place;
    (run.profile, run.live) = (profile, Run::TAKEN);
    reset(programs, place)?;
    write(programs, place, run)?;
    Ok(run.id)
}

/// Begins to count anew at a place.
fn reset(programs: &mut Programs, place: u32) -> Result<(), Error> {
    let set = programs.counters.set(place, Counters::default(), 0);
    set.map_err(|source| failed_to_write("COUNTERS", source))
}

/// What is counted at a place.
pub(super) fn counters(programs: &Programs, place: u32) -> Result<Counters, Error> {
    programs.counters.get(&place, 0).map_err(|source| Error::Map { action: "read", map: "COUNTERS", source })
}

/// The places that are taken, and by what.
pub(super) fn live(programs: &Programs) -> Result<Vec<(u32, Run)>, Error> {
    let runs: Vec<Run> = all(programs, "RUNS", RUNS)?;
    Ok((0..).zip(runs).filter(|(_, run)| run.live != 0).collect())
}

/// Everything in an array. One by one, the service would be kept busy by this alone where runs are short.
fn all<V: Pod>(programs: &Programs, map: &'static str, count: u32) -> Result<Vec<V>, Error> {
    let read = sys::read_all(programs.map(map)?.fd().as_fd(), count);
    read.map_err(|source| Error::Place { action: "read", map, source })
}

/// Whether no run has a place.
pub(super) fn is_free(programs: &Programs, place: u32) -> Result<bool, Error> {
    Ok(record(programs, place)?.live == 0)
}

/// A place's record.
pub(super) fn record(programs: &Programs, place: u32) -> Result<Run, Error> {
    programs.runs.get(&place, 0).map_err(|source| Error::Map { action: "read", map: "RUNS", source })
}

pub(super) fn write(programs: &mut Programs, place: u32, run: Run) -> Result<(), Error> {
    programs.runs.set(place, run, 0).map_err(|source| Error::Map { action: "write", map: "RUNS", source })
}

/// Takes everything out of a place.
fn clear(programs: &mut Programs, place: u32) -> Result<(), Error> {
    if place < ENROLLED {
        let mut run = record(programs, place)?;
        run.live = 0;
        write(programs, place, run)?;
        take_out(programs, place)?;
        unload_unused(programs, run.profile)
    } else {
        take_out(programs, place)?;
        release(programs, place)
    }
}

/// Takes the maps out of a place.
pub(super) fn take_out(programs: &Programs, place: u32) -> Result<(), Error> {
    OWN.iter().try_for_each(|name| take(programs, name, place))
}

/// Gives a place back to the kernel, which may take it again at once.
fn release(programs: &mut Programs, place: u32) -> Result<(), Error> {
    let run = record(programs, place)?;
    take(programs, "FILES", place)?;
    reset(programs, place)?;
    programs.resolvers.set(place, 0, 0).map_err(|source| failed_to_write("RESOLVERS", source))?;
    programs.call(RELEASE, "giving back a run's place", run.id.into())?;
    unload_unused(programs, run.profile)
}

/// Takes a compiled profile out that nothing is held to.
pub(super) fn unload_unused(programs: &Programs, profile: u32) -> Result<(), Error> {
    let used = held(programs)?.iter().any(|run| run.profile == profile);
    if used { Ok(()) } else { take(programs, "TABLES", profile) }
}

/// Every record that a compiled profile is loaded for: of runs, and of templates for those that the kernel begins.
fn held(programs: &Programs) -> Result<Vec<Run>, Error> {
    let mut held: Vec<Run> = live(programs)?.into_iter().map(|(_, run)| run).collect();
    let templates: Vec<Template> = all(programs, "TEMPLATES", TEMPLATES)?;
    held.extend(templates.into_iter().map(|template| template.run).filter(|run| run.live != 0));
    Ok(held)
}

/// The place of the compiled profile with this digest, if it is loaded.
pub(super) fn loaded(programs: &Programs, digest: &[u8; 32]) -> Result<Option<u32>, Error> {
    Ok(held(programs)?.iter().find(|run| run.digest == *digest).map(|run| run.profile))
}

fn failed_to_write(map: &'static str, source: MapError) -> Error {
    Error::Map { action: "write", map, source }
}

/// Puts a compiled profile where none is, and says where.
pub(super) fn load(programs: &Programs, table: &[u16]) -> Result<u32, Error> {
    let held = held(programs)?;
    let free = (0..PROFILES).find(|profile| held.iter().all(|run| run.profile != *profile));
    let profile = free.ok_or(Error::Full { what: "different profiles", limit: PROFILES })?;
    put(programs, "TABLES", profile, &filled(table)?)?;
    Ok(profile)
}

/// A map of chunks with a table in it.
fn filled(table: &[u16]) -> Result<MapData, Error> {
    let chunks = table.len().div_ceil(CHUNK_WORDS) as u32;
    let (key, value) = (size_of::<u32>(), size_of::<[u16; CHUNK_WORDS]>());
    let mut map = Map::Array(create("TABLES", BPF_MAP_TYPE_ARRAY, key, value, chunks, BPF_F_INNER_MAP)?);
    let failed = |source: MapError| Error::Map { action: "write", map: "TABLES", source };
    let mut array: Array<&mut MapData, [u16; CHUNK_WORDS]> = (&mut map).try_into().map_err(failed)?;
    for (index, words) in (0..).zip(table.chunks(CHUNK_WORDS)) {
        let mut chunk = vec![0; CHUNK_WORDS].into_boxed_slice();
        chunk[..words.len()].copy_from_slice(words);
        let chunk: &[u16; CHUNK_WORDS] = (&*chunk).try_into().map_err(|_| Error::Missing("TABLES"))?;
        array.set(index, chunk, 0).map_err(failed)?;
    }
    let Map::Array(map) = map else {
        return Err(Error::Missing("TABLES"));
    };
    // Nobody changes it any more, we included.
    sys::freeze(map.fd().as_fd()).map_err(|source| Error::System { action: "freeze a map", source })?;
    Ok(map)
}

/// Makes a map.
fn create(
    name: &'static str,
    kind: bpf_map_type,
    key: usize,
    value: usize,
    entries: u32,
    flags: u32,
) -> Result<MapData, Error> {
    let map = aya_obj::Map::new_from_params(kind as u32, key as u32, value as u32, entries, flags);
    MapData::create(map, name, None).map_err(|source| Error::Map { action: "create", map: name, source })
}

/// Removes everything from a map.
fn clear_out<K: Pod, V: Pod>(map: &mut HashMap<MapData, K, V>, name: &'static str) -> Result<(), Error> {
    let keys: Result<Vec<K>, _> = map.keys().collect();
    let failed = |action| move |source| Error::Map { action, map: name, source };
    keys.map_err(failed("read"))?.iter().try_for_each(|key| map.remove(key)).map_err(failed("write"))
}

/// Puts a map in among those of its kind.
fn put(programs: &Programs, name: &'static str, index: u32, map: &MapData) -> Result<(), Error> {
    let maps = programs.map(name)?;
    sys::put_map(maps.fd().as_fd(), index, map.fd().as_fd()).map_err(|source| Error::Place {
        action: "put in",
        map: name,
        source,
    })
}

/// The map that is at a place among those of its kind, if there is one.
pub(super) fn found(programs: &Programs, name: &'static str, place: u32) -> Result<Option<MapData>, Error> {
    let maps = programs.map(name)?;
    let failed = |source| Error::Place { action: "look for", map: name, source };
    let number = sys::map_at(maps.fd().as_fd(), place).map_err(failed)?;
    let open =
        |number| MapData::from_id(number).map_err(|source| Error::Map { action: "open", map: name, source });
    number.map(open).transpose()
}

/// Whether the service has the kernel enrol commands.
pub(super) fn selects(programs: &Programs) -> Result<bool, Error> {
    found(programs, SELECTION, 0).map(|map| map.is_some())
}

/// The first of the templates for what the kernel enrols, if it enrols anything.
pub(super) fn first_offered(programs: &Programs) -> Result<Option<u16>, Error> {
    let Some(map) = found(programs, SELECTION, 0)? else {
        return Ok(None);
    };
    let mut table = vec![0_u16; CHUNK_WORDS];
    let failed = |source| Error::Place { action: "read", map: SELECTION, source };
    sys::read(map.fd().as_fd(), 0, &mut table).map_err(failed)?;
    Ok(Some(table[words::FIRST_TEMPLATE as usize]))
}

/// Has the kernel enrol what a selection says, from now on; `None`: nothing any more. What ran when this was called has ended.
pub(super) fn enrol(programs: &Programs, words: Option<&[u16]>) -> Result<(), Error> {
    match words {
        Some(words) => put(programs, SELECTION, 0, &filled(words)?),
        None => take(programs, SELECTION, 0),
    }
}

/// Takes a map out again, if there is one: on 6.1 the kernel waits as long if there is none.
fn take(programs: &Programs, name: &'static str, index: u32) -> Result<(), Error> {
    let maps = programs.map(name)?;
    let maps = maps.fd().as_fd();
    let taken =
        sys::map_at(maps, index).and_then(|there| there.map_or(Ok(()), |_| sys::take_map(maps, index)));
    taken.map_err(|source| Error::Place { action: "take out", map: name, source })
}
