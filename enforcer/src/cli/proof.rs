// SPDX-License-Identifier: MIT OR Apache-2.0

//! The options of `run` and `record` about evidence.

use std::path::PathBuf;

/// What is to be left for others to check.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(skip)]
#[command(group = clap::ArgGroup::new("proof").args(["evidence", "attest"]).multiple(true))]
pub(super) struct Proof {
    /// Add what happens to the evidence log FILE, usually /var/log/enforcer/evidence.jsonl; `enforcer evidence verify`
    /// says whether it is as it was written
    #[arg(long, help_heading = "Evidence", value_name = "FILE")]
    pub(super) evidence: Option<PathBuf>,
    /// Write an in-toto statement about the products of the run to FILE, if COMMAND succeeds
    #[arg(long, help_heading = "Evidence", value_name = "FILE", requires = "product")]
    pub(super) attest: Option<PathBuf>,
    /// A file that COMMAND makes, for --attest; may be given more than once
    #[arg(long, help_heading = "Evidence", value_name = "FILE", requires = "attest")]
    pub(super) product: Vec<PathBuf>,
    /// Sign evidence and statement with this key (`enforcer evidence keygen`)
    #[arg(long, help_heading = "Evidence", value_name = "KEY", requires = "proof")]
    pub(super) sign: Option<PathBuf>,
}
