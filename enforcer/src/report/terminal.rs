// SPDX-License-Identifier: MIT OR Apache-2.0

//! Lines for people, on stderr, or in the journal if that is where it leads. stdout belongs to COMMAND.

use std::io::Write as _;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

use super::journal::{self, Field, Priority};
use crate::{cli::output::Verbosity, profile, run};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const NOTE: Style = AnsiColor::Cyan.on_default();

/// Where lines for people go.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    color: ColorChoice,
    verbosity: Verbosity,
    run: Option<u32>,
}

/// A line that says that something went wrong.
pub(crate) fn warning(line: &str) -> String {
    format!("enforcer: {ERROR}warning:{ERROR:#} {line}")
}

impl Terminal {
    /// stderr.
    #[must_use]
    pub const fn stderr(color: ColorChoice, verbosity: Verbosity) -> Self {
        Self { color, verbosity, run: None }
    }

    /// The same for what is said of one run among others: each line begins with its number.
    #[must_use]
    pub const fn of_run(self, run: u32) -> Self {
        Self { run: Some(run), ..self }
    }

    /// How much is said.
    #[must_use]
    pub const fn verbosity(&self) -> Verbosity {
        self.verbosity
    }

    /// Whether colours are shown.
    #[must_use]
    pub const fn has_color(&self) -> bool {
        matches!(self.color, ColorChoice::Always | ColorChoice::AlwaysAnsi)
    }

    /// Writes lines at once, so that COMMAND's own output cannot come between. That nobody can read them any more is
    /// no reason to stop.
    pub fn print(&self, lines: &str) {
        self.put(lines, Priority::Info, Vec::new());
    }

    /// The same about a denial, with what it can be found by in the journal.
    pub(super) fn denial(&self, lines: &str, fields: Vec<Field>) {
        self.put(lines, Priority::Warning, fields);
    }

    fn put(&self, lines: &str, priority: Priority, mut fields: Vec<Field>) {
        let text =
            if self.has_color() { lines.to_owned() } else { anstream::adapter::strip_str(lines).to_string() };
        let text = match self.run {
            Some(run) => {
                fields.push(("ENFORCER_RUN", run.to_string()));
                text.lines().map(|line| format!("run {run}: {line}\n")).collect()
            }
            None => text,
        };
        if journal::write(text.trim_end_matches('\n'), priority, &fields) {
            return;
        }
        let mut stream = AutoStream::new(std::io::stderr().lock(), ColorChoice::AlwaysAnsi);
        let _ = stream.write_all(format!("{}\n", text.trim_end_matches('\n')).as_bytes());
    }

    /// A line that is said only with `-v`.
    pub fn verbose(&self, line: &str) {
        if self.verbosity >= Verbosity::Verbose {
            self.print(&format!("enforcer: {line}"));
        }
    }

    /// A line that is said unless `-q` is given: something that one should know.
    pub fn note(&self, line: &str) {
        if self.verbosity >= Verbosity::Normal {
            self.print(&format!("enforcer: {NOTE}note:{NOTE:#} {line}"));
        }
    }

    /// A line that is said in any case: something went wrong.
    pub fn warning(&self, line: &str) {
        self.put(&warning(line), Priority::Warning, Vec::new());
    }

    /// Why there is no answer.
    pub fn failure(&self, message: &str) {
        self.put(&format!("enforcer: {ERROR}error:{ERROR:#} {message}"), Priority::Error, Vec::new());
    }

    /// What is wrong with a profile.
    pub fn profile_error(&self, error: &profile::Error) {
        let rendered = error.render(self.has_color());
        self.failure(&format!("there is no usable profile\n{rendered}"));
    }

    /// Why nothing was started.
    pub fn error(&self, error: &run::Error) {
        match error {
            run::Error::Profile(error) => self.profile_error(error),
            error => self.failure(&error.to_string()),
        }
        if !matches!(error, run::Error::NotFound { .. } | run::Error::NotExecutable { .. }) {
            self.verbose("COMMAND was not started");
        }
    }
}
