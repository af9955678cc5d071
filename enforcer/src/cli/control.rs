// SPDX-License-Identifier: MIT OR Apache-2.0

//! `enforcer status`, `events`, `kill` and `freeze`: what is asked of the service.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use super::output::Output;
use crate::{
    daemon::{
        control::{
            client::{Client, Error, SOCKET},
            protocol::{Ask, Reply, RunStatus, Status},
        },
        otlp::Told,
    },
    exit::Exit,
    report::{escape::escape_all, number::grouped, table::columns, terminal::Terminal},
};

/// Where the service is.
#[derive(Debug, clap::Args)]
struct Where {
    /// Where the service listens
    #[arg(long, value_name = "PATH", default_value = SOCKET)]
    socket: PathBuf,
}

/// Show the service, its profiles, and the runs that are under way
///
/// Status 0 if the service enrols what its profiles select, 1 if it does not, or is not there.
#[derive(Debug, clap::Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    place: Where,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

/// Follow what happens in the service's runs, as lines of JSON
///
/// Each line has the run and the event, as `enforcer run --json` writes it. It ends when the service does.
#[derive(Debug, clap::Args)]
pub(super) struct EventsArgs {
    #[command(flatten)]
    place: Where,
    /// Only what was denied, or in audit mode would have been
    #[arg(long)]
    denied: bool,
    /// Of this run only
    #[arg(long, value_name = "RUN")]
    run: Option<u32>,
}

/// End a run of the service's: nothing is allowed any more, and its processes are killed
#[derive(Debug, clap::Args)]
pub(super) struct KillArgs {
    #[command(flatten)]
    place: Where,
    /// The run's number, as `enforcer status` shows it
    run: u32,
}

/// Stop a run of the service's where it is: nothing is allowed any more, and its processes are frozen
///
/// For whoever wants to look at them. `enforcer kill` ends them.
#[derive(Debug, clap::Args)]
pub(super) struct FreezeArgs {
    #[command(flatten)]
    place: Where,
    /// The run's number, as `enforcer status` shows it
    run: u32,
}

/// `enforcer status`.
pub(super) fn status(args: &StatusArgs, output: Output) -> Exit {
    let asked = Client::ask(&args.place.socket, Ask::Status).and_then(Client::only);
    let status = match asked {
        Ok(Reply::Status(status)) => status,
        Ok(_) => return failed(&"the service gives no status", output),
        Err(error) => return failed(&error, output),
    };
    let text = match args.json {
        true => match serde_json::to_string_pretty(&status) {
            Ok(text) => text + "\n",
            Err(error) => return failed(&error, output),
        },
        false => shown(&status),
    };
    output.page().print(&text);
    if status.armed && status.problem.is_none() { Exit::SUCCESS } else { Exit::Failed }
}

/// `enforcer events`.
pub(super) fn events(args: &EventsArgs, output: Output) -> Exit {
    let mut client = match Client::ask(&args.place.socket, Ask::Events) {
        Ok(client) => client,
        Err(error) => return failed(&error, output),
    };
    let mut out = io::stdout().lock();
    loop {
        let line = match client.read() {
            Ok(Some(Reply::Event { run, event })) => {
                let denied = event.get("verdict").is_some_and(|verdict| verdict != "allow");
                if (args.denied && !denied) || args.run.is_some_and(|wanted| wanted != run) {
                    continue;
                }
                serde_json::json!({ "run": run, "event": event })
            }
            Ok(Some(Reply::Missed(missed))) => serde_json::json!({ "missed": missed }),
            Ok(Some(_)) => continue,
            Ok(None) => return Exit::SUCCESS,
            Err(error) => return failed(&error, output),
        };
        // Nobody reads any more: that is how one stops it.
        if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
            return Exit::SUCCESS;
        }
    }
}

/// `enforcer kill`.
pub(super) fn kill(args: &KillArgs, output: Output) -> Exit {
    change(&args.place.socket, Ask::Kill { run: args.run }, output)
}

/// `enforcer freeze`.
pub(super) fn freeze(args: &FreezeArgs, output: Output) -> Exit {
    change(&args.place.socket, Ask::Freeze { run: args.run }, output)
}

