// SPDX-License-Identifier: MIT OR Apache-2.0

//! What a subcommand was asked for, on stdout.

use std::io::{IsTerminal as _, Write as _};

use anstream::{AutoStream, ColorChoice};

/// Where answers go.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    color: ColorChoice,
}

impl Page {
    /// stdout.
    #[must_use]
    pub const fn stdout(color: ColorChoice) -> Self {
        Self { color }
    }

    /// Whether colours are shown.
    #[must_use]
    pub const fn has_color(&self) -> bool {
        matches!(self.color, ColorChoice::Always | ColorChoice::AlwaysAnsi)
    }

    /// Whether somebody looks at it, rather than a program.
    #[must_use]
    pub fn is_looked_at(&self) -> bool {
        self.has_color() || std::io::stdout().is_terminal()
    }

    /// Writes a text that ends with a line feed. That nobody reads it any more is no error.
    pub fn print(&self, text: &str) {
        let choice = if self.has_color() { ColorChoice::AlwaysAnsi } else { ColorChoice::Never };
        let mut stream = AutoStream::new(std::io::stdout().lock(), choice);
        let _ = stream.write_all(text.as_bytes());
        let _ = stream.flush();
    }

    /// Writes a value as JSON.
    pub fn json(&self, value: &serde_json::Value) {
        self.print(&format!("{value:#}\n"));
    }
}
