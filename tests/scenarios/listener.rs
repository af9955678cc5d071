// SPDX-License-Identifier: MIT OR Apache-2.0

//! An address that answers, and what arrives there: every IP packet, whatever it carries.

use std::{
    io::{self, Read as _},
    mem::zeroed,
    net::{IpAddr, SocketAddr, TcpListener, UdpSocket},
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    thread,
};

use crate::guest::{sh, until};

/// What the test itself sends: whatever was sent before it has arrived when it has.
const MARK: &str = "mark";

/// An address with a TCP and a UDP server.
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    wire: OwnedFd,
    seen: Vec<String>,
}

impl Listener {
    pub(crate) fn start(ip: &str) -> Self {
        if ip.contains(':') {
            sh(&format!("ip -6 addr replace {ip}/128 dev dummy0 nodad")).success();
        }
        let tcp = TcpListener::bind((ip, 0)).unwrap();
        let address = tcp.local_addr().unwrap();
        let udp = UdpSocket::bind(address).unwrap();
        thread::spawn(move || {
            for mut stream in tcp.incoming().flatten() {
                thread::spawn(move || while stream.read(&mut [0; 64]).is_ok_and(|len| len > 0) {});
            }
        });
        thread::spawn(move || while udp.recv(&mut [0; 64]).is_ok() {});
        Self { address, wire: wire().unwrap(), seen: Vec::new() }
    }

    /// What arrived: what stands between `<` and `>` in each packet, or nothing.
    pub(crate) fn arrived(&mut self) -> Vec<String> {
        let marks = |seen: &[String]| seen.iter().filter(|name| *name == MARK).count();
        let before = marks(&self.seen);
        let any = if self.address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let bytes = format!("<{MARK}>");
        UdpSocket::bind(any).unwrap().send_to(bytes.as_bytes(), self.address).unwrap();
        until("the mark arrives", || {
            self.read();
            marks(&self.seen) > before
        });
        self.seen.iter().filter(|name| *name != MARK).cloned().collect()
    }

    /// Whether this has arrived.
    pub(crate) fn has(&mut self, name: &str) -> bool {
        self.arrived().iter().any(|its| its == name)
    }

    /// Reads the packets that the wire has.
    fn read(&mut self) {
        let mut bytes = [0; 2048];
        loop {
            // SAFETY: all zeros is a valid address.
            let mut from: libc::sockaddr_ll = unsafe { zeroed() };
            let mut size = size_of_val(&from) as u32;
            // SAFETY: the buffers have the sizes that are given.
            let len = unsafe {
                libc::recvfrom(
                    self.wire.as_raw_fd(),
                    bytes.as_mut_ptr().cast(),
                    bytes.len(),
                    libc::MSG_DONTWAIT,
                    (&raw mut from).cast(),
                    &raw mut size,
                )
            };
            let Ok(len) = usize::try_from(len) else {
                return;
            };
            // On the loopback each packet passes twice.
            if from.sll_pkttype != libc::PACKET_OUTGOING && self.is_for_me(&bytes[..len]) {
                self.seen.push(name(&bytes[..len]).unwrap_or_default());
            }
        }
    }

    fn is_for_me(&self, packet: &[u8]) -> bool {
        match (self.address.ip(), packet.first().map(|byte| byte >> 4)) {
            (IpAddr::V4(ip), Some(4)) => packet.get(16..20) == Some(&ip.octets()),
            (IpAddr::V6(ip), Some(6)) => packet.get(24..40) == Some(&ip.octets()),
            _ => false,
        }
    }
}

/// What stands between the last `<` and `>` of a packet, unless it is part of its headers by chance.
fn name(packet: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(packet);
    let (_, name) = text.rsplit_once('>')?.0.rsplit_once('<')?;
    name.bytes().all(|byte| byte == b'-' || byte.is_ascii_lowercase()).then(|| name.to_owned())
}

/// A socket that sees every packet on the loopback device, where those between this machine's addresses pass.
fn wire() -> io::Result<OwnedFd> {
    let all = (libc::ETH_P_ALL as u16).to_be();
    // SAFETY: a plain system call.
    let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, all.into()) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    let room = 16_i32 << 20;
    // SAFETY: all zeros is a valid address.
    let mut lo: libc::sockaddr_ll = unsafe { zeroed() };
    (lo.sll_family, lo.sll_protocol) = (libc::AF_PACKET as u16, all);
    // SAFETY: a NUL-terminated name; options and addresses of the sizes that are given; the descriptor is ours.
    unsafe {
        lo.sll_ifindex = libc::if_nametoindex(c"lo".as_ptr()) as i32;
        let (name, size) = (libc::SO_RCVBUFFORCE, size_of_val(&room) as u32);
        assert_eq!(libc::setsockopt(fd, libc::SOL_SOCKET, name, (&raw const room).cast(), size), 0);
        assert_eq!(libc::bind(fd, (&raw const lo).cast(), size_of_val(&lo) as u32), 0);
        Ok(OwnedFd::from_raw_fd(fd))
    }
}
