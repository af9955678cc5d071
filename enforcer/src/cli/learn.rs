// SPDX-License-Identifier: MIT OR Apache-2.0

//! `enforcer learn`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{
    output::Output,
    recordings::{self, SHOWN, findings, shown},
};
use crate::{
    exit::{self, Exit},
    learn::{Error, Learnt, Never, Options, learn, readings},
    report::{
        escape::escape,
        number::{counted, grouped},
        terminal::Terminal,
    },
};

/// Each paragraph is one line: clap wraps it to the terminal's width.
const EXAMPLES: &str = "\
Examples:
  sudo enforcer record -o first.jsonl.zst -- make
  enforcer learn first.jsonl.zst -o make.yaml
      A first profile for a command: record it, learn, read what was written, and `enforcer run --profile ./make.yaml`.
  enforcer learn recordings/ --base npm-install --name npm-here -o npm-here.yaml
      What `npm-install` lacks for these runs, as a profile that extends it.
  enforcer learn good/ | enforcer profile check /dev/stdin
      Learn from all recordings of a directory.

What is learnt:
  What the runs did, denied or not, with a comment that says which package or program needed it. Process ids, temporary \
  names, hashes and versions become stars, as for `compare`; directories of which much was written are named as a \
  whole; programs have their names, or a shipped set such as @coreutils where enough of it was executed. Hosts are exact, with \
  their ports; a registry of the user's is written as its variable; an address is named only where no name led there. \
  Reading is allowed but for what is denied. Budgets are twice what the largest run spent.

Stages:
  Those of --base; else those of the profile that the recordings were made under; and where that has only one, packages' \
  lifecycle scripts have a stage of their own.

What is never learnt:
  What is in @credentials or @env-files, but for what the profile that is shipped for the command lets it read; what a rule of \
  the base denies; what was denied by a rule then; local sockets of container engines, of the service manager and of \
  message buses; what no rule can allow. It is listed, stays denied, and the exit status says so.

What is written is replayed before it is written: but for what is listed, nothing of the recordings is denied under it. \
The same recordings give the same profile, in whatever order they are named.";

/// Write the smallest profile that recorded runs need.
#[derive(Debug, clap::Args)]
#[command(after_long_help = format!("{EXAMPLES}\n\n{}", exit::LEARN_TABLE))]
#[command(after_help = "Examples and exit statuses: enforcer learn --help")]
pub struct Args {
    /// Write only what this profile lacks, as one that extends it: the name of an installed one, or a file
    #[arg(short, long, value_name = "NAME|FILE")]
    base: Option<String>,
    /// Where the profile goes [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The name of the profile [default: that of FILE, else `learnt`]
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: Option<String>,
    /// Who answers for it
    #[arg(long, value_name = "WHO", value_parser = line)]
    owner: Option<String>,
    /// Answer with one JSON object; the profile is in it, unless it goes to FILE
    #[arg(long)]
    json: bool,
    /// Recordings, or directories of recordings (*.jsonl, *.jsonl.zst)
    #[arg(value_name = "RECORDING", required = true)]
    recordings: Vec<PathBuf>,
}

fn name(name: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let fits = name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(plain);
    fits.then(|| name.to_owned()).ok_or_else(|| "a name has letters, digits, `-`, `_` and `.`".to_owned())
}

fn line(text: &str) -> Result<String, String> {
    let fits = !text.trim().is_empty() && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned()).ok_or_else(|| "a line of text".to_owned())
}

/// Learns.
pub(super) fn main(args: &Args, output: Output) -> Exit {
    let terminal = Terminal::stderr(output.color(), output.verbosity());
    let fail = |what: &str| {
        terminal.failure(what);
        Exit::Usage
    };
    let files = match recordings::files(&args.recordings) {
        Ok(files) => files,
        Err(error) => return fail(&error),
    };
    let options = match options(args) {
        Ok(options) => options,
        Err(error) => return fail(&error.to_string()),
    };
    let progress = recordings::progress(files.len() * readings(), "readings", output);
    let result = learn(&files, &options, &|| progress.inc(1));
    progress.finish_and_clear();
    let learnt = match result {
        Ok(learnt) => learnt,
        Err(Error::Recordings(mut faults)) => {
            faults.sort_by(|(one, _), (other, _)| one.cmp(other));
            for (path, fault) in &faults {
                terminal.failure(&format!("{}: {fault}", shown(path)));
            }
            return Exit::Usage;
        }
        Err(Error::Profile(error)) => {
            terminal.profile_error(&error);
            return Exit::Usage;
        }
        Err(error) => return fail(&error.to_string()),
    };
    warn(&learnt, terminal);
    if let Some(path) = &args.output
        && let Err(error) = fs::write(path, &learnt.text)
    {
        return fail(&format!("{} cannot be written: {error}", shown(path)));
    }
    if args.json {
        output.page().json(&object(&learnt, args.output.is_none()));
    } else if args.output.is_none() {
        output.page().print(&learnt.text);
    }
    if learnt.never.is_empty() && learnt.lacking == 0 { Exit::SUCCESS } else { Exit::Failed }
}

