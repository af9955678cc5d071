// SPDX-License-Identifier: MIT OR Apache-2.0

//! The `enforcer` command: a thin layer over the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    enforcer::cli::main(std::env::args_os()).into()
}
