// SPDX-License-Identifier: MIT OR Apache-2.0

//! Attempts on files and programs.

use std::{
    ffi::CString,
    fs::{self, File},
    io::{self, Write as _},
    os::{
        fd::{AsRawFd as _, FromRawFd as _},
        unix::process::CommandExt as _,
    },
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

/// Opens for reading.
pub(crate) fn read(path: &Path) -> io::Result<()> {
    File::open(path).map(drop)
}

/// Nanoseconds of one open and close, in the best of ten rounds.
pub(crate) fn cost(path: &Path, times: u32) -> io::Result<u64> {
    let path = CString::new(path.as_os_str().as_encoded_bytes())?;
    let mut best = u64::MAX;
    for _ in 0..10 {
        let start = Instant::now();
        for _ in 0..times {
            // SAFETY: a valid path; the descriptor is ours.
            unsafe {
                match libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) {
                    -1 => return Err(io::Error::last_os_error()),
                    fd => libc::close(fd),
                };
            }
        }
        best = best.min(start.elapsed().as_nanos() as u64 / u64::from(times.max(1)));
    }
    Ok(best)
}

/// Opens for writing.
pub(crate) fn write(path: &Path) -> io::Result<()> {
    File::options().append(true).create(true).open(path).map(drop)
}

/// Opens a file whose path is longer than the kernel can be asked for by name: one directory after the other.
pub(crate) fn deep(base: &Path) -> io::Result<()> {
    let name = "d".repeat(250);
    std::env::set_current_dir(base)?;
    for _ in 0..20 {
        match fs::create_dir(&name) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => std::env::set_current_dir(&name)?,
        }
    }
    File::options().append(true).create(true).open("file").map(drop)
}

/// Executes, and waits for the end.
pub(crate) fn exec(program: &Path) -> io::Result<()> {
    Command::new(program).stdin(Stdio::null()).output().map(drop)
}

/// Executes a fresh attack program that opens a file for reading, and returns how that ended.
pub(crate) fn respawn(program: &Path, path: &Path) -> io::Result<()> {
    let output = Command::new(program).arg("read").arg(path).stdin(Stdio::null()).output()?;
    match String::from_utf8_lossy(&output.stdout).contains("\"denied\": 1") {
        true => Err(io::Error::from_raw_os_error(libc::EPERM)),
        false => Ok(()),
    }
}

/// Executes a copy in memory, by way of its descriptor.
pub(crate) fn memfd(program: &Path) -> io::Result<()> {
    let name = CString::new("copy")?;
    // SAFETY: a valid name; the descriptor returned is ours.
    let fd = unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just opened, owned by nobody else.
    let mut file = unsafe { File::from_raw_fd(fd) };
    file.write_all(&fs::read(program)?)?;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let mut command = Command::new(&path);
    // SAFETY: only a system call between fork and exec.
    unsafe {
        command.pre_exec(move || match libc::fcntl(fd, libc::F_SETFD, 0) {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        })
    };
    command.stdin(Stdio::null()).output().map(drop)
}
