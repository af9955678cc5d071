// SPDX-License-Identifier: MIT OR Apache-2.0

//! Waiting for others.

use std::{io, net::SocketAddr, os::fd::AsRawFd};

use clap::ValueEnum;
use io_uring::{opcode, types};

use crate::{
    ring::{By, Ring},
    socket::{Address, bind, check, datagram, stream},
};

/// A way to take an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// Bind a UDP socket.
    Udp,
    /// Bind a TCP socket, and do not listen.
    Tcp,
    /// Bind a TCP socket, and listen.
    Listen,
    /// Listen on a TCP socket without binding it: the kernel chooses a port, on all addresses.
    Unbound,
    /// Bind a TCP socket to a loopback address, dissolve that, and listen.
    Dissolved,
    /// Bind an IPv4 UDP socket with the address family left out.
    Unspec,
    /// Bind a TCP socket and listen, by io_uring.
    Ring,
}

pub(crate) fn listen(way: Way, on: SocketAddr) -> io::Result<()> {
    let address = Address::from(on);
    match way {
        Way::Udp => bind(&datagram(on)?, &address),
        Way::Unspec => bind(&datagram(on)?, &address.with_family(libc::AF_UNSPEC)),
        Way::Tcp => bind(&stream(on)?, &address),
        Way::Listen => {
            let socket = stream(on)?;
            bind(&socket, &address)?;
            wait(&socket)
        }
        Way::Unbound => wait(&stream(on)?),
        Way::Dissolved => {
            let socket = stream(on)?;
            bind(&socket, &crate::network::loopback(on).into())?;
            wait(&socket)?;
            // SAFETY: no memory is involved.
            check(unsafe { libc::shutdown(socket.as_raw_fd(), libc::SHUT_RDWR) } as isize)?;
            bind(&socket, &address)?;
            wait(&socket)
        }
        Way::Ring => {
            let (ring, socket) = (Ring::new(By::Caller)?, stream(on)?);
            let fd = types::Fd(socket.as_raw_fd());
            // SAFETY: the address outlives the operation.
            unsafe {
                ring.run(opcode::Bind::new(fd, address.as_ptr(), address.len()).build())?;
                ring.run(opcode::Listen::new(fd, 1).build()).map(drop)
            }
        }
    }
}

fn wait(socket: &impl AsRawFd) -> io::Result<()> {
    // SAFETY: no memory is involved.
    check(unsafe { libc::listen(socket.as_raw_fd(), 1) } as isize).map(drop)
}
