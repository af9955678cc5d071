// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is fuzzed, as plain functions: `cargo xtask fuzz` feeds them from libFuzzer, and a test from the corpus.
//!
//! A target takes any bytes and panics if something is not as it must be.

pub mod dns;
pub mod hello;
pub mod input;
pub mod profile;
pub mod recording;
pub mod table;
pub mod verdicts;
pub mod watched;

/// A target by its name, which is that of its directory in `corpus/`.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 5] = [
    ("profile", profile::target),
    ("recording", recording::target),
    ("table", table::target),
    ("dns", dns::target),
    ("hello", hello::target),
];
