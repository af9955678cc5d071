// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the kernel programs and userspace share: the wire layouts of the maps and the ring buffers, the layout of
//! a compiled profile, and [`decide()`], the one place where a verdict is made.
//!
//! No I/O, no allocation, no dependencies. The same source is compiled into the eBPF object and into the agent, so
//! that replay, `explain` and the tests cannot disagree with the kernel.

#![no_std]

#[cfg(test)]
extern crate std;

pub mod action;
pub mod address;
pub mod anchor;
pub mod argv;
pub mod budget;
pub mod decide;
pub mod escape;
pub mod event;
pub mod hello;
pub mod latency;
pub mod lookup;
pub mod offsets;
pub mod run;
pub mod select;
pub mod socket;
pub mod table;
pub mod tasks;
#[cfg(feature = "user")]
mod user;

pub use action::{Kind, Reason, Verdict};
pub use budget::Budget;
pub use decide::{Arguments, Decision, decide};
