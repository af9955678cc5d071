// SPDX-License-Identifier: MIT OR Apache-2.0

//! `enforcer compare`.

use std::{collections::BTreeSet, path::PathBuf};

use serde_json::{Value, json};

use super::{output::Output, recordings};
use crate::{
    behaviour::{Action, Actor, Behaviour, Seen, collect},
    exit::{self, Exit},
    recording::Fault,
    report::{
        number::{counted, grouped},
        table::columns,
        terminal::Terminal,
    },
};

/// Each paragraph is one line: clap wraps it to the terminal's width.
const EXAMPLES: &str = "\
Examples:
  enforcer compare before.jsonl.zst -- after.jsonl.zst
      What does this install do that the other one did not?
  enforcer compare good/ -- today.jsonl.zst
      What is new today, against all recordings of a directory? The exit status is for a pipeline.

What is new:
  what a script of a package, or the command itself, attempted in NEW and not in OLD, denied or not: programs, files, \
  addresses, names, sockets. The version of the package does not count, nor do process ids, temporary names, hashes and \
  numbers in paths, which files of node_modules, of ~/.npm and of the system's libraries were opened, and addresses \
  that names led to.";

/// Say what recorded runs do that others did not, by package and script.
#[derive(Debug, clap::Args)]
#[command(override_usage = "enforcer compare [OPTIONS] OLD... -- NEW...")]
#[command(after_long_help = format!("{EXAMPLES}\n\n{}", exit::COMPARE_TABLE))]
#[command(after_help = "Examples and exit statuses: enforcer compare --help")]
pub struct Args {
    /// Answer with one JSON object
    #[arg(long)]
    json: bool,
    /// Recordings, or directories of recordings (*.jsonl, *.jsonl.zst)
    #[arg(value_name = "OLD", required = true)]
    old: Vec<PathBuf>,
    /// The same; what is new in these is shown
    #[arg(value_name = "NEW", required = true, last = true)]
    new: Vec<PathBuf>,
}

/// Compares.
pub(super) fn main(args: &Args, output: Output) -> Exit {
    let terminal = Terminal::stderr(output.color(), output.verbosity());
    let read = |paths: &[PathBuf]| {
        let files = recordings::files(paths).map_err(|error| terminal.failure(&error))?;
        let failed = |(path, fault): (PathBuf, Fault)| {
            terminal.failure(&format!("{}: {fault}", recordings::shown(&path)))
        };
        collect(&files).map_err(failed)
    };
    let (Ok(old), Ok(new)) = (read(&args.old), read(&args.new)) else { return Exit::Usage };
    for (behaviour, which) in [(&old, "old"), (&new, "new")] {
        if behaviour.lost > 0 {
            let lost = counted(behaviour.lost, "event");
            terminal.warning(&format!(
                "the {which} recordings lost {lost}: what is said below may be incomplete"
            ));
        }
        if behaviour.further > 0 {
            terminal.warning(&format!("the {which} recordings have more actions than can be compared"));
        }
        for path in &behaviour.cut {
            let shown = recordings::shown(path);
            terminal.warning(&format!("{shown} was cut off: it is read up to its last whole line"));
        }
    }
    let news: Vec<_> = new.actions.iter().filter(|(key, _)| !old.actions.contains_key(*key)).collect();
    let page = output.page();
    if args.json {
        page.json(&object(&old, &new, &news));
    } else {
        page.print(&text(&old, &new, &news));
    }
    if news.is_empty() { Exit::SUCCESS } else { Exit::Failed }
}

type News<'a> = [(&'a (Actor, Action), &'a Seen)];

/// For people.
fn text(old: &Behaviour, new: &Behaviour, news: &News<'_>) -> String {
    let count = |behaviour: &Behaviour| counted(behaviour.recordings, "recording");
    if news.is_empty() {
        return format!("nothing new in {} against {}\n", count(new), count(old));
    }
    let mut out =
        format!("{} in {} against {}\n", counted(news.len() as u64, "new action"), count(new), count(old));
    let known: BTreeSet<_> = old.actions.keys().map(|(actor, _)| actor).collect();
    let actors: BTreeSet<_> = news.iter().map(|((actor, _), _)| actor).collect();
    for actor in actors {
        let theirs = news.iter().filter(|((of, _), _)| of == actor);
        let version = theirs.clone().map(|(_, seen)| seen.version.as_str()).next().unwrap_or_default();
        out += &format!("\n{}", name(actor, version));
        if !known.contains(actor) {
            out += "  (not seen before)";
        }
        out.push('\n');
        let row = |((_, action), seen): &(&(Actor, Action), &Seen)| {
            let denied = match seen.denied {
                0 => String::new(),
                denied if denied == seen.events => "denied".to_owned(),
                denied => format!("{} denied", grouped(denied)),
            };
            vec![action.kind.to_owned(), action.target.clone(), grouped(seen.events), denied]
        };
        out += &columns(&theirs.map(row).collect::<Vec<_>>());
    }
    out
}

fn name(actor: &Actor, version: &str) -> String {
    match actor {
        Actor::Package { name, script } if version.is_empty() => format!("{name} {script}"),
        Actor::Package { name, script } => format!("{name}@{version} {script}"),
        Actor::Outside => "outside any package".to_owned(),
        Actor::Unknown => "unknown package".to_owned(),
    }
}

/// For programs.
fn object(old: &Behaviour, new: &Behaviour, news: &News<'_>) -> Value {
    let known: BTreeSet<_> = old.actions.keys().map(|(actor, _)| actor).collect();
    let of = |behaviour: &Behaviour| {
        let cut = behaviour.cut.iter().map(|path| recordings::shown(path));
        json!({ "recordings": behaviour.recordings, "lost": behaviour.lost, "cut": cut.collect::<Vec<_>>() })
    };
    let one = |((actor, action), seen): &(&(Actor, Action), &Seen)| {
        let (package, script) = match actor {
            Actor::Package { name, script } => (Some(name), Some(script)),
            Actor::Outside | Actor::Unknown => (None, None),
        };
        json!({
            "attribution": match actor {
                Actor::Package { .. } => "package",
                Actor::Outside => "outside",
                Actor::Unknown => "unknown",
            },
            "package": package,
            "version": package.map(|_| &seen.version),
            "script": script,
            "seen_before": known.contains(actor),
            "action": action.kind,
            "target": action.target,
            "example": seen.example,
            "events": seen.events,
            "denied": seen.denied,
        })
    };
    json!({ "old": of(old), "new": of(new), "news": news.iter().map(one).collect::<Vec<_>>() })
}
