// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Atomic instructions that `core::sync::atomic` does not offer for BPF.

use core::arch::asm;

/// Adds to a counter that other CPUs may change at the same time.
///
/// # Safety
///
/// `counter` must point into a map value.
#[inline(always)]
pub(crate) unsafe fn add(counter: *mut u64, value: u64) {
    // SAFETY: one aligned 8-byte addition in place; the caller vouches for the pointer.
    unsafe { asm!("lock *(u64 *)({p} + 0) += {v}", p = in(reg) counter, v = in(reg) value) }
}

/// Adds to a counter and returns what it was before.
///
/// # Safety
///
/// `counter` must point into a map value.
#[inline(always)]
pub(crate) unsafe fn fetch_add(counter: *mut u64, value: u64) -> u64 {
    let mut value = value;
    // SAFETY: one aligned 8-byte addition; the caller vouches for the pointer.
    unsafe {
        asm!("{v} = atomic_fetch_add((u64 *)({p} + 0), {v})", p = in(reg) counter, v = inout(reg) value)
    }
    value
}

/// Puts `value` into `cell` and returns what was there.
///
/// # Safety
///
/// `cell` must point into a map value.
#[inline(always)]
pub(crate) unsafe fn exchange(cell: *mut u64, value: u64) -> u64 {
    let mut value = value;
    // SAFETY: one aligned 8-byte exchange; the caller vouches for the pointer.
    unsafe { asm!("{v} = xchg_64({p} + 0, {v})", p = in(reg) cell, v = inout(reg) value) }
    value
}

/// Puts `value` into `cell` if `expected` is there, and returns what was.
///
/// # Safety
///
/// `cell` must point into a map value.
#[inline(always)]
pub(crate) unsafe fn exchange_if(cell: *mut u64, expected: u64, value: u64) -> u64 {
    let mut before = expected;
    // SAFETY: one aligned 8-byte exchange; the caller vouches for the pointer.
    unsafe {
        asm!("r0 = cmpxchg_64({p} + 0, r0, {v})", p = in(reg) cell, v = in(reg) value, inout("r0") before)
    }
    before
}
