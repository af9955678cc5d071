// SPDX-License-Identifier: MIT OR Apache-2.0

//! Many attempts in one call, each in a process of its own.

use std::io;

use clap::Parser as _;

use crate::{Cli, attempt};

/// Tries each, and prints the numbers of their errors: 0 for what was allowed.
pub(crate) fn run(lines: &[String]) -> anyhow::Result<()> {
    let mut numbers = Vec::new();
    for line in lines {
        let cli = Cli::try_parse_from([""].into_iter().chain(line.split(' ')))?;
        let mut status = 0;
        // SAFETY: this program is single-threaded; the child leaves by `_exit`.
        let child = unsafe { libc::fork() };
        match child {
            -1 => return Err(io::Error::last_os_error().into()),
            0 => {
                let result = attempt(&cli.attempt, 1);
                let number = result.err().map_or(0, |error| error.raw_os_error().unwrap_or(OTHER));
                // SAFETY: ends the child without running the parent's destructors.
                unsafe { libc::_exit(number) };
            }
            // SAFETY: waits for the child, and there is room for its status.
            _ => unsafe { libc::waitpid(child, &raw mut status, 0) },
        };
        let number = if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { OTHER };
        numbers.push(number.to_string());
    }
    println!("{}", numbers.join(" "));
    Ok(())
}

/// An error without a number, or an end by a signal.
const OTHER: i32 = 255;
