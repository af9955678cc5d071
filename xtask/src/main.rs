// SPDX-License-Identifier: MIT OR Apache-2.0

//! Everything a contributor types.

fn main() {}
