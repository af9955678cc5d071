// SPDX-License-Identifier: MIT OR Apache-2.0

//! Everything that is found out before the kernel half is set up.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions},
    io,
    os::unix::{ffi::OsStrExt as _, fs::OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::{
    Error, Options,
    anchors::{self, Places},
    breaker::Breaker,
    choose::choose,
    command,
    credentials::Credentials,
    egress::Destinations,
    evidenced::{Attest, Evidence, Told},
    inherited::Inherited,
    invoker::{self, Invoker},
    process::Process,
    recorded::Recorded,
    registry::{Registries, Registry},
};
use crate::{
    dns::Resolver,
    evidence::{Log, Signer, statement::name_of_run},
    kernel::{Mode, Setup},
    profile::{self, Compiled, Text},
    recording::{Facts, Writer},
    report::{
        Legend,
        host::{Host as Machine, rfc3339},
        json,
        terminal::Terminal,
    },
};

/// What `enforcer record` uses where nobody names a profile: it allows what a rule can name.
const OBSERVE: &str = include_str!("observe.yaml");

/// What is to be run, and how.
pub(super) struct Plan {
    /// The file to execute, absolute; or that the process executes which is put under the profile.
    pub(super) file: PathBuf,
    /// COMMAND, or that of the process, and its arguments.
    pub(super) command: Vec<OsString>,
    /// The signal mask that COMMAND gets.
    pub(super) inherited: Inherited,
    /// Who COMMAND runs as.
    pub(super) invoker: Invoker,
    /// Their rights.
    pub(super) credentials: Credentials,
    /// The kernel's table.
    pub(super) table: Vec<u16>,
    /// The run's settings in the kernel.
    pub(super) setup: Setup,
    /// Where it may go by name.
    pub(super) destinations: Destinations,
    /// Who looks names up for it.
    pub(super) resolver: Resolver,
    /// Whether they must ask by TLS for a name that led there.
    pub(super) sni: bool,
    /// What reports name.
    pub(super) legend: Legend,
    /// What ends the run when it is over a budget.
    pub(super) breaker: Breaker,
    /// The record.
    pub(super) json: Option<File>,
    /// The recording, and whether it is written down: a statement needs what is in it, too.
    pub(super) recording: Option<(Option<Writer>, Facts)>,
    /// The evidence.
    pub(super) evidence: Evidence,
}

impl Plan {
    /// Finds everything out.
    pub(super) async fn make(
        options: &Options,
        terminal: &Terminal,
        inherited: Inherited,
    ) -> Result<Self, Error> {
        let caller = Invoker::detect()?;
        let own = Credentials::of(&caller);
        let subject = match options.tree {
            Some(pid) => {
                check_privileges()?;
                Process::find(pid, &caller)?
            }
            None => Process::planned(caller, &options.command),
        };
        // What the caller names is read and written with their rights, what the run's user has with the user's.
        let act = || Error::system("act as the user");
        let (text, mut profile) = own.act(|| named(options, &subject)).map_err(act())??;
        let credentials = Credentials::of(&subject.invoker);
        let (file, places) = credentials.act(|| look(&profile, &subject, options.tree)).map_err(act())??;
        let Process { invoker, command, .. } = subject;
        let legend = Legend::new(&profile, &places);
        profile.tls.sni |= options.sni;
        let sni = profile.tls.sni;
        terminal.verbose(&format!("profile {} from {}", legend.name, legend.file));
        check_privileges()?;
        terminal.verbose(&format!("environment: {}", invoker.source));
        let anchors = places.anchors()?;
        warn(&profile, &places, &invoker, terminal);
        let registries =
            Registries::ask(&profile.hosts, &invoker.environment, &credentials, &places.workspace).await?;
        registries.iter().for_each(|(of, Registry { host, port })| {
            terminal.verbose(&format!("{}: {host} port {port}", of.variable()));
        });
        let destinations = Destinations::new(&profile, registries.clone());
        let resolver = Resolver::bind().map_err(Error::system("open the resolver's sockets"))?;
        let audit = options.audit || profile.mode == profile::Mode::Audit;
        let mode = if audit { Mode::Audit } else { Mode::Enforce };
        let setup = Setup {
            mode,
            anchors,
            record: options.record.is_some() || options.attest.is_some(),
            ..Setup::of(&profile, resolver.port())
        };
        let breaker = Breaker::new(&profile.budgets, !audit, options.tree)?;
        let json = options.json.as_deref().map(|path| open(path, &own)).transpose()?;
        let writer = match &options.record {
            Some(path) => {
                let out = open(path, &own)?;
                let compressed = path.extension().is_some_and(|extension| extension == "zst");
                Some(Writer::new(out, compressed).map_err(Error::system("begin the recording"))?)
            }
            None => None,
        };
        let run = Recorded {
            command: &command,
            unmasked: options.unmasked,
            invoker: &invoker,
            file: &file,
            text: &text,
            profile: &profile,
            legend: &legend,
            registries: &registries,
            enforces: !audit,
            before: None,
        };
        let evidence = evidence(&run, options, &own, terminal)?;
        let recording = setup.record.then(|| (writer, run.facts()));
        let table = profile.table;
        Ok(Self {
            file,
            command,
            inherited,
            invoker,
            credentials,
            table,
            setup,
            destinations,
            sni,
            resolver,
            legend,
            breaker,
            json,
            recording,
            evidence,
        })
    }

    /// Whether denials are made.
    pub(super) fn enforces(&self) -> bool {
        self.setup.mode == Mode::Enforce
    }

    /// The record's first line.
    pub(super) fn header(&self) -> json::Header {
        let Self { file, command, invoker, legend, .. } = self;
        let variable = |(name, value): &(String, Vec<u8>)| json::Variable {
            name: name.clone(),
            value: value.as_slice().into(),
        };
        json::Header {
            schema: json::SCHEMA,
            enforcer: env!("CARGO_PKG_VERSION"),
            started: rfc3339(std::time::SystemTime::now()),
            mode: if self.enforces() { "enforce" } else { "audit" },
            sni: self.sni,
            profile: legend.into(),
            command: command.iter().map(|word| word.as_os_str().into()).collect(),
            executable: file.as_os_str().into(),
            user: json::User {
                uid: invoker.uid.as_raw(),
                gid: invoker.gid.as_raw(),
                name: invoker.name.clone(),
            },
            variables: legend.anchors.iter().map(variable).collect(),
            host: Machine::current(),
        }
    }
}

/// Says what to type where we are not root.
fn check_privileges() -> Result<(), Error> {
    match invoker::privileged() {
        true => Ok(()),
        false => Err(Error::NotPrivileged { command_line: sudo_command_line(std::env::args_os()) }),
    }
}

/// Finds the profile that was named, or is for COMMAND.
fn named(options: &Options, subject: &Process) -> Result<(Arc<Text>, Compiled), Error> {
    let Process { invoker, command, .. } = subject;
    // What a process shows as its command line is its own to change, too.
    let command = if options.tree.is_some() { &[] } else { command.as_slice() };
    let text = match choose(options.profile.as_deref(), &invoker.environment, command) {
        Some(name) => profile::find(&name.to_string_lossy())?,
        None if options.observe => Text::new("observe.yaml (built in)", OBSERVE.to_owned()),
        None => {
            return Err(Error::NoProfile {
                command: command.first().cloned().unwrap_or_default(),
                available: profile::available().join(", "),
            });
        }
    };
    let profile = Compiled::new(&text)?;
    Ok((text, profile))
}

/// Finds file and places.
fn look(profile: &Compiled, subject: &Process, tree: Option<u32>) -> Result<(PathBuf, Places), Error> {
    let Process { invoker, command, executable, directory } = subject;
    let (file, workspace) = match tree {
        Some(_) => (executable.clone(), Some(directory.clone())),
        None => {
            let typed = command.first().map(OsString::as_os_str).unwrap_or_default();
            (command::find(typed, invoker.environment.get("PATH"))?, None)
        }
    };
    Ok((file, Places::find_but([workspace, None, None], invoker, &profile.variables)?))
}

/// Says what one should know about the places.
fn warn(profile: &Compiled, places: &Places, invoker: &Invoker, terminal: &Terminal) {
    let used = |index: usize| profile.anchors.contains(&index);
    if used(0) && places.home_is_in_workspace() {
        let workspace = places.workspace.display();
        terminal.note(&format!(
            "your home directory lies in the workspace {workspace}: what the profile allows there it allows at home"
        ));
    }
    for variable in places.variables.iter().filter(|variable| variable.value.is_none()) {
        let anchors::Variable { text, name, .. } = variable;
        terminal.note(&format!("{name} is not set: rules of the profile with `{text}` match nothing"));
    }
    let listed = invoker.home.as_ref().and_then(|home| home.canonicalize().ok());
    if let Some(listed) = listed.filter(|listed| used(1) && *listed != places.home) {
        let (home, listed) = (places.home.display(), listed.display());
        terminal.note(&format!(
            "`~` in the profile is {home} ($HOME); its rules do not protect the home directory {listed}"
        ));
    }
}

/// What is left for others to check, with our own rights: what it is made of is not the user's to change.
fn evidence(
    run: &Recorded<'_>,
    options: &Options,
    credentials: &Credentials,
    terminal: &Terminal,
) -> Result<Evidence, Error> {
    let Recorded { legend, .. } = *run;
    let signer = options.sign.as_deref().map(Signer::read).transpose()?;
    let log = options.evidence.as_deref().map(|path| Log::open(path, signer.clone())).transpose()?;
    let name = name_of_run().map_err(Error::system("name the run"))?;
    let attest = match &options.attest {
        Some(path) => Some(Attest {
            file: open(path, credentials)?,
            products: options.products.clone(),
            signer,
            credentials: credentials.clone(),
        }),
        None => None,
    };
    let opening = if log.is_some() { run.opening(&name) } else { Vec::new() };
    let (legend, terminal) = (legend.clone(), *terminal);
    Ok(Evidence { run: name, log, opening, attest, legend, terminal, told: Told::default() })
}

/// Opens a record or a recording with the caller's rights, so that it is theirs and no link leads us elsewhere.
fn open(path: &Path, credentials: &Credentials) -> Result<File, Error> {
    let uid = credentials.uid();
    let opened = credentials.act(|| create(path)).and_then(|file| file);
    opened.map_err(|source| Error::Record { path: path.to_owned(), uid, source })
}

/// Creates or empties a file. A named pipe that nobody reads is an error: waiting could not be interrupted.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    fcntl(&file, FcntlArg::F_SETFL(OFlag::empty()))?;
    Ok(file)
}

