// SPDX-License-Identifier: MIT OR Apache-2.0

//! What systemd is told, where it started us: `Type=notify-reload`, with a watchdog (sd_notify(3)).

use sd_notify::NotifyState;

/// The way to tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Notify {
    watched: bool,
}

impl Notify {
    /// As our environment has it. Without systemd, nothing is told.
    pub(super) fn from_environment() -> Self {
        Self { watched: sd_notify::watchdog_enabled().is_some() }
    }

    /// Everything is set up.
    pub(super) fn ready(self, status: &str) {
        tell(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// Profiles are read anew.
    pub(super) fn reloading(self) {
        let time = NotifyState::monotonic_usec_now();
        tell(&[NotifyState::Reloading]);
        if let Ok(time) = time {
            tell(&[time]);
        }
    }

    /// We are not stuck.
    pub(super) fn alive(self) {
        if self.watched {
            tell(&[NotifyState::Watchdog]);
        }
    }

    /// The end.
    pub(super) fn stopping(self) {
        tell(&[NotifyState::Stopping]);
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!("systemd could not be told: {error}");
    }
}
