// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reaching out of a run: into other processes, and into namespaces.

use std::{
    ffi::CString,
    fs::OpenOptions,
    io,
    os::unix::{ffi::OsStrExt as _, fs::FileExt as _},
    path::Path,
    ptr,
};

/// How a process is got hold of.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Way {
    /// `PTRACE_ATTACH`
    Attach,
    /// `PTRACE_SEIZE`
    Seize,
    /// `process_vm_readv`
    Read,
    /// `process_vm_writev`
    Write,
    /// Writing to `/proc/PID/mem`
    Memory,
    /// Reading `/proc/PID/environ`
    Environment,
    /// Taking its standard input by `pidfd_getfd`
    Descriptor,
    /// Opening its standard input by `/proc/PID/fd/0`
    Link,
    /// Opening its root directory by `/proc/PID/root`
    Root,
}

/// Gets hold of a process, and lets go of it.
pub(crate) fn trace(way: Way, pid: i32) -> io::Result<()> {
    match way {
        Way::Attach => {
            ptrace(libc::PTRACE_ATTACH, pid)?;
            stopped(pid)?;
            ptrace(libc::PTRACE_DETACH, pid)
        }
        Way::Seize => ptrace(libc::PTRACE_SEIZE, pid),
        Way::Read | Way::Write => memory(matches!(way, Way::Write), pid),
        Way::Memory => OpenOptions::new().write(true).open(format!("/proc/{pid}/mem")).map(drop),
        Way::Environment => {
            let file = OpenOptions::new().read(true).open(format!("/proc/{pid}/environ"))?;
            // It is empty for whoever may not see it.
            match file.read_at(&mut [0], 0)? {
                0 => Err(io::ErrorKind::PermissionDenied.into()),
                _ => Ok(()),
            }
        }
        Way::Descriptor => descriptor(pid),
        Way::Root => OpenOptions::new().read(true).open(format!("/proc/{pid}/root/.")).map(drop),
        Way::Link => OpenOptions::new().read(true).open(format!("/proc/{pid}/fd/0")).map(drop),
    }
}

/// Makes a user namespace, in a child.
pub(crate) fn namespace() -> io::Result<()> {
    in_child(|| {
        // SAFETY: a plain system call.
        check(unsafe { libc::unshare(libc::CLONE_NEWUSER) }.into())
    })
}

/// Executes a program in a child that has asked to be traced.
pub(crate) fn traced(program: &Path) -> io::Result<()> {
    let path = CString::new(program.as_os_str().as_bytes())?;
    let argv = [path.as_ptr(), ptr::null()];
    // SAFETY: this program is single-threaded; the child makes system calls only, and leaves by `_exit`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: an array of C strings that ends with a null pointer.
        unsafe {
            libc::ptrace(libc::PTRACE_TRACEME, 0, ptr::null_mut::<u8>(), ptr::null_mut::<u8>());
            libc::execv(path.as_ptr(), argv.as_ptr());
            libc::_exit(*libc::__errno_location());
        }
    }
    let status = stopped(child)?;
    if libc::WIFSTOPPED(status) {
        ptrace(libc::PTRACE_KILL, child)?;
        return stopped(child).map(drop);
    }
    Err(io::Error::from_raw_os_error(libc::WEXITSTATUS(status)))
}

fn ptrace(request: libc::c_uint, pid: i32) -> io::Result<()> {
    // SAFETY: none of these requests reads or writes our memory.
    check(unsafe { libc::ptrace(request, pid, ptr::null_mut::<u8>(), ptr::null_mut::<u8>()) })
}

/// Waits until a process that we trace, or a child, stops or ends.
fn stopped(pid: i32) -> io::Result<i32> {
    let mut status = 0;
    // SAFETY: waits, and writes the status.
    check(unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) }.into())?;
    Ok(status)
}

/// Reads or writes a byte of a process at an address that it need not have: who may not is told so first.
fn memory(write: bool, pid: i32) -> io::Result<()> {
    let mut byte = 0_u8;
    let here = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    let there = libc::iovec { iov_base: ptr::dangling_mut(), iov_len: 1 };
    // SAFETY: the local part is one byte of ours.
    let done = unsafe {
        match write {
            true => libc::process_vm_writev(pid, &raw const here, 1, &raw const there, 1, 0),
            false => libc::process_vm_readv(pid, &raw const here, 1, &raw const there, 1, 0),
        }
    };
    match check(done as i64) {
        Err(error) if error.raw_os_error() == Some(libc::EFAULT) => Ok(()),
        done => done,
    }
}

fn descriptor(pid: i32) -> io::Result<()> {
    // SAFETY: plain system calls.
    unsafe {
        let process = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        check(process)?;
        check(libc::syscall(libc::SYS_pidfd_getfd, process, 0, 0))
    }
}

/// Does something in a child, and says how it ended there.
fn in_child(act: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    // SAFETY: this program is single-threaded; the child leaves by `_exit`.
    match unsafe { libc::fork() } {
        0 => {
            let error = act().err().map_or(0, |error| error.raw_os_error().unwrap_or(libc::EIO));
            // SAFETY: ends the child.
            unsafe { libc::_exit(error) }
        }
        child => match libc::WEXITSTATUS(stopped(child)?) {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(error)),
        },
    }
}

fn check(result: i64) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
