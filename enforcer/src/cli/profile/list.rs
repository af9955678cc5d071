// SPDX-License-Identifier: MIT OR Apache-2.0

//! `enforcer profile list`.

use super::Output;
use crate::{
    exit::Exit,
    profile::{Compiled, available, find},
    report::table::columns,
};

/// List the profiles that can be named, and where each comes from.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

/// Lists them.
pub(super) fn main(_: &Args, output: Output) -> Exit {
    let row = |name: String| {
        let (place, description) = match find(&name) {
            Ok(text) => {
                let compiled = Compiled::new(&text);
                let described = compiled.map(|profile| profile.description);
                let broken = |_| format!("has errors: enforcer profile check {name}");
                (text.name().to_owned(), described.unwrap_or_else(broken))
            }
            Err(error) => ("cannot be read".to_owned(), error.to_string()),
        };
        vec![name, place, description]
    };
    output.page().print(&columns(&available().into_iter().map(row).collect::<Vec<_>>()));
    Exit::SUCCESS
}
