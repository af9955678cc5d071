// SPDX-License-Identifier: MIT OR Apache-2.0

//! Ways to get something to an address. What is sent is the name of the way, so that it is known where it arrives.

use std::{
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket},
};

use clap::ValueEnum;

use crate::{
    raw,
    ring::{self, By, Operation},
    routed,
    socket::{
        Address, connect, datagram, family, send as send_connected, sendmmsg, sendmsg, sendto, set, socket,
        stream,
    },
};

/// A way to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// Connect a TCP socket, then send.
    ConnectTcp,
    /// Connect a UDP socket, then send.
    ConnectUdp,
    /// `sendto` on a UDP socket that is not connected.
    Sendto,
    /// `sendmsg` likewise.
    Sendmsg,
    /// `sendmmsg` likewise.
    Sendmmsg,
    /// `sendmmsg`, after messages to a loopback address.
    SendmmsgMixed,
    /// `sendto` on a UDP socket that is connected to itself.
    Away,
    /// `sendto` with an address as long as an address can be.
    Oversized,
    /// `sendto` with an address as short as it can be.
    Short,
    /// `sendto` on a UDP socket that is corked, and pulling the cork.
    Corked,
    /// `sendto` with `MSG_MORE`, and sending the rest without an address.
    More,
    /// `sendto` with `MSG_ZEROCOPY`.
    ZeroCopy,
    /// `sendto` with `MSG_FASTOPEN` on a TCP socket.
    FastOpen,
    /// Connect a TCP socket on which `TCP_FASTOPEN_CONNECT` is set, then send.
    FastOpenConnect,
    /// Connect an IPv6 TCP socket to the IPv4-mapped address.
    MappedTcp,
    /// `sendto` the IPv4-mapped address on an IPv6 UDP socket.
    MappedUdp,
    /// `sendto` with `MSG_FASTOPEN` the IPv4-mapped address on an IPv6 TCP socket.
    MappedFastOpen,
    /// `sendto` the IPv4 address on an IPv6 UDP socket.
    Crossed,
    /// `sendto` on an IPv4 UDP socket with the address family left out.
    Unspec,
    /// `sendto` a loopback address, with a route by way of this one set on the UDP socket.
    Routed,
    /// `sendmsg` to a loopback address, with such a route beside the message.
    RoutedMessage,
    /// Connect by io_uring, then send.
    RingConnect,
    RingConnectWorker,
    RingConnectPoller,
    /// Send to an address by io_uring.
    RingSend,
    RingSendWorker,
    RingSendPoller,
    /// Send a message to an address by io_uring.
    RingMessage,
    RingMessageWorker,
    RingMessagePoller,
    /// The same, without copying.
    RingZeroCopy,
    /// Send a message with `MSG_FASTOPEN` by io_uring.
    RingFastOpen,
    /// Connect a Multipath TCP socket, then send.
    Mptcp,
    /// `sendto` on a UDP-Lite socket.
    UdpLite,
    /// An ICMP echo request from a raw socket.
    RawIcmp,
    /// An ICMP echo request from a socket for that.
    Ping,
    /// A UDP datagram from a raw socket, with an IP header of its own where there can be one.
    RawUdp,
    /// A whole IP packet from a packet socket.
    Packet,
    /// A whole frame from a packet socket.
    Frame,
}

