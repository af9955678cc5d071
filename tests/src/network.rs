// SPDX-License-Identifier: MIT OR Apache-2.0

//! Ways to get a byte to an address.

use std::{
    io,
    mem::zeroed,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use clap::ValueEnum;

/// A way to send.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Way {
    /// Connect a TCP socket, then send.
    ConnectTcp,
    /// Connect a UDP socket, then send.
    ConnectUdp,
    /// `sendto` on a UDP socket that is not connected.
    Sendto,
    /// `sendmmsg` on a UDP socket that is not connected.
    Sendmmsg,
    /// `sendto` on a UDP socket that is connected to itself.
    Away,
    /// `sendto` with `MSG_FASTOPEN` on a TCP socket.
    FastOpen,
    /// Connect an IPv6 TCP socket to the IPv4-mapped address.
    MappedTcp,
    /// `sendto` the IPv4-mapped address on an IPv6 UDP socket.
    MappedUdp,
    /// `sendto` on an IPv4 UDP socket with the address family left out.
    Unspec,
}

/// Sends one byte.
pub(crate) fn send(way: Way, to: SocketAddr) -> io::Result<()> {
    let mapped = SocketAddr::new(IpAddr::V6(map(to.ip())), to.port());
    match way {
        Way::ConnectTcp => connect_and_send(libc::SOCK_STREAM, to),
        Way::MappedTcp => connect_and_send(libc::SOCK_STREAM, mapped),
        Way::ConnectUdp => connect_and_send(libc::SOCK_DGRAM, to),
        Way::Sendto => sendto(&socket(to, libc::SOCK_DGRAM)?, to, 0, None),
        Way::MappedUdp => sendto(&socket(mapped, libc::SOCK_DGRAM)?, mapped, 0, None),
        Way::Unspec => sendto(&socket(to, libc::SOCK_DGRAM)?, to, 0, Some(libc::AF_UNSPEC)),
        Way::FastOpen => sendto(&socket(to, libc::SOCK_STREAM)?, to, libc::MSG_FASTOPEN, None),
        Way::Sendmmsg => sendmmsg(&socket(to, libc::SOCK_DGRAM)?, to),
        Way::Away => {
            let local = std::net::UdpSocket::bind(if to.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" })?;
            // Being connected to itself may be denied too; what counts is the send.
            let _ = local.connect(local.local_addr()?);
            sendto(&OwnedFd::from(local), to, 0, None)
        }
    }
}

fn map(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

fn socket(to: SocketAddr, kind: i32) -> io::Result<OwnedFd> {
    let family = if to.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    // SAFETY: a plain system call; the descriptor returned is ours.
    match unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, 0) } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: just opened, owned by nobody else.
        fd => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
    }
}

fn connect_and_send(kind: i32, to: SocketAddr) -> io::Result<()> {
    let socket = socket(to, kind)?;
    let (address, len) = sockaddr(to, None);
    // SAFETY: a valid address of that length, and one byte.
    unsafe {
        check(libc::connect(socket.as_raw_fd(), (&raw const address).cast(), len) as isize)?;
        check(libc::send(socket.as_raw_fd(), b"x".as_ptr().cast(), 1, libc::MSG_NOSIGNAL))
    }
}

fn sendto(socket: &OwnedFd, to: SocketAddr, flags: i32, family: Option<i32>) -> io::Result<()> {
    let (address, len) = sockaddr(to, family);
    let (fd, flags) = (socket.as_raw_fd(), flags | libc::MSG_NOSIGNAL);
    // SAFETY: a valid address of that length, and one byte.
    check(unsafe { libc::sendto(fd, b"x".as_ptr().cast(), 1, flags, (&raw const address).cast(), len) })
}

fn sendmmsg(socket: &OwnedFd, to: SocketAddr) -> io::Result<()> {
    let (mut address, len) = sockaddr(to, None);
    let mut byte = *b"x";
    let mut part = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    // SAFETY: all zeros is a valid message.
    let mut message: libc::mmsghdr = unsafe { zeroed() };
    message.msg_hdr.msg_name = (&raw mut address).cast();
    message.msg_hdr.msg_namelen = len;
    message.msg_hdr.msg_iov = &raw mut part;
    message.msg_hdr.msg_iovlen = 1;
    // SAFETY: one message, whose parts outlive the call.
    check(unsafe { libc::sendmmsg(socket.as_raw_fd(), &raw mut message, 1, 0) } as isize)
}

/// An address as the kernel takes it, with another family written into it if asked.
fn sockaddr(to: SocketAddr, family: Option<i32>) -> (libc::sockaddr_storage, libc::socklen_t) {
    // SAFETY: all zeros is a valid address storage.
    let mut storage: libc::sockaddr_storage = unsafe { zeroed() };
    let at = &raw mut storage;
    let len = match to {
        SocketAddr::V4(v4) => {
            let address = libc::sockaddr_in {
                sin_family: family.unwrap_or(libc::AF_INET) as libc::sa_family_t,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
                sin_zero: [0; 8],
            };
            // SAFETY: the storage is large enough and aligned for every address.
            unsafe { at.cast::<libc::sockaddr_in>().write(address) };
            size_of_val(&address)
        }
        SocketAddr::V6(v6) => {
            let address = libc::sockaddr_in6 {
                sin6_family: family.unwrap_or(libc::AF_INET6) as libc::sa_family_t,
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: 0,
                sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                sin6_scope_id: 0,
            };
            // SAFETY: the storage is large enough and aligned for every address.
            unsafe { at.cast::<libc::sockaddr_in6>().write(address) };
            size_of_val(&address)
        }
    };
    (storage, len as libc::socklen_t)
}

fn check(result: isize) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
