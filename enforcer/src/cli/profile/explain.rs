// SPDX-License-Identifier: MIT OR Apache-2.0

//! `enforcer profile explain`.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use enforcer_common::{Arguments, Kind, Reason, argv};
use serde_json::{Value, json};

use super::{
    Output, load,
    question::{Places, absolute, endpoint, host, places, socket},
    refuse, stage, transitions, walk, wrong,
};
use crate::{
    exit::{self, Exit},
    profile::{
        Compiled, Rule,
        explain::{Explanation, Role},
        leads_to,
    },
    report::{escape::escape, table::columns, target::Target, terminal::Terminal},
};

/// Each paragraph is one line: clap wraps it to the terminal's width.
const EXAMPLES: &str = "\
Examples:
  enforcer profile explain npm-install --stage script --exec /usr/bin/curl
      May a lifecycle script start curl, and which line says so?
  enforcer profile explain my-profile.yaml --stage script --exec /usr/bin/node -- -e 'f()'
      The same where rules are about arguments: those behind the program's name.
  enforcer profile explain npm-install --open '~/.npmrc'
      May npm itself (the first stage) read its configuration?
  enforcer profile explain my-profile.yaml --stage build --open '${workspace}/.git/config' --write
      The same for writing, below the workspace.
  enforcer profile explain npm-install --stage script --connect 198.51.100.7:443
      An address; `[2001:db8::7]:53/udp` is another.
  enforcer profile explain npm-install --stage script --resolve files.example
      Looking up a name: which host rule allows it?
  enforcer profile explain my-profile.yaml --unix /run/docker.sock
      A local socket, by its path; `@name` is an abstract one.
  enforcer profile explain my-profile.yaml --listen 0.0.0.0:8080
      Listening.
  enforcer profile explain my-profile.yaml --socket packet
      Making a socket, by its name in profiles.

The text:
  Paths are what the kernel reports: absolute, symbolic links resolved. A path may begin with ~, ${home}, \
  ${workspace} or ${tmp}. It is judged as it is, and from each of these directories that it lies below; a deny in \
  any of these spellings decides. Without --workspace, --home and --tmp they are the working directory, $HOME and \
  $TMPDIR (or /tmp), as in `enforcer run`.

The answer:
  comes from the same function that decides in the kernel, over the same compiled table. What a rule for a host \
  allows is known only in a run, so for an address it is said which of these rules may allow it; and so it is for a \
  name and the rules for registries.";

/// Say what a profile decides about one action, and which rule does.
#[derive(Debug, clap::Args)]
#[command(after_long_help = format!("{EXAMPLES}\n\n{}", exit::EXPLAIN_TABLE))]
#[command(after_help = "Examples and exit statuses: enforcer profile explain --help")]
pub(super) struct Args {
    /// The profile: a file, or the name of an installed one
    #[arg(value_name = "FILE|NAME")]
    profile: String,
    /// The stage that the process is in; without it, the first
    #[arg(short, long)]
    stage: Option<String>,
    #[command(flatten)]
    action: Action,
    /// With --exec: the arguments behind the program's name
    #[arg(last = true, value_name = "ARG", requires = "exec")]
    args: Vec<OsString>,
    /// With --open: for writing
    #[arg(long, requires = "open")]
    write: bool,
    /// Where the command was started
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// The user's home directory
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// The directory for temporary files
    #[arg(long, value_name = "DIR")]
    tmp: Option<PathBuf>,
    /// Show the states of the automaton, byte by byte
    #[arg(long)]
    walk: bool,
    /// Answer with one JSON object
    #[arg(long)]
    json: bool,
}

