// SPDX-License-Identifier: MIT OR Apache-2.0

//! libFuzzer's way into [`enforcer_fuzz::dns::target`].

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| enforcer_fuzz::dns::target(input));
