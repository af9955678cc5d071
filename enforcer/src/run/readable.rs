// SPDX-License-Identifier: MIT OR Apache-2.0

//! Waiting until there is something to read.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use tokio::io::{Interest, unix::AsyncFd};

/// Something to wait on until `file` can be read: a descriptor of its own, so that waiting does not hold the file.
/// Needs a tokio runtime.
///
/// # Errors
///
/// The kernel's.
pub(crate) fn readable(file: &impl AsFd) -> io::Result<AsyncFd<OwnedFd>> {
    let fd = file.as_fd().try_clone_to_owned()?;
    // SAFETY: the descriptor is owned by what is returned; it is closed with it, and nobody can exchange it before.
    unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }.map_err(io::Error::from)
}
