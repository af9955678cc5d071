// SPDX-License-Identifier: MIT OR Apache-2.0

//! COMMAND under a profile of the service's, for who is not root: the service has the kernel enrol what this process starts
//! next, and tells what becomes of it.

use std::{os::unix::process::CommandExt as _, path::Path, process::Command, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::{UnixStream, unix::OwnedReadHalf},
    process::Child,
    time::timeout,
};

use super::{
    Error, Options, choose::choose, command, inherited::Inherited, invoker::Invoker, signals::Signals,
    supervise::exit,
};
use crate::{
    cli::output::Verbosity,
    daemon::control::{
        client,
        protocol::{Ask, Reply, Request, VERSION, line},
    },
    exit::Exit,
    profile,
    report::terminal::Terminal,
};

/// Longest that the service may take to answer, and to say that COMMAND is enrolled.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest that what COMMAND leaves behind is waited for.
const LEFTOVERS: Duration = Duration::from_secs(10);

/// Runs COMMAND by the service.
pub(super) async fn run(
    options: &Options,
    terminal: &Terminal,
    signals: &Signals,
    inherited: Inherited,
) -> Result<Exit, Error> {
    let invoker = Invoker::detect()?;
    let environment = &invoker.environment;
    let name = choose(options.profile.as_deref(), environment, &options.command);
    let name = name.map(|name| name.to_string_lossy().into_owned()).ok_or_else(|| Error::NoProfile {
        command: options.command.first().cloned().unwrap_or_default(),
        available: profile::available().join(", "),
    })?;
    if let Some(option) = root_only(options, &name) {
        return Err(Error::RootOnly { option });
    }
    let typed = options.command.first().cloned().unwrap_or_default();
    let file = command::find(&typed, environment.get("PATH"))?;
    let mut service = Service::ask(Path::new(client::SOCKET), name.clone()).await?;
    let child = start(&file, options, inherited)?;
    let mut run = Served { terminal, child, asked: &name };
    let begun = timeout(PATIENCE, run.begun(&mut service)).await;
    if let Err(error) =
        begun.unwrap_or(Err(Error::NotServed("it did not say in time that COMMAND is enrolled")))
    {
        return Err(run.kill(error).await);
    }
    let (status, outcome) = run.over(&mut service, signals).await;
    Ok(conclude(status, &outcome, options.fail_on_denial, terminal))
}

/// Whether there is a service.
pub(super) fn is_there() -> bool {
    Path::new(client::SOCKET).exists()
}

/// An option that takes root, which is not ours.
fn root_only(options: &Options, profile: &str) -> Option<&'static str> {
    let Options { audit, sni, json, record, observe, evidence, attest, .. } = options;
    [
        (
            profile.contains('/') || profile.ends_with(".yaml") || profile.ends_with(".yml"),
            "a profile of your own",
        ),
        (*audit, "--audit"),
        (*sni, "--sni"),
        (json.is_some(), "--json"),
        (record.is_some() || *observe, "recording"),
        (evidence.is_some(), "--evidence"),
        (attest.is_some(), "--attest"),
    ]
    .into_iter()
    .find_map(|(given, option)| given.then_some(option))
}

/// Starts COMMAND. The kernel enrols it at its exec.
fn start(file: &Path, options: &Options, inherited: Inherited) -> Result<Child, Error> {
    let mut command = Command::new(file);
    if let [name, args @ ..] = options.command.as_slice() {
        command.arg0(name).args(args);
    }
    // SAFETY: what is called makes system calls and nothing else: no allocation, no lock.
    unsafe { command.pre_exec(move || inherited.restore()) };
    tokio::process::Command::from(command)
        .spawn()
        .map_err(|source| Error::NotExecutable { path: file.into(), source })
}

/// The service, which tells of the run.
struct Service {
    lines: Lines<BufReader<OwnedReadHalf>>,
    /// As long as this is open, we listen.
    _writer: tokio::net::unix::OwnedWriteHalf,
}

