// SPDX-License-Identifier: MIT OR Apache-2.0

//! Ending connections of others, as `ss --kill` does (sock_diag(7), `SOCK_DESTROY`).

use std::{
    io,
    net::{IpAddr, SocketAddr},
    os::fd::AsRawFd as _,
};

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};

/// `SOCK_DESTROY`, `linux/sock_diag.h`.
const SOCK_DESTROY: u16 = 21;
/// `NLM_F_REQUEST | NLM_F_ACK`, `linux/netlink.h`.
const FLAGS: u16 = 1 | 4;
/// Bytes of a `struct nlmsghdr`.
const HEADER: usize = 16;
/// Bytes of a `struct inet_diag_req_v2`.
const REQUEST: usize = 56;

/// Ends a TCP connection of this network namespace: who waits for it gets `ECONNABORTED`, the other end a reset.
///
/// # Errors
///
/// There is none, or the kernel cannot do it.
pub fn end(here: SocketAddr, there: SocketAddr) -> io::Result<()> {
    let of = SockProtocol::NetlinkSockDiag;
    let socket = socket(AddressFamily::Netlink, SockType::Datagram, SockFlag::SOCK_CLOEXEC, of)?;
    send(socket.as_raw_fd(), &request(here, there), MsgFlags::empty())?;
    let mut reply = [0; 128];
    let len = recv(socket.as_raw_fd(), &mut reply, MsgFlags::MSG_DONTWAIT)?;
    let error = reply[..len].get(HEADER..).and_then(|rest| rest.first_chunk());
    match error.map(|&error| i32::from_ne_bytes(error)) {
        Some(0) => Ok(()),
        Some(error) => Err(io::Error::from_raw_os_error(-error)),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// A `struct nlmsghdr` and a `struct inet_diag_req_v2`.
fn request(here: SocketAddr, there: SocketAddr) -> Vec<u8> {
    let family = if here.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let mut bytes = Vec::with_capacity(HEADER + REQUEST);
    bytes.extend(((HEADER + REQUEST) as u32).to_ne_bytes());
    bytes.extend([SOCK_DESTROY.to_ne_bytes(), FLAGS.to_ne_bytes()].concat());
    bytes.extend([0; 8]); // sequence number, port
    bytes.extend([family as u8, libc::IPPROTO_TCP as u8, 0, 0]);
    bytes.extend(u32::MAX.to_ne_bytes()); // in any state
    bytes.extend([here.port().to_be_bytes(), there.port().to_be_bytes()].concat());
    for end in [here, there] {
        match end.ip() {
            IpAddr::V4(address) => bytes.extend([&address.octets()[..], &[0; 12]].concat()),
            IpAddr::V6(address) => bytes.extend(address.octets()),
        }
    }
    bytes.extend([0; 4]); // on any interface
    bytes.extend([0xff; 8]); // whatever its cookie
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_the_size_that_it_says() {
        for ends in [["192.0.2.1:1", "192.0.2.2:443"], ["[2001:db8::1]:1", "[2001:db8::2]:443"]] {
            let [here, there] = ends.map(|end| end.parse().unwrap());
            let bytes = request(here, there);
            assert_eq!(bytes.len(), HEADER + REQUEST);
            assert_eq!(bytes[..4], (bytes.len() as u32).to_ne_bytes());
        }
    }
}
