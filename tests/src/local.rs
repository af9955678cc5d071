// SPDX-License-Identifier: MIT OR Apache-2.0

//! Reaching a local socket, however it is spelled.

use std::{
    env, fs, io,
    os::{
        fd::AsRawFd as _,
        unix::{ffi::OsStrExt as _, fs::symlink},
    },
    path::{Path, PathBuf},
    ptr,
};

use clap::ValueEnum;
use io_uring::{opcode, types};

use crate::{
    ring::{By, Ring},
    socket::{Address, check, connect, send, sendto, socket},
};

/// A way to reach it. Where a second name is made, it is the first one with `~` at its end, and is removed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// Connect a stream. A name that begins with `@` is abstract, with a NUL for each further `@`.
    Stream,
    /// Connect a sequence of packets.
    Seqpacket,
    /// Send a datagram.
    Datagram,
    /// Connect a datagram socket, then send.
    ConnectedDatagram,
    /// Connect a stream by io_uring.
    Ring,
    /// Connect a stream by the thread that polls an io_uring.
    RingPoller,
    /// From within its directory.
    Relative,
    /// By way of `..`.
    Dots,
    /// By way of a descriptor for its directory.
    Descriptor,
    /// By way of this process's root.
    Root,
    /// By a symbolic link.
    Symlink,
    /// By a hard link.
    HardLink,
    /// By another name that it has been given.
    Renamed,
    /// By a bind mount of its directory, in a mount namespace of its own.
    Mount,
}

pub(crate) fn reach(way: Way, name: &Path) -> io::Result<()> {
    let (dir, base) = (name.parent().unwrap_or(Path::new("/")), name.file_name().unwrap_or_default());
    let second = PathBuf::from(format!("{}~", name.display()));
    match way {
        Way::Stream => stream(name),
        Way::Seqpacket => connected(libc::SOCK_SEQPACKET, name),
        Way::ConnectedDatagram => connected(libc::SOCK_DGRAM, name),
        Way::Datagram => sendto(&socket(libc::AF_UNIX, libc::SOCK_DGRAM, 0)?, b"x", 0, &address(name)),
        Way::Ring => by_ring(By::Caller, name),
        Way::RingPoller => by_ring(By::Poller, name),
        Way::Relative => {
            env::set_current_dir(dir)?;
            stream(Path::new(base))
        }
        Way::Dots => stream(&dir.join("../").join(dir.file_name().unwrap_or_default()).join(base)),
        Way::Descriptor => {
            let dir = fs::File::open(dir)?;
            stream(&PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd())).join(base))
        }
        Way::Root => stream(&PathBuf::from(format!("/proc/self/root{}", name.display()))),
        Way::Symlink => {
            symlink(name, &second)?;
            let reached = stream(&second);
            fs::remove_file(&second)?;
            reached
        }
        Way::HardLink => {
            fs::hard_link(name, &second)?;
            let reached = stream(&second);
            fs::remove_file(&second)?;
            reached
        }
        Way::Renamed => {
            fs::rename(name, &second)?;
            let reached = stream(&second);
            fs::rename(&second, name)?;
            reached
        }
        Way::Mount => {
            let place = PathBuf::from(format!("{}~", dir.display()));
            mount(dir, &place)?;
            stream(&place.join(base))
        }
    }
}

/// Mounts a directory at another place, for this process alone.
fn mount(dir: &Path, place: &Path) -> io::Result<()> {
    fs::create_dir_all(place)?;
    let (from, to) = (c_string(dir)?, c_string(place)?);
    // SAFETY: NUL-terminated paths.
    unsafe {
        check(libc::unshare(libc::CLONE_NEWNS) as isize)?;
        let private = libc::MS_REC | libc::MS_PRIVATE;
        check(libc::mount(ptr::null(), c"/".as_ptr(), ptr::null(), private, ptr::null()) as isize)?;
        check(libc::mount(from.as_ptr(), to.as_ptr(), ptr::null(), libc::MS_BIND, ptr::null()) as isize)?;
    }
    Ok(())
}

fn c_string(path: &Path) -> io::Result<std::ffi::CString> {
    Ok(std::ffi::CString::new(path.as_os_str().as_bytes())?)
}

fn stream(name: &Path) -> io::Result<()> {
    connected(libc::SOCK_STREAM, name)
}

fn connected(kind: i32, name: &Path) -> io::Result<()> {
    let socket = socket(libc::AF_UNIX, kind, 0)?;
    connect(&socket, &address(name))?;
    send(&socket, b"x", 0)
}

fn by_ring(by: By, name: &Path) -> io::Result<()> {
    let (socket, address) = (socket(libc::AF_UNIX, libc::SOCK_STREAM, 0)?, address(name));
    let connect = opcode::Connect::new(types::Fd(socket.as_raw_fd()), address.as_ptr(), address.len());
    // SAFETY: the address outlives the operation.
    unsafe { Ring::new(by)?.run(connect.build()) }?;
    send(&socket, b"x", 0)
}

/// A path has its NUL, if there is room for it; an abstract name is as long as it is.
fn address(name: &Path) -> Address {
    let name = name.as_os_str().as_bytes();
    let bytes = match name.first() {
        Some(b'@') => name.iter().map(|byte| if *byte == b'@' { 0 } else { *byte }).collect(),
        _ if name.len() < 108 => [name, &[0]].concat(),
        _ => name.to_vec(),
    };
    Address::new(libc::AF_UNIX, &bytes)
}
