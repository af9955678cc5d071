// SPDX-License-Identifier: MIT OR Apache-2.0

//! The profile that made a recording, from the recording.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use crate::{
    profile::{Compiled, Date, Text},
    recording::format::Header,
};

/// Compiled profiles that are kept: recordings of one place have few.
const KEPT: usize = 32;

/// Profiles that made recordings.
#[derive(Debug, Default)]
pub struct Own(Mutex<HashMap<String, Arc<Compiled>>>);

impl Own {
    /// The profile that made a recording.
    ///
    /// # Errors
    ///
    /// It does not come out of the text that is in the recording: it extends something that has changed, or is not there.
    pub fn of(&self, header: &Header) -> Result<Arc<Compiled>, String> {
        let sha256 = &header.profile.sha256;
        let kept = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = kept().get(sha256) {
            return Ok(Arc::clone(found));
        }
        // The exceptions that applied then.
        let started = humantime::parse_rfc3339(&header.started).unwrap_or(SystemTime::UNIX_EPOCH);
        let text = Text::new(&header.profile.file, header.profile.text.clone());
        let other = "name a profile with --profile";
        let compiled = Compiled::on(&text, Date::of(started)).map_err(|error| {
            let first = error.to_string();
            let first = crate::report::escape::escape(first.lines().next().unwrap_or_default().as_bytes());
            format!("its profile cannot be compiled again: {first}; {other}")
        })?;
        if compiled.digest_text() != *sha256 {
            return Err(format!(
                "its profile compiles to something else now, because of what it extends, or of another version of \
                 enforcer; {other}"
            ));
        }
        let mut kept = kept();
        if kept.len() >= KEPT {
            kept.clear();
        }
        Ok(Arc::clone(kept.entry(sha256.clone()).or_insert_with(|| Arc::new(compiled))))
    }
}
