// SPDX-License-Identifier: MIT OR Apache-2.0

//! Local servers outside of any run, of all types and with names of all sorts.

use std::{
    fs,
    io::Read as _,
    os::{
        fd::{FromRawFd as _, OwnedFd},
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixDatagram, UnixListener},
    },
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// Counts who comes.
#[derive(Clone, Default)]
pub(crate) struct Visitors(Arc<AtomicU64>);

impl Visitors {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// A server of streams.
    pub(crate) fn streams(&self, server: UnixListener) {
        let count = Arc::clone(&self.0);
        thread::spawn(move || {
            for mut stream in server.incoming().flatten() {
                count.fetch_add(1, Ordering::SeqCst);
                let _ = stream.read(&mut [0; 8]);
            }
        });
    }

    /// A server of datagrams.
    pub(crate) fn datagrams(&self, server: UnixDatagram) {
        let count = Arc::clone(&self.0);
        thread::spawn(move || {
            while server.recv(&mut [0; 8]).is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
}

/// A server of streams or packets whose name has no NUL at its end.
pub(crate) fn exact(kind: i32, path: &str) -> UnixListener {
    let bytes = [&(libc::AF_UNIX as u16).to_ne_bytes()[..], path.as_bytes()].concat();
    // SAFETY: an address of that size; the descriptor is ours.
    unsafe {
        let fd = libc::socket(libc::AF_UNIX, kind | libc::SOCK_CLOEXEC, 0);
        assert_eq!(libc::bind(fd, bytes.as_ptr().cast(), bytes.len() as u32), 0);
        assert_eq!(libc::listen(fd, 8), 0);
        UnixListener::from(OwnedFd::from_raw_fd(fd))
    }
}

/// A server of streams with an abstract name.
pub(crate) fn abstracted(name: &[u8]) -> UnixListener {
    UnixListener::bind_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap()
}

/// Binds to a path that something else may have been bound to, and removes it again.
pub(crate) struct Bound<'path>(pub(crate) &'path Path);

impl<'path> Bound<'path> {
    pub(crate) fn new(path: &'path Path, visitors: &Visitors) -> Self {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(path);
        visitors.streams(UnixListener::bind(path).unwrap());
        Self(path)
    }
}

impl Drop for Bound<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.0);
    }
}
