// SPDX-License-Identifier: MIT OR Apache-2.0

//! What is said at the end of a run.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use enforcer_common::{Kind, run::Counters};

use super::{
    Legend,
    denial::package_label,
    fold::{Count, Fold},
    line::{DENIED, FAINT, NAME, WOULD},
    number::{counted, grouped},
    suggest::suggest,
    target::Target,
};
use crate::events::Attribution;

/// Rows of a table; the rest is added up.
const ROWS: usize = 20;
/// Different denials that a change of the profile is shown for.
const CHANGES: usize = 5;
/// Widest column of a table, in characters.
const WIDEST: usize = 72;

/// What a summary is made of.
#[derive(Debug)]
pub struct Summary<'a> {
    /// The profile.
    pub legend: &'a Legend,
    /// Whether denials were made, and not only reported.
    pub enforced: bool,
    /// The denials that were seen.
    pub fold: &'a Fold,
    /// What the kernel counted.
    pub counters: &'a Counters,
    /// Records that could not be decoded.
    pub malformed: u64,
    /// Tasks that are left.
    pub remaining: u64,
}

impl Summary<'_> {
    /// All denials, as the kernel counted them.
    #[must_use]
    pub fn denied(&self) -> u64 {
        self.counters.denied.iter().sum()
    }

    /// One line: how many denials there were.
    #[must_use]
    pub fn headline(&self) -> String {
        let Self { legend, enforced, .. } = self;
        let (style, word, mode) = if *enforced {
            (DENIED, "denied", "")
        } else {
            (WOULD, "would have denied", ", audit mode: nothing was denied")
        };
        let actions = counted(self.denied(), "action");
        format!("enforcer: {style}{word} {actions}{style:#} (profile {}{mode})", legend.name)
    }

    /// What went missing, a line each; empty if nothing did.
    #[must_use]
    pub fn losses(&self) -> Vec<String> {
        let Counters { lost_events, lost_images, refused_forks, .. } = *self.counters;
        let mut lines = Vec::new();
        if lost_events > 0 {
            let events = counted(lost_events, "event");
            lines.push(format!("{events} lost: those denials are counted, but not shown"));
        }
        if lost_images > 0 {
            let programs = counted(lost_images, "record");
            lines
                .push(format!("{programs} of programs lost: some denials cannot be attributed to a package"));
        }
        if refused_forks > 0 {
            let processes = counted(refused_forks, "process").replace("processs", "processes");
            lines.push(format!("{processes} could not be put under the profile and were not created"));
        }
        if self.malformed > 0 {
            lines.push(format!("{} could not be decoded", counted(self.malformed, "record")));
        }
        lines
    }

    /// The line about tasks that outlived COMMAND.
    #[must_use]
    pub fn leftover(&self) -> Option<String> {
        let tasks = counted(self.remaining, "task");
        if self.remaining > 0 && self.counters.tripped != 0 {
            return Some(format!("{tasks} of the tripped run are left; whatever they attempt is refused"));
        }
        (self.remaining > 0).then(|| {
            format!(
                "{tasks} of the run outlived COMMAND; the profile holds for as long as they live, unreported"
            )
        })
    }

    /// Everything, for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = self.headline();
        if self.fold.events() > 0 {
            let packages = self.packages();
            let targets = self.targets();
            let _ = write!(text, "\n\n{}\n{}", packages.text(), targets.text());
            text.push_str(&self.advice());
        }
        text
    }

    fn packages(&self) -> Table {
        let mut rows: Vec<(String, Kind, Count)> = Vec::new();
        let mut others = Count::default();
        for (key, count) in self.fold.by_package() {
            match key {
                Some((who, kind)) => rows.push((self.who(who), kind, count)),
                None => others = count,
            }
        }
        rows.sort_by(|a, b| b.2.events.cmp(&a.2.events).then_with(|| a.0.cmp(&b.0)));
        let mut table = Table::new("package");
        for (who, kind, count) in rows {
            table.add(kind, who, count);
        }
        if others.events > 0 {
            table.others(others);
        }
        table
    }

    fn targets(&self) -> Table {
        let mut by_target: BTreeMap<(&Target, u8), Count> = BTreeMap::new();
        for (denial, events) in self.fold.listed() {
            let count = by_target.entry((&denial.target, denial.kind as u8)).or_default();
            count.unique += 1;
            count.events += events;
        }
        let mut rows: Vec<_> = by_target.into_iter().collect();
        rows.sort_by_key(|((target, _), count)| (std::cmp::Reverse(count.events), *target));
        let mut table = Table::new("target");
        for ((target, kind), count) in rows {
            if let Some(kind) = Kind::from_wire(kind) {
                table.add(kind, target.to_string(), count);
            }
        }
        let unlisted = self.fold.unlisted();
        if unlisted > 0 {
            table.others(Count { unique: 0, events: unlisted, unlisted });
        }
        table
    }

    fn who(&self, attribution: &Attribution) -> String {
        match attribution {
            Attribution::Package(package) => package_label(package),
            Attribution::Outside => "(no package)".to_owned(),
            Attribution::Unknown => "(unknown)".to_owned(),
        }
    }

    /// How to allow what was denied.
    fn advice(&self) -> String {
        let listed = self.fold.listed();
        let shown = listed.iter().take(CHANGES).map(|(denial, _)| denial);
        let Some((yaml, _)) = suggest(shown, self.legend) else {
            return String::new();
        };
        let mut text = format!("\nIf this was right to do, add to {}:\n", self.legend.file);
        for line in yaml.lines() {
            let _ = writeln!(text, "{FAINT}  {line}{FAINT:#}");
        }
        if listed.len() > CHANGES {
            let _ = writeln!(text, "  (and so on for {} more)", grouped((listed.len() - CHANGES) as u64));
        }
        text
    }
}

