// SPDX-License-Identifier: MIT OR Apache-2.0

//! The `bpf(2)` commands that aya does not offer, or not for every map.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd, RawFd},
};

use aya::Pod;

/// `BPF_MAP_LOOKUP_ELEM`.
const MAP_LOOKUP: libc::c_long = 1;
/// `BPF_MAP_UPDATE_ELEM`, `include/uapi/linux/bpf.h`; the others too.
const MAP_UPDATE: libc::c_long = 2;
/// `BPF_MAP_DELETE_ELEM`.
const MAP_DELETE: libc::c_long = 3;
/// `BPF_PROG_TEST_RUN`.
const PROG_TEST_RUN: libc::c_long = 10;
/// `BPF_MAP_FREEZE`.
const MAP_FREEZE: libc::c_long = 22;

/// `BPF_MAP_LOOKUP_BATCH`.
const MAP_LOOKUP_BATCH: libc::c_long = 24;

/// The part of `union bpf_attr` that `BPF_PROG_TEST_RUN` uses.
#[repr(C)]
#[derive(Default)]
struct TestRun {
    prog_fd: u32,
    retval: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    ctx_size_in: u32,
    ctx_size_out: u32,
    ctx_in: u64,
    ctx_out: u64,
    flags: u32,
    cpu: u32,
    batch_size: u32,
    reserved: u32,
}

/// Runs a raw tracepoint program in the calling task, with `context` as its arguments, and returns what it returned.
/// Only makes a system call: safe to call between fork and exec.
pub(super) fn run_program<C: Copy>(program: RawFd, context: &C) -> io::Result<u32> {
    let mut attr = TestRun {
        prog_fd: program as u32,
        ctx_size_in: size_of::<C>() as u32,
        ctx_in: std::ptr::from_ref(context).addr() as u64,
        ..TestRun::default()
    };
    bpf(PROG_TEST_RUN, &mut attr)?;
    Ok(attr.retval)
}

/// Makes a map unchangeable from userspace, for good.
pub(super) fn freeze(map: BorrowedFd<'_>) -> io::Result<()> {
    bpf(MAP_FREEZE, &mut (map.as_raw_fd() as u32))
}

/// The part of `union bpf_attr` for an element of a map.
#[repr(C)]
struct Element {
    map: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// Puts a map into an array of maps, in place of the one that is there.
pub(super) fn put_map(maps: BorrowedFd<'_>, index: u32, map: BorrowedFd<'_>) -> io::Result<()> {
    let map = map.as_raw_fd() as u32;
    let value = std::ptr::from_ref(&map).addr() as u64;
    bpf(MAP_UPDATE, &mut element(maps, &index, value))
}

/// Reads an element of an array whose values are as large as `value`.
pub(super) fn read(map: BorrowedFd<'_>, index: u32, value: &mut [u16]) -> io::Result<()> {
    bpf(MAP_LOOKUP, &mut element(map, &index, value.as_mut_ptr().addr() as u64))
}

/// The part of `union bpf_attr` for many elements of a map.
#[repr(C)]
struct Batch {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map: u32,
    elem_flags: u64,
    flags: u64,
}

/// Reads the first `count` elements of an array, which has values of this type, in one call.
pub(super) fn read_all<V: Pod>(map: BorrowedFd<'_>, count: u32) -> io::Result<Vec<V>> {
    let mut values: Vec<V> = Vec::with_capacity(count as usize);
    let (mut keys, mut next) = (vec![0_u32; count as usize], 0_u32);
    let mut batch = Batch {
        in_batch: 0,
        out_batch: std::ptr::from_mut(&mut next).addr() as u64,
        keys: keys.as_mut_ptr().addr() as u64,
        values: values.as_mut_ptr().addr() as u64,
        count,
        map: map.as_raw_fd() as u32,
        elem_flags: 0,
        flags: 0,
    };
    match bpf(MAP_LOOKUP_BATCH, &mut batch) {
        // There is nothing behind them.
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ if batch.count != count => return Err(io::ErrorKind::UnexpectedEof.into()),
        _ => {}
    }
    // SAFETY: the kernel has written so many values, and any bytes are one.
    unsafe { values.set_len(count as usize) };
    Ok(values)
}

/// The number of a map in an array of maps; `None` if there is none at this index.
pub(super) fn map_at(maps: BorrowedFd<'_>, index: u32) -> io::Result<Option<u32>> {
    let mut number = 0_u32;
    let value = std::ptr::from_mut(&mut number).addr() as u64;
    match bpf(MAP_LOOKUP, &mut element(maps, &index, value)) {
        Ok(()) => Ok(Some(number)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Takes a map out of an array of maps, if there is one.
pub(super) fn take_map(maps: BorrowedFd<'_>, index: u32) -> io::Result<()> {
    match bpf(MAP_DELETE, &mut element(maps, &index, 0)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn element(map: BorrowedFd<'_>, index: &u32, value: u64) -> Element {
    let key = std::ptr::from_ref(index).addr() as u64;
    Element { map: map.as_raw_fd() as u32, padding: 0, key, value, flags: 0 }
}

fn bpf<A>(command: libc::c_long, attr: &mut A) -> io::Result<()> {
    // SAFETY: `attr` is valid for reads and writes of its size, and what it points to outlives the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<A>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
