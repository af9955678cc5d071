// SPDX-License-Identifier: MIT OR Apache-2.0

//! Texts that show a difference to people.

use std::fmt;

use enforcer_common::Kind;

use super::places::Place;

/// A text of which something is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    pub(super) place: Place,
    /// The text as the kernel would report it.
    pub(super) text: Vec<u8>,
    pub(super) kind: Kind,
    pub(super) shown: String,
}

/// `/usr/bin/curl`, `${workspace}/x`, `~/.npmrc`, `192.0.2.1:443 tcp`.
impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}
