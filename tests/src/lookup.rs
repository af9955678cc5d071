// SPDX-License-Identifier: MIT OR Apache-2.0

//! Looking a name up and connecting to where it leads, without a library in between that remembers anything.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks `server` for the IPv4 address of a name and connects to it.
pub(crate) fn connect(server: SocketAddr, name: &str, port: u16, number: u32) -> io::Result<()> {
    let address = ask(server, name, number)?;
    TcpStream::connect((address, port)).map(drop)
}

/// Asks `server` for a name, and fails unless the answer is this one.
pub(crate) fn resolve(server: SocketAddr, name: &str, expected: &str, number: u32) -> io::Result<()> {
    let answer = match ask(server, name, number) {
        Ok(address) => address.to_string(),
        Err(error) if error.to_string() == "code 5" => "refused".to_owned(),
        Err(error) => return Err(error),
    };
    if answer == expected { Ok(()) } else { Err(io::Error::other(format!("{answer} instead of {expected}"))) }
}

fn ask(server: SocketAddr, name: &str, number: u32) -> io::Result<Ipv4Addr> {
    let any: SocketAddr = if server.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(any)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let id = (number as u16).to_be_bytes();
    socket.send_to(&query(id, name), server)?;
    let mut packet = [0; 512];
    let (len, from) = socket.recv_from(&mut packet)?;
    if from != server || packet[..2] != id {
        return Err(io::Error::other("an answer from somebody else"));
    }
    first_address(&packet[..len]).ok_or_else(|| io::Error::other(format!("code {}", packet[3] & 15)))
}

/// A question for an IPv4 address, RFC 1035 section 4.
fn query(id: [u8; 2], name: &str) -> Vec<u8> {
    let mut packet = [&id[..], &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]].concat();
    for label in name.split('.') {
        packet.push(label.len() as u8);
        packet.extend(label.bytes());
    }
    packet.extend([0, 0, 1, 0, 1]);
    packet
}

/// The first IPv4 address among the answers.
fn first_address(packet: &[u8]) -> Option<Ipv4Addr> {
    let count = u16::from_be_bytes([*packet.get(6)?, *packet.get(7)?]);
    let mut at = skip_name(packet, 12)? + 4;
    for _ in 0..count {
        at = skip_name(packet, at)?;
        let len = usize::from(u16::from_be_bytes([*packet.get(at + 8)?, *packet.get(at + 9)?]));
        let data = packet.get(at + 10..at + 10 + len)?;
        if packet.get(at..at + 2)? == [0, 1] {
            return Some(Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?));
        }
        at += 10 + len;
    }
    None
}

fn skip_name(packet: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *packet.get(at)? {
            0 => return Some(at + 1),
            len if len >= 0xc0 => return Some(at + 2),
            len => at += 1 + usize::from(len),
        }
    }
}
