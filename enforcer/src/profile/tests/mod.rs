// SPDX-License-Identifier: MIT OR Apache-2.0

//! Tests that need the whole of the compiler.

mod arguments;
mod check;
mod compare;
mod errors;
mod exceptions;
mod extends;
mod layout;
mod meaning;
mod naive;
mod network;
mod parts;
mod reach;
mod schema;
mod shipped;

use super::{Compiled, Text};

/// Compiles a profile that is expected to be right.
fn compile(text: &str) -> Compiled {
    Compiled::new(&Text::new("test.yaml", text.to_owned()))
        .unwrap_or_else(|error| panic!("{}\n{text}", error.render(false)))
}

/// A profile with one stage, and these lines in it.
fn stage(lines: &str) -> String {
    let lines: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    format!("version: 1\nname: test\nowner: team@example.com\nstages:\n  only:\n{lines}")
}
