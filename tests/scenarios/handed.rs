// SPDX-License-Identifier: MIT OR Apache-2.0

//! Connections that a run was handed: what was made outside of it is judged when it is used.

use std::{
    net::{TcpStream, UdpSocket},
    os::{
        fd::{AsRawFd as _, OwnedFd, RawFd},
        unix::net::UnixDatagram,
    },
};

use crate::{
    attempts::{DENIED, bare_on},
    guest::Place,
    listener::Listener,
    sending::LOOPBACK,
};

/// On a connection that the run was handed.
const HANDED: [&str; 13] = [
    "send",
    "send-after-elsewhere",
    "sendmsg",
    "sendmmsg",
    "write",
    "writev",
    "sendfile",
    "splice",
    "ring-send",
    "ring-send-poller",
    "ring-write",
    "ring-splice",
    "passed",
];

#[test]
fn nothing_is_sent_on_a_connection_that_was_made_outside() {
    let place = Place::new();
    let profile = place.profile(LOOPBACK);
    for (ip, stream) in
        [("198.51.100.23", true), ("198.51.100.24", false), ("2001:db8::23", true), ("2001:db8::24", false)]
    {
        let mut listener = Listener::start(ip);
        let to = listener.address;
        let connect = || -> OwnedFd {
            if stream {
                return TcpStream::connect(to).unwrap().into();
            }
            let socket = UdpSocket::bind(if ip.contains(':') { "[::]:0" } else { "0.0.0.0:0" }).unwrap();
            socket.connect(to).unwrap();
            socket.into()
        };
        let mut ways = HANDED.to_vec();
        if stream {
            ways.extend(["send-elsewhere", "send-after-connect"]); // A datagram would go there.
        }
        let attempts: Vec<_> = ways.iter().map(|way| format!("handed {way}")).collect();
        let (enforced, control) = (connect(), connect());
        place.each_on(&profile, enforced, &attempts).all(DENIED);
        assert!(listener.arrived().iter().all(String::is_empty), "only what connecting itself sends");
        bare_on(control, &attempts).all(0);
        for way in ways {
            assert!(listener.has(way), "{way} arrives at {ip}");
        }
    }
}

#[test]
fn a_connection_that_comes_through_a_local_socket_is_judged_as_well() {
    let place = Place::new();
    let profile = place.profile(LOOPBACK);
    let mut listener = Listener::start("198.51.100.25");
    let to = listener.address;
    let come = || {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let connection = TcpStream::connect(to).unwrap();
        pass(&ours, connection.as_raw_fd());
        (OwnedFd::from(theirs), ours)
    };
    let attempts = ["handed received".to_owned()];
    let [(enforced, _keep), (control, _keep_too)] = [come(), come()];
    place.each_on(&profile, enforced, &attempts).all(DENIED);
    assert!(!listener.has("received"));
    bare_on(control, &attempts).all(0);
    assert!(listener.has("received"));
}

/// Passes a descriptor on.
fn pass(to: &UnixDatagram, fd: RawFd) {
    // The length, the level, the type; the descriptor, and what aligns it.
    let header =
        [20_usize.to_ne_bytes(), (u64::from(libc::SCM_RIGHTS as u32) << 32 | 1).to_ne_bytes()].concat();
    let mut control = [header, u64::from(fd as u32).to_ne_bytes().to_vec()].concat();
    let mut byte = 1_u8;
    let mut part = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    // SAFETY: all zeros is a valid message, and its parts outlive the call.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
        (message.msg_control, message.msg_controllen) = (control.as_mut_ptr().cast(), control.len());
        assert_eq!(libc::sendmsg(to.as_raw_fd(), &raw const message, 0), 1);
    }
}
