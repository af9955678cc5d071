// SPDX-License-Identifier: MIT OR Apache-2.0

//! Sending on a connection that was made elsewhere: standard input, or what comes through it.

use std::{
    fs::File,
    io::{self, Seek as _, Write as _},
    mem::zeroed,
    net::{SocketAddr, UdpSocket},
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    ptr,
};

use clap::ValueEnum;
use io_uring::{opcode, types};

use crate::{
    network::{loopback, mark},
    ring::{By, Ring},
    routed::ancillary,
    socket::{check, connect, send, sendmmsg, sendmsg, sendto},
};

/// A way to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    Send,
    /// Sent to a loopback address, which a connected stream does not listen to.
    SendElsewhere,
    /// Without an address, after something went to a loopback address by the same socket.
    SendAfterElsewhere,
    /// Likewise, after the socket was told to connect to a loopback address, which a connected stream refuses.
    SendAfterConnect,
    Sendmsg,
    Sendmmsg,
    Write,
    Writev,
    Sendfile,
    Splice,
    RingSend,
    RingSendPoller,
    RingWrite,
    RingSplice,
    /// Sent by a child that gets the socket through a socket pair.
    Passed,
    /// Standard input is a local socket, through which the connected one comes.
    Received,
}

/// Sends the name of the way on standard input.
pub(crate) fn work(way: Way) -> io::Result<()> {
    let mark = mark(way);
    let bytes = mark.as_bytes();
    let fd = io::stdin().as_raw_fd();
    let elsewhere = || UdpSocket::bind(loopback(SocketAddr::from(([127, 0, 0, 1], 0))))?.local_addr();
    match way {
        Way::Send => send(&fd, bytes, 0),
        Way::SendElsewhere => sendto(&fd, bytes, 0, &elsewhere()?.into()),
        Way::SendAfterElsewhere => {
            let _ = sendto(&fd, b"x", 0, &elsewhere()?.into());
            send(&fd, bytes, 0)
        }
        Way::SendAfterConnect => {
            let _ = connect(&fd, &elsewhere()?.into());
            send(&fd, bytes, 0)
        }
        Way::Sendmsg => sendmsg(&fd, bytes, None, &[]),
        Way::Sendmmsg => sendmmsg(&fd, bytes, &[None]),
        // SAFETY: so many bytes.
        Way::Write => check(unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) }).map(drop),
        Way::Writev => {
            let part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
            // SAFETY: one part, which outlives the call.
            check(unsafe { libc::writev(fd, &raw const part, 1) }).map(drop)
        }
        Way::Sendfile => {
            let file = memory(bytes)?;
            // SAFETY: no memory is involved.
            check(unsafe { libc::sendfile(fd, file.as_raw_fd(), ptr::null_mut(), bytes.len()) }).map(drop)
        }
        Way::Splice => {
            let (reader, mut writer) = io::pipe()?;
            writer.write_all(bytes)?;
            // SAFETY: no memory is involved.
            check(unsafe {
                libc::splice(reader.as_raw_fd(), ptr::null_mut(), fd, ptr::null_mut(), bytes.len(), 0)
            })
            .map(drop)
        }
        Way::RingSend | Way::RingSendPoller => {
            let by = if way == Way::RingSend { By::Caller } else { By::Poller };
            let send = opcode::Send::new(types::Fd(fd), bytes.as_ptr(), bytes.len() as u32);
            // SAFETY: the bytes outlive the operation.
            unsafe { Ring::new(by)?.run(send.build()) }.map(drop)
        }
        Way::RingWrite => {
            let write = opcode::Write::new(types::Fd(fd), bytes.as_ptr(), bytes.len() as u32);
            // SAFETY: the bytes outlive the operation.
            unsafe { Ring::new(By::Caller)?.run(write.build()) }.map(drop)
        }
        Way::RingSplice => {
            let (reader, mut writer) = io::pipe()?;
            writer.write_all(bytes)?;
            let from = types::Fd(reader.as_raw_fd());
            let splice = opcode::Splice::new(from, -1, types::Fd(fd), -1, bytes.len() as u32);
            // SAFETY: no memory is involved.
            unsafe { Ring::new(By::Caller)?.run(splice.build()) }.map(drop)
        }
        Way::Passed => passed(fd, bytes),
        Way::Received => send(&receive(fd)?, bytes, 0),
    }
}

/// A file in memory, to be read from its beginning.
fn memory(bytes: &[u8]) -> io::Result<File> {
    // SAFETY: a NUL-terminated name.
    let fd = check(unsafe { libc::memfd_create(c"bytes".as_ptr(), libc::MFD_CLOEXEC) } as isize)?;
    // SAFETY: just opened, owned by nobody else.
    let mut file = unsafe { File::from_raw_fd(fd as i32) };
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

/// Passes a descriptor to a child through a socket pair. The child's error is this one's.
fn passed(fd: i32, bytes: &[u8]) -> io::Result<()> {
    let mut ends = [0; 2];
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
    // SAFETY: there is room for two descriptors.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) } as isize)?;
    // SAFETY: just opened, owned by nobody else.
    let [ours, theirs] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
    sendmsg(&ours, b"x", None, &ancillary(libc::SOL_SOCKET, libc::SCM_RIGHTS, &fd.to_ne_bytes()))?;
    let mut status = 0;
    // SAFETY: this program is single-threaded; the child leaves by `_exit`, with the number of its error.
    unsafe {
        match libc::fork() {
            -1 => return Err(io::Error::last_os_error()),
            0 => {
                let sent = receive(theirs.as_raw_fd()).and_then(|socket| send(&socket, bytes, 0));
                libc::_exit(sent.err().and_then(|error| error.raw_os_error()).unwrap_or(0));
            }
            child => libc::waitpid(child, &raw mut status, 0),
        };
    }
    match libc::WEXITSTATUS(status) {
        0 => Ok(()),
        number => Err(io::Error::from_raw_os_error(number)),
    }
}

/// Receives a descriptor.
fn receive(from: i32) -> io::Result<OwnedFd> {
    let (mut data, control) = ([0_u8; 8], [0_u64; 4]);
    let mut part = libc::iovec { iov_base: data.as_mut_ptr().cast(), iov_len: data.len() };
    let mut control = control.map(u64::to_ne_bytes).concat();
    // SAFETY: all zeros is a valid message.
    let mut message: libc::msghdr = unsafe { zeroed() };
    (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
    (message.msg_control, message.msg_controllen) = (control.as_mut_ptr().cast(), control.len());
    // SAFETY: the parts of the message outlive the call.
    check(unsafe { libc::recvmsg(from, &raw mut message, libc::MSG_CMSG_CLOEXEC) })?;
    match (message.msg_controllen, control[16..20].first_chunk()) {
        // SAFETY: the kernel has made it for us.
        (20.., Some(fd)) => Ok(unsafe { OwnedFd::from_raw_fd(i32::from_ne_bytes(*fd)) }),
        _ => Err(io::Error::other("no descriptor came")),
    }
}
