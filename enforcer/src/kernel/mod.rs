// SPDX-License-Identifier: MIT OR Apache-2.0

//! The kernel half as userspace sees it: finding offsets, loading and attaching the programs, proving that they
//! deny, pinning them, and reading what they report.

mod attach;
mod btf;
pub mod cgroup;
mod charger;
pub mod connection;
mod enforcement;
mod enroller;
mod error;
mod fill;
pub mod hooks;
mod lock;
mod offsets;
mod pins;
mod place;
mod probe;
mod programs;
pub mod service;
mod survey;
mod sys;

pub use charger::Charger;
pub use enforcement::{ACTIVE_LSMS, EgressMaps, Enforcement, Mode, Remaining, Rings, Setup};
pub use enroller::Enroller;
pub use error::Error;
pub use service::Service;
pub use survey::{missing_hooks, offsets, other_programs};
