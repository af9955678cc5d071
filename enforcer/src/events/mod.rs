// SPDX-License-Identifier: MIT OR Apache-2.0

//! What the kernel programs report: decoding their records, putting program images together, and finding out for
//! which package a process acts.

pub mod attribution;
pub mod decode;
pub mod image;
pub mod pump;
pub mod table;

pub use attribution::{Attribution, Package};
pub use decode::{Malformed, Record};
pub use pump::Pump;
pub use table::{Image, Images, Packages};