/// What is wanted, with the places that it is about.
fn options(args: &Args) -> io::Result<Options> {
    let stem = args.output.as_ref().and_then(|path| path.file_stem()?.to_str().map(str::to_owned));
    let stem = stem.and_then(|stem| name(&stem).ok());
    let beside = args.output.as_deref().and_then(Path::parent).filter(|path| !path.as_os_str().is_empty());
    let directory = beside.unwrap_or(Path::new(".")).canonicalize()?;
    let base = match &args.base {
        None => None,
        Some(base) if !crate::profile::find::is_path(base) => Some((base.clone(), base.clone())),
        Some(base) => {
            let path = Path::new(base).canonicalize()?;
            let file = path.file_name().and_then(|name| name.to_str());
            let near = file.filter(|_| path.parent() == Some(&directory)).map(|name| format!("./{name}"));
            let path = path.to_string_lossy().into_owned();
            Some((near.unwrap_or_else(|| path.clone()), path))
        }
    };
    Ok(Options {
        name: args.name.clone().or(stem).unwrap_or_else(|| "learnt".to_owned()),
        owner: args.owner.clone(),
        base,
        directory,
    })
}

/// What one should know of it.
fn warn(learnt: &Learnt, terminal: Terminal) {
    let Learnt { facts, never, undecided, lacking, rules, .. } = learnt;
    for path in &facts.cut {
        terminal.warning(&format!("{} was cut off: it is read up to its last whole line", shown(path)));
    }
    for (count, what) in [
        (facts.lost, "are missing: the recordings lost them"),
        (*undecided, "are of programs whose stage is not known"),
    ] {
        if count > 0 {
            terminal.warning(&format!("{} {what}; the profile may lack something", counted(count, "event")));
        }
    }
    if *lacking > 0 {
        terminal.warning(&format!(
            "{} of the recordings are denied all the same",
            counted(*lacking as u64, "action")
        ));
    }
    if !never.is_empty() {
        let row = |(never, count): (&Never, &u64)| {
            let Never { who, action, target, stage, why } = never;
            vec![
                who.clone(),
                (*action).to_owned(),
                target.clone(),
                stage.clone(),
                why.clone(),
                grouped(*count),
            ]
        };
        let head = ["package", "action", "target", "stage", "why not", "events"];
        let count = counted(never.len() as u64, "action");
        let table = findings(head, never.iter().map(row), SHOWN, "--json");
        terminal.warning(format!("not learnt, and still denied: {count}\n{table}").trim_end());
    }
    terminal.note(&format!(
        "{} learnt from {}",
        counted(*rules as u64, "rule"),
        counted(facts.recordings, "recording")
    ));
}

/// For programs.
fn object(learnt: &Learnt, with_text: bool) -> Value {
    let Learnt { text, profile, facts, never, undecided, lacking, rules } = learnt;
    let never = never.iter().map(|(never, count)| {
        let Never { who, action, target, stage, why } = never;
        json!({
            "package": who, "action": action, "target": target, "stage": stage, "why": why, "events": count,
        })
    });
    json!({
        "name": profile.name,
        "sha256": profile.digest_text(),
        "stages": profile.stages,
        "rules": rules,
        "recordings": facts.recordings,
        "events": facts.events,
        "denied_then": facts.denied,
        "lost": facts.lost,
        "undecided": undecided,
        "cut": facts.cut.iter().map(|path| escape(path.as_os_str().as_encoded_bytes())).collect::<Vec<_>>(),
        "lacking": lacking,
        "not_learnt": never.collect::<Vec<_>>(),
        "profile": with_text.then_some(text),
    })
}
