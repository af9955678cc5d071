// SPDX-License-Identifier: MIT OR Apache-2.0

//! What was read, as OpenMetrics has it.

use std::{fmt, time::UNIX_EPOCH};

use enforcer_common::{
    latency,
    run::{ENROLLED, PROFILES, RUNS},
};
use prometheus_client::{
    collector::Collector,
    encoding::{
        DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, EncodeMetric as _, MetricEncoder, NoLabelSet,
        text,
    },
    metrics::MetricType,
    registry::{Registry, Unit},
};

use super::{Reading, Sum};
use crate::kernel::service::Fill;

/// The type of the text.
pub(super) const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The text.
pub(super) fn text(reading: Reading) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("enforcer");
    registry.register_collector(Box::new(reading));
    let mut text = String::new();
    text::encode(&mut text, &registry)?;
    Ok(text)
}

/// What a number is called, what it means, and where it is.
type Of<T> = (&'static str, &'static str, fn(&T) -> u64);

const COUNTERS: [Of<Sum>; 6] = [
    ("events_lost", "Events that found no room in the ring buffer. They were decided all the same.", |sum| {
        sum.lost_events
    }),
    ("programs_lost", "Programs of runs whose names found no room in the ring buffer.", |sum| {
        sum.lost_images
    }),
    (
        "forks_refused",
        "Processes that were not made, because they could not have been told to be in the run.",
        |sum| sum.refused_forks,
    ),
    ("runs_begun", "Runs that the service took up.", |sum| sum.begun),
    ("runs_ended", "Runs of which nothing is left.", |sum| sum.ended),
    ("runs_tripped", "Runs over a budget, and those that were killed or frozen by command.", |sum| {
        sum.tripped
    }),
];

const GAUGES: [Of<Sum>; 2] = [
    ("runs", "Runs under way.", |sum| sum.runs),
    ("tasks", "Processes and threads in runs that are under way.", |sum| sum.tasks),
];

impl Collector for Reading {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let to = &mut encoder;
        describe(to, "build", "The enforcer.", MetricType::Info)?
            .encode_info(&[("version", env!("CARGO_PKG_VERSION"))])?;
        for (name, help, of) in COUNTERS {
            let mut metric = describe(to, name, help, MetricType::Counter)?;
            for (profile, sum) in &self.profiles {
                count(&mut metric, &[("profile", profile.as_str())], of(sum))?;
            }
        }
        let help = "Verdicts made in runs of a profile. Of resolve, which is decided elsewhere, those that were denied.";
        let mut metric = describe(to, "decisions", help, MetricType::Counter)?;
        for (profile, sum) in &self.profiles {
            for (action, decisions) in &sum.decisions {
                count(&mut metric, &[("profile", profile.as_str()), ("action", *action)], *decisions)?;
            }
        }
        let help = "Actions that a profile denied, or would have denied in audit mode.";
        let mut metric = describe(to, "denials", help, MetricType::Counter)?;
        for (profile, sum) in &self.profiles {
            for ((action, verdict), denied) in &sum.denials {
                let labels = [("profile", profile.as_str()), ("action", *action), ("verdict", *verdict)];
                count(&mut metric, &labels, *denied)?;
            }
        }
        for (name, help, of) in GAUGES {
            let mut metric = describe(to, name, help, MetricType::Gauge)?;
            for (profile, sum) in &self.profiles {
                metric.encode_family(&[("profile", profile.as_str())])?.encode_gauge(&of(sum))?;
            }
        }
        let help =
            "How long runs took from the first exec until nothing was left, to about a fifth of a second.";
        let mut metric =
            to.encode_descriptor("run_duration", help, Some(&Unit::Seconds), MetricType::Histogram)?;
        for (profile, sum) in &self.profiles {
            sum.durations.encode(metric.encode_family(&[("profile", profile.as_str())])?)?;
        }
        self.encode_latencies(to)?;
        self.encode_fills(to)?;
        self.encode_service(to)
    }
}