/// What is tried.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Action {
    /// Executing this file
    #[arg(long, value_name = "PATH")]
    exec: Option<OsString>,
    /// Opening this file, for reading unless --write is given
    #[arg(long, value_name = "PATH")]
    open: Option<OsString>,
    /// Reaching this address, by TCP unless /udp is behind it
    #[arg(long, value_name = "ADDR:PORT[/udp]")]
    connect: Option<String>,
    /// Looking up this name
    #[arg(long, value_name = "NAME")]
    resolve: Option<String>,
    /// Reaching the local socket that is bound to this path, or has this abstract name
    #[arg(long, value_name = "PATH|@NAME")]
    unix: Option<OsString>,
    /// Listening on this address, by TCP unless /udp is behind it
    #[arg(long, value_name = "ADDR:PORT[/udp]")]
    listen: Option<String>,
    /// Making this socket
    #[arg(long, value_name = "NAME")]
    socket: Option<String>,
}

/// A question, and its answer.
struct Answer {
    profile: Compiled,
    stage: u8,
    kind: Kind,
    target: String,
    explanation: Explanation,
}

/// Answers.
pub(super) fn main(args: &Args, output: Output) -> Exit {
    match answer(args, output) {
        Ok(answer) => {
            let page = output.page();
            if args.json {
                page.json(&answer.value(args.walk));
            } else {
                page.print(&answer.text(args.walk));
            }
            if answer.explanation.decision.allows() { Exit::SUCCESS } else { Exit::Failed }
        }
        Err(exit) => exit,
    }
}

fn answer(args: &Args, output: Output) -> Result<Answer, Exit> {
    let (source, profile) = load(&args.profile, output)?;
    let stage = stage(&profile, args.stage.as_deref(), output)?;
    let given = [&args.workspace, &args.home, &args.tmp];
    let (places, anchors) = places(given, &profile.variables).map_err(|message| wrong(&message, output))?;
    let (mut kind, mut text) = args.question(&places).map_err(|message| wrong(&message, output))?;
    if kind.is_path() && !text.starts_with(b"@") {
        links(&text, output);
    }
    if kind == Kind::Exec && profile.decide(stage, kind, &text, &anchors).arguments != Arguments::Ignored {
        (kind, text) = (Kind::Argv, with_arguments(&text, &args.args));
    }
    let explanation = Explanation::new(&source, &profile, stage, kind, &text, &anchors)
        .map_err(|error| refuse(&error, output))?;
    let target = Target::of(kind, &text).to_string();
    Ok(Answer { profile, stage, kind, target, explanation })
}

/// The text of a program with its arguments.
fn with_arguments(path: &[u8], args: &[OsString]) -> Vec<u8> {
    let mut text = Vec::new();
    argv::write(path, args.iter().map(|arg| arg.as_bytes()), |byte| text.push(byte));
    text
}

/// Says if a path is a link on this machine: the kernel reports what it leads to.
fn links(path: &[u8], output: Output) {
    let path = Path::new(OsStr::from_bytes(path));
    if let Some(real) = path.canonicalize().ok().filter(|real| real != path) {
        let terminal = Terminal::stderr(output.color(), output.verbosity());
        let [path, real] = [path, &real].map(|path| escape(path.as_os_str().as_bytes()));
        terminal.note(&format!("here {path} is {real}, and that is what the kernel reports"));
    }
}

impl Args {
    /// The kind and the text that is judged.
    fn question(&self, places: &Places) -> Result<(Kind, Vec<u8>), String> {
        let Action { exec, open, connect, resolve, unix, listen, socket: made } = &self.action;
        let opened = if self.write { Kind::Write } else { Kind::Read };
        let path = |kind: Kind, path: &OsString| absolute(path, places).map(|text| (kind, text));
        let mut asked = [
            exec.as_ref().map(|file| path(Kind::Exec, file)),
            open.as_ref().map(|file| path(opened, file)),
            connect.as_ref().map(|address| endpoint(address).map(|text| (Kind::Connect, text))),
            resolve.as_ref().map(|name| host(name).map(|text| (Kind::Resolve, text))),
            unix.as_ref().map(|name| match name.as_bytes() {
                abstract_name @ [b'@', ..] => Ok((Kind::Unix, abstract_name.to_vec())),
                _ => path(Kind::Unix, name),
            }),
            listen.as_ref().map(|address| endpoint(address).map(|text| (Kind::Listen, text))),
            made.as_ref().map(|name| socket(name).map(|text| (Kind::Socket, text))),
        ]
        .into_iter()
        .flatten();
        // clap has asked for one.
        asked.next().unwrap_or_else(|| Err("nothing is asked".to_owned()))
    }
}

