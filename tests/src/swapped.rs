// SPDX-License-Identifier: MIT OR Apache-2.0

//! An exec whose arguments another thread of the same process changes meanwhile.

use std::{
    ffi::CString,
    io,
    sync::atomic::{AtomicU8, Ordering::Relaxed},
    thread,
};

/// Executes a shell in a child. One that is killed was denied.
pub(crate) fn exec(script: &str) -> io::Result<()> {
    let text = CString::new(format!("#{script}")).map_err(io::Error::other)?.into_raw();
    let argv = [c"sh".as_ptr(), c"-c".as_ptr(), text.cast_const(), std::ptr::null()];
    // SAFETY: this program is single-threaded; the child leaves by `_exit`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: the text is as long as it was, stays until the exec, and from here on is only touched as an atomic.
        let first = unsafe { AtomicU8::from_ptr(text.cast()) };
        let _ = thread::Builder::new().spawn(move || {
            loop {
                first.store(b' ', Relaxed);
                thread::yield_now();
                first.store(b'#', Relaxed);
                thread::yield_now();
            }
        });
        // Until the thread runs, and then some more, so that the exec meets it anywhere.
        while first.load(Relaxed) == b'#' {
            thread::yield_now();
        }
        (0..std::process::id() % 5).for_each(|_| thread::yield_now());
        // SAFETY: an array of C strings that ends with a null pointer.
        unsafe {
            libc::execv(c"/bin/sh".as_ptr(), argv.as_ptr());
            libc::_exit(127);
        }
    }
    // SAFETY: the text came from `into_raw`; the child has a copy.
    drop(unsafe { CString::from_raw(text) });
    let mut status = 0;
    // SAFETY: waits for a child of our own.
    if child < 0 || unsafe { libc::waitpid(child, &raw mut status, 0) } < 0 {
        return Err(io::Error::last_os_error());
    }
    match status {
        0 => Ok(()),
        _ if libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGKILL => {
            Err(io::Error::from_raw_os_error(libc::EPERM))
        }
        _ => Err(io::Error::other(format!("the child ended with {status:#x}"))),
    }
}
