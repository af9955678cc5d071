// SPDX-License-Identifier: MIT OR Apache-2.0

//! `enforcer replay`.

use std::{path::PathBuf, sync::Arc};

use rayon::prelude::*;
use serde_json::{Value, json};

use super::{
    output::Output,
    recordings::{self, SHOWN, findings, shown},
};
use crate::{
    exit::{self, Exit},
    profile::{self, Compiled},
    recording::Fault,
    replay::{Finding, Own, Question, Tally, replay},
    report::{
        number::{counted, grouped},
        terminal::Terminal,
    },
};

/// Each paragraph is one line: clap wraps it to the terminal's width.
const EXAMPLES: &str = "\
Examples:
  enforcer replay ci.jsonl.zst
      Does the profile that made this recording decide the same again? It must: every verdict, with reason and rule.
  enforcer replay --profile npm-ci-strict recordings/
      What would this profile have denied, in all recordings of a directory?
  enforcer replay --profile npm-install --against ./my-install.yaml recordings/
      What do the two decide differently about what really happened?

What is decided:
  every recorded event again, by the function that decides in the kernel. For another profile than the one that made \
  the recording, processes enter that profile's stages by the execs that are recorded, and names open the addresses \
  that they led to where that profile's rules name them. What a program did that the profile would not have let \
  start is decided about too, and counted. What a program would have done that was denied then is not in the recording. \
  Denials by a budget are shown as they were recorded; a budget of another profile denies nothing.";

/// Say what a profile would have decided about recorded runs.
#[derive(Debug, clap::Args)]
#[command(after_long_help = format!("{EXAMPLES}\n\n{}", exit::REPLAY_TABLE))]
#[command(after_help = "Examples and exit statuses: enforcer replay --help")]
pub struct Args {
    /// The profile: the name of an installed one, or a file [default: the one that made each recording]
    #[arg(short, long, value_name = "NAME|FILE")]
    profile: Option<String>,
    /// Another profile: only what the two decide differently is shown
    #[arg(long, value_name = "NAME|FILE")]
    against: Option<String>,
    /// Show every finding
    #[arg(long)]
    all: bool,
    /// Answer with one JSON object
    #[arg(long)]
    json: bool,
    /// Take stages and grants from a recording's own profile as from any other: worked out, not as recorded
    #[arg(long, hide = true)]
    forget: bool,
    /// Recordings, or directories of recordings (*.jsonl, *.jsonl.zst)
    #[arg(value_name = "RECORDING", required = true)]
    recordings: Vec<PathBuf>,
}

/// Replays them all.
pub(super) fn main(args: &Args, output: Output) -> Exit {
    let terminal = Terminal::stderr(output.color(), output.verbosity());
    let load = |name: &Option<String>| {
        let loaded = name.as_deref().map(profile::load).transpose();
        loaded.map(|profile| profile.map(Arc::new)).map_err(|error| terminal.profile_error(&error))
    };
    let (Ok(profile), Ok(against)) = (load(&args.profile), load(&args.against)) else { return Exit::Usage };
    let files = match recordings::files(&args.recordings) {
        Ok(files) => files,
        Err(error) => {
            terminal.failure(&error);
            return Exit::Usage;
        }
    };
    let question = Question { profile, against, forget: args.forget };
    let (tally, faults) = replay_all(&files, &question, output);
    for (path, fault) in &faults {
        terminal.failure(&format!("{}: {fault}", shown(path)));
    }
    if args.json {
        output.page().json(&object(&tally, &question, &faults));
    } else {
        output.page().print(&text(&tally, &question, args.all));
    }
    let found = if question.against.is_some() { tally.different } else { tally.denied };
    match (faults.is_empty() && tally.not_reproduced == 0, found) {
        (false, _) => Exit::Usage,
        (true, 0) => Exit::SUCCESS,
        (true, _) => Exit::Failed,
    }
}

/// Replays recordings, as many at a time as there are processors.
fn replay_all(files: &[PathBuf], question: &Question, output: Output) -> (Tally, Vec<(PathBuf, Fault)>) {
    let progress = recordings::progress(files.len(), "recordings", output);
    let own = Own::default();
    let each = |path: &PathBuf| {
        let result = replay(path, question, &own).map_err(|fault| (path.clone(), fault));
        progress.inc(1);
        match result {
            Ok(tally) => (tally, Vec::new()),
            Err(fault) => (Tally::default(), vec![fault]),
        }
    };
    let none = || (Tally::default(), Vec::new());
    let join = |(one, mut faults): (Tally, Vec<_>), (other, more): (Tally, Vec<_>)| {
        faults.extend(more);
        (one.and(other), faults)
    };
    let result = files.par_iter().map(each).reduce(none, join);
    progress.finish_and_clear();
    result
}

