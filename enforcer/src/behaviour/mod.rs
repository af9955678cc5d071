// SPDX-License-Identifier: MIT OR Apache-2.0

//! What recorded runs did, so that two of them can be compared: who did what, without what differs from one run to the
//! next although nothing has changed, such as process ids, the names of temporary files, hashes and versions.

mod collect;
pub(crate) mod general;

pub use collect::{Action, Actor, Behaviour, Seen, collect};
