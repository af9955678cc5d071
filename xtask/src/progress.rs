// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the user sees while something takes long: a spinner on a terminal, plain lines elsewhere. Always on stderr.

use std::io::IsTerminal;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// All spinners: steps can be under way side by side.
static SPINNERS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Prints one line of news.
pub fn line(text: &str) {
    SPINNERS.suspend(|| eprintln!("xtask: {text}"));
}

/// A named piece of work under way. Dropped without `done`, it leaves nothing behind on a terminal.
pub struct Step {
    bar: Option<ProgressBar>,
    name: String,
    started: Instant,
}

/// Starts a step; `why` says in a few words what it is good for.
pub fn step(name: &str, why: &str) -> Step {
    let text = if why.is_empty() { name.to_owned() } else { format!("{name} ({why})") };
    let bar = if std::io::stderr().is_terminal() {
        let bar = SPINNERS.add(ProgressBar::new_spinner().with_message(text));
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Some(bar)
    } else {
        line(&text);
        None
    };
    Step { bar, name: name.to_owned(), started: Instant::now() }
}

impl Step {
    /// Shows what the step is at, on a terminal only.
    pub fn detail(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}: {}", self.name, text.chars().take(90).collect::<String>()));
        }
    }

    /// Ends the step and says how long it took.
    pub fn done(self) {
        let took = self.started.elapsed().as_secs_f64();
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        line(&format!("{}: done in {took:.1} s", self.name));
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
