// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Budgets: what a run does is counted, and one too many trips it, within that very action.

use aya_ebpf::{bindings::BPF_NOEXIST, helpers::generated::bpf_send_signal};
use core::{ffi::c_void, ptr::addr_of_mut};
use enforcer_common::{
    Budget,
    budget::{FileKey, UNLIMITED},
    run::{Counters, MODE_AUDIT, Run, place},
};

use crate::{
    atomic,
    maps::FILES,
    offsets::{field, offset},
};

/// `SIGKILL`.
const SIGKILL: u32 = 9;
/// `SIGSTOP`.
const SIGSTOP: u32 = 19;
/// `S_IFMT` and `S_IFREG`, `include/uapi/linux/stat.h`.
const FORMAT: u16 = 0o170_000;
const REGULAR: u16 = 0o100_000;
/// `-EEXIST`.
const EEXIST: i64 = -17;

/// What came of spending.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spent {
    /// It was within the limit, or there is none.
    Within,
    /// It was the first that was too many.
    Exceeded,
    /// So were others before.
    Again,
}

/// Spends one of a budget, for a task that runs program `image`; trips the run if that was one too many.
#[inline(always)]
pub(crate) fn spend(run: &Run, counters: *mut Counters, budget: Budget, image: u64) -> Spent {
    let limit = run.limit(budget);
    if limit == UNLIMITED {
        return Spent::Within;
    }
    // SAFETY: a map value.
    let before = unsafe { atomic::fetch_add(addr_of_mut!((*counters).spent[budget as usize]), 1) };
    if before < limit {
        return Spent::Within;
    }
    if before > limit {
        return Spent::Again;
    }
    if run.mode != MODE_AUDIT {
        // SAFETY: a map value. Two budgets that are exceeded in the same moment trip it once, by either.
        unsafe {
            (*counters).tripped_by = image;
            (*counters).tripped = budget as u64 + 1;
        }
    }
    Spent::Exceeded
}

/// Whether the run is tripped.
#[inline(always)]
pub(crate) fn is_tripped(counters: *const Counters) -> bool {
    // SAFETY: a map value.
    unsafe { (*counters).tripped != 0 }
}

/// Whether this is a regular file that the run has not opened for this yet. What cannot be remembered counts as new.
#[inline(always)]
pub(crate) fn is_new(run: &Run, file: *const c_void, budget: Budget) -> bool {
    if run.limit(budget) == UNLIMITED {
        return false;
    }
    // SAFETY: `file` is a trusted pointer, an open file has an inode, and an inode a file system.
    let key = unsafe {
        let inode: *const c_void = field(file, offset!(file_inode));
        let mode: u16 = field(inode, offset!(inode_mode));
        if mode & FORMAT != REGULAR {
            return false;
        }
        let fs: *const c_void = field(inode, offset!(inode_sb));
        FileKey {
            inode: field(inode, offset!(inode_number)),
            device: field(fs, offset!(sb_device)),
            budget: budget as u32,
        }
    };
    FILES
        .get(place(run.id))
        .is_none_or(|files| files.insert(&key, &0_u8, u64::from(BPF_NOEXIST)) != Err(EEXIST))
}

/// Ends the current process, as the run is to answer a trip.
#[inline(always)]
pub(crate) fn punish(run: &Run) {
    let signal = if run.flags & Run::FREEZE != 0 { SIGSTOP } else { SIGKILL };
    // SAFETY: no preconditions. It fails for pid 1 only, which stays refused whatever it tries.
    unsafe { bpf_send_signal(signal) };
}

/// Kills the current process.
#[inline(always)]
pub(crate) fn kill() {
    // SAFETY: as above.
    unsafe { bpf_send_signal(SIGKILL) };
}