impl Reading {
    fn encode_latencies(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "How long the kernel took to decide, and to tell of it, since its programs were loaded: in runs that were enrolled while metrics were served.";
        let unit = Some(&Unit::Seconds);
        let mut metric = to.encode_descriptor("decision_duration", help, unit, MetricType::Histogram)?;
        let seconds = |nanoseconds: u64| nanoseconds as f64 / 1e9;
        for (action, latency) in &self.latencies {
            let most = |bucket| latency::bound(bucket).map_or(f64::INFINITY, seconds);
            let buckets: Vec<_> = (0..).map(most).zip(latency.buckets).collect();
            let count = latency.buckets.iter().sum();
            let labels = [("action", *action)];
            let mut metric = metric.encode_family(&labels)?;
            metric.encode_histogram::<NoLabelSet>(seconds(latency.sum), count, &buckets, None)?;
        }
        Ok(())
    }

    fn encode_fills(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let fills: [Of<Fill>; 2] = [
            (
                "map_entries",
                "What is in a map of the kernel programs. Of a map that each run has: in the fullest.",
                |fill| fill.entries,
            ),
            ("map_limit", "What finds room in it.", |fill| fill.limit),
        ];
        for (name, help, of) in fills {
            let mut metric = describe(to, name, help, MetricType::Gauge)?;
            for fill in &self.fills {
                metric.encode_family(&[("map", fill.map)])?.encode_gauge(&of(fill))?;
            }
        }
        Ok(())
    }

    /// What is one for the whole machine.
    fn encode_service(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "What came of commands that profiles select, since the kernel programs were loaded: enrolled; killed, for want of a place (full), for a variable that cannot be used (unusable), or for a profile that was asked for and is no longer there (gone); not looked at (missed).";
        let mut metric = describe(to, "commands", help, MetricType::Counter)?;
        for (outcome, commands) in [
            ("enrolled", self.chosen.enrolled),
            ("full", self.chosen.full),
            ("unusable", self.chosen.unusable),
            ("gone", self.chosen.gone),
            ("missed", self.chosen.missed),
        ] {
            count(&mut metric, &[("outcome", outcome)], commands)?;
        }
        if let Some(told) = &self.otlp {
            let help = "Log records for the collector, since the service began: it has them (sent), it did not want them (refused), or there was no room to wait for it (dropped).";
            let mut metric = describe(to, "otlp_records", help, MetricType::Counter)?;
            for (outcome, records) in
                [("sent", told.sent), ("refused", told.refused), ("dropped", told.dropped)]
            {
                count(&mut metric, &[("outcome", outcome)], records)?;
            }
            gauge(to, "otlp_waiting", "Log records that are still to be sent.", told.waiting)?;
        }
        gauge(to, "places_used", "Places that runs have.", self.places)?;
        gauge(to, "places_ready", "Places that are made ready for the next runs.", self.ready)?;
        gauge(to, "places_limit", "Runs that may be under way at a time.", u64::from(RUNS - ENROLLED))?;
        gauge(to, "profiles", "Profiles that are loaded.", self.known)?;
        gauge(to, "profiles_selecting", "Those of them that select commands.", self.selecting)?;
        gauge(to, "profiles_limit", "Profiles that may be loaded.", u64::from(PROFILES))?;
        let help = "1 if the last change of the profiles was refused, so that those of before are in force.";
        gauge(to, "profiles_refused", help, u64::from(self.failed))?;
        let help = "When profiles were last loaded; 0 if the service has loaded none.";
        let loaded = self.loaded.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        to.encode_descriptor("profiles_loaded_timestamp", help, Some(&Unit::Seconds), MetricType::Gauge)?
            .encode_gauge(&loaded.as_secs_f64())?;
        gauge(to, "armed", "1 if the kernel enrols what profiles select.", u64::from(self.armed))
    }
}

fn describe<'e>(
    to: &'e mut DescriptorEncoder<'_>,
    name: &'e str,
    help: &str,
    of: MetricType,
) -> Result<MetricEncoder<'e>, fmt::Error> {
    to.encode_descriptor(name, help, None, of)
}

fn count(metric: &mut MetricEncoder<'_>, labels: &impl EncodeLabelSet, value: u64) -> fmt::Result {
    metric.encode_family(labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)
}

