// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Buffers that are too large for the stack.

use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use core::ptr::{addr_of_mut, write_volatile};

use enforcer_common::{event::ImagePart, table::TEXT_SIZE};

use crate::{
    atomic,
    maps::{SCRATCH, SLOTS},
};

/// Bytes in front of the text: room for the header of a ring-buffer record, which ends where the text begins.
pub(crate) const HEAD: usize = size_of::<ImagePart>();

/// A buffer, and whether it is in use.
#[repr(C)]
pub(crate) struct Slot {
    busy: u64,
    /// When a decision began, if that is of interest.
    began: u64,
    bytes: [u8; HEAD + 2 * TEXT_SIZE],
}

/// A buffer of this CPU, for as long as the value lives.
///
/// A program stays on its CPU but can be preempted there by another task that runs the same hook, so a per-CPU
/// buffer alone would be overwritten in the middle of a verdict. Hence several, each taken by an atomic exchange.
pub(crate) struct Scratch {
    slot: *mut Slot,
}

impl Scratch {
    /// A free buffer, or none if every one is held by a preempted program.
    #[inline(always)]
    pub(crate) fn take() -> Option<Self> {
        let mut index = 0;
        while index < SLOTS {
            let slot = SCRATCH.get_ptr_mut(index)?;
            // SAFETY: a slot of the map.
            if unsafe { atomic::exchange(addr_of_mut!((*slot).busy), 1) } == 0 {
                return Some(Self { slot });
            }
            index += 1;
        }
        None
    }

    /// Where the text goes: [`TEXT_SIZE`] bytes, and as many behind them for what turns out to be too long.
    #[inline(always)]
    pub(crate) fn text(&mut self) -> *mut u8 {
        // SAFETY: within the slot.
        unsafe { addr_of_mut!((*self.slot).bytes).cast::<u8>().add(HEAD) }
    }

    /// Begins to take the time.
    #[inline(always)]
    pub(crate) fn start(&mut self) {
        // SAFETY: no preconditions; within the slot.
        unsafe { (*self.slot).began = bpf_ktime_get_ns() }
    }

    /// Nanoseconds since then. Begins anew.
    #[inline(always)]
    pub(crate) fn lap(&mut self) -> u64 {
        // SAFETY: within the slot.
        let began = unsafe { (*self.slot).began };
        self.start();
        // SAFETY: as above.
        unsafe { (*self.slot).began.wrapping_sub(began) }
    }

    /// Writes a record's header so that it ends where the text begins; returns where it starts.
    #[inline(always)]
    pub(crate) fn head<H: Copy>(&mut self, header: H) -> *mut u8 {
        const { assert!(size_of::<H>() <= HEAD && size_of::<H>() % 8 == 0) };
        // SAFETY: within the slot, 8-byte aligned because the slot, HEAD and the header's size are.
        unsafe {
            let at = addr_of_mut!((*self.slot).bytes).cast::<u8>().add(HEAD - size_of::<H>());
            at.cast::<H>().write(header);
            at
        }
    }
}

impl Drop for Scratch {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: the slot is ours, and only programs on this CPU look at it.
        unsafe { write_volatile(addr_of_mut!((*self.slot).busy), 0) }
    }
}