/// What to type to run the same with sudo. sudo searches a path of its own, so a program elsewhere is named in full.
fn sudo_command_line(args: impl Iterator<Item = OsString>) -> String {
    let usual = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    let own = std::env::current_exe().ok();
    let program = match &own {
        Some(own) if !own.parent().is_some_and(|dir| usual.iter().any(|&usual| dir == usual)) => {
            own.clone().into_os_string()
        }
        _ => OsString::from("enforcer"),
    };
    let words = [OsString::from("sudo"), program].into_iter().chain(args.skip(1));
    words.map(|word| quoted(&word)).collect::<Vec<_>>().join(" ")
}

/// A word as a shell takes it.
fn quoted(word: &OsString) -> String {
    let text = crate::report::escape::escape_all(word.as_bytes());
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,@%+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_is_emptied_and_a_pipe_without_reader_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let (file, pipe) = (temp.path().join("record"), temp.path().join("pipe"));
        std::fs::write(&file, "old").unwrap();
        io::Write::write_all(&mut create(&file).unwrap(), b"new").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(create(&pipe).unwrap_err().raw_os_error(), Some(libc::ENXIO));
    }

    #[test]
    fn the_command_line_can_be_pasted() {
        let args = ["enforcer", "run", "--", "sh", "-c", "it's $HOME", ""].map(OsString::from);
        let line = sudo_command_line(args.into_iter());
        assert!(line.starts_with("sudo /"), "{line}");
        assert!(line.ends_with(r" run -- sh -c 'it'\''s $HOME' ''"), "{line}");
    }
}
