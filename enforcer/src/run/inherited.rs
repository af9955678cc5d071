// SPDX-License-Identifier: MIT OR Apache-2.0

//! What we inherited and COMMAND must get as it was: the signal mask, and which signals are ignored.
//!
//! Rust's runtime ignores SIGPIPE before `main` begins, so what it was before is looked at earlier still.

use std::{
    io,
    mem::MaybeUninit,
    ptr,
    sync::atomic::{AtomicBool, Ordering},
};

use nix::sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask};

static SIGPIPE_IGNORED: AtomicBool = AtomicBool::new(false);

/// Called by the loader before Rust's runtime starts.
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK_EARLY: extern "C" fn() = look_early;

extern "C" fn look_early() {
    SIGPIPE_IGNORED.store(is_ignored(libc::SIGPIPE), Ordering::Relaxed);
}

/// Whether a signal is ignored.
pub(super) fn is_ignored(signal: libc::c_int) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: asks only; the kernel fills `action`.
    let asked = unsafe { libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) };
    // SAFETY: all zeroes is a valid `sigaction`, and so is what the kernel wrote.
    asked == 0 && unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN
}

/// The signal state that we were started with.
#[derive(Clone, Copy, Debug)]
pub struct Inherited {
    mask: SigSet,
    sigpipe_ignored: bool,
}

impl Inherited {
    /// Reads it: to be called before any signal is blocked.
    ///
    /// # Errors
    ///
    /// The mask cannot be read.
    pub fn read() -> io::Result<Self> {
        let mask = SigSet::thread_get_mask()?;
        Ok(Self { mask, sigpipe_ignored: SIGPIPE_IGNORED.load(Ordering::Relaxed) })
    }

    /// Puts it back, in a child before its exec: only system calls. Signals that we handle are reset by the exec
    /// itself, and those that we found ignored were never touched.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn restore(&self) -> io::Result<()> {
        let action = if self.sigpipe_ignored { libc::SIG_IGN } else { libc::SIG_DFL };
        // SAFETY: neither action is a function of ours.
        if unsafe { libc::signal(libc::SIGPIPE, action) } == libc::SIG_ERR {
            return Err(io::Error::last_os_error());
        }
        Ok(pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&self.mask), None)?)
    }

    /// Whether we were started with the signal ignored (`nohup`, a background job): it stays so, for us and COMMAND.
    #[must_use]
    pub fn ignores(&self, signal: Signal) -> bool {
        is_ignored(signal as libc::c_int)
    }
}
