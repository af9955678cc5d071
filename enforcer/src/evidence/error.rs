// SPDX-License-Identifier: MIT OR Apache-2.0

//! Why there is no evidence.

use std::{
    io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use crate::report::escape::escape;

/// Why there is no evidence. Each message says how to mend it, where that can be known.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system said no.
    #[error("failed to {action} {}: {source}", shown(.path))]
    Io {
        /// The file.
        path: PathBuf,
        /// What was attempted.
        action: &'static str,
        /// What went wrong.
        source: io::Error,
    },
    /// Others could change it.
    #[error("{} cannot be relied on: {why}", shown(.path))]
    Unsafe {
        /// The file, or a directory above it.
        path: PathBuf,
        /// Why.
        why: &'static str,
    },
    /// No key.
    #[error("{} has no ed25519 key in PEM: {reason}", shown(.path))]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Its last line is not as it was written.
    #[error(
        "the last line of the evidence log {} is not as it was written, nothing is added to it; \
         `enforcer evidence verify` says more; move it away to begin another",
        shown(.path)
    )]
    Damaged {
        /// The log.
        path: PathBuf,
    },
    /// Somebody holds it.
    #[error("the evidence log {} has been locked by another process for {seconds} seconds", shown(.path))]
    Locked {
        /// The log.
        path: PathBuf,
        /// For how long we waited.
        seconds: u64,
    },
    /// A line cannot be written.
    #[error("an entry for the evidence log {} cannot be written: {reason}", shown(.path))]
    Entry {
        /// The log.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// There is nothing in it.
    #[error("the evidence log {} is empty", shown(.path))]
    Empty {
        /// The log.
        path: PathBuf,
    },
}

impl Error {
    pub(super) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, action, source }
    }

    pub(super) fn unsafe_path(path: &Path, why: &'static str) -> Self {
        Self::Unsafe { path: path.to_owned(), why }
    }
}

fn shown(path: &Path) -> String {
    escape(path.as_os_str().as_bytes())
}
