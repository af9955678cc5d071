// SPDX-License-Identifier: MIT OR Apache-2.0

//! Recordings as they are named on the command line.

use std::{
    fs,
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
};

use indicatif::{ProgressBar, ProgressStyle};

use super::output::{Output, Verbosity};
use crate::report::{number::grouped, table::columns};

/// Findings that people are shown unless they want all.
pub(super) const SHOWN: usize = 40;

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

/// A bar for work on so many things, where somebody looks at it.
pub(super) fn progress(count: usize, things: &str, output: Output) -> ProgressBar {
    let looked_at = output.verbosity() >= Verbosity::Normal && io::stderr().is_terminal();
    let progress = match looked_at && count > 1 {
        true => ProgressBar::new(count as u64),
        false => ProgressBar::hidden(),
    };
    let style = ProgressStyle::with_template(&format!("{{wide_bar}} {{pos}}/{{len}} {things}, {{eta}} left"));
    style.map_or(progress.clone(), |style| progress.with_style(style))
}

/// A path, fit for a terminal.
pub(super) fn shown(path: &Path) -> String {
    crate::report::escape::escape(path.as_os_str().as_encoded_bytes())
}

/// Findings, so many of them at most, and where the others are to be had.
pub(super) fn findings(
    head: [&str; 6],
    rows: impl ExactSizeIterator<Item = Vec<String>>,
    most: usize,
    others: &str,
) -> String {
    let more = rows.len().saturating_sub(most);
    let head = head.map(str::to_owned).to_vec();
    let mut out = columns(&std::iter::once(head).chain(rows.take(most)).collect::<Vec<_>>());
    if more > 0 {
        out += &format!("  (and {} more: {others})\n", grouped(more as u64));
    }
    out
}
