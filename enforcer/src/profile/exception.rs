// SPDX-License-Identifier: MIT OR Apache-2.0

//! Exceptions: what is allowed until a day, and who answers for that.

use super::date::Date;

/// An exception of a compiled profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Its name.
    pub id: String,
    /// The stage that it belongs to.
    pub stage: u8,
    /// The rule that it is while it applies.
    pub rule: Option<u16>,
    /// Why it is there.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// The day from which it no longer applies.
    pub expires: Date,
    /// Whether that day has come.
    pub expired: bool,
    /// The line that its id is in, from 1.
    pub line: u32,
}
