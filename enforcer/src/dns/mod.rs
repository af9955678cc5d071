// SPDX-License-Identifier: MIT OR Apache-2.0

//! Names: what this machine is configured to do about them, and where they must not lead.

pub mod hosts;
pub mod resolv;
pub mod special;
