// SPDX-License-Identifier: MIT OR Apache-2.0

//! `enforcer profile list`.

use serde_json::{Value, json};

use super::Output;
use crate::{
    exit::Exit,
    profile::{Compiled, available, find},
    report::table::columns,
};

/// List the profiles that can be named, and where each comes from.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Answer with one JSON object
    #[arg(long)]
    json: bool,
}

/// Lists them.
pub(super) fn main(args: &Args, output: Output) -> Exit {
    let page = output.page();
    if args.json {
        let profiles: Vec<Value> = available().into_iter().map(object).collect();
        page.json(&json!({ "profiles": profiles }));
        return Exit::SUCCESS;
    }
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
    page.print(&columns(&available().into_iter().map(row).collect::<Vec<_>>()));
    Exit::SUCCESS
}

/// What programs are told of a profile.
fn object(name: String) -> Value {
    let found = find(&name);
    let file = found.as_ref().ok().map(|text| text.name().to_owned());
    match found.and_then(|text| Compiled::new(&text)) {
        Ok(profile) => json!({
            "name": name,
            "file": file,
            "description": profile.description,
            "owner": profile.owner,
            "sha256": profile.digest_text(),
        }),
        Err(error) => json!({ "name": name, "file": file, "error": error.to_string() }),
    }
}
