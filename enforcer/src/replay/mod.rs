// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a profile would have decided about recorded runs, by the same `decide()`.
//!
//! Asked about the profile that made a recording, what a decision was made from is taken from the recording as it is:
//! the stage of the process, and whether a name had opened an address. Every verdict then comes out as it was, with reason
//! and rule. Asked about another profile, both are worked out: a process enters the stages of that profile by the execs
//! that are recorded, and the names that were looked up open what that profile's rules name, for as long as the
//! answers were good.
//!
//! What no profile decides stays as it is recorded: what the kernel could not name, questions sent to the resolver, and
//! denials by a budget. So a budget of another profile denies nothing in a replay; [`Tally`] has the numbers that
//! a recording can tell of it.

mod attempts;
mod grants;
mod judge;
mod own;
pub(crate) mod places;
mod tally;
#[cfg(test)]
mod tests;
mod whole;

pub use judge::{Answer, Judge};
pub use own::Own;
pub use tally::{Finding, Tally};
pub use whole::{Question, replay, replay_from};
