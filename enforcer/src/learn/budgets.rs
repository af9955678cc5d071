// SPDX-License-Identifier: MIT OR Apache-2.0

//! Budgets: what was seen, with headroom.

use enforcer_common::{Budget, budget::FILES_MAX};

use crate::{profile::Budgets, report::number::grouped};

/// How often what was seen fits into a budget.
const HEADROOM: u64 = 2;
/// The least that a budget allows.
const LEAST: u64 = 100;
/// Denials that a run may have. A clean one has none.
const DENIALS: u64 = 20;

/// The lines of the budgets, each with what stands behind it.
pub(super) fn lines(most: &[u64; Budget::ALL.len()], base: Option<&Budgets>) -> Vec<(String, String)> {
    let line = |&budget: &Budget| {
        let seen = most[budget as usize];
        if budget == Budget::Denials {
            let line = (format!("denials: {DENIALS}"), "a clean run has none".to_owned());
            return base.is_none().then_some(line);
        }
        // What the base has is enough, unless it is not.
        if base.is_some_and(|base| base.0[budget as usize].is_none_or(|limit| limit >= seen)) {
            return None;
        }
        let limit = round(seen.saturating_mul(HEADROOM)).max(LEAST);
        let limit = match budget {
            Budget::FilesRead | Budget::FilesWritten => limit.min(FILES_MAX),
            _ => limit,
        };
        Some((format!("{}: {limit}", budget.name()), format!("at most {} seen", grouped(seen))))
    };
    Budget::ALL.iter().filter_map(line).collect()
}

/// The next number up with two digits that are not zero.
fn round(number: u64) -> u64 {
    let mut unit = 1;
    while number / unit >= 100 {
        unit *= 10;
    }
    number.div_ceil(unit).saturating_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_fits_twice() {
        let most = [12, 3_456, 51, 0, 7];
        assert_eq!(
            lines(&most, None).into_iter().map(|(line, _)| line).collect::<Vec<_>>(),
            ["processes: 100", "files_read: 7000", "files_written: 110", "connections: 100", "denials: 20"]
        );
        let base = Budgets([Some(12), Some(3_000), None, Some(0), None]);
        assert_eq!(
            lines(&most, Some(&base)),
            [("files_read: 7000".to_owned(), "at most 3,456 seen".to_owned())]
        );
    }
}