impl Service {
    /// Asks it to enrol what we start next.
    async fn ask(path: &Path, profile: String) -> Result<Self, Error> {
        let failed = |source| Error::Service(client::Error::of(path, source));
        let (reader, mut writer) = UnixStream::connect(path).await.map_err(failed)?.into_split();
        let request = Request { version: VERSION, ask: Ask::Run { profile } };
        let text = line(&request).map_err(std::io::Error::from).map_err(failed)?;
        writer.write_all(text.as_bytes()).await.map_err(failed)?;
        let mut service = Self { lines: BufReader::new(reader).lines(), _writer: writer };
        match timeout(PATIENCE, service.next()).await {
            Ok(Some(Reply::Claimed)) => Ok(service),
            Ok(Some(Reply::Error(why))) => Err(Error::Service(client::Error::Refused(why))),
            _ => Err(Error::NotServed("it gave no answer")),
        }
    }

    /// What it says next; `None` if it has gone, or said what is no answer.
    async fn next(&mut self) -> Option<Reply> {
        let text = self.lines.next_line().await.ok().flatten()?;
        serde_json::from_str(&text).ok()
    }
}

/// COMMAND, started.
struct Served<'a> {
    terminal: &'a Terminal,
    child: Child,
    asked: &'a str,
}

/// What the service says of a run that is over.
enum Outcome {
    Known { denied: bool, tripped: bool },
    Unknown(&'static str),
}

impl Served<'_> {
    /// Waits until the service says that COMMAND is enrolled: also of one that has ended by then.
    async fn begun(&mut self, service: &mut Service) -> Result<(), Error> {
        let reply = tokio::select! {
            reply = service.next() => reply,
            _ = self.child.wait() => timeout(LEFTOVERS, service.next()).await.ok().flatten(),
        };
        let Some(Reply::Begun { run, profile }) = reply else {
            let why = "it did not say that COMMAND is enrolled, so COMMAND was killed (`enforcer status`)";
            return Err(Error::NotServed(why));
        };
        self.terminal.verbose(&format!("run {run} of the service, under {profile}"));
        if profile != self.asked {
            self.terminal.note(&format!(
                "the service selects this command for the profile {profile}, which is in force instead of {}",
                self.asked
            ));
        }
        Ok(())
    }

    /// Waits for the end.
    async fn over(mut self, service: &mut Service, signals: &Signals) -> (Exit, Outcome) {
        let (mut status, mut outcome) = (None, None);
        let terminal = self.terminal;
        let exit = exit(&mut self.child, signals);
        tokio::pin!(exit);
        loop {
            tokio::select! {
                ended = &mut exit, if status.is_none() => status = Some(ended.unwrap_or(Exit::Failed)),
                reply = service.next(), if outcome.is_none() => match reply {
                    Some(Reply::Told(text)) if terminal.verbosity() >= Verbosity::Normal => terminal.print(&text),
                    Some(Reply::Over { denied, tripped }) => outcome = Some(Outcome::Known { denied, tripped }),
                    Some(_) => {}
                    None => outcome = Some(Outcome::Unknown("the service has gone")),
                },
                () = tokio::time::sleep(LEFTOVERS), if status.is_some() => {
                    outcome = Some(Outcome::Unknown("something that COMMAND has started is left"));
                }
            }
            match (status, outcome) {
                (Some(status), Some(outcome)) => return (status, outcome),
                both => (status, outcome) = both,
            }
        }
    }

    /// Ends COMMAND, which may not be enrolled.
    async fn kill(mut self, error: Error) -> Error {
        match self.child.kill().await {
            Ok(()) => error,
            Err(source) => Error::System { action: "kill COMMAND, which may not be enforced", source },
        }
    }
}

/// How to exit.
fn conclude(status: Exit, outcome: &Outcome, fail_on_denial: bool, terminal: &Terminal) -> Exit {
    match *outcome {
        Outcome::Known { tripped: true, .. } => Exit::Tripped,
        Outcome::Known { denied: true, .. } if fail_on_denial && status.is_success() => Exit::Denied,
        Outcome::Known { .. } => status,
        Outcome::Unknown(why) => {
            terminal.warning(&format!("{why}: it stays enforced, and what was denied is not known in all"));
            if fail_on_denial && status.is_success() { Exit::Failed } else { status }
        }
    }
}
