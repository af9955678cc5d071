// SPDX-License-Identifier: MIT OR Apache-2.0

//! Names that a run looks up: where its questions are sent instead, and who asked.
//!
//! Whatever server a task of a run addresses on [`DNS`], the packet goes to the resolver of the run, on the loopback.
//! The resolver sees only the port that it came from; the kernel tells whose port that is.

/// The port of name servers.
pub const DNS: u16 = 53;

/// A port of the loopback that a task of the run sends questions from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Port {
    /// The port, host order.
    pub number: u16,
    /// [`crate::address::Protocol::letter`], then 0.
    pub protocol: [u8; 2],
}

/// Who sent the last question from a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Asker {
    /// The program image of the task.
    pub image: u64,
    /// The run.
    pub run: u32,
    /// The process.
    pub tgid: u32,
    /// The thread.
    pub tid: u32,
    /// The stage that the task was in.
    pub stage: u32,
}

/// What `charge` is given: whose lookup was refused.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Charge {
    /// The run, as wide as the kernel passes it.
    pub run: u64,
    /// The program image of the task that asked.
    pub image: u64,
}

const _: () = assert!(size_of::<Port>() == 4 && size_of::<Asker>() == 24);
