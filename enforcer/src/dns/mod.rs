// SPDX-License-Identifier: MIT OR Apache-2.0

//! Names: the packets that clients ask about them in, what this machine is configured to do about them, and where
//! they must not lead.

mod handle;
pub mod hosts;
mod name;
mod policy;
mod query;
mod reply;
pub mod resolv;
pub mod special;

pub use handle::{Handled, Question, handle_packet};
pub use policy::{Judgement, Policy, Refusal, Transport};
pub use query::Query;
