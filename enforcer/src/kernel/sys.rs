// SPDX-License-Identifier: MIT OR Apache-2.0

//! The two `bpf(2)` commands that aya does not offer.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd, RawFd},
};

/// `BPF_PROG_TEST_RUN`, `include/uapi/linux/bpf.h`.
const PROG_TEST_RUN: libc::c_long = 10;
/// `BPF_MAP_FREEZE`, the same place.
const MAP_FREEZE: libc::c_long = 22;

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

fn bpf<A>(command: libc::c_long, attr: &mut A) -> io::Result<()> {
    // SAFETY: `attr` is valid for reads and writes of its size, and what it points to outlives the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<A>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
