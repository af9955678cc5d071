// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The compiled profile and the judged text, where the kernel keeps them.

use aya_ebpf::helpers::generated::bpf_loop;
use core::ffi::{c_long, c_void};
use enforcer_common::table::{CHUNK_WORDS, Space, Step, TEXT_SIZE};

use crate::maps::Chunks;

/// Map values: the run's table and a scratch buffer's text.
#[derive(Clone, Copy)]
pub(crate) struct Kernel {
    chunks: &'static Chunks,
    /// The chunk that was entered, of [`CHUNK_WORDS`] words.
    table: *const u16,
    /// [`TEXT_SIZE`] bytes.
    text: *const u8,
}

impl Kernel {
    /// The profile in `chunks`, and the text at `text`, of [`TEXT_SIZE`] bytes.
    #[inline(always)]
    pub(crate) fn new(chunks: &'static Chunks, text: *const u8) -> Option<Self> {
        Some(Self { chunks, table: chunks.get::<u32, [u16; CHUNK_WORDS]>(&0)?.cast(), text })
    }
}

impl Space for Kernel {
    #[inline(always)]
    fn word(&self, index: u32) -> u16 {
        // SAFETY: masked to the map value's size.
        unsafe { *self.table.add(index as usize & (CHUNK_WORDS - 1)) }
    }

    #[inline(always)]
    fn enter(self, block: u32) -> Option<(Self, u32)> {
        let table = self.chunks.get::<u32, [u16; CHUNK_WORDS]>(&(block / CHUNK_WORDS as u32))?.cast();
        Some((Self { table, ..self }, block & (CHUNK_WORDS as u32 - 1)))
    }

    #[inline(always)]
    fn byte(&self, index: u32) -> u8 {
        // SAFETY: masked to the buffer's size.
        unsafe { *self.text.add(index as usize & (TEXT_SIZE - 1)) }
    }

    #[inline(always)]
    fn eight(&self, index: u32) -> u64 {
        // SAFETY: masked to the buffer's size, and aligned: the text starts at a multiple of eight.
        u64::from_le(unsafe { *self.text.add(index as usize & (TEXT_SIZE - 8)).cast() })
    }

    /// A loop that the verifier reads once: walking 4,096 bytes in line would cost it 74,000 instructions a walk.
    #[inline(always)]
    fn repeat<C: Step>(count: u32, context: &mut C) {
        let callback = turn::<C> as extern "C" fn(u32, *mut C) -> c_long;
        let context: *mut C = context;
        // SAFETY: the callback gets the context that it expects, which outlives the call.
        unsafe { bpf_loop(count, callback as *mut c_void, context.cast(), 0) };
    }
}

/// One turn of a loop; 1 ends it.
#[inline(never)]
extern "C" fn turn<C: Step>(index: u32, context: *mut C) -> c_long {
    // SAFETY: `repeat` passes a valid context.
    c_long::from(unsafe { &mut *context }.step(index))
}