fn gauge(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: impl EncodeGaugeValue,
) -> fmt::Result {
    describe(to, name, help, MetricType::Gauge)?.encode_gauge(&value)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use enforcer_common::{
        Kind,
        latency::Latency,
        run::{Counters, MODE_AUDIT, MODE_ENFORCE, Run},
        select::Chosen,
    };

    use super::{
        super::{Metrics, Told},
        *,
    };

    fn run(id: u32, mode: u32) -> Run {
        // SAFETY: numbers and arrays of them: all zeros are values of each.
        Run { id, mode, live: 1, ..unsafe { std::mem::zeroed() } }
    }

    fn counters(decisions: u64, kind: Kind, denied: u64) -> Counters {
        let mut counters = Counters { tasks: 3, ..Counters::default() };
        counters.decided[kind as usize] = decisions;
        counters.denied[kind as usize] = denied;
        counters
    }

    fn told(metrics: &Metrics) -> String {
        let reading = Reading {
            profiles: metrics.sums(),
            loaded: Some(UNIX_EPOCH + Duration::from_millis(1_764_000_000_250)),
            known: 2,
            selecting: 1,
            failed: true,
            armed: true,
            chosen: Chosen { enrolled: 5, full: 1, unusable: 2, missed: 3, gone: 4 },
            places: 2,
            ready: 32,
            latencies: [(
                "exec",
                Latency { sum: 1_536_000, buckets: std::array::from_fn(|bucket| bucket as u64) },
            )]
            .into(),
            fills: vec![Fill { map: "labels", entries: 3, limit: 65536 }],
            otlp: Some(Told {
                collector: "http://127.0.0.1:4318/v1/logs".to_owned(),
                sent: 1,
                waiting: 2,
                refused: 3,
                dropped: 4,
                problem: None,
            }),
        };
        text(reading).unwrap()
    }

    #[test]
    fn all_of_it() {
        let mut metrics = Metrics::default();
        let [held, watched] = [run(256, MODE_ENFORCE), run(257, MODE_AUDIT)];
        metrics.begun(&held, "npm-install", Duration::from_secs(100), Counters::default());
        metrics.saw(256, &counters(1000, Kind::Argv, 2));
        metrics.saw(256, &Counters { tripped: 1, lost_events: 4, ..counters(1010, Kind::Argv, 5) });
        metrics.begun(&watched, "audited", Duration::ZERO, counters(50, Kind::Connect, 50));
        metrics.saw(257, &Counters { lost_images: 1, refused_forks: 2, ..counters(60, Kind::Connect, 51) });
        metrics.left(&[(257, watched)]);
        let text = told(&metrics);
        // How long it took depends on when this runs.
        let is_exact =
            |line: &&str| !line.starts_with("enforcer_run_duration_seconds_sum{profile=\"npm-install\"}");
        let text: Vec<_> = text.lines().filter(is_exact).collect();
        insta::assert_snapshot!(text.join("\n"));
    }

    #[test]
    fn what_is_over_stays_in_the_sum() {
        let mut metrics = Metrics::default();
        let one = run(256, MODE_ENFORCE);
        let decided = |metrics: &Metrics| {
            let sum = &metrics.sums()["p"];
            (sum.decisions["read"], sum.denials[&("read", "deny")], sum.runs, sum.begun, sum.ended)
        };
        metrics.begun(&one, "p", Duration::ZERO, Counters::default());
        metrics.saw(256, &counters(10, Kind::Read, 4));
        // It is found a second time, and its place is given back before it was read again.
        metrics.begun(&one, "p", Duration::ZERO, Counters::default());
        metrics.saw(256, &Counters::default());
        assert_eq!(decided(&metrics), (10, 4, 1, 1, 0));
        metrics.left(&[]);
        assert_eq!(decided(&metrics), (10, 4, 0, 1, 1));
        // Another one has its place.
        metrics.begun(&run(768, MODE_ENFORCE), "p", Duration::ZERO, Counters::default());
        metrics.saw(256, &counters(1000, Kind::Read, 1000));
        metrics.saw(768, &counters(1, Kind::Read, 1));
        assert_eq!(decided(&metrics), (11, 5, 1, 2, 1));
    }
}
