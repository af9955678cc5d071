// SPDX-License-Identifier: MIT OR Apache-2.0

//! What happens in a run, as log records.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use enforcer_common::Kind;
use opentelemetry_proto::tonic::{
    common::v1::AnyValue,
    logs::v1::{LogRecord, SeverityNumber},
};

use super::{
    aim::aim,
    attributes::{Attributes, string},
};
use crate::report::{
    Ending,
    escape::escape,
    json::{Event, Package, Text},
    number::grouped,
    reporter::tripped_by,
};

/// A run, as its records name it.
#[derive(Clone, Debug)]
pub(crate) struct About {
    /// Its number.
    pub(crate) run: u32,
    /// Its profile.
    pub(crate) profile: String,
    /// `enforce` or `audit`.
    pub(crate) mode: &'static str,
    /// When it began: RFC 3339, UTC.
    pub(crate) started: String,
}

/// A denial, what would have been one, or the use of an exception.
pub(super) fn of_event(about: &About, event: &Event, time: SystemTime) -> LogRecord {
    let (name, severity, what) = match event.verdict {
        "deny" => ("enforcer.denial", SeverityNumber::Warn, "denied"),
        "allow" => ("enforcer.exception", SeverityNumber::Info, "allowed by an exception"),
        _ => ("enforcer.denial", SeverityNumber::Info, "would have been denied"),
    };
    let mut attributes = Attributes::default();
    let target = aim(&mut attributes, event.action, &event.target).into_owned();
    let package = event.package.as_ref().map(named);
    let exe = event.process.exe.as_ref().map(Text::lossy);
    let script = event.package.as_ref().and_then(|package| package.script.as_ref());
    attributes
        .number("enforcer.run", about.run)
        .text("enforcer.profile", &about.profile)
        .text("enforcer.stage", &event.stage)
        .text("enforcer.action", event.action)
        .text("enforcer.verdict", event.verdict)
        .text("enforcer.reason", event.reason)
        .text_if("enforcer.package", package.as_deref())
        .text_if("enforcer.script", script.map(Text::lossy))
        .number("process.pid", event.process.pid)
        .text_if("process.executable.path", exe);
    if let Some(rule) = &event.rule {
        attributes
            .text_if("enforcer.rule", rule.place.as_deref())
            .text_if("enforcer.exception", rule.exception.as_deref());
    }
    let who = escape(package.as_deref().or(exe).unwrap_or("unknown process").as_bytes());
    let target = escape(target.as_bytes());
    let body =
        format!("{what}: {} {target} by {who} (stage {}: {})", event.action, event.stage, event.explanation);
    record(name, severity, time, attributes, &body)
}

/// The end of a run.
pub(super) fn of_ending(about: &About, ending: &Ending) -> LogRecord {
    let Ending { counters, malformed, remaining, .. } = ending;
    let mut denied = BTreeMap::new();
    for &kind in Kind::ALL {
        *denied.entry(kind.action()).or_default() += counters.denied[kind as usize];
    }
    let total: u64 = denied.values().sum();
    let tripped =
        (counters.tripped != 0).then(|| tripped_by(counters).map_or("request", |budget| budget.name()));
    let mut attributes = Attributes::default();
    attributes
        .number("enforcer.run", about.run)
        .text("enforcer.profile", &about.profile)
        .text("enforcer.mode", about.mode)
        .text("enforcer.started", &about.started)
        .number("enforcer.decisions", counters.decisions())
        .number("enforcer.denied.total", total);
    for (action, count) in denied.into_iter().filter(|(_, count)| *count > 0) {
        attributes.number(&format!("enforcer.denied.{action}"), count);
    }
    attributes
        .number("enforcer.lost_events", counters.lost_events)
        .number("enforcer.lost_images", counters.lost_images)
        .number("enforcer.refused_forks", counters.refused_forks)
        .number("enforcer.malformed", *malformed)
        .number("enforcer.remaining_tasks", *remaining)
        .text_if("enforcer.tripped", tripped);
    let what = if about.mode == "audit" { "would have been denied" } else { "denied" };
    let body = format!("over: {} decisions, {} {what}", grouped(counters.decisions()), grouped(total));
    record("enforcer.summary", SeverityNumber::Info, SystemTime::now(), attributes, &body)
}

/// `name@version`.
fn named(package: &Package) -> String {
    match &package.version {
        Some(version) => format!("{}@{}", package.name.lossy(), version.lossy()),
        None => package.name.lossy().to_owned(),
    }
}

fn record(
    name: &str,
    severity: SeverityNumber,
    time: SystemTime,
    attributes: Attributes,
    body: &str,
) -> LogRecord {
    LogRecord {
        time_unix_nano: nanoseconds(time),
        observed_time_unix_nano: nanoseconds(SystemTime::now()),
        severity_number: severity.into(),
        severity_text: if severity == SeverityNumber::Warn { "WARN" } else { "INFO" }.to_owned(),
        body: Some(AnyValue { value: Some(string(body)) }),
        attributes: attributes.0,
        event_name: name.to_owned(),
        ..LogRecord::default()
    }
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(super) mod tests;
