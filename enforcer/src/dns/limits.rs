// SPDX-License-Identifier: MIT OR Apache-2.0

//! How much of everything, and what was over it.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// What bounds the resolver. Tests have their own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Lookups under way at a time. Each has a socket, and processes are commonly allowed 1,024 files.
    pub(super) lookups: usize,
    /// TCP connections at a time.
    pub(super) connections: usize,
    /// How long a connection may take to bring a whole query, or to take a whole answer.
    pub(super) idle: Duration,
    /// How long a name server has for an answer.
    pub(super) attempt: Duration,
    /// How long a lookup may take in all. Clients commonly ask again after five seconds.
    pub(super) lookup: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            lookups: 512,
            connections: 64,
            idle: Duration::from_secs(10),
            attempt: Duration::from_secs(2),
            lookup: Duration::from_secs(6),
        }
    }
}

/// Lookups of allowed names that got no answer, by the reason.
#[derive(Debug, Default)]
pub struct Counts {
    overloaded: AtomicU64,
    unanswered: AtomicU64,
    ungranted: AtomicU64,
}

impl Counts {
    /// Too many were under way.
    #[must_use]
    pub fn overloaded(&self) -> u64 {
        self.overloaded.load(Ordering::Relaxed)
    }

    /// No name server gave an answer that can be used.
    #[must_use]
    pub fn unanswered(&self) -> u64 {
        self.unanswered.load(Ordering::Relaxed)
    }

    /// An address could not be granted.
    #[must_use]
    pub fn ungranted(&self) -> u64 {
        self.ungranted.load(Ordering::Relaxed)
    }

    pub(super) fn count_overloaded(&self) {
        self.overloaded.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_unanswered(&self) {
        self.unanswered.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_ungranted(&self) {
        self.ungranted.fetch_add(1, Ordering::Relaxed);
    }
}
