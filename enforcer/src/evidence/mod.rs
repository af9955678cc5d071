// SPDX-License-Identifier: MIT OR Apache-2.0

//! Evidence: a log that shows what was done to it, and statements about what runs made.
//!
//! The log is JSON Lines. Each line names the hash of the line before it and ends with its own, so that an edit, a gap or
//! another order is found, and named by line; signed, nobody without the key can write another. People read of it in
//! `enforcer/EVIDENCE.md`.

pub mod chain;
pub mod entry;
mod envelope;
mod error;
pub mod hash;
pub mod log;
pub mod sign;
pub mod statement;
mod tail;
pub mod trace;
pub mod trusted;
pub mod verify;

pub use entry::Entry;
pub use envelope::envelope;
pub use error::Error;
pub use hash::Hash;
pub use log::Log;
pub use sign::{Public, Signer};
pub use trace::Trace;

/// Where the log is, if nobody says otherwise.
pub const USUAL: &str = "/var/log/enforcer/evidence.jsonl";
