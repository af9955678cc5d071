// SPDX-License-Identifier: MIT OR Apache-2.0

//! The `enforcer` command.

fn main() {}