/// Sends the name of the way.
pub(crate) fn send(way: Way, to: SocketAddr) -> io::Result<()> {
    let mark = mark(way);
    let bytes = mark.as_bytes();
    let (address, mapped) = (Address::from(to), SocketAddr::new(map(to.ip()).into(), to.port()));
    let ring = |operation, by| ring::send(operation, by, bytes, to);
    match way {
        Way::ConnectTcp => connected(&stream(to)?, bytes, &address),
        Way::MappedTcp => connected(&stream(mapped)?, bytes, &mapped.into()),
        Way::ConnectUdp => connected(&datagram(to)?, bytes, &address),
        Way::Mptcp => {
            connected(&socket(family(to), libc::SOCK_STREAM, libc::IPPROTO_MPTCP)?, bytes, &address)
        }
        Way::FastOpenConnect => {
            let socket = stream(to)?;
            set(&socket, libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT, &1_i32.to_ne_bytes())?;
            connected(&socket, bytes, &address)
        }
        Way::Sendto => sendto(&datagram(to)?, bytes, 0, &address),
        Way::Oversized => sendto(&datagram(to)?, bytes, 0, &address.with_len(128)),
        Way::Short => sendto(&datagram(to)?, bytes, 0, &address.with_len(if to.is_ipv4() { 16 } else { 24 })),
        Way::MappedUdp => sendto(&datagram(mapped)?, bytes, 0, &mapped.into()),
        Way::Crossed => sendto(&datagram(mapped)?, bytes, 0, &address),
        Way::Unspec => sendto(&datagram(to)?, bytes, 0, &address.with_family(libc::AF_UNSPEC)),
        Way::UdpLite => {
            sendto(&socket(family(to), libc::SOCK_DGRAM, libc::IPPROTO_UDPLITE)?, bytes, 0, &address)
        }
        Way::ZeroCopy => {
            let socket = datagram(to)?;
            set(&socket, libc::SOL_SOCKET, libc::SO_ZEROCOPY, &1_i32.to_ne_bytes())?;
            sendto(&socket, bytes, libc::MSG_ZEROCOPY, &address)
        }
        Way::FastOpen => sendto(&stream(to)?, bytes, libc::MSG_FASTOPEN, &address),
        Way::MappedFastOpen => sendto(&stream(mapped)?, bytes, libc::MSG_FASTOPEN, &mapped.into()),
        Way::Sendmsg => sendmsg(&datagram(to)?, bytes, Some(&address), &[]),
        Way::Sendmmsg => sendmmsg(&datagram(to)?, bytes, &[Some(address)]),
        Way::SendmmsgMixed => {
            let local = UdpSocket::bind(loopback(to))?;
            let itself = Some(local.local_addr()?.into());
            sendmmsg(&local, bytes, &[itself, itself, Some(address)])
        }
        Way::Away => {
            let local = UdpSocket::bind(loopback(to))?;
            // Being connected to itself may be denied too; what counts is the send.
            let _ = local.connect(local.local_addr()?);
            sendto(&local, bytes, 0, &address)
        }
        Way::Corked => {
            let socket = datagram(to)?;
            set(&socket, libc::IPPROTO_UDP, libc::UDP_CORK, &1_i32.to_ne_bytes())?;
            sendto(&socket, bytes, 0, &address)?;
            set(&socket, libc::IPPROTO_UDP, libc::UDP_CORK, &0_i32.to_ne_bytes())
        }
        Way::More => {
            let socket = datagram(to)?;
            sendto(&socket, bytes, libc::MSG_MORE, &address)?;
            send_connected(&socket, b".", 0)
        }
        Way::Routed => routed::by_option(bytes, to),
        Way::RoutedMessage => routed::by_message(bytes, to),
        Way::RingConnect => ring(Operation::Connect, By::Caller),
        Way::RingConnectWorker => ring(Operation::Connect, By::Worker),
        Way::RingConnectPoller => ring(Operation::Connect, By::Poller),
        Way::RingSend => ring(Operation::Send, By::Caller),
        Way::RingSendWorker => ring(Operation::Send, By::Worker),
        Way::RingSendPoller => ring(Operation::Send, By::Poller),
        Way::RingMessage => ring(Operation::Message, By::Caller),
        Way::RingMessageWorker => ring(Operation::Message, By::Worker),
        Way::RingMessagePoller => ring(Operation::Message, By::Poller),
        Way::RingZeroCopy => ring(Operation::ZeroCopy, By::Caller),
        Way::RingFastOpen => ring(Operation::FastOpen, By::Caller),
        Way::RawIcmp => raw::echo(libc::SOCK_RAW, bytes, to.ip()),
        Way::Ping => raw::echo(libc::SOCK_DGRAM, bytes, to.ip()),
        Way::RawUdp => raw::udp(bytes, to),
        Way::Packet => raw::packet(libc::SOCK_DGRAM, bytes, to),
        Way::Frame => raw::packet(libc::SOCK_RAW, bytes, to),
    }
}

/// What is sent.
pub(crate) fn mark(way: impl ValueEnum) -> String {
    way.to_possible_value().map_or_else(String::new, |value| format!("<{}>", value.get_name()))
}

/// The loopback address of the same family, any port.
pub(crate) fn loopback(like: SocketAddr) -> SocketAddr {
    let ip: IpAddr = if like.is_ipv4() { [127, 0, 0, 1].into() } else { Ipv6Addr::LOCALHOST.into() };
    SocketAddr::new(ip, 0)
}

fn map(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

fn connected(socket: &std::os::fd::OwnedFd, bytes: &[u8], to: &Address) -> io::Result<()> {
    connect(socket, to)?;
    send_connected(socket, bytes, 0)
}
