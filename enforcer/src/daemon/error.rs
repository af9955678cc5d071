// SPDX-License-Identifier: MIT OR Apache-2.0

//! Why the service could not begin.

use std::{io, path::PathBuf};

use crate::{evidence, kernel, profile, profile::selection};

/// Why the service could not begin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel half.
    #[error(transparent)]
    Kernel(#[from] kernel::Error),
    /// A profile.
    #[error("a profile cannot be used\n{}", .0.render(false).trim_end())]
    Profile(#[from] profile::Error),
    /// What profiles select.
    #[error(transparent)]
    Selection(#[from] selection::Error),
    /// The evidence log.
    #[error(transparent)]
    Evidence(#[from] evidence::Error),
    /// A directory or file.
    #[error("failed to {action} {path}: {source}", path = .path.display())]
    File {
        /// What was attempted.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// Two profiles have one name.
    #[error("{first} and {second} both are the profile {name:?}; rename one of them")]
    Twice {
        /// The name.
        name: String,
        /// The one file.
        first: String,
        /// The other.
        second: String,
    },
    /// Somebody asked for a profile that is not loaded.
    #[error("the service has no profile {name:?}; it has: {known}")]
    NoProfile {
        /// What was asked for.
        name: String,
        /// What could have been.
        known: String,
    },
    /// Somebody asked twice.
    #[error("this process waits for a run already")]
    Claimed,
    /// Somebody has asked for very many.
    #[error("{limit} processes of this user wait for runs already; try again when some have begun")]
    Claims {
        /// As many as may.
        limit: usize,
    },
    /// Who asked is not there any more.
    #[error("the process that has asked has ended, or is another user's: {source}")]
    NoClaimant {
        /// What was seen.
        source: io::Error,
    },
    /// The service would listen where runs may come.
    #[error("{} does not lie in /run/enforcer, from which runs are kept away: sockets of the service are made there", .path.display())]
    Elsewhere {
        /// The place.
        path: PathBuf,
    },
    /// A system call.
    #[error("failed to {action}: {source}")]
    System {
        /// What was attempted.
        action: &'static str,
        /// What went wrong.
        source: io::Error,
    },
}

impl Error {
    /// The error of an action.
    pub(super) fn system(action: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::System { action, source }
    }

    /// The error of an action on a file.
    pub(super) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}
