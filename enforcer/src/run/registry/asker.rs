// SPDX-License-Identifier: MIT OR Apache-2.0

//! Asking a program, or a file, with the user's rights and environment, and nothing that is the project's.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::super::{
    Error,
    command::{self, DEFAULT_PATH},
    credentials::Credentials,
    environment::Environment,
};
use crate::report::escape::escape;

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes that a file of configuration, or an answer, may have.
const MOST: usize = 1 << 20;
/// What `npm run` tells the scripts of a project about it, and what would have programs load others' code.
const DROPPED: &[&str] = &["INIT_CWD", "NODE_OPTIONS", "npm_config_local_prefix", "npm_config_prefix"];
/// Asking makes no program fetch another one, look for news, or take the one that a project has chosen.
const QUIET: &[(&str, &str)] = &[
    ("COREPACK_ENABLE_DOWNLOAD_PROMPT", "0"),
    ("COREPACK_ENABLE_NETWORK", "0"),
    ("COREPACK_ENABLE_PROJECT_SPEC", "0"),
    ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
    ("RUSTUP_AUTO_INSTALL", "0"),
    ("YARN_ENABLE_TELEMETRY", "0"),
    ("YARN_IGNORE_PATH", "1"),
    ("npm_config_update_notifier", "false"),
];

/// Who asks.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) environment: &'a Environment,
    pub(super) credentials: &'a Credentials,
    pub(super) workspace: &'a Path,
}

/// A program that can be asked.
pub(super) struct Program<'a> {
    asker: Asker<'a>,
    name: &'a str,
    file: PathBuf,
    path: OsString,
}

impl<'a> Asker<'a> {
    /// A program on the user's search path, outside the project; none if there is none.
    pub(super) fn find(self, name: &'a str) -> Result<Option<Program<'a>>, String> {
        let path = self.environment.get("PATH").unwrap_or(OsStr::new(DEFAULT_PATH));
        let path = self.act(|| outside(path, self.workspace))?;
        match self.act(|| command::find(OsStr::new(name), Some(&path)))? {
            Ok(file) => Ok(Some(Program { asker: self, name, file, path })),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// As [`Asker::find`], where there is nobody else to ask.
    pub(super) fn need(self, name: &'a str) -> Result<Program<'a>, String> {
        self.find(name)?.ok_or_else(|| format!("there is no {name} outside the project to ask; install it"))
    }

    /// The text of a file; none if there is no such file.
    pub(super) fn read(self, path: &Path) -> Result<Option<String>, String> {
        let failed = |error: io::Error| format!("failed to read {}: {error}", escape_path(path));
        let real = match self.act(|| path.canonicalize())? {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            real => real.map_err(failed)?,
        };
        if real.starts_with(self.workspace) {
            let path = escape_path(path);
            return Err(format!("{path} lies in the project, which has no say in where packages come from"));
        }
        self.act(|| text_of(&real))?.map(Some).map_err(failed)
    }

    /// Calls `f` with the user's rights.
    pub(super) fn act<T: Send>(self, f: impl FnOnce() -> T + Send) -> Result<T, String> {
        self.credentials.act(f).map_err(|error| format!("failed to act as the user: {error}"))
    }
}

impl Program<'_> {
    /// Whether corepack stands in its place. If it has never fetched the program it has nothing to answer.
    pub(super) fn is_stand_in(&self) -> bool {
        let real = self.asker.act(|| self.file.canonicalize());
        real.is_ok_and(|real| real.is_ok_and(|real| real.iter().any(|part| part == "corepack")))
    }

    /// Its answer.
    pub(super) async fn ask(&self, args: &[&str]) -> Result<String, String> {
        let output = self.run(args, &[]).await?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let last = output.stderr.rsplit(|&byte| byte == b'\n').find(|line| !line.is_empty());
        let (status, last) = (output.status, escape(last.unwrap_or_default()));
        Err(format!("{} failed ({status}): {last}", self.typed(args)))
    }

    /// What it says, and its status. `more` is for its environment.
    pub(super) async fn run(&self, args: &[&str], more: &[(&str, &str)]) -> Result<Output, String> {
        let mut command = Command::new(&self.file);
        let inherited = self.asker.environment.iter().filter(|(name, value)| {
            *name == "HOME" || !DROPPED.iter().any(|dropped| name == dropped) && !self.leads_inside(value)
        });
        command.args(args).current_dir("/").stdin(Stdio::null()).env_clear().envs(inherited);
        // It may look for its interpreter on the search path.
        command.env("PATH", &self.path).envs(QUIET.iter().chain(more).copied());
        self.asker.credentials.apply(&mut command);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = async {
            let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn()?;
            let (out, err) = (written(child.stdout.take()), written(child.stderr.take()));
            let (stdout, stderr, status) = tokio::try_join!(out, err, child.wait())?;
            Ok(Output { status, stdout, stderr })
        };
        tokio::time::timeout(PATIENCE, output)
            .await
            .map_err(|_| format!("{} took longer than {} s", self.typed(args), PATIENCE.as_secs()))?
            .map_err(|error: io::Error| format!("failed to run {}: {error}", self.typed(args)))
    }

    /// Whether a variable names places in the project: a file of configuration, or a directory of modules.
    fn leads_inside(&self, value: &OsStr) -> bool {
        std::env::split_paths(value).any(|place| place.starts_with(self.asker.workspace))
    }

    fn typed(&self, args: &[&str]) -> String {
        format!("`{} {}`", self.name, args.join(" "))
    }
}

/// The text of a file that others chose: what is no file is not waited for, and no more is read than such a file has.
fn text_of(path: &Path) -> io::Result<String> {
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut text = String::new();
    file.take(MOST as u64 + 1).read_to_string(&mut text)?;
    if text.len() > MOST { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(text) }
}

/// What a program writes, of which no more is kept than an answer has.
async fn written(from: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        tokio::io::AsyncReadExt::take(from, MOST as u64).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// A path that others chose.
fn escape_path(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes())
}

/// The parts of a search path that do not lie in the project.
fn outside(path: &OsStr, workspace: &Path) -> OsString {
    let is_outside = |dir: &PathBuf| {
        let real = dir.canonicalize().unwrap_or_else(|_| dir.clone());
        dir.is_absolute() && !real.starts_with(workspace) && !real.ends_with("node_modules/.bin")
    };
    // What was split at colons can be joined with colons.
    std::env::join_paths(std::env::split_paths(path).filter(is_outside)).unwrap_or_default()
}

#[cfg(test)]
#[path = "tests.rs"]
pub(super) mod tests;