impl Answer {
    fn rules<'a>(&'a self, numbers: &'a [u16]) -> impl Iterator<Item = &'a Rule> {
        numbers.iter().filter_map(|&number| self.profile.rule(number))
    }

    fn stage_name(&self, stage: u8) -> &str {
        self.profile.stages.get(usize::from(stage)).map_or("", String::as_str)
    }

    /// For people.
    fn text(&self, walks: bool) -> String {
        let Self { profile, kind, target, explanation, .. } = self;
        let decision = &explanation.decision;
        let verdict = if decision.allows() { "allowed" } else { "denied" };
        let stage = self.stage_name(self.stage);
        let mut out = format!("{verdict}: {} {target}, stage {stage} of {}\n", kind.action(), profile.name);
        if decision.reason == Reason::Default {
            let place = explanation.stage_place.as_deref().unwrap_or(&profile.source);
            let default = if decision.allows() { "allow" } else { "deny" };
            out += &format!("  no rule decides; the stage's default is {default} ({place})\n");
        }
        if !matches!(decision.reason, Reason::Rule | Reason::Default) {
            out += &format!("  no rule is asked: {}\n", decision.reason.name());
        }
        if let Some(next) = leads_to(decision) {
            out += &format!("  leads to stage {}\n", self.stage_name(next));
        }
        let mut matching: Vec<(Role, &Rule)> =
            self.rules(&explanation.rules).map(|rule| (explanation.role(profile, rule), rule)).collect();
        matching.sort_by_key(|(role, rule)| (*role != Role::Decides, rule.number));
        let rows: Vec<Vec<String>> = matching
            .into_iter()
            .map(|(role, rule)| {
                let spellings: Vec<_> = explanation.matched_as(rule.number).collect();
                vec![
                    match &rule.exception {
                        Some(id) => format!("exception {id} {}", rule.text),
                        None => format!("{} {}", rule.effect.name(), rule.text),
                    },
                    rule.to_string(),
                    role.sentence().to_owned(),
                    match self.kind {
                        kind if !kind.is_path() => String::new(),
                        _ => format!("as {}", spellings.join(" and as ")),
                    },
                ]
            })
            .collect();
        out += &columns(&rows);
        for rule in self.rules(&explanation.hosts) {
            let what = if *kind == Kind::Resolve { "the registry's name" } else { "an address of the host" };
            out += &format!("  if it is {what}, {} ({rule}) allows it\n", rule.text);
        }
        if walks {
            for spelling in &explanation.spellings {
                out += &walk::text(profile, spelling);
            }
        }
        out
    }

    /// For programs.
    fn value(&self, walks: bool) -> Value {
        let Self { profile, kind, target, explanation, .. } = self;
        let decision = &explanation.decision;
        let matching: Vec<Value> = self
            .rules(&explanation.rules)
            .map(|rule| {
                let mut value = transitions::rule(rule);
                value["role"] = explanation.role(profile, rule).sentence().into();
                value["spellings"] = explanation.matched_as(rule.number).collect::<Vec<_>>().into();
                value
            })
            .collect();
        let mut value = json!({
            "profile": profile.name,
            "sha256": profile.digest_text(),
            "stage": self.stage_name(self.stage),
            "action": kind.name(),
            "target": target,
            "verdict": decision.verdict.name(),
            "reason": decision.reason.name(),
            "rule": profile.rule(decision.rule).map(transitions::rule),
            "leads_to": leads_to(decision).map(|next| self.stage_name(next)),
            "spellings": explanation.spellings.iter().map(|s| s.shown.as_str()).collect::<Vec<_>>(),
            "matching": matching,
            "host_rules": self.rules(&explanation.hosts).map(transitions::rule).collect::<Vec<_>>(),
        });
        if walks {
            value["walks"] = explanation.spellings.iter().map(walk::value).collect();
        }
        value
    }
}
