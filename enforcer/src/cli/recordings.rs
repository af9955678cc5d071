// SPDX-License-Identifier: MIT OR Apache-2.0

//! Recordings as they are named on the command line.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The recordings among files and below directories, in order.
pub(super) fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for path in paths {
        let failed = |error: io::Error| format!("{} cannot be read: {error}", shown(path));
        if fs::metadata(path).map_err(failed)?.is_dir() {
            below(path, &mut files).map_err(failed)?;
        } else {
            files.push(path.clone());
        }
    }
    if files.is_empty() {
        return Err(
            "there is no recording: in a directory their names end with .jsonl or .jsonl.zst".to_owned()
        );
    }
    Ok(files)
}

fn below(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut entries = fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        // Of the entry itself: links to directories are not followed, so that there is an end.
        let (kind, path) = (entry.file_type()?, entry.path());
        let name = entry.file_name().to_string_lossy().into_owned();
        if kind.is_dir() {
            below(&path, files)?;
        } else if name.ends_with(".jsonl") || name.ends_with(".jsonl.zst") {
            files.push(path);
        }
    }
    Ok(())
}

/// A path, fit for a terminal.
pub(super) fn shown(path: &Path) -> String {
    crate::report::escape::escape(path.as_os_str().as_encoded_bytes())
}
