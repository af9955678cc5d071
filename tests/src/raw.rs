// SPDX-License-Identifier: MIT OR Apache-2.0

//! Packets that are written by hand.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use crate::socket::{Address, family, sendto, socket};

const ETH_P_IP: u16 = 0x0800;
const ETH_P_IPV6: u16 = 0x86dd;

/// Sends an echo request from a raw socket, or from one for that.
pub(crate) fn echo(kind: i32, bytes: &[u8], to: IpAddr) -> io::Result<()> {
    let (protocol, request) =
        if to.is_ipv4() { (libc::IPPROTO_ICMP, 8) } else { (libc::IPPROTO_ICMPV6, 128) };
    let to = SocketAddr::new(to, 0);
    // Type, code, checksum, identifier, sequence number.
    let mut packet = [&[request, 0, 0, 0, 0, 1, 0, 1], bytes].concat();
    let sum = checksum(&packet).to_be_bytes();
    packet[2..4].copy_from_slice(&sum);
    sendto(&socket(family(to), kind, protocol)?, &packet, 0, &to.into())
}

/// Sends a UDP datagram from a raw socket.
pub(crate) fn udp(bytes: &[u8], to: SocketAddr) -> io::Result<()> {
    let address = Address::from(SocketAddr::new(to.ip(), 0));
    match to {
        SocketAddr::V4(_) => {
            let socket = socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_RAW)?;
            sendto(&socket, &whole(bytes, to), 0, &address)
        }
        SocketAddr::V6(_) => {
            let socket = socket(libc::AF_INET6, libc::SOCK_RAW, libc::IPPROTO_UDP)?;
            sendto(&socket, &datagram(bytes, to), 0, &address)
        }
    }
}

/// Sends an IP packet from a packet socket, on the loopback device; with a link header if the kind of socket wants one.
pub(crate) fn packet(kind: i32, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
    let protocol = if to.is_ipv4() { ETH_P_IP } else { ETH_P_IPV6 }.to_be();
    // SAFETY: a NUL-terminated name.
    let device = unsafe { libc::if_nametoindex(c"lo".as_ptr()) };
    // Protocol, device, hardware type, packet type, length of the hardware address, hardware address.
    let rest = [&protocol.to_ne_bytes()[..], &device.to_ne_bytes(), &[0, 0, 0, 6], &[0; 8]].concat();
    let head =
        if kind == libc::SOCK_RAW { [&[0; 12][..], &protocol.to_ne_bytes()].concat() } else { Vec::new() };
    let socket = socket(libc::AF_PACKET, kind, 0)?;
    sendto(&socket, &[head, whole(bytes, to)].concat(), 0, &Address::new(libc::AF_PACKET, &rest))
}

/// A UDP datagram, without a checksum.
fn datagram(bytes: &[u8], to: SocketAddr) -> Vec<u8> {
    let port = to.port().to_be_bytes();
    let len = (8 + bytes.len() as u16).to_be_bytes();
    [&port[..], &port, &len, &[0, 0], bytes].concat()
}

/// An IP packet with a UDP datagram, from the address to itself.
fn whole(bytes: &[u8], to: SocketAddr) -> Vec<u8> {
    let payload = datagram(bytes, to);
    match to.ip() {
        IpAddr::V4(ip) => {
            let len = (20 + payload.len() as u16).to_be_bytes();
            // Version and header length, service, length, identifier, fragment, lifetime, UDP, checksum, from, to.
            let mut head =
                [&[0x45, 0][..], &len, &[0, 0, 0, 0, 64, 17, 0, 0], &ip.octets(), &ip.octets()].concat();
            let sum = checksum(&head).to_be_bytes();
            head[10..12].copy_from_slice(&sum);
            [head, payload].concat()
        }
        IpAddr::V6(ip) => {
            let len = (payload.len() as u16).to_be_bytes();
            // Version and flow, length, UDP, lifetime, from, to.
            [&[0x60, 0, 0, 0][..], &len, &[17, 64], &ip.octets(), &ip.octets(), &payload].concat()
        }
    }
}

/// The Internet checksum.
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
