// SPDX-License-Identifier: MIT OR Apache-2.0

//! Facts about the machine that a record of a run needs.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// The kernel that enforced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its release, as `uname -r` says.
    pub kernel: String,
    /// Its version, as `uname -v` says.
    pub version: String,
    /// The architecture, as `uname -m` says.
    pub machine: String,
}

impl Host {
    /// This machine.
    #[must_use]
    pub fn current() -> Self {
        let Ok(names) = nix::sys::utsname::uname() else {
            return Self { kernel: "?".into(), version: "?".into(), machine: "?".into() };
        };
        let text = |name: &std::ffi::OsStr| name.to_string_lossy().into_owned();
        Self { kernel: text(names.release()), version: text(names.version()), machine: text(names.machine()) }
    }
}

/// From the kernel's clock to the calendar.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    boot: SystemTime,
}

impl Clock {
    /// Looks at both clocks now.
    #[must_use]
    pub fn current() -> Self {
        let mut since_boot = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `since_boot` is writable; the clock exists on every kernel that is supported.
        unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut since_boot) };
        let since_boot = Duration::new(
            u64::try_from(since_boot.tv_sec).unwrap_or(0),
            u32::try_from(since_boot.tv_nsec).unwrap_or(0),
        );
        Self { boot: SystemTime::now().checked_sub(since_boot).unwrap_or(SystemTime::UNIX_EPOCH) }
    }

    /// A clock for a machine that was booted at this time.
    #[cfg(test)]
    pub(crate) const fn booted_at(boot: SystemTime) -> Self {
        Self { boot }
    }

    /// A time of an event.
    #[must_use]
    pub fn time(&self, nanoseconds_since_boot: u64) -> SystemTime {
        self.boot.checked_add(Duration::from_nanos(nanoseconds_since_boot)).unwrap_or(self.boot)
    }

    /// The same as RFC 3339 text in UTC.
    #[must_use]
    pub fn text(&self, nanoseconds_since_boot: u64) -> String {
        rfc3339(self.time(nanoseconds_since_boot))
    }
}

/// A time as RFC 3339 text in UTC, to the nanosecond.
#[must_use]
pub fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_nanos(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc() {
        let clock = Clock::booted_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_774_915_200));
        assert_eq!(clock.text(1_000_000_005), "2026-03-31T00:00:01.000000005Z");
        // humantime cannot write years beyond 9999, but no event is that late: u64 nanoseconds are 584 years.
        assert!(clock.text(u64::MAX).starts_with("2610"));
    }

    #[test]
    fn this_machine_has_a_kernel() {
        assert!(!Host::current().kernel.is_empty());
        assert!(Clock::current().boot < SystemTime::now());
    }
}
