// SPDX-License-Identifier: MIT OR Apache-2.0

//! Profiles: what the processes of a pipeline may do, from YAML to the table that the kernel walks.
//!
//! [`load`] is all that a caller needs: it finds a profile by name or path, reads it, and compiles it. What is
//! wrong with it comes back as an [`Error`] that knows every place.

pub mod address;
mod automaton;
pub mod check;
mod compare;
pub mod compile;
pub mod date;
mod decode;
pub mod diff;
pub mod difference;
pub mod document;
pub mod edges;
pub mod error;
pub mod example;
pub mod exception;
pub mod explain;
mod extends;
mod familiar;
pub mod find;
pub mod glob;
pub mod host;
mod keys;
mod layout;
mod lower;
mod matching;
mod minimize;
mod nfa;
mod parse;
mod places;
pub(crate) mod quote;
pub mod resolve;
pub mod schema;
pub mod select;
pub mod selection;
pub mod sets;
mod shape;
pub mod sockets;
#[cfg(test)]
mod tests;
mod uploads;
pub mod variables;
mod walk;

pub use address::PortRange;
pub use compile::{Compiled, HostRule, Rule, leads_to};
pub use date::Date;
pub use document::{Budgets, Effect, Mode, OnDenial, OnTrip, Respond, Tls};
pub use error::{Code, Error, Problem, Text};
pub use exception::Exception;
pub use find::{available, find};
pub use glob::ANCHOR_NAMES;
pub use host::{Host, Registry};
pub use resolve::Names;
pub use select::Select;
pub use selection::Selection;
pub use variables::Variable;

/// Finds and compiles the profile that `--profile` names.
///
/// # Errors
///
/// There is none of this name, or something is wrong with it.
pub fn load(value: &str) -> Result<Compiled, Error> {
    Compiled::new(&find(value)?)
}

/// Whether a rule can have this glob: for paths and programs, or for local sockets.
#[must_use]
pub(crate) fn is_glob(text: &str, kind: enforcer_common::Kind) -> bool {
    match kind {
        enforcer_common::Kind::Unix => glob::Glob::of_socket(text).is_ok(),
        kind => glob::Glob::parse(text).is_ok_and(|mut glob| {
            if kind == enforcer_common::Kind::Exec {
                glob.in_program_directories();
            }
            glob.check().is_ok()
        }),
    }
}
