// SPDX-License-Identifier: MIT OR Apache-2.0
//! Running other programs: output shown only when it matters, errors that say what was run.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::progress::Step;

/// The command as it would be typed, for messages.
pub fn shown(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for arg in command.get_args() {
        text.push(' ');
        text.push_str(&arg.to_string_lossy());
    }
    if text.len() > 300 {
        text.truncate(text.floor_char_boundary(300));
        text.push('…');
    }
    text
}

/// Runs `command` to its end and returns its standard output; fails with the end of its standard error.
pub fn output(command: &mut Command) -> Result<String> {
    let done =
        command.stdin(Stdio::null()).output().with_context(|| format!("starting: {}", shown(command)))?;
    if !done.status.success() {
        let errors = String::from_utf8_lossy(&done.stderr);
        bail!("{}: {}\n{}", shown(command), done.status, tail(errors.lines(), 15));
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// Runs `command`, shows its last line of output as the detail of `step`; on failure prints the end of what it said.
pub fn quiet(command: &mut Command, step: &Step) -> Result<()> {
    let (reader, writer) = std::io::pipe().context("making a pipe")?;
    command.stdin(Stdio::null());
    command.stdout(writer.try_clone().context("making a pipe")?).stderr(writer);
    let mut child = command.spawn().with_context(|| format!("starting: {}", shown(command)))?;
    // The command holds the writing ends; replaced here, the reader sees the end of the child's output.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut lines: Vec<String> = Vec::new();
    for text in BufReader::new(reader).split(b'\n') {
        let text = String::from_utf8_lossy(&text.context("reading output")?).trim_end().to_owned();
        if text.is_empty() {
            continue;
        }
        step.detail(&text);
        lines.push(text);
        if lines.len() > 400 {
            lines.drain(..200);
        }
    }
    let status = child.wait().with_context(|| format!("waiting for: {}", shown(command)))?;
    if !status.success() {
        bail!("{}: {status}\n{}", shown(command), tail(lines.iter().map(String::as_str), 25));
    }
    Ok(())
}

fn tail<'a>(lines: impl Iterator<Item = &'a str>, count: usize) -> String {
    let lines: Vec<&str> = lines.collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// Where `name` is on PATH or in the system directories that an ordinary user's PATH lacks.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

/// A command for `name`, found also in /usr/sbin.
pub fn system(name: &str) -> Command {
    Command::new(find(name).unwrap_or_else(|| name.into()))
}

/// Whether this process is root.
pub fn is_root() -> bool {
    // SAFETY: geteuid has no preconditions and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// `name` as root: directly, or through sudo. The environment is kept, so that proxies and certificates stay in force.
pub fn as_root(name: &str) -> Result<Command> {
    if is_root() {
        return Ok(system(name));
    }
    if find("sudo").is_none() {
        bail!("`{name}` has to run as root and there is no sudo here; run this command as root");
    }
    let mut command = Command::new("sudo");
    command.arg("--preserve-env").arg(find(name).unwrap_or_else(|| name.into()));
    Ok(command)
}