/// Has the service change something.
pub(super) fn change(socket: &Path, ask: Ask, output: Output) -> Exit {
    match Client::ask(socket, ask).and_then(Client::only) {
        Ok(Reply::Done(what)) => {
            Terminal::stderr(output.color(), output.verbosity()).note(&what);
            Exit::SUCCESS
        }
        Ok(_) => failed(&"the service does not say whether it is done", output),
        Err(error @ (Error::Absent(_) | Error::Closed(_) | Error::Failed { .. } | Error::Refused(_))) => {
            failed(&error, output)
        }
    }
}

fn failed(error: &dyn std::fmt::Display, output: Output) -> Exit {
    Terminal::stderr(output.color(), output.verbosity()).failure(&error.to_string());
    Exit::Failed
}

/// The status for people.
fn shown(status: &Status) -> String {
    let mut text = format!(
        "service    {} (pid {}), {}\nhooks      {} attached\n",
        status.enforcer,
        status.pid,
        if status.armed { "enrolling what profiles select" } else { "DISARMED: nothing is enrolled" },
        status.hooks
    );
    let selected = &status.selected;
    text += &format!("enrolled   {} commands so far", grouped(selected.enrolled));
    for (count, what) in [
        (selected.full, "killed: no place was free"),
        (selected.unusable, "killed: a variable's directory cannot be used"),
        (selected.gone, "killed: the profile that was asked for had gone"),
        (selected.missed, "not looked at"),
    ] {
        if count > 0 {
            text += &format!("; {} {what}", grouped(count));
        }
    }
    text += "\n";
    if let Some(otlp) = &status.otlp {
        text += &collector(otlp);
    }
    text += "\n";
    let mut profiles = vec![heads(&["PROFILE", "MODE", "SELECTS", "FILE"])];
    for profile in &status.profiles {
        let selects = if profile.selects == 0 { "nothing".to_owned() } else { profile.selects.to_string() };
        profiles.push(vec![profile.name.clone(), profile.mode.clone(), selects, profile.file.clone()]);
    }
    text += &columns(&profiles);
    if let Some(problem) = &status.problem {
        text += &format!(
            "\nThe last change of the profiles was refused; those above stay in force:\n{problem}\n"
        );
    }
    text += "\n";
    if status.runs.is_empty() {
        return text + "No runs are under way.\n";
    }
    let heads =
        heads(&["RUN", "PROFILE", "USER", "PID", "TASKS", "DECISIONS", "DENIED", "LOST", "SINCE", "COMMAND"]);
    let runs: Vec<_> = std::iter::once(heads).chain(status.runs.iter().map(row)).collect();
    text += &columns(&runs);
    let now = status.runs.iter().flat_map(|run| {
        let counted = |of: &BTreeMap<String, u64>| {
            let each = of.iter().map(|(name, count)| format!("{name} ({})", grouped(*count)));
            each.collect::<Vec<_>>().join(", ")
        };
        let line = |what: &str, of| format!("run {}: {what} {}\n", run.run, counted(of));
        let stages = (!run.stages.is_empty()).then(|| line("tasks in the stages", &run.stages));
        let packages = (!run.packages.is_empty()).then(|| line("processes of", &run.packages));
        stages.into_iter().chain(packages)
    });
    text + "\n" + &now.collect::<String>()
}

/// What became of records for a collector.
fn collector(told: &Told) -> String {
    let Told { collector, sent, waiting, refused, dropped, problem } = told;
    let mut text = format!("collector  {collector}, {} records sent", grouped(*sent));
    for (count, what) in [(waiting, "waiting"), (refused, "refused"), (dropped, "dropped: no room")] {
        if *count > 0 {
            text += &format!("; {} {what}", grouped(*count));
        }
    }
    if let Some(problem) = problem {
        text += &format!("\n           away: {problem}");
    }
    text + "\n"
}

fn heads(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn row(run: &RunStatus) -> Vec<String> {
    let RunStatus { run: number, known, tasks, decisions, denied, lost, tripped, .. } = run;
    let user = known.user.clone().unwrap_or_else(|| known.uid.to_string());
    let denied = grouped(*denied) + if *tripped { " tripped" } else { "" };
    vec![
        number.to_string(),
        known.profile.clone(),
        user,
        known.pid.to_string(),
        grouped(*tasks),
        grouped(*decisions),
        denied,
        grouped(*lost),
        known.started.clone(),
        escape_all(known.command.as_bytes()),
    ]
}
