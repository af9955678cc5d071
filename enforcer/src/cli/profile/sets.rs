// SPDX-License-Identifier: MIT OR Apache-2.0

//! `enforcer profile sets`.

use serde_json::json;

use super::{Output, refuse, wrong};
use crate::{
    exit::Exit,
    profile::sets::{Set, Sets},
    report::table::columns,
};

/// List the sets of globs that profiles name with `@`, or what is in one.
///
/// The sets are part of the enforcer: the same name means the same globs on every machine.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The set to look into, with or without its `@`
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Answer with one JSON object
    #[arg(long)]
    json: bool,
}

/// Lists them, or what is in one.
pub(super) fn main(args: &Args, output: Output) -> Exit {
    let sets = match Sets::shipped() {
        Ok(sets) => sets,
        Err(error) => return refuse(&error, output),
    };
    let page = output.page();
    let object = |set: &Set| json!({ "name": set.name, "description": set.description, "paths": set.paths });
    let Some(name) = &args.name else {
        if args.json {
            page.json(&json!({ "sets": sets.iter().map(object).collect::<Vec<_>>() }));
            return Exit::SUCCESS;
        }
        let rows = sets.iter().map(|set| {
            let first =
                set.description.split_once(". ").map_or(set.description.trim_end_matches('.'), |s| s.0);
            vec![format!("@{}", set.name), first.to_owned()]
        });
        page.print(&columns(&rows.collect::<Vec<_>>()));
        return Exit::SUCCESS;
    };
    let name = name.trim_start_matches('@');
    let Some(set) = sets.iter().find(|set| set.name == name) else {
        let names: Vec<_> = sets.iter().map(|set| format!("@{}", set.name)).collect();
        return wrong(&format!("there is no set `@{name}`; there are: {}", names.join(", ")), output);
    };
    if args.json {
        page.json(&object(set));
        return Exit::SUCCESS;
    }
    let globs: String = set.paths.iter().map(|glob| format!("  {glob}\n")).collect();
    page.print(&format!("@{}: {}\n{globs}", set.name, set.description));
    Exit::SUCCESS
}
