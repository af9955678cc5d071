// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Iterators over all tasks: called for each when the agent reads their pinned links, which gives it what they have to tell.

use aya_ebpf::{bindings::seq_file, helpers::generated::bpf_seq_write};
use core::ffi::c_void;

/// `struct bpf_iter_meta`, `include/linux/bpf.h`: as much of it as is read.
#[repr(C)]
pub struct Meta {
    seq: *mut seq_file,
}

/// `struct bpf_iter__task`, `kernel/bpf/task_iter.c`.
#[repr(C)]
pub struct Visit {
    meta: *const Meta,
    /// The task; null behind the last. It is not freed meanwhile.
    pub(crate) task: *const c_void,
}

impl Visit {
    /// Tells something. What finds no room is told again, by the same task, when there is some.
    #[inline(always)]
    pub(crate) fn tell<T: Copy>(&self, what: &T) {
        // SAFETY: the sequence is the one that this pass writes, and so many bytes are there.
        unsafe { bpf_seq_write((*self.meta).seq, (&raw const *what).cast(), size_of::<T>() as u32) };
    }
}
