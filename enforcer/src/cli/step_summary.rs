// SPDX-License-Identifier: MIT OR Apache-2.0

//! The summary of a job's step, which GitHub's runners take from a file that they name.

use std::{
    env, fs,
    io::{self, Write as _},
    path::PathBuf,
};

/// The variable that names the file.
pub(super) const VARIABLE: &str = "GITHUB_STEP_SUMMARY";
/// The largest summary of a step that is taken.
const LARGEST: u64 = 1 << 20;

/// The file of this step.
pub(super) struct StepSummary {
    path: PathBuf,
}

impl StepSummary {
    /// If there is one.
    pub(super) fn of_this_step() -> Option<Self> {
        env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(|path| Self { path: path.into() })
    }

    /// Bytes that it has room for.
    pub(super) fn room(&self) -> usize {
        let taken = fs::metadata(&self.path).map_or(0, |found| found.len());
        usize::try_from(LARGEST.saturating_sub(taken + 1)).unwrap_or(0)
    }

    /// Adds to it.
    pub(super) fn append(&self, markdown: &str) -> io::Result<()> {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(&self.path)?;
        file.write_all(format!("\n{markdown}").as_bytes())
    }
}
