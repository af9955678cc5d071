// SPDX-License-Identifier: MIT OR Apache-2.0

//! The enforcer as a library; the binary is a thin layer over it.
pub mod kernel;

pub mod profile;
