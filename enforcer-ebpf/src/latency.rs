// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! How long decisions take is counted.

use core::ptr::addr_of_mut;

use enforcer_common::{
    Kind,
    latency::{BUCKETS, bucket},
};

use crate::{atomic, maps::LATENCIES, subject::bound};

/// Counts a decision that took so long.
#[inline(never)] // The caller has no room on the stack.
pub(crate) fn count(kind: Kind, nanoseconds: u64) {
    let Some(latency) = LATENCIES.get_ptr_mut(kind as u32) else {
        return;
    };
    let index = bound(bucket(nanoseconds), BUCKETS);
    // SAFETY: a map value. Another task may preempt this one on its CPU.
    unsafe {
        atomic::add(addr_of_mut!((*latency).sum), nanoseconds);
        atomic::add(addr_of_mut!((*latency).buckets[index]), 1);
    }
}
