// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! The control group of the current task, by name.

use aya_ebpf::helpers::{
    bpf_get_current_task_btf,
    generated::{bpf_probe_read_kernel, bpf_probe_read_kernel_str},
};
use core::ffi::c_void;
use enforcer_common::table::{Space as _, Step, TEXT_SIZE};

use crate::{
    offsets::{field, offset},
    space::Kernel,
    subject::bound,
};

/// Groups within each other that are looked at.
const LEVELS: u32 = 32;
/// `NAME_MAX`, and a NUL.
const NAME: u32 = 256;

/// Writes its path from its end: `/b/a` for the group `/a/b`.
#[inline(always)]
pub(super) fn write(text: *mut u8) {
    // SAFETY: the current task is a trusted pointer; each of these has the next for as long as the task lives.
    let group: u64 = unsafe {
        let set: *const c_void = field(bpf_get_current_task_btf().cast(), offset!(task_cgroups));
        let group: *const c_void = field(set, offset!(css_set_cgroup));
        field(group, offset!(cgroup_kn))
    };
    let mut climb = Climb { text, len: 0, at: group };
    Kernel::repeat(LEVELS, &mut climb);
    // SAFETY: within the buffer.
    unsafe { *text.add(bound(climb.len as usize, TEXT_SIZE)) = 0 };
}

/// The way up.
struct Climb {
    text: *mut u8,
    len: u32,
    at: u64,
}

impl Step for Climb {
    /// Writes one name; true at the root, which has none.
    #[inline(always)]
    fn step(&mut self, _index: u32) -> bool {
        let Some(parent) = pointer(self.at, offset!(kernfs_parent)).filter(|&parent| parent != 0) else {
            return true;
        };
        let Some(name) = pointer(self.at, offset!(kernfs_name)) else {
            return true;
        };
        if self.len > TEXT_SIZE as u32 - NAME - 2 {
            return true;
        }
        // SAFETY: the buffer has twice TEXT_SIZE bytes; less than the one half is in front, and far less than the other is
        // written.
        let written = unsafe {
            let to = self.text.add(bound(self.len as usize, TEXT_SIZE));
            *to = b'/';
            bpf_probe_read_kernel_str(to.add(1).cast(), NAME, name as *const c_void)
        };
        if written <= 0 {
            return true;
        }
        // The slash instead of the NUL.
        self.len += written as u32;
        self.at = parent;
        false
    }
}

/// A pointer in memory of the kernel's, which may be gone: then nothing.
#[inline(always)]
fn pointer(base: u64, offset: usize) -> Option<u64> {
    let mut value = 0_u64;
    let to: *mut u64 = &raw mut value;
    // SAFETY: reads as many bytes as there is room for, from wherever it is told, or fails.
    let failed = unsafe { bpf_probe_read_kernel(to.cast(), 8, (base + offset as u64) as *const c_void) };
    (failed == 0).then_some(value)
}
