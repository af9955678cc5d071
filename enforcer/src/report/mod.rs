// SPDX-License-Identifier: MIT OR Apache-2.0

//! What people and programs are told of a run.

pub mod denial;
pub mod escape;
pub mod fold;
pub mod host;
mod journal;
pub mod json;
pub mod legend;
pub mod line;
pub mod number;
pub mod page;
pub mod problems;
pub mod reporter;
pub mod sarif;
pub mod suggest;
pub mod summary;
pub mod table;
pub mod target;
pub mod terminal;

pub use denial::Denial;
pub use legend::Legend;
pub use reporter::{Ending, Reporter};
