// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Every map of the object.

use aya_ebpf::{
    bindings::BPF_F_NO_PREALLOC,
    btf_maps::ArrayOfMaps,
    macros::{btf_map, map},
    maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf as Waker},
};
use enforcer_common::{
    address::{Grant, GrantKey},
    budget::FileKey,
    hello::NameKey,
    latency::Latency,
    lookup::{Asker, Port},
    run::{Counters, Label, PROFILES, RUNS as PLACES, Run, TASKS, place},
    select::{CLAIMS as CLAIMS_MAX, Chosen, HOMES as USERS, Home, TEMPLATES as TEMPLATES_MAX, Template},
    table::{CHUNK_WORDS, KINDS},
    tasks::Attach,
};

use crate::{
    inner::{self, RingBuf},
    net::Sockets,
    scratch::Slot,
};

/// Scratch buffers a CPU: as many programs may stand preempted on one CPU, each in the middle of a verdict.
pub(crate) const SLOTS: u32 = 8;

/// The label of each enrolled task, by the address of its `task_struct`: unique from `task_alloc` to `task_free`,
/// the same in every pid namespace, and known to every program type on every kernel. Preallocated, so that a label
/// is never lost for want of memory. (Task storage looks made for this, but on 6.1 its lookups fail now and then
/// for tasks that have a value, and cgroup programs cannot use it before 6.18.)
#[map]
pub(crate) static LABELS: HashMap<u64, Label> = HashMap::with_max_entries(TASKS, 0);

/// The runs, by place.
#[map]
pub(crate) static RUNS: Array<Run> = Array::with_max_entries(PLACES, 0);

/// What is counted for each run, by place.
#[map]
static COUNTERS: Array<Counters> = Array::with_max_entries(PLACES, 0);

/// How long decisions took, by their kind: of the runs where that is counted.
#[map]
pub(crate) static LATENCIES: PerCpuArray<Latency> = PerCpuArray::with_max_entries(KINDS as u32, 0);

/// The chunks of a compiled profile: as many as it needs.
pub(crate) type Chunks = inner::Array<{ size_of::<[u16; CHUNK_WORDS]>() }>;

/// The compiled profiles, by [`Run::profile`]. Here, and below, the agent makes the inner maps, at the size that is
/// needed.
#[btf_map]
pub(crate) static TABLES: ArrayOfMaps<Chunks, { PROFILES as usize }> = ArrayOfMaps::new();

/// Which commands are enrolled: one compiled selection, or none as long as no service says so.
#[btf_map]
pub(crate) static SELECTION: ArrayOfMaps<Chunks, 1> = ArrayOfMaps::new();

/// What their runs are made from.
#[map]
pub(crate) static TEMPLATES: Array<Template> = Array::with_max_entries(TEMPLATES_MAX, 0);

/// The template for what a process starts next: by its number, as the service was asked.
#[map]
pub(crate) static CLAIMS: HashMap<u32, u32> = HashMap::with_max_entries(CLAIMS_MAX, BPF_F_NO_PREALLOC);

/// Which tree is put under which run.
#[map]
pub(crate) static ATTACH: Array<Attach> = Array::with_max_entries(1, 0);

/// The home directories of users.
#[map]
pub(crate) static HOMES: HashMap<u32, Home> = HashMap::with_max_entries(USERS, BPF_F_NO_PREALLOC);

/// Where the questions of what is enrolled at a place are sent, once the service has made it ready: a port.
#[map]
pub(crate) static RESOLVERS: Array<u32> = Array::with_max_entries(PLACES, 0);

/// Tells the service which runs have begun, by their numbers. What is lost here it finds among the runs.
#[map]
pub(crate) static BEGUN: Waker = Waker::with_byte_size(1 << 12, 0);

/// What came of it.
#[map]
pub(crate) static CHOSEN: Array<Chosen> = Array::with_max_entries(1, 0);

/// Addresses that host rules led to, for each run.
#[btf_map]
pub(crate) static GRANTS: OfRuns<inner::Filled<{ size_of::<GrantKey>() }, { size_of::<Grant>() }>> =
    ArrayOfMaps::new();

/// The names that led to addresses where a run's TLS hellos are judged, and until when each does.
#[btf_map]
pub(crate) static NAMES: OfRuns<inner::Filled<{ size_of::<NameKey>() }, { size_of::<u64>() }>> =
    ArrayOfMaps::new();

/// Who sent a question from which port, for the resolver.
#[map]
pub(crate) static ASKERS: LruHashMap<Port, Asker> = LruHashMap::with_max_entries(1 << 14, 0);

/// What is remembered of sockets.
#[unsafe(link_section = ".maps")]
#[unsafe(export_name = "SOCKETS")]
pub(crate) static SOCKETS: Sockets = Sockets::new();

/// Files that a run with a budget for files has opened.
#[btf_map]
pub(crate) static FILES: OfRuns<inner::HashMap<{ size_of::<FileKey>() }, { size_of::<u8>() }>> =
    ArrayOfMaps::new();

/// Buffers to build paths and events in.
#[map]
pub(crate) static SCRATCH: PerCpuArray<Slot> = PerCpuArray::with_max_entries(SLOTS, 0);

/// Verdicts for a run's agent.
#[btf_map]
pub(crate) static EVENTS: OfRuns<RingBuf> = ArrayOfMaps::new();

/// Program images for a run's agent. A ring of its own, so that a flood of denials does not cost the names.
#[btf_map]
pub(crate) static IMAGES: OfRuns<RingBuf> = ArrayOfMaps::new();

/// A map for each run, by place.
type OfRuns<M> = ArrayOfMaps<M, { PLACES as usize }>;

/// The record of a run, by its number; `None` if it is over.
#[inline(always)]
pub(crate) fn run(id: u32) -> Option<&'static Run> {
    RUNS.get(place(id)).filter(|run| run.id == id)
}

/// What is counted for a run.
#[inline(always)]
pub(crate) fn counters(id: u32) -> Option<*mut Counters> {
    COUNTERS.get_ptr_mut(place(id))
}

/// Writes `size` bytes into a run's ring; false if there was no room.
///
/// # Safety
///
/// The record has so many bytes.
#[inline(always)]
pub(crate) unsafe fn send(rings: &'static OfRuns<RingBuf>, run: u32, record: *const u8, size: u64) -> bool {
    // SAFETY: what the caller promises.
    rings.get(place(run)).is_some_and(|ring| unsafe { ring.output(record, size) })
}
