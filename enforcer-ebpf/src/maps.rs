// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Every map of the object.

use aya_ebpf::{
    macros::map,
    maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf},
};
use enforcer_common::{
    address::{Grant, GrantKey},
    budget::FileKey,
    lookup::{Asker, Port},
    run::{Counters, Label, Run},
    table::CHUNK_WORDS,
};

use crate::{net::Sockets, scratch::Slot};

/// Tasks that may be enrolled at a time.
const TASKS: u32 = 1 << 16;
/// Scratch buffers a CPU: as many programs may stand preempted on one CPU, each in the middle of a verdict.
pub(crate) const SLOTS: u32 = 8;

/// The label of each enrolled task, by the address of its `task_struct`: unique from `task_alloc` to `task_free`,
/// the same in every pid namespace, and known to every program type on every kernel. Preallocated, so that a label
/// is never lost for want of memory. (Task storage looks made for this, but on 6.1 its lookups fail now and then
/// for tasks that have a value, and cgroup programs cannot use it before 6.18.)
#[map]
pub(crate) static LABELS: HashMap<u64, Label> = HashMap::with_max_entries(TASKS, 0);

/// The runs, by [`Label::run`].
#[map]
pub(crate) static RUNS: Array<Run> = Array::with_max_entries(1, 0);

/// The chunks of the compiled profile. The agent makes as many as it needs.
#[map]
pub(crate) static TABLES: Array<[u16; CHUNK_WORDS]> = Array::with_max_entries(1, 0);

/// What is counted for each run.
#[map]
pub(crate) static COUNTERS: Array<Counters> = Array::with_max_entries(1, 0);

/// Addresses that host rules led to.
#[map]
pub(crate) static GRANTS: HashMap<GrantKey, Grant> = HashMap::with_max_entries(1 << 16, 0);

/// Who sent a question from which port, for the resolver.
#[map]
pub(crate) static ASKERS: LruHashMap<Port, Asker> = LruHashMap::with_max_entries(1 << 14, 0);

/// What is remembered of sockets.
#[unsafe(link_section = ".maps")]
#[unsafe(export_name = "SOCKETS")]
pub(crate) static SOCKETS: Sockets = Sockets::new();

/// Files that runs with a budget for files have opened. The agent sizes it by that budget.
#[map]
pub(crate) static FILES: HashMap<FileKey, u8> = HashMap::with_max_entries(1, 0);

/// Buffers to build paths and events in.
#[map]
pub(crate) static SCRATCH: PerCpuArray<Slot> = PerCpuArray::with_max_entries(SLOTS, 0);

/// Verdicts for the agent.
#[map]
pub(crate) static EVENTS: RingBuf = RingBuf::with_byte_size(1 << 20, 0);

/// Program images for the agent. A ring of its own, so that a flood of denials does not cost the names.
#[map]
pub(crate) static IMAGES: RingBuf = RingBuf::with_byte_size(1 << 22, 0);
