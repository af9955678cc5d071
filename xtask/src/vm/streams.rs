// SPDX-License-Identifier: MIT OR Apache-2.0
//! The four lines that connect a guest with us: COMMAND's stdout and stderr, a control line, and the console.
//!
//! COMMAND may write anything, so the end of its output is marked by a random number that the guest's runner writes after
//! it. The control line says `ready` when COMMAND is about to start and `exit N` when it has ended.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::{Context, Result};

use super::Output;

/// Our ends of the lines.
pub(super) struct Ends {
    pub(super) stdout: UnixStream,
    pub(super) stderr: UnixStream,
    pub(super) control: UnixStream,
    pub(super) console: UnixStream,
}

/// What happens to a guest.
pub(super) enum Event {
    /// COMMAND is about to start.
    Ready,
    /// COMMAND ended.
    Status(i32),
    /// All of stdout, or of stderr, has been passed on.
    StreamEnd,
    /// The kernel panicked.
    Panic,
    /// QEMU closed the control line: it ended.
    Gone,
}

/// The readers of a guest's lines.
pub(super) struct Events {
    events: Receiver<Event>,
    stdout: JoinHandle<Vec<u8>>,
    stderr: JoinHandle<Vec<u8>>,
    console: JoinHandle<String>,
}

impl Events {
    /// Starts to read.
    pub(super) fn read(ends: Ends, output: Output, nonce: &str, show_console: bool) -> Result<Self> {
        let (stdout, stderr): (Sink, Sink) = match output {
            Output::Inherit => {
                (Sink::Writer(Box::new(std::io::stdout())), Sink::Writer(Box::new(std::io::stderr())))
            }
            Output::Capture => (Sink::Buffer(Vec::new()), Sink::Buffer(Vec::new())),
            Output::Writers(out, err) => (Sink::Writer(out), Sink::Writer(err)),
        };
        let (sender, events) = mpsc::channel();
        let control = sender.clone();
        spawn("control", move || read_control(ends.control, &control))?;
        let panics = sender.clone();
        Ok(Self {
            events,
            stdout: pump(ends.stdout, stdout, nonce, sender.clone())?,
            stderr: pump(ends.stderr, stderr, nonce, sender)?,
            console: spawn("console", move || read_console(ends.console, &panics, show_console))?,
        })
    }

    /// The next event, or nothing when `limit` has come.
    pub(super) fn next(&self, limit: Instant) -> Option<Event> {
        self.events.recv_timeout(limit.saturating_duration_since(Instant::now())).ok()
    }

    /// Waits for the readers, once QEMU is gone; captured stdout and stderr, and the console.
    pub(super) fn join(self) -> (Vec<u8>, Vec<u8>, String) {
        let stdout = self.stdout.join().unwrap_or_default();
        (stdout, self.stderr.join().unwrap_or_default(), self.console.join().unwrap_or_default())
    }
}

fn spawn<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).context("starting a thread")
}

fn read_control(control: UnixStream, events: &Sender<Event>) {
    for line in BufReader::new(control).lines().map_while(Result::ok) {
        let event = match line.split_once(' ') {
            Some(("exit", status)) => status.trim().parse().map(Event::Status).ok(),
            None if line == "ready" => Some(Event::Ready),
            _ => None,
        };
        if let Some(event) = event {
            // Nobody listens any more when the guest is being ended.
            let _ = events.send(event);
        }
    }
    let _ = events.send(Event::Gone);
}

fn read_console(console: UnixStream, events: &Sender<Event>, show: bool) -> String {
    let mut text = String::new();
    for line in BufReader::new(console).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end_matches('\r');
        if show {
            eprintln!("console| {line}");
        }
        text.push_str(line);
        text.push('\n');
        if line.contains("Kernel panic - not syncing") {
            let _ = events.send(Event::Panic);
        }
    }
    text
}

/// Lines that tell of a kernel in trouble.
pub(super) fn faults(console: &str) -> Vec<String> {
    let signs = [
        "Kernel panic",
        "detected stalls on CPUs",
        "self-detected stall",
        "soft lockup",
        "blocked for more than",
        "BUG:",
        "Oops:",
        "general protection fault",
        "WARNING: CPU:",
        "UBSAN:",
    ];
    console.lines().filter(|line| signs.iter().any(|sign| line.contains(sign))).map(str::to_owned).collect()
}

enum Sink {
    Buffer(Vec<u8>),
    Writer(Box<dyn Write + Send>),
}

impl Sink {
    fn take(&mut self, bytes: &[u8]) {
        match self {
            Self::Buffer(buffer) => buffer.extend_from_slice(bytes),
            // A reader that went away does not stop the guest.
            Self::Writer(writer) => drop(writer.write_all(bytes).and_then(|()| writer.flush())),
        }
    }
}

/// Passes a stream on up to the nonce that marks its end.
fn pump(
    mut stream: UnixStream,
    mut sink: Sink,
    nonce: &str,
    events: Sender<Event>,
) -> Result<JoinHandle<Vec<u8>>> {
    let nonce = nonce.as_bytes().to_vec();
    spawn("output", move || {
        let mut held: Vec<u8> = Vec::new();
        let mut chunk = vec![0; 64 * 1024];
        let mut ended = false;
        while let Ok(count @ 1..) = stream.read(&mut chunk) {
            if ended {
                continue;
            }
            held.extend_from_slice(chunk.get(..count).unwrap_or_default());
            if let Some(bytes) = held.strip_suffix(nonce.as_slice()) {
                sink.take(bytes);
                held.clear();
                ended = true;
                let _ = events.send(Event::StreamEnd);
                continue;
            }
            // What could be the beginning of the nonce waits.
            let keep = (1..nonce.len()).rev().find(|&len| held.ends_with(&nonce[..len])).unwrap_or(0);
            let pass = held.len() - keep;
            if pass > 0 {
                sink.take(&held[..pass]);
                held.drain(..pass);
            }
        }
        sink.take(&held);
        match sink {
            Sink::Buffer(buffer) => buffer,
            Sink::Writer(_) => Vec::new(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_ends_at_the_nonce_however_it_is_cut() {
        let nonce = "abab0123";
        for size in 1..12 {
            let (mut ours, theirs) = UnixStream::pair().unwrap();
            let (sender, events) = mpsc::channel();
            let thread = pump(theirs, Sink::Buffer(Vec::new()), nonce, sender).unwrap();
            for part in b"text with ab and abab012 in itabab0123".chunks(size) {
                ours.write_all(part).unwrap();
            }
            assert!(matches!(events.recv(), Ok(Event::StreamEnd)));
            drop(ours);
            assert_eq!(thread.join().unwrap(), b"text with ab and abab012 in it");
        }
    }

    #[test]
    fn a_stream_without_an_end_is_passed_on_whole() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let thread = pump(theirs, Sink::Buffer(Vec::new()), "nonce", mpsc::channel().0).unwrap();
        ours.write_all(b"cut off non").unwrap();
        drop(ours);
        assert_eq!(thread.join().unwrap(), b"cut off non");
    }

    #[test]
    fn a_kernel_in_trouble_is_noticed() {
        let console = "[1.0] fine\n[2.0] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\n";
        assert_eq!(faults(console).len(), 1);
    }
}
