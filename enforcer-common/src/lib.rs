// SPDX-License-Identifier: MIT OR Apache-2.0

//! Wire layouts and the decision function.
#![no_std]
