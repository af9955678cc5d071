// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The compiled profile and the judged text, where the kernel keeps them.

use aya_ebpf::helpers::generated::bpf_loop;
use core::ffi::{c_long, c_void};
use enforcer_common::table::{CHUNK, Cursor, Space, TABLE_WORDS, TEXT_SIZE};

/// Map values: the run's table and a scratch buffer's text.
#[derive(Clone, Copy)]
pub(crate) struct Kernel {
    /// [`TABLE_WORDS`] words.
    pub(crate) table: *const u16,
    /// [`TEXT_SIZE`] bytes.
    pub(crate) text: *const u8,
}

impl Space for Kernel {
    #[inline(always)]
    fn word(&self, index: u32) -> u16 {
        // SAFETY: masked to the map value's size.
        unsafe { *self.table.add(index as usize & (TABLE_WORDS - 1)) }
    }

    #[inline(always)]
    fn byte(&self, index: u32) -> u8 {
        // SAFETY: masked to the buffer's size.
        unsafe { *self.text.add(index as usize & (TEXT_SIZE - 1)) }
    }

    /// A loop that the verifier reads once: walking 4,096 bytes in line would cost it 74,000 instructions a walk.
    #[inline(always)]
    fn drive(cursor: &mut Cursor<Self>) {
        let callback = step as extern "C" fn(u32, *mut Cursor<Self>) -> c_long;
        let context: *mut Cursor<Self> = cursor;
        // SAFETY: the callback gets the cursor that it expects, which outlives the call.
        unsafe { bpf_loop((TEXT_SIZE / CHUNK) as u32, callback as *mut c_void, context.cast(), 0) };
    }
}

/// One step of the loop; 1 ends it.
#[inline(never)]
extern "C" fn step(_index: u32, cursor: *mut Cursor<Kernel>) -> c_long {
    // SAFETY: `drive` passes a valid cursor.
    let cursor = unsafe { &mut *cursor };
    c_long::from(cursor.chunk())
}
