// SPDX-License-Identifier: MIT OR Apache-2.0

//! Making sockets of all kinds.

use std::io;

use clap::ValueEnum;
use io_uring::opcode;

use crate::{
    ring::{By, Ring},
    socket::{check, socket},
};

/// A way to make a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// `socket`
    Call,
    /// `socketpair`
    Pair,
    /// `IORING_OP_SOCKET`
    Ring,
    /// The same by the thread that polls the ring.
    RingPoller,
}

/// Makes a socket. It is closed when this process ends.
pub(crate) fn make(way: Way, family: i32, kind: i32, protocol: i32) -> io::Result<()> {
    match way {
        Way::Call => socket(family, kind, protocol).map(drop),
        Way::Pair => {
            let mut ends = [0; 2];
            // SAFETY: there is room for two descriptors.
            check(unsafe { libc::socketpair(family, kind, protocol, ends.as_mut_ptr()) } as isize).map(drop)
        }
        Way::Ring | Way::RingPoller => {
            let by = if way == Way::Ring { By::Caller } else { By::Poller };
            // SAFETY: no memory is involved.
            unsafe { Ring::new(by)?.run(opcode::Socket::new(family, kind, protocol).build()) }.map(drop)
        }
    }
}