/// For people.
fn text(tally: &Tally, question: &Question, all: bool) -> String {
    let mut out = String::new();
    let name = |profile: &Option<Arc<Compiled>>| match profile {
        Some(profile) => format!("{} ({})", profile.name, profile.source),
        None => "their own profiles".to_owned(),
    };
    out += &format!(
        "{}, {} under {}\n",
        counted(tally.recordings, "recording"),
        counted(tally.events, "event"),
        name(&question.profile)
    );
    if question.against.is_some() {
        out +=
            &format!("decided differently under {}: {}\n", name(&question.against), grouped(tally.different));
    } else {
        out += &format!(
            "denied: {}, of which {} were allowed then; allowed, and denied then: {}\n",
            grouped(tally.denied),
            grouped(tally.newly_denied),
            grouped(tally.newly_allowed)
        );
    }
    if tally.own > 0 {
        out += &match tally.not_reproduced {
            0 => format!("every verdict of {} as it was recorded\n", counted(tally.own, "event")),
            count => format!("NOT as recorded: {} of {}\n", grouped(count), counted(tally.own, "event")),
        };
    }
    out += &remarks(tally);
    if !tally.findings.is_empty() {
        let most = if all { usize::MAX } else { SHOWN };
        let head = ["package", "action", "target", "stage", "why", "events"];
        out += &format!("\n{}", findings(head, tally.findings.iter().map(row), most, "--all"));
    }
    if tally.further > 0 {
        out += &format!("  (and {} that are too many to be told apart)\n", counted(tally.further, "event"));
    }
    out
}

/// What one should know of the answer.
fn remarks(tally: &Tally) -> String {
    let mut out = String::new();
    for (count, what) in [
        (tally.carried, "no profile decides: they are as recorded"),
        (tally.prevented, "are of programs that would not have been executed"),
        (tally.undecided, "could not be decided: records of their programs were lost"),
        (tally.lost, "are missing: the recordings lost them"),
    ] {
        if count > 0 {
            out += &format!("  {} {what}\n", counted(count, "event"));
        }
    }
    if tally.newly_executed > 0 {
        let programs = counted(tally.newly_executed, "program");
        out += &format!("  {programs} denied then would be executed: what they would do is not recorded\n");
    }
    for path in &tally.cut {
        out += &format!("  {} was cut off: it is replayed up to its last whole line\n", shown(path));
    }
    out
}

fn row((finding, count): (&Finding, &u64)) -> Vec<String> {
    let Finding { who, action, target, stage, then, now, against } = finding;
    let why = match against {
        Some(against) => format!("{}: {}; {}: {}", now.0, now.1, against.0, against.1),
        None if (*then == "allow") == (now.0 == "allow") => now.1.clone(),
        None => format!("{} ({then} then)", now.1),
    };
    vec![who.clone(), (*action).to_owned(), target.clone(), stage.clone(), why, grouped(*count)]
}

/// For programs.
fn object(tally: &Tally, question: &Question, faults: &[(PathBuf, Fault)]) -> Value {
    let profile = |profile: &Option<Arc<Compiled>>| {
        profile.as_ref().map(|profile| {
            json!({ "name": profile.name, "file": &*profile.source, "sha256": profile.digest_text() })
        })
    };
    let found = tally.findings.iter().map(|(finding, count)| {
        json!({
            "package": finding.who,
            "action": finding.action,
            "target": finding.target,
            "stage": finding.stage,
            "then": finding.then,
            "verdict": finding.now.0,
            "why": finding.now.1,
            "against": finding.against.as_ref().map(|(verdict, why)| json!({ "verdict": verdict, "why": why })),
            "events": count,
        })
    });
    let faults =
        faults.iter().map(|(path, fault)| json!({ "file": shown(path), "error": fault.to_string() }));
    json!({
        "profile": profile(&question.profile),
        "against": profile(&question.against),
        "recordings": tally.recordings,
        "events": tally.events,
        "denied": tally.denied,
        "newly_denied": tally.newly_denied,
        "newly_allowed": tally.newly_allowed,
        "newly_executed": tally.newly_executed,
        "different": tally.different,
        "carried": tally.carried,
        "prevented": tally.prevented,
        "undecided": tally.undecided,
        "own": tally.own,
        "not_reproduced": tally.not_reproduced,
        "strayed": tally.strayed,
        "lost": tally.lost,
        "cut": tally.cut.iter().map(|path| shown(path)).collect::<Vec<_>>(),
        "findings": found.collect::<Vec<_>>(),
        "further": tally.further,
        "errors": faults.collect::<Vec<_>>(),
    })
}
