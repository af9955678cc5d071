// SPDX-License-Identifier: MIT OR Apache-2.0

//! Egress by name: what a run may look up, and how its lookups open the addresses that they lead to.
//!
//! A rule names a host. The run's resolver (see [`crate::dns`]) answers for that name only, and before an answer goes
//! out its addresses are in the kernel's map, for the ports of the rule and until the answer is out of date. Names of
//! the system's file of hosts are never looked up; their addresses are there from the start.

mod destinations;
mod leases;
mod policy;
mod service;

pub(crate) use destinations::{Destinations, Way};
use leases::Leases;
pub(crate) use leases::{join, now};
pub(crate) use service::{Note, Service};
