// SPDX-License-Identifier: MIT OR Apache-2.0

//! Problems of profiles as JSON.

use serde_json::{Value, json};

use crate::profile::Problem;

/// "error" or "warning".
#[must_use]
pub const fn severity(problem: &Problem) -> &'static str {
    if problem.code.is_warning() { "warning" } else { "error" }
}

/// A problem with its place: line and column from 1, the end behind the last character.
#[must_use]
pub fn problem(problem: &Problem) -> Value {
    let mut value = json!({
        "severity": severity(problem),
        "code": problem.code.as_str(),
        "message": problem.message,
        "help": problem.help,
    });
    if let Some(region) = region(problem) {
        value["file"] = region.file.into();
        value["line"] = region.begin.0.into();
        value["column"] = region.begin.1.into();
        value["end_line"] = region.end.0.into();
        value["end_column"] = region.end.1.into();
    }
    value
}

/// A piece of a file.
#[derive(Debug)]
pub struct Region<'a> {
    /// The file, as messages name it.
    pub file: &'a str,
    /// Line and column of its first character, from 1.
    pub begin: (u32, u32),
    /// Line and column behind its last character.
    pub end: (u32, u32),
}

/// Where a problem is.
#[must_use]
pub fn region(problem: &Problem) -> Option<Region<'_>> {
    let place = problem.place.as_ref()?;
    let position = |at| place.source.position(at);
    Some(Region {
        file: place.source.name(),
        begin: position(place.span.start),
        end: position(place.span.start + place.span.len),
    })
}
