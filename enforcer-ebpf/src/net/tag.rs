// SPDX-License-Identifier: GPL-2.0-only OR MIT

//! What is remembered of a socket, for as long as it lives and whoever holds it.

use aya_ebpf::{
    bindings::{BPF_F_CLONE, BPF_F_NO_PREALLOC, bpf_map_type::BPF_MAP_TYPE_SK_STORAGE},
    helpers::generated::bpf_sk_storage_get,
};
use core::{ffi::c_void, ptr};

use crate::maps::SOCKETS;

/// What is remembered of a socket.
#[repr(C)]
pub(crate) struct Tag {
    /// [`Tag::JUDGED`] and [`Tag::BOUND`].
    pub(super) flags: u32,
    /// The run that set them.
    pub(super) run: u32,
    /// The resolver's port that it speaks to instead, in host order; 0 if it does not.
    pub(super) resolver: u32,
    /// The name server's port that it addressed, in network order.
    pub(super) port: u32,
    /// The name server's address, likewise; an IPv4 address as the IPv6 address that it is mapped to.
    pub(super) address: [u32; 4],
}

impl Tag {
    /// A rule allowed its peer. Handed on to the sockets that a listening one accepts: whom it listens for was judged.
    pub(super) const JUDGED: u32 = 1;
    /// The run gave it its name.
    pub(super) const BOUND: u32 = 2;
    /// There is a gate before it.
    pub(super) const GATED: u32 = 4;

    /// The tag of a `struct sock`, if it has one.
    #[inline(always)]
    pub(super) fn get(sock: *const c_void) -> Option<&'static mut Self> {
        at(&SOCKETS, sock, 0)
    }

    /// The tag of a `struct sock`, made if need be; `None` if there is no memory for it.
    #[inline(always)]
    pub(super) fn make(sock: *const c_void) -> Option<&'static mut Self> {
        at(&SOCKETS, sock, 1) // BPF_SK_STORAGE_GET_F_CREATE
    }

    /// Whether this run has set a flag.
    #[inline(always)]
    pub(super) fn has(&self, run: u32, flag: u32) -> bool {
        self.run == run && self.flags & flag != 0
    }

    /// Sets a flag for a run.
    #[inline(always)]
    pub(super) fn set(&mut self, run: u32, flag: u32) {
        let kept = if self.run == run { self.flags } else { 0 };
        (self.run, self.flags) = (run, kept | flag);
    }
}

/// What a map has for a `struct sock`.
#[inline(always)]
pub(super) fn at<T, const FLAGS: usize>(
    map: &'static Storage<T, FLAGS>,
    sock: *const c_void,
    flags: u64,
) -> Option<&'static mut T> {
    // SAFETY: `sock` is a trusted pointer; the value lives as long as the socket, hence longer than the program.
    unsafe { bpf_sk_storage_get(map.as_ptr(), sock.cast_mut(), ptr::null_mut(), flags).cast::<T>().as_mut() }
}

/// The map's definition as the loader reads it from the types of the fields. aya's own has no place for `BPF_F_CLONE`,
/// which hands a listening socket's tag on to those that it accepts.
#[repr(C)]
pub(crate) struct Storage<T, const FLAGS: usize> {
    r#type: *const [i32; BPF_MAP_TYPE_SK_STORAGE as usize],
    key: *const i32,
    value: *const T,
    max_entries: *const [i32; 0],
    map_flags: *const [i32; FLAGS],
}

/// The tags' map.
pub(crate) type Sockets = Storage<Tag, { (BPF_F_NO_PREALLOC | BPF_F_CLONE) as usize }>;

// SAFETY: nobody reads the fields.
unsafe impl<T, const FLAGS: usize> Sync for Storage<T, FLAGS> {}

impl<T, const FLAGS: usize> Storage<T, FLAGS> {
    pub(crate) const fn new() -> Self {
        Self {
            r#type: ptr::null(),
            key: ptr::null(),
            value: ptr::null(),
            max_entries: ptr::null(),
            map_flags: ptr::null(),
        }
    }

    fn as_ptr(&self) -> *mut c_void {
        ptr::from_ref(self).cast_mut().cast()
    }
}
