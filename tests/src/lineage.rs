// SPDX-License-Identifier: MIT OR Apache-2.0

//! Opening a file from a task that tries to be somewhere else.

use std::{
    ffi::CString,
    fs::File,
    io::{self, Read as _, Write as _},
    os::unix::ffi::OsStrExt as _,
    path::Path,
    thread,
};

use clap::ValueEnum;
use io_uring::{opcode, types};

use crate::ring::{By, Ring};

/// Where the task tries to be.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Way {
    /// In a thread.
    Thread,
    /// In a grandchild with a session of its own, whose parent is gone.
    Daemon,
    /// In the kernel, on behalf of an io_uring.
    IoUring,
    /// In a worker thread of an io_uring.
    IoUringWorker,
    /// In the kernel thread that polls an io_uring.
    IoUringPoller,
}

/// Makes a child that ends at once.
pub(crate) fn fork() -> io::Result<()> {
    // SAFETY: this program is single-threaded; the child leaves by `_exit`, and is waited for without its status.
    unsafe {
        match libc::fork() {
            -1 => return Err(io::Error::last_os_error()),
            0 => libc::_exit(0),
            child => libc::waitpid(child, std::ptr::null_mut(), 0),
        };
    }
    Ok(())
}

/// Opens the file for reading.
pub(crate) fn escape(way: Way, path: &Path) -> io::Result<()> {
    match way {
        Way::Thread => {
            let path = path.to_owned();
            thread::spawn(move || File::open(path).map(drop))
                .join()
                .map_err(|_| io::Error::other("the thread died"))?
        }
        Way::Daemon => daemon(path),
        Way::IoUring => ring(By::Caller, path),
        Way::IoUringWorker => ring(By::Worker, path),
        Way::IoUringPoller => ring(By::Poller, path),
    }
}

/// Double fork, new session, orphaned.
fn daemon(path: &Path) -> io::Result<()> {
    let (mut reader, mut writer) = io::pipe()?;
    // SAFETY: this program is single-threaded; the children leave by `_exit`.
    unsafe {
        match libc::fork() {
            -1 => return Err(io::Error::last_os_error()),
            0 => {
                if libc::fork() != 0 {
                    libc::_exit(0);
                }
                libc::setsid();
                while libc::getppid() == libc::getpgrp() {
                    libc::sched_yield();
                }
                let _ = writer.write_all(&error_number(File::open(path)).to_ne_bytes());
                libc::_exit(0);
            }
            child => libc::waitpid(child, std::ptr::null_mut(), 0),
        }
    };
    drop(writer);
    let mut number = [0; 4];
    reader.read_exact(&mut number)?;
    from_number(i32::from_ne_bytes(number))
}

fn ring(by: By, path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let open = opcode::OpenAt::new(types::Fd(libc::AT_FDCWD), path.as_ptr()).flags(libc::O_RDONLY).build();
    // SAFETY: the path outlives the operation.
    unsafe { Ring::new(by)?.run(open) }.map(drop)
}

fn error_number<T>(result: io::Result<T>) -> i32 {
    result.err().map_or(0, |error| error.raw_os_error().unwrap_or(libc::EIO))
}

fn from_number(number: i32) -> io::Result<()> {
    if number == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(number)) }
}
