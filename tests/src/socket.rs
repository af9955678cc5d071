// SPDX-License-Identifier: MIT OR Apache-2.0

//! Sockets as the kernel takes them: what the standard library would not let anybody do.

use std::{
    io,
    mem::zeroed,
    net::SocketAddr,
    os::fd::{AsRawFd, FromRawFd as _, OwnedFd},
};

/// An address, its family included.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub(crate) struct Address {
    bytes: [u8; 128],
    len: u32,
}

impl Address {
    /// The family, and what follows it.
    pub(crate) fn new(family: i32, rest: &[u8]) -> Self {
        let mut bytes = [0; 128];
        bytes[..2].copy_from_slice(&(family as u16).to_ne_bytes());
        bytes[2..2 + rest.len()].copy_from_slice(rest);
        Self { bytes, len: 2 + rest.len() as u32 }
    }

    /// The same with another family.
    pub(crate) fn with_family(mut self, family: i32) -> Self {
        self.bytes[..2].copy_from_slice(&(family as u16).to_ne_bytes());
        self
    }

    /// The same, said to be so long.
    pub(crate) fn with_len(self, len: u32) -> Self {
        Self { len, ..self }
    }

    pub(crate) fn as_ptr(&self) -> *const libc::sockaddr {
        self.bytes.as_ptr().cast()
    }

    pub(crate) fn len(&self) -> u32 {
        self.len
    }
}

impl From<SocketAddr> for Address {
    fn from(to: SocketAddr) -> Self {
        let port = to.port().to_be_bytes();
        match to {
            SocketAddr::V4(v4) => Self::new(libc::AF_INET, &[&port[..], &v4.ip().octets(), &[0; 8]].concat()),
            SocketAddr::V6(v6) => {
                Self::new(libc::AF_INET6, &[&port[..], &[0; 4], &v6.ip().octets(), &[0; 4]].concat())
            }
        }
    }
}

/// The family of an address.
pub(crate) fn family(of: SocketAddr) -> i32 {
    if of.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 }
}

/// Makes a socket.
pub(crate) fn socket(family: i32, kind: i32, protocol: i32) -> io::Result<OwnedFd> {
    // SAFETY: a plain system call.
    let fd = check(unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol) } as isize)?;
    // SAFETY: just opened, owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// A datagram socket for an address.
pub(crate) fn datagram(to: SocketAddr) -> io::Result<OwnedFd> {
    socket(family(to), libc::SOCK_DGRAM, 0)
}

/// A stream socket for an address.
pub(crate) fn stream(to: SocketAddr) -> io::Result<OwnedFd> {
    socket(family(to), libc::SOCK_STREAM, 0)
}

pub(crate) fn connect(fd: &impl AsRawFd, to: &Address) -> io::Result<()> {
    // SAFETY: the address is as long as it says, or shorter than its storage.
    check(unsafe { libc::connect(fd.as_raw_fd(), to.as_ptr(), to.len()) } as isize).map(drop)
}

pub(crate) fn bind(fd: &impl AsRawFd, to: &Address) -> io::Result<()> {
    // SAFETY: as in `connect`.
    check(unsafe { libc::bind(fd.as_raw_fd(), to.as_ptr(), to.len()) } as isize).map(drop)
}

pub(crate) fn send(fd: &impl AsRawFd, bytes: &[u8], flags: i32) -> io::Result<()> {
    let flags = flags | libc::MSG_NOSIGNAL;
    // SAFETY: so many bytes.
    check(unsafe { libc::send(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags) }).map(drop)
}

pub(crate) fn sendto(fd: &impl AsRawFd, bytes: &[u8], flags: i32, to: &Address) -> io::Result<()> {
    let (data, len, flags) = (bytes.as_ptr().cast(), bytes.len(), flags | libc::MSG_NOSIGNAL);
    // SAFETY: so many bytes; the address as in `connect`.
    check(unsafe { libc::sendto(fd.as_raw_fd(), data, len, flags, to.as_ptr(), to.len()) }).map(drop)
}

/// Calls with a message: bytes, an address if there is one, and ancillary data.
pub(crate) fn with_message<T>(
    bytes: &[u8],
    to: Option<&Address>,
    control: &[u8],
    call: impl FnOnce(&libc::msghdr) -> T,
) -> T {
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: all zeros is a valid message.
    let mut message: libc::msghdr = unsafe { zeroed() };
    if let Some(to) = to {
        (message.msg_name, message.msg_namelen) = (to.as_ptr().cast_mut().cast(), to.len());
    }
    (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
    if !control.is_empty() {
        message.msg_control = control.as_ptr().cast_mut().cast();
        message.msg_controllen = control.len();
    }
    call(&message)
}

pub(crate) fn sendmsg(
    fd: &impl AsRawFd,
    bytes: &[u8],
    to: Option<&Address>,
    control: &[u8],
) -> io::Result<()> {
    with_message(bytes, to, control, |message| {
        // SAFETY: the parts of the message outlive the call.
        check(unsafe { libc::sendmsg(fd.as_raw_fd(), message, libc::MSG_NOSIGNAL) }).map(drop)
    })
}

/// Sends the same bytes to several addresses in one call; the error is that of the first that was not sent.
pub(crate) fn sendmmsg(fd: &impl AsRawFd, bytes: &[u8], to: &[Option<Address>]) -> io::Result<()> {
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let mut messages: Vec<libc::mmsghdr> = to
        .iter()
        .map(|to| {
            // SAFETY: all zeros is a valid message.
            let mut message: libc::mmsghdr = unsafe { zeroed() };
            if let Some(to) = to {
                message.msg_hdr.msg_name = to.as_ptr().cast_mut().cast();
                message.msg_hdr.msg_namelen = to.len();
            }
            (message.msg_hdr.msg_iov, message.msg_hdr.msg_iovlen) = (&raw mut part, 1);
            message
        })
        .collect();
    let mut rest = &mut messages[..];
    while !rest.is_empty() {
        // SAFETY: so many messages, whose parts outlive the call.
        let sent = unsafe { libc::sendmmsg(fd.as_raw_fd(), rest.as_mut_ptr(), rest.len() as u32, 0) };
        rest = &mut rest[check(sent as isize)? as usize..];
    }
    Ok(())
}

/// Sets a socket option.
pub(crate) fn set(fd: &impl AsRawFd, level: i32, name: i32, value: &[u8]) -> io::Result<()> {
    let (data, len) = (value.as_ptr().cast(), value.len() as u32);
    // SAFETY: so many bytes.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, data, len) } as isize).map(drop)
}

/// What a system call returned.
pub(crate) fn check(result: isize) -> io::Result<isize> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
