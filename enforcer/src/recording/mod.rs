// SPDX-License-Identifier: MIT OR Apache-2.0

//! Recordings: every decision that was made about a run, with what it was made from.
//!
//! A recording is JSON Lines, compressed with zstd if its name ends with `.zst`. It holds what `decide()` needs, so that
//! [`crate::replay`] can ask any profile about it; who did it, down to package and script; and what was lost.
//! The lines are those of [`format`]; people read of them in `enforcer/RECORDINGS.md`.

pub mod format;
pub mod mask;
pub mod reader;
pub(crate) mod recorder;
pub mod writer;

pub use reader::{Fault, Reader, Record};
pub use recorder::{Facts, Recorder};
pub use writer::Writer;
