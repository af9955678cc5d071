// SPDX-License-Identifier: MIT OR Apache-2.0

//! Budgets: how much a run may do before it is tripped.

use crate::action::wire_enum;

wire_enum! {
    /// What is counted against a limit.
    Budget {
        /// Processes started, threads not among them.
        Processes = 0 => "processes",
        /// Different files opened for reading.
        FilesRead = 1 => "files_read",
        /// Different files opened for writing.
        FilesWritten = 2 => "files_written",
        /// Connections, and messages sent without one.
        Connections = 3 => "connections",
        /// Denials.
        Denials = 4 => "denials",
    }
}

/// A file that a run has opened: what makes two opens one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct FileKey {
    /// The inode's number.
    pub inode: u64,
    /// The file system's device.
    pub device: u32,
    /// The [`Budget`] that it was charged to.
    pub budget: u32,
}

const _: () = assert!(size_of::<FileKey>() == 16);

/// Room for budgets.
pub const BUDGETS: usize = 8;
/// What a run is tripped by when somebody ends it (see [`crate::run::Counters::tripped`]).
pub const HALTED: u64 = 0xff;
/// The limit of what is not limited.
pub const UNLIMITED: u64 = u64::MAX;
/// The highest limit for different files: the kernel remembers that many for a run.
pub const FILES_MAX: u64 = 1 << 20;
