// SPDX-License-Identifier: MIT OR Apache-2.0

//! Source routes: a packet for one address that goes to another one first, whoever that is.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use crate::{
    network::loopback,
    socket::{datagram, sendmsg, sendto, set},
};

/// Where it is said to go: the discard port of the loopback.
fn target(to: SocketAddr) -> SocketAddr {
    SocketAddr::new(loopback(to).ip(), 9)
}

/// The level and the names of the option and of the ancillary message, and the route.
fn route(by: IpAddr) -> (i32, i32, i32, Vec<u8>) {
    match by {
        // Loose source route: type, length, pointer, address; an end.
        IpAddr::V4(v4) => {
            let route = [&[131, 7, 4][..], &v4.octets(), &[0]].concat();
            (libc::IPPROTO_IP, libc::IP_OPTIONS, libc::IP_RETOPTS, route)
        }
        // Routing header of type 2: next header, length, type, segments left, four bytes reserved, address.
        IpAddr::V6(v6) => {
            let route = [&[0, 2, 2, 1, 0, 0, 0, 0][..], &v6.octets()].concat();
            (libc::IPPROTO_IPV6, libc::IPV6_RTHDR, libc::IPV6_RTHDR, route)
        }
    }
}

/// With the route set on the socket.
pub(crate) fn by_option(bytes: &[u8], to: SocketAddr) -> io::Result<()> {
    let socket = datagram(to)?;
    let (level, name, _, route) = route(to.ip());
    set(&socket, level, name, &route)?;
    sendto(&socket, bytes, 0, &target(to).into())
}

/// With the route beside the message.
pub(crate) fn by_message(bytes: &[u8], to: SocketAddr) -> io::Result<()> {
    let (level, _, name, route) = route(to.ip());
    sendmsg(&datagram(to)?, bytes, Some(&target(to).into()), &ancillary(level, name, &route))
}

/// An ancillary message: its length, level and type, and its data, padded.
pub(crate) fn ancillary(level: i32, name: i32, data: &[u8]) -> Vec<u8> {
    let mut bytes = (16 + data.len()).to_ne_bytes().to_vec();
    bytes.extend(level.to_ne_bytes());
    bytes.extend(name.to_ne_bytes());
    bytes.extend(data);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}
