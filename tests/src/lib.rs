// SPDX-License-Identifier: MIT OR Apache-2.0

//! Scenarios that run in a real kernel.
