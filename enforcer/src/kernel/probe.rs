// SPDX-License-Identifier: MIT OR Apache-2.0

//! Proves that denials happen, before anything is said to be enforced: BPF LSM programs can be loaded and attached
//! on a kernel that never calls them.
//!
//! A child enrolled in the stage where everything is denied tries one thing for each hook that denies, and a child
//! of that child one more. Each must fail with EPERM, and the programs must have counted each.

use std::{
    ffi::CStr,
    io,
    net::UdpSocket,
    os::{fd::AsRawFd as _, unix::process::CommandExt as _},
    process::{Command, Stdio},
};

use enforcer_common::{
    Kind,
    run::{Counters, STAGE_PROBE},
};

use super::{Enroller, Error};

/// Error numbers by which the child says what it was allowed: beyond any that the kernel uses.
const ALLOWED: i32 = 10_000;
/// What the child tries, in this order, behind [`ALLOWED`].
const ATTEMPTS: [&str; 5] = [
    "open a file",
    "open a file from a child",
    "connect a socket",
    "send to an address",
    "execute a program",
];
const FILE: &CStr = c"/dev/null";

/// Runs the probe; `counters` reads the run's counters.
pub(super) fn run(enroller: Enroller, counters: impl Fn() -> Result<Counters, Error>) -> Result<(), Error> {
    let system = |action| move |source| Error::System { action, source };
    let socket = UdpSocket::bind(("127.0.0.1", 0)).map_err(system("open a socket for the probe"))?;
    let target = socket.local_addr().map_err(system("open a socket for the probe"))?;
    let before = counters()?;
    let mut command = Command::new("/proc/self/exe");
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let fd = socket.as_raw_fd();
    let address = sockaddr(target.port());
    // SAFETY: between fork and exec only system calls are made; nothing is allocated and no lock is taken.
    unsafe { command.pre_exec(move || attempt_all(enroller, fd, &address)) };
    match command.spawn() {
        Ok(mut child) => {
            child.kill().and_then(|()| child.wait()).map_err(system("end the probe"))?;
            Err(Error::NotDenied(ATTEMPTS[4]))
        }
        Err(error) => match error.raw_os_error() {
            Some(libc::EEXIST) => Err(Error::Within),
            Some(libc::EPERM) => confirm(&before, &counters()?),
            Some(number) if number >= ALLOWED => {
                let attempt = ATTEMPTS.get((number - ALLOWED) as usize).copied();
                Err(Error::NotDenied(attempt.unwrap_or("do something")))
            }
            _ => Err(Error::System { action: "run the probe", source: error }),
        },
    }
}

/// The programs' own count must agree: another security module could have said no.
fn confirm(before: &Counters, after: &Counters) -> Result<(), Error> {
    for (kind, at_least) in [(Kind::Read, 2), (Kind::Connect, 2), (Kind::Exec, 1)] {
        let counted = after.denied[kind as usize] - before.denied[kind as usize];
        if counted < at_least {
            return Err(Error::NotOurs(format!("{counted} of {at_least} {} denials counted", kind.name())));
        }
    }
    Ok(())
}

/// In the child: enrols, then tries everything but the exec, which follows.
fn attempt_all(enroller: Enroller, socket: i32, address: &libc::sockaddr_in) -> io::Result<()> {
    if !can_open() {
        return Err(io::Error::last_os_error()); // Without a positive control the probe would prove nothing.
    }
    enroller.enrol(STAGE_PROBE, 0)?;
    let pointer = std::ptr::from_ref(address).cast::<libc::sockaddr>();
    let len = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    // SAFETY: plain system calls with valid arguments.
    let allowed = unsafe {
        [
            can_open(),
            child_can_open(),
            libc::connect(socket, pointer, len) == 0,
            libc::sendto(socket, FILE.as_ptr().cast(), 1, libc::MSG_DONTWAIT, pointer, len) >= 0,
        ]
    };
    match allowed.iter().position(|&allowed| allowed) {
        Some(index) => Err(io::Error::from_raw_os_error(ALLOWED + index as i32)),
        None => Ok(()),
    }
}

/// Whether a file that anyone may read can be opened.
fn can_open() -> bool {
    // SAFETY: a plain system call on a constant path; the descriptor is ours to close.
    unsafe {
        let fd = libc::open(FILE.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        fd >= 0 && libc::close(fd) == 0
    }
}

/// Whether a child of this process can open it: inheritance failed if so. A child that cannot be made or waited for
/// proves nothing, hence counts as one that could.
fn child_can_open() -> bool {
    // SAFETY: the child makes system calls only and leaves by `_exit`; the parent waits for it.
    unsafe {
        match libc::fork() {
            -1 => true,
            0 => libc::_exit(i32::from(can_open())),
            child => {
                let mut status = -1;
                libc::waitpid(child, &raw mut status, 0) != child || status != 0
            }
        }
    }
}

/// A loopback address.
fn sockaddr(port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes([127, 0, 0, 1]) },
        sin_zero: [0; 8],
    }
}
