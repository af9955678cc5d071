// SPDX-License-Identifier: MIT OR Apache-2.0

//! Places: where a run's own maps are, among those of all runs.
//!
//! A place is taken as long as its record says so. It is given back by the wrapper at the end of its run; if something of
//! the run outlives the wrapper, by the next wrapper that finds no task left in it.

use std::os::fd::AsFd as _;

use aya::maps::{Array, HashMap, Map, MapData, MapError, RingBuf};
use aya_obj::generated::{
    BPF_F_INNER_MAP,
    bpf_map_type::{self, BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_RINGBUF},
};
use enforcer_common::{
    address::{Grant, GrantKey},
    budget::FileKey,
    hello::NameKey,
    run::{Counters, PROFILES, RUNS, Run},
    table::CHUNK_WORDS,
};

use super::{Error, lock::Lock, programs::Programs, sys};

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
/// The maps that each run has of its own.
const OWN: [&str; 5] = ["GRANTS", "NAMES", "FILES", "EVENTS", "IMAGES"];

/// A run's place, and what is in it.
pub(super) struct Place {
    /// The run's number.
    pub(super) id: u32,
    /// Held while the wrapper lives.
    lock: Lock,
    own: Option<Own>,
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
    fn make(programs: &Programs, place: u32, files: u32, recorded: bool) -> Result<Self, Error> {
        let own = |name, kind, key, value, entries| -> Result<MapData, Error> {
            let map = create(name, kind, key, value, entries, 0)?;
            put(programs, name, place, &map)?;
            Ok(map)
        };
        let (key, value) = (size_of::<GrantKey>(), size_of::<Grant>());
        let grants = own("GRANTS", BPF_MAP_TYPE_HASH, key, value, GRANTS)?;
        let (key, value) = (size_of::<NameKey>(), size_of::<u64>());
        let names = own("NAMES", BPF_MAP_TYPE_HASH, key, value, NAMES)?;
        if files > 0 {
            own("FILES", BPF_MAP_TYPE_HASH, size_of::<FileKey>(), size_of::<u8>(), files)?;
        }
        let bytes = if recorded { EVENTS_RECORDED } else { EVENTS };
        let events = own("EVENTS", BPF_MAP_TYPE_RINGBUF, 0, 0, bytes)?;
        let images = own("IMAGES", BPF_MAP_TYPE_RINGBUF, 0, 0, IMAGES)?;
        let failed = |map| move |source| Error::Map { action: "open", map, source };
        Ok(Self {
            grants: Map::HashMap(grants).try_into().map_err(failed("GRANTS"))?,
            names: Map::HashMap(names).try_into().map_err(failed("NAMES"))?,
            events: Map::RingBuf(events).try_into().map_err(failed("EVENTS"))?,
            images: Map::RingBuf(images).try_into().map_err(failed("IMAGES"))?,
        })
    }
}

impl Place {
    /// Takes a free place for a run with this record, under the compiled profile `table`, and memory of `files` files.
    /// Under the shared lock.
    pub(super) fn take(programs: &mut Programs, run: Run, table: &[u16], files: u32) -> Result<Self, Error> {
        let runs = live(programs)?;
        let place = (0..RUNS).find(|place| runs.iter().all(|(taken, _)| taken != place));
        let place = place.ok_or(Error::Full { what: "runs", limit: RUNS })?;
        let profile = match runs.iter().find(|(_, other)| other.digest == run.digest) {
            Some((_, other)) => other.profile,
            None => load(programs, &runs, table)?,
        };
        let lock = Lock::run(place)?.ok_or(Error::Full { what: "runs", limit: RUNS })?;
        match Own::make(programs, place, files, run.flags & Run::RECORD != 0)
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

    /// Gives it back. Under the shared lock, and only when no task is left.
    pub(super) fn give_back(self, programs: &mut Programs) -> Result<(), Error> {
        clear(programs, enforcer_common::run::place(self.id))?;
        self.lock.remove()
    }
}

/// Gives back the places that have neither a wrapper nor a task. True if none is taken then. Under the shared lock.
pub(super) fn sweep(programs: &mut Programs) -> Result<bool, Error> {
    let mut idle = true;
    for (place, _) in live(programs)? {
        let tasks = counters(programs, place)?.tasks;
        match Lock::run(place)? {
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
    (run.id, run.profile, run.live) =
        ((before / RUNS).wrapping_add(1).wrapping_mul(RUNS) | place, profile, 1);
    let failed = |source| Error::Map { action: "write", map: "COUNTERS", source };
    programs.counters.set(place, Counters::default(), 0).map_err(failed)?;
    write(programs, place, run)?;
    Ok(run.id)
}

/// What is counted at a place.
pub(super) fn counters(programs: &Programs, place: u32) -> Result<Counters, Error> {
    programs.counters.get(&place, 0).map_err(|source| Error::Map { action: "read", map: "COUNTERS", source })
}

/// The places that are taken, and by what.
fn live(programs: &Programs) -> Result<Vec<(u32, Run)>, Error> {
    let places = (0..RUNS).map(|place| Ok((place, record(programs, place)?)));
    places.filter(|taken| taken.as_ref().map_or(true, |(_, run)| run.live != 0)).collect()
}

/// A place's record.
fn record(programs: &Programs, place: u32) -> Result<Run, Error> {
    programs.runs.get(&place, 0).map_err(|source| Error::Map { action: "read", map: "RUNS", source })
}

fn write(programs: &mut Programs, place: u32, run: Run) -> Result<(), Error> {
    programs.runs.set(place, run, 0).map_err(|source| Error::Map { action: "write", map: "RUNS", source })
}

/// Takes everything out of a place.
fn clear(programs: &mut Programs, place: u32) -> Result<(), Error> {
    let mut run = record(programs, place)?;
    run.live = 0;
    write(programs, place, run)?;
    for name in OWN {
        take(programs, name, place)?;
    }
    if live(programs)?.iter().all(|(_, other)| other.profile != run.profile) {
        take(programs, "TABLES", run.profile)?;
    }
    Ok(())
}

/// Puts a compiled profile where none is, and says where.
fn load(programs: &Programs, runs: &[(u32, Run)], table: &[u16]) -> Result<u32, Error> {
    let free = (0..PROFILES).find(|profile| runs.iter().all(|(_, run)| run.profile != *profile));
    let profile = free.ok_or(Error::Full { what: "different profiles", limit: PROFILES })?;
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
    put(programs, "TABLES", profile, &map)?;
    Ok(profile)
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

/// Puts a map in among those of its kind.
fn put(programs: &Programs, name: &'static str, index: u32, map: &MapData) -> Result<(), Error> {
    let maps = programs.map(name)?;
    sys::put_map(maps.fd().as_fd(), index, map.fd().as_fd()).map_err(|source| Error::Place {
        action: "put in",
        map: name,
        source,
    })
}

/// Takes a map out again.
fn take(programs: &Programs, name: &'static str, index: u32) -> Result<(), Error> {
    sys::take_map(programs.map(name)?.fd().as_fd(), index).map_err(|source| Error::Place {
        action: "take out",
        map: name,
        source,
    })
}
