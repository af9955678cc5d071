// SPDX-License-Identifier: MIT OR Apache-2.0

//! The options of `run` and `record` about evidence.

use std::path::PathBuf;

/// What is to be left for others to check.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Evidence")]
pub(super) struct Proof {
    /// Add what happens to the evidence log FILE, usually /var/log/enforcer/evidence.jsonl; `enforcer evidence verify`
    /// says whether it is as it was written
    #[arg(long, value_name = "FILE", group = "proof")]
    pub(super) evidence: Option<PathBuf>,
    /// Write an in-toto statement about the products of the run to FILE, if COMMAND succeeds
    #[arg(long, value_name = "FILE", group = "proof", requires = "product")]
    pub(super) attest: Option<PathBuf>,
    /// A file that COMMAND makes, for --attest; may be given more than once
    #[arg(long, value_name = "FILE", requires = "attest")]
    pub(super) product: Vec<PathBuf>,
    /// Sign evidence and statement with this key (`enforcer evidence keygen`)
    #[arg(long, value_name = "KEY", requires = "proof")]
    pub(super) sign: Option<PathBuf>,
}
