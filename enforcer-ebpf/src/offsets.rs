// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Reading kernel structs at the offsets that the agent found in BTF.

use core::ptr::read_volatile;

use enforcer_common::offsets::Offsets;

/// Written by the agent before the object is loaded.
#[unsafe(no_mangle)]
static OFFSETS: Offsets = Offsets::from_values(&[0; Offsets::FIELDS.len()]);

/// The value of one offset.
macro_rules! offset {
    ($field:ident) => {
        crate::offsets::read(|offsets| &offsets.$field)
    };
}
pub(crate) use offset;

/// One offset. Volatile, or the compiler would fold the zeros above into the code; a constant to the verifier all the
/// same, because read-only data is frozen before the programs are loaded.
#[inline(always)]
pub(crate) fn read(choose: impl FnOnce(&'static Offsets) -> &'static u64) -> usize {
    // SAFETY: reads a static.
    unsafe { read_volatile(choose(&OFFSETS)) as usize }
}

/// A field of a kernel struct, by a direct load that the verifier checks against the struct's type.
///
/// # Safety
///
/// `base` must be a pointer that the verifier knows the type of, and `offset` must come from [`offset!`].
#[inline(always)]
pub(crate) unsafe fn field<T: Copy>(base: *const core::ffi::c_void, offset: usize) -> T {
    // SAFETY: the verifier refuses the program if this load could leave the struct.
    unsafe { read_volatile(base.cast::<u8>().add(offset).cast()) }
}
