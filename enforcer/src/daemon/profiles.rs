// SPDX-License-Identifier: MIT OR Apache-2.0

//! The profiles of the machine: all of a directory, read together or not at all.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use super::Error;
use crate::profile::{self, Compiled, Text};

/// A profile that was read.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) text: Arc<Text>,
    pub(super) compiled: Compiled,
}

/// What a directory looks like: the profiles in it, and when they were last changed.
pub(super) type Look = Vec<(PathBuf, Option<SystemTime>, u64)>;

/// Looks at a directory.
pub(super) fn look(directory: &Path) -> Result<Look, Error> {
    let entries = fs::read_dir(directory).map_err(Error::file("read", directory))?;
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::file("read", directory))?;
        let path = entry.path();
        if !path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            continue;
        }
        // Links are followed: a profile may be one.
        let about = fs::metadata(&path).map_err(Error::file("look at", &path))?;
        if about.is_file() {
            found.push((path, about.modified().ok(), about.len()));
        }
    }
    found.sort();
    Ok(found)
}

/// Reads and compiles all of them.
///
/// Sets beside the profiles are none: a file without stages is a fault like any other.
pub(super) fn read(look: &Look) -> Result<Vec<Arc<Loaded>>, Error> {
    let mut profiles: Vec<Arc<Loaded>> = Vec::new();
    for (path, ..) in look {
        let text = profile::find(&path.to_string_lossy())?;
        let compiled = Compiled::new(&text)?;
        if let Some(other) = profiles.iter().find(|other| other.compiled.name == compiled.name) {
            return Err(Error::Twice {
                name: compiled.name,
                first: other.compiled.source.to_string(),
                second: compiled.source.to_string(),
            });
        }
        profiles.push(Arc::new(Loaded { text, compiled }));
    }
    Ok(profiles)
}
