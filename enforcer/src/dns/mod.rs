// SPDX-License-Identifier: MIT OR Apache-2.0

//! The resolver that a run's lookups are sent to, whichever server they were meant for.
//!
//! A packet is read and judged by [`handle_packet`], which does no I/O. Most are answered from that alone: names that
//! are not allowed never leave this machine, and neither does anything but the question for an address. What is
//! left is asked of the host's own name servers, in words of ours; from their answers only the chain of records that
//! leads from the question to addresses is taken. Each address is granted before the answer goes out, so whoever
//! reads the answer can connect.
//!
//! ```text
//! udp, tcp ─▶ handle_packet ─▶ refused, empty, faulty ───────────────────────────────▶ reply
//!                   └─▶ lookup ─▶ upstream ─▶ response ─▶ chain ─▶ special? ─▶ grant ─▶ reply
//! ```
//!
//! Nothing is cached: an answer would otherwise outlive what it says.

mod chain;
mod handle;
pub mod hosts;
mod limits;
mod lookup;
mod name;
mod policy;
mod query;
mod reply;
pub mod resolv;
mod resolver;
mod response;
mod sockets;
pub mod special;
mod stream;
mod tcp;
mod udp;
mod upstream;

#[cfg(test)]
mod tests;

pub use handle::{Handled, Question, handle_packet};
pub use limits::Counts;
pub use lookup::handle_answer;
pub use policy::{Judgement, Policy, Refusal, Transport};
pub use query::Query;
pub use resolver::Resolver;
