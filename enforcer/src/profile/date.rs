// SPDX-License-Identifier: MIT OR Apache-2.0

//! Days, in UTC: when an exception ends.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::error::{Code, Problem};

/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;
/// Characters of `YYYY-MM-DD`.
const WRITTEN: usize = 10;

/// A day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Date {
    /// Days since 1970-01-01.
    days: u64,
}

impl Date {
    /// A day that no exception outlasts.
    pub const MAX: Self = Self { days: u64::MAX };

    /// The day that it is now.
    #[must_use]
    pub fn today() -> Self {
        Self::of(SystemTime::now())
    }

    /// The day of a time. A clock before 1970 is wrong, and then no exception applies.
    #[must_use]
    pub fn of(time: SystemTime) -> Self {
        time.duration_since(UNIX_EPOCH).map_or(Self::MAX, |since| Self { days: since.as_secs() / DAY })
    }

    /// How many days there are from `earlier` to this day; 0 if it is not earlier.
    #[must_use]
    pub const fn days_since(self, earlier: Self) -> u64 {
        self.days.saturating_sub(earlier.days)
    }

    /// Reads `YYYY-MM-DD`.
    ///
    /// # Errors
    ///
    /// It is written in another way, or the calendar has no such day.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let shape =
            |(at, byte): (usize, u8)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
        if text.len() != WRITTEN || !text.bytes().enumerate().all(shape) {
            return Err(Problem::new(Code::Date, format!("`{text}` is not a date"))
                .help("year, month and day, such as 2027-01-31"));
        }
        let time = humantime::parse_rfc3339(&format!("{text}T00:00:00Z"));
        time.map(Self::of).map_err(|_| {
            Problem::new(Code::Date, format!("the calendar has no {text}"))
                .help("a month from 01 to 12 and a day that it has, in 1970 or later")
        })
    }
}

/// `YYYY-MM-DD`.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = UNIX_EPOCH + Duration::from_secs(self.days * DAY);
        let text = humantime::format_rfc3339_seconds(time).to_string();
        f.write_str(text.get(..WRITTEN).unwrap_or(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_and_written() {
        for text in ["1970-01-01", "2024-02-29", "2027-01-31", "2100-12-31"] {
            assert_eq!(Date::parse(text).unwrap().to_string(), text);
        }
        let (first, last) = (Date::parse("2026-02-27").unwrap(), Date::parse("2026-03-01").unwrap());
        assert!(first < last);
        assert_eq!((last.days_since(first), first.days_since(last)), (2, 0));
        assert_eq!(Date::of(UNIX_EPOCH + Duration::from_secs(DAY - 1)), Date::parse("1970-01-01").unwrap());
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for text in [
            "",
            "2026-2-3",
            "2026-02-30",
            "2025-02-29",
            "2026-13-01",
            "2026-00-10",
            "31.01.2027",
            "2026-01-0x",
        ] {
            assert_eq!(Date::parse(text).unwrap_err().code, Code::Date, "{text}");
        }
    }
}
