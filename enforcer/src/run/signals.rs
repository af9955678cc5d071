// SPDX-License-Identifier: MIT OR Apache-2.0

//! Signals that the wrapper gets while COMMAND runs.
//!
//! COMMAND shares our process group, so what the terminal sends (Ctrl-C, Ctrl-\\, a hang-up) reaches it directly and
//! must not reach it twice: the kernel's signals are only taken note of, those of other processes are passed on.
//! Stopping and continuing (SIGTSTP, SIGTTIN, SIGTTOU) is left to the kernel, which stops the whole group.

use std::{io, os::fd::OwnedFd};

use nix::sys::{
    signal::{SigSet, Signal},
    signalfd::{SfdFlags, SignalFd, siginfo},
};
use tokio::io::unix::AsyncFd;

use super::{inherited::Inherited, readable::readable};

/// What is passed on.
const HANDLED: &[Signal] = &[
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGCONT,
    Signal::SIGWINCH,
];

/// `si_code` of a signal that the kernel sent.
const SI_KERNEL: i32 = 0x80;

/// A signal and who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Which.
    pub signal: Signal,
    /// Whether a process sent it, and not the kernel on behalf of the terminal.
    pub from_process: bool,
}

impl Received {
    fn from_info(info: &siginfo) -> Option<Self> {
        let signal = Signal::try_from(info.ssi_signo as i32).ok()?;
        Some(Self { signal, from_process: info.ssi_code <= 0 && info.ssi_code != SI_KERNEL })
    }

    /// The signal to pass on to COMMAND, if any.
    #[must_use]
    pub fn to_pass_on(self) -> Option<Signal> {
        self.from_process.then_some(self.signal)
    }

    /// Whether it means that we should stop, while COMMAND has not started.
    #[must_use]
    pub fn asks_to_stop(self) -> bool {
        !matches!(self.signal, Signal::SIGCONT | Signal::SIGWINCH)
    }
}

/// The signals, blocked, and a descriptor to read them from.
#[derive(Debug)]
pub struct Signals {
    fd: SignalFd,
    readable: AsyncFd<OwnedFd>,
}

impl Signals {
    /// Blocks the signals in this thread and in those it will start. Those that we were started with ignored stay so.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn block(inherited: &Inherited) -> io::Result<SigSet> {
        let set: SigSet = HANDLED.iter().copied().filter(|&signal| !inherited.ignores(signal)).collect();
        set.thread_block()?;
        Ok(set)
    }

    /// Reads what was blocked. Needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn new(blocked: &SigSet) -> io::Result<Self> {
        let fd = SignalFd::with_flags(blocked, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok(Self { readable: readable(&fd)?, fd })
    }

    /// The next signal. Cancelling loses none.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub async fn next(&self) -> io::Result<Received> {
        loop {
            let mut ready = self.readable.readable().await?;
            match self.fd.read_signal()? {
                Some(info) => {
                    if let Some(received) = Received::from_info(&info) {
                        return Ok(received);
                    }
                }
                None => ready.clear_ready(),
            }
        }
    }

    /// A signal that asks us to stop and has come already.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn pending_stop(&self) -> io::Result<Option<Signal>> {
        while let Some(info) = self.fd.read_signal()? {
            if let Some(received) = Received::from_info(&info).filter(|received| received.asks_to_stop()) {
                return Ok(Some(received.signal));
            }
        }
        Ok(None)
    }

    /// The next signal that asks us to stop.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub async fn asked_to_stop(&self) -> io::Result<Signal> {
        loop {
            let received = self.next().await?;
            if received.asks_to_stop() {
                return Ok(received.signal);
            }
        }
    }
}

/// Ends this process by SIGINT, if that is what ended COMMAND: a shell script that was interrupted together with COMMAND
/// stops only if it sees that. `$?` is 130 either way. Returns if SIGINT is ignored.
pub fn die_of_interrupt() {
    let interrupt: SigSet = [Signal::SIGINT].into_iter().collect();
    // We end in any case; if not by the signal, then by the status that says the same.
    let _ = nix::sys::signal::raise(Signal::SIGINT).and_then(|()| interrupt.thread_unblock());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn a_processs_signal_is_passed_on_and_ends_the_waiting() {
        let inherited = Inherited::read().unwrap();
        let blocked = Signals::block(&inherited).unwrap();
        runtime().block_on(async {
            let signals = Signals::new(&blocked).unwrap();
            // `raise` signals this thread only: other tests' threads do not block it.
            nix::sys::signal::raise(Signal::SIGWINCH).unwrap();
            nix::sys::signal::raise(Signal::SIGUSR1).unwrap();
            let mut got = [signals.next().await.unwrap(), signals.next().await.unwrap()];
            got.sort_by_key(|received| received.signal as i32);
            assert_eq!(got.map(Received::to_pass_on), [Some(Signal::SIGUSR1), Some(Signal::SIGWINCH)]);
            assert_eq!(got.map(Received::asks_to_stop), [true, false]);
        });
    }

    #[test]
    fn the_terminals_signal_is_not_passed_on() {
        // SAFETY: plain old data.
        let mut info: siginfo = unsafe { std::mem::zeroed() };
        info.ssi_signo = libc::SIGINT as u32;
        info.ssi_code = SI_KERNEL;
        assert_eq!(Received::from_info(&info).unwrap().to_pass_on(), None);
        info.ssi_code = libc::SI_USER;
        assert_eq!(Received::from_info(&info).unwrap().to_pass_on(), Some(Signal::SIGINT));
        info.ssi_code = libc::SI_TKILL;
        assert_eq!(Received::from_info(&info).unwrap().to_pass_on(), Some(Signal::SIGINT));
    }
}
