// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! Maps within maps.

use aya_ebpf::{
    bindings::{
        BPF_F_INNER_MAP, BPF_F_NO_PREALLOC,
        bpf_map_type::{BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_RINGBUF},
    },
    helpers::generated::{bpf_map_lookup_elem, bpf_map_update_elem, bpf_ringbuf_output},
};
use core::{ffi::c_void, ptr};

/// An array whose length is its maker's choice.
pub(crate) type Array<const VALUE: usize> =
    Inner<{ BPF_MAP_TYPE_ARRAY as usize }, 4, VALUE, 1, { BPF_F_INNER_MAP as usize }>;
/// A hash map, likewise.
pub(crate) type HashMap<const KEY: usize, const VALUE: usize> =
    Inner<{ BPF_MAP_TYPE_HASH as usize }, KEY, VALUE, 1, 0>;
/// A hash map that userspace fills, and that takes no memory before it does.
pub(crate) type Filled<const KEY: usize, const VALUE: usize> =
    Inner<{ BPF_MAP_TYPE_HASH as usize }, KEY, VALUE, 1, { BPF_F_NO_PREALLOC as usize }>;
/// A ring buffer, likewise.
pub(crate) type RingBuf = Inner<{ BPF_MAP_TYPE_RINGBUF as usize }, 0, 0, 4096, 0>;

/// The definition of a map within another, as the loader reads it from the types of the fields.
///
/// By the sizes of key and value, not by their types as aya's own: for 6.1 a map of known types is not the like of one
/// without (`bpf_map_meta_equal` compares where a timer would be), and the agent's are without.
#[repr(C)]
pub(crate) struct Inner<
    const TYPE: usize,
    const KEY: usize,
    const VALUE: usize,
    const ENTRIES: usize,
    const FLAGS: usize,
> {
    r#type: *const [i32; TYPE],
    key_size: *const [i32; KEY],
    value_size: *const [i32; VALUE],
    max_entries: *const [i32; ENTRIES],
    map_flags: *const [i32; FLAGS],
}

impl<const TYPE: usize, const KEY: usize, const VALUE: usize, const ENTRIES: usize, const FLAGS: usize>
    Inner<TYPE, KEY, VALUE, ENTRIES, FLAGS>
{
    /// The value of a key.
    #[inline(always)]
    pub(crate) fn get<K, V>(&self, key: &K) -> Option<*mut V> {
        const { assert!(size_of::<K>() == KEY && size_of::<V>() == VALUE) };
        // SAFETY: the map, and a key of its size.
        let value = unsafe { bpf_map_lookup_elem(self.map(), ptr::from_ref(key).cast_mut().cast()) };
        if value.is_null() { None } else { Some(value.cast()) }
    }

    /// Sets the value of a key; the kernel's error otherwise.
    #[inline(always)]
    pub(crate) fn insert<K, V>(&self, key: &K, value: &V, flags: u64) -> Result<(), i64> {
        const { assert!(size_of::<K>() == KEY && size_of::<V>() == VALUE) };
        let (key, value) = (ptr::from_ref(key).cast_mut().cast(), ptr::from_ref(value).cast_mut().cast());
        // SAFETY: the map, a key and a value of its sizes.
        match unsafe { bpf_map_update_elem(self.map(), key, value, flags) } {
            0 => Ok(()),
            error => Err(error),
        }
    }

    #[inline(always)]
    fn map(&self) -> *mut c_void {
        ptr::from_ref(self).cast_mut().cast()
    }
}

impl RingBuf {
    /// Writes `size` bytes; false if there is no room.
    ///
    /// # Safety
    ///
    /// The record has so many bytes.
    #[inline(always)]
    pub(crate) unsafe fn output(&self, record: *const u8, size: u64) -> bool {
        // SAFETY: the map, and what the caller promises.
        unsafe { bpf_ringbuf_output(self.map(), record.cast_mut().cast(), size, 0) == 0 }
    }
}
