// SPDX-License-Identifier: MIT OR Apache-2.0

//! The sockets that a run's lookups are sent to.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket},
    os::fd::{AsRawFd as _, OwnedFd},
};

use nix::{
    errno::Errno,
    sys::socket::{
        AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, setsockopt, socket,
        sockopt,
    },
};

/// Multicast DNS: others listen there, and packets to it are not ours.
const MDNS: u16 = 5353;
/// How many ports to try. One that is free for one of the sockets may be taken for another.
const ATTEMPTS: usize = 32;
/// What may wait for us, in bytes as the kernel counts: some 5,000 queries.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Sockets of one address.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) udp: UdpSocket,
    pub(super) tcp: TcpListener,
}

/// Sockets of the loopback addresses, all on one port. Nobody else can have that port: `SO_REUSEADDR` and
/// `SO_REUSEPORT` are not set.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) port: u16,
    pub(super) v4: Pair,
    /// Where the host has IPv6.
    pub(super) v6: Option<Pair>,
}

impl Sockets {
    /// Binds them, not to block.
    pub(super) fn bind() -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..ATTEMPTS {
            match Self::try_bind() {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
                Ok(sockets) if sockets.port == MDNS => {}
                done => return done,
            }
        }
        Err(last)
    }

    /// Binds the first where the kernel likes, and the others to the same port.
    fn try_bind() -> io::Result<Self> {
        let udp = udp((Ipv4Addr::LOCALHOST, 0).into())?;
        let port = udp.local_addr()?.port();
        let v4 = Pair { udp, tcp: tcp((Ipv4Addr::LOCALHOST, port).into())? };
        let local = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
        let v6 = udp_and_tcp(local)
            .map(Some)
            .or_else(|error| if lacks_ipv6(&error) { Ok(None) } else { Err(error) })?;
        Ok(Self { port, v4, v6 })
    }
}

fn udp_and_tcp(address: SocketAddr) -> io::Result<Pair> {
    Ok(Pair { udp: udp(address)?, tcp: tcp(address)? })
}

fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = bound(address, SockType::Datagram)?;
    // Beyond the system's limit if we may; bursts are short either way.
    if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
        setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER)?;
    }
    Ok(socket.into())
}

fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = bound(address, SockType::Stream)?;
    listen(&socket, Backlog::MAXCONN)?;
    Ok(socket.into())
}

/// A socket as the kernel makes it: the standard library's listeners set `SO_REUSEADDR`.
fn bound(address: SocketAddr, of: SockType) -> io::Result<OwnedFd> {
    let family = match address.ip() {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    let socket = socket(family, of, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK, None)?;
    bind(socket.as_raw_fd(), &SockaddrStorage::from(address))?;
    Ok(socket)
}

/// Whether the host has no IPv6, or none on its loopback interface.
fn lacks_ipv6(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_port_for_all_and_for_nobody_else() {
        let sockets = Sockets::bind().unwrap();
        let all = |pair: &Pair| [pair.udp.local_addr().unwrap(), pair.tcp.local_addr().unwrap()];
        for address in all(&sockets.v4).into_iter().chain(sockets.v6.iter().flat_map(all)) {
            assert!(address.ip().is_loopback() && address.port() == sockets.port, "{address}");
            assert_eq!(UdpSocket::bind(address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
            assert_eq!(TcpListener::bind(address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        }
    }
}