/// A table of counts.
struct Table {
    title: &'static str,
    rows: Vec<(String, &'static str, Count)>,
    rest: Count,
}

impl Table {
    fn new(title: &'static str) -> Self {
        Self { title, rows: Vec::new(), rest: Count::default() }
    }

    fn add(&mut self, kind: Kind, name: String, count: Count) {
        if self.rows.len() < ROWS {
            self.rows.push((shorten(&name), kind.action(), count));
        } else {
            self.others(count);
        }
    }

    fn others(&mut self, count: Count) {
        self.rest.unique += count.unique;
        self.rest.events += count.events;
        self.rest.unlisted += count.unlisted;
    }

    fn text(&self) -> String {
        let mut rows = self.rows.clone();
        if self.rest.events > 0 {
            rows.push(("(others)".to_owned(), "", self.rest));
        }
        let width =
            rows.iter().map(|(name, ..)| name.chars().count()).max().unwrap_or(0).max(self.title.len());
        let mut text = format!(
            "  {NAME}{:width$}  {:7}  {:>7}  {:>9}{NAME:#}\n",
            self.title, "action", "unique", "events"
        );
        for (name, kind, count) in rows {
            let unique = format!("{}{}", grouped(count.unique), if count.unlisted > 0 { "+" } else { "" });
            let events = grouped(count.events);
            let _ = writeln!(text, "  {name:width$}  {kind:7}  {unique:>7}  {events:>9}");
        }
        text
    }
}

/// A name that fits into a column: its end tells more than its beginning.
fn shorten(name: &str) -> String {
    let count = name.chars().count();
    if count <= WIDEST {
        return name.to_owned();
    }
    std::iter::once('…').chain(name.chars().skip(count - WIDEST + 1)).collect()
}

#[cfg(test)]
mod tests {
    use enforcer_common::table::KINDS;

    use super::{super::line::samples::*, *};

    fn summary<'a>(legend: &'a Legend, fold: &'a Fold, counters: &'a Counters) -> Summary<'a> {
        Summary { legend, enforced: true, fold, counters, malformed: 0, remaining: 0 }
    }

    /// Denials by kind.
    fn denied(counts: &[(Kind, u64)]) -> [u64; KINDS] {
        let mut denied = [0; KINDS];
        counts.iter().for_each(|&(kind, count)| denied[kind as usize] = count);
        denied
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_trojans_run() {
        let mut fold = Fold::default();
        for _ in 0..30_000 {
            fold.add(&read(trojan(), "/home/u/.npmrc"));
        }
        fold.add(&connect(trojan(), "203.0.113.7:8000"));
        fold.add(&connect(trojan(), "203.0.113.7:8000"));
        fold.add(&read(Attribution::Outside, "/home/u/.npmrc"));
        let counters = Counters {
            denied: denied(&[(Kind::Read, 30_101), (Kind::Connect, 2)]),
            lost_events: 100,
            ..Counters::default()
        };
        let legend = legend();
        let summary = summary(&legend, &fold, &counters);
        insta::assert_snapshot!(plain(&summary.text()), @r##"
enforcer: denied 30,103 actions (profile npm-install)

  package                            action    unique     events
  plain-crypto-js@4.2.1 postinstall  read           1     30,000
  plain-crypto-js@4.2.1 postinstall  connect        1          2
  (no package)                       read           1          1

  target                action    unique     events
  /home/u/.npmrc        read           2     30,001
  203.0.113.7:8000 tcp  connect        1          2

If this was right to do, add to profiles/npm-install.yaml:
  stages:
    script:
      files:
        read:
          except:
            - "~/.npmrc"  # denied on purpose by profiles/npm-install.yaml:44
      network:
        allow:
          - { address: "203.0.113.7", ports: [8000], protocol: tcp }
"##);
        insta::assert_snapshot!(summary.losses().join("\n"), @r##"100 events lost: those denials are counted, but not shown"##);
    }

    #[test]
    fn what_is_beyond_the_bounds_is_added_up() {
        let mut fold = Fold::default();
        for i in 0..100 {
            fold.add(&read(trojan(), &format!("/{}/{i}", "long".repeat(40))));
        }
        let counters = Counters { denied: denied(&[(Kind::Read, 100)]), ..Counters::default() };
        let legend = legend();
        let text = plain(&summary(&legend, &fold, &counters).text());
        assert!(text.contains("read         40+        100"), "{text}");
        assert!(text.contains("(others)"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 240), "{text}");
    }

    #[test]
    fn everything_lost_is_still_told() {
        let (fold, legend) = (Fold::default(), legend());
        let counters = Counters {
            denied: denied(&[(Kind::Exec, 1)]),
            lost_events: 1,
            lost_images: 2,
            refused_forks: 3,
            ..Counters::default()
        };
        let summary =
            Summary { malformed: 1, remaining: 4, enforced: false, ..summary(&legend, &fold, &counters) };
        insta::assert_snapshot!(plain(&summary.text()), @r##"enforcer: would have denied 1 action (profile npm-install, audit mode: nothing was denied)"##);
        insta::assert_snapshot!(summary.losses().join("\n"), @r##"
1 event lost: those denials are counted, but not shown
2 records of programs lost: some denials cannot be attributed to a package
3 processes could not be put under the profile and were not created
1 record could not be decoded
"##);
        insta::assert_snapshot!(summary.leftover().unwrap_or_default(), @r##"4 tasks of the run outlived COMMAND; the profile holds for as long as they live, unreported"##);
    }
}
