//! The outcome of a run: JSON for programs, a table for people, a page with charts.
//!
//! [`Report`] is the JSON, and everything else is made from it. Its schema is in docs/schemas/.

pub(crate) mod chart;
pub(crate) mod compare;
pub(crate) mod html;
pub(crate) mod table;

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::account::{Accounting, Books, CatalogSeen, StageBooks, Totals, Wrong};
use crate::latency::Percentiles;
use crate::prices::Cost;
use crate::requests::Requests;
use crate::schedule::Schedule;
use crate::series::{Interval, QueueDepth};
use crate::slo::{Objectives, Outcome};

/// Version of the JSON report.
pub(crate) const FORMAT_VERSION: u32 = 1;
/// Each stage's times are also given for this many parts of equal length: how much they vary by themselves.
const STAGE_PARTS: usize = 10;

/// A whole run.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "loadgen report")]
pub(crate) struct Report {
    /// Version of this format: 1.
    pub format_version: u32,
    /// Part of every request id of the run.
    pub run_id: String,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// Where it ran.
    pub environment: Environment,
    /// What was asked for.
    pub settings: Settings,
    /// Numbers of jobs.
    pub totals: Totals,
    /// Whether the load that was asked for was offered.
    pub valid: bool,
    /// Why not.
    pub invalid_reasons: Vec<String>,
    /// Whether every objective was met.
    pub slo_passed: bool,
    /// Each objective and what was measured.
    pub slo: Vec<Outcome>,
    /// Whether a signal or an error ended the sending before its time.
    pub ended_early: bool,
    /// From the start to the queue's last answer.
    pub sending_seconds: f64,
    /// From there to the last record, or the end of waiting for it.
    pub drain_seconds: f64,
    /// Times of all stages together, without the warm-up.
    pub latency_ms: Latencies,
    /// What was sent and looked at, in more detail.
    pub accounting: Accounting,
    /// What is worth knowing when the figures are read.
    pub notes: Vec<String>,
    /// The catalogs that answered, by version.
    pub catalogs: BTreeMap<String, CatalogSeen>,
    /// The queue before, at its deepest, and after.
    pub queue: QueueReport,
    /// The stages in order.
    pub stages: Vec<StageReport>,
    /// What happened when.
    pub series: SeriesReport,
    /// At most the first hundred.
    pub lost_ids: Vec<String>,
    /// At most the first hundred; their records came after `late_after_seconds`.
    pub late_ids: Vec<String>,
    /// At most the first hundred; their records were written more than once.
    pub duplicated_ids: Vec<String>,
    /// At most the first hundred; given up on, and answered all the same.
    pub unexpected_ids: Vec<String>,
    /// At most the first hundred.
    pub wrong_records: Vec<Wrong>,
    /// The last reason for which a job was not sent at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_error: Option<String>,
    /// Requests that the generator made.
    pub requests: Requests,
    /// What they cost at the prices of docs/loadgen.md.
    pub cost_usd: Cost,
    /// What the generator itself took.
    pub generator: Generator,
}

/// Where a run took place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Environment {
    /// Version of loadgen.
    pub loadgen_version: String,
    /// Operating system and processor architecture of the generator.
    pub platform: String,
    /// Processors that the generator could use.
    pub processors: usize,
    /// AWS region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Endpoint in place of AWS's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_url: Option<String>,
}

/// What was asked for. Durations in seconds, shares from 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Settings {
    /// Rates in order.
    pub stages: Vec<StageSettings>,
    /// `constant` or `poisson`.
    pub arrivals: String,
    /// Jobs of the first so many seconds are left out of the distributions.
    pub warmup_seconds: f64,
    /// Decides all but the request ids.
    pub seed: u64,
    /// The jobs file; absent for the built-in queries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<String>,
    /// Exponent of the popularity of jobs and tenants; absent if all are equally popular.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zipf: Option<f64>,
    /// Share of messages that repeat a job.
    pub duplicates: f64,
    /// Share of messages that put another job under an id.
    pub conflicts: f64,
    /// Share of messages with a job that breaks a rule.
    pub invalid: f64,
    /// `top_k` of jobs that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u16>,
    /// Tenants that the messages come from; 0 = none is named.
    pub tenants: u32,
    /// Least and most bytes of a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_bytes: Option<[usize; 2]>,
    /// Longest wait for company in a batch.
    pub linger_seconds: f64,
    /// Most messages under way.
    pub max_in_flight: u32,
    /// Attempts at sending a message.
    pub send_attempts: u32,
    /// Share of request ids whose record is read.
    pub verified_share: f64,
    /// Most records looked up a second.
    pub lookups_per_second: u32,
    /// The figures of the catalog that was expected to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalog_info: Option<String>,
    /// Longest wait for records after the last send.
    pub drain_timeout_seconds: f64,
    /// A record that takes longer is late.
    pub late_after_seconds: f64,
    /// From the first look at a record to the second; 0 = no second look.
    pub recheck_after_seconds: f64,
    /// A greater p99 of the schedule lag makes a run invalid.
    pub max_lag_seconds: f64,
    /// A greater share of messages that were not sent makes a run invalid.
    pub max_dropped: f64,
    /// The queue.
    pub queue_url: String,
    /// The table of the records.
    pub results_table: String,
}

/// A stage as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct StageSettings {
    /// How long it is.
    pub duration_seconds: f64,
    /// Jobs a second at its start.
    pub from_rps: f64,
    /// Jobs a second at its end.
    pub to_rps: f64,
}

/// Distributions in milliseconds; `loadgen --help` defines each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Latencies {
    /// Intended instant to the start of the first request that carries the message.
    pub schedule_lag: Percentiles,
    /// From there to the queue's acceptance.
    pub send: Percentiles,
    /// Intended instant to the record's first sight.
    pub end_to_end: Percentiles,
    /// The part of `end_to_end` that polling may have added.
    pub detection: Percentiles,
}

impl Latencies {
    fn new(books: &StageBooks) -> Self {
        Self {
            schedule_lag: books.schedule_lag.percentiles(),
            send: books.send.percentiles(),
            end_to_end: books.end_to_end.percentiles(),
            detection: books.detection.percentiles(),
        }
    }
}

/// The queue over the run; on AWS all depths are approximate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct QueueReport {
    /// At the start.
    pub before: Option<QueueDepth>,
    /// At the end.
    pub after: Option<QueueDepth>,
    /// Most messages that a sample found, waiting or received.
    pub peak: u64,
}

/// How one stage went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct StageReport {
    /// As it was asked for.
    pub settings: StageSettings,
    /// When it began, from the start of the run.
    pub start_seconds: f64,
    /// Numbers of jobs that were meant to be sent in it.
    pub totals: Totals,
    /// Their times, without the warm-up.
    pub latency_ms: Latencies,
    /// Their end-to-end times in ten parts of equal length: how much they vary by themselves.
    pub parts_ms: Vec<Percentiles>,
}

/// Intervals of a second, or longer in runs of more than an hour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct SeriesReport {
    /// How long each is.
    pub interval_seconds: f64,
    /// From the start of the run on.
    pub points: Vec<Point>,
}

/// What happened in one interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Point {
    /// When it began, from the start of the run.
    pub second: f64,
    /// Rate that was asked for, jobs a second.
    pub asked_rps: f64,
    /// Messages whose send instant came.
    pub intended: u64,
    /// Of those, how many were dropped.
    pub dropped: u64,
    /// Messages that the queue accepted.
    pub sent: u64,
    /// Messages that were given up on.
    pub send_failed: u64,
    /// Records that were seen for the first time.
    pub completed: u64,
    /// Request ids meant to be sent in it that are lost or have a wrong record.
    pub faulty: u64,
    /// Longest schedule lag of what was meant to be sent in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_lag_max_ms: Option<f64>,
    /// Longest send time of what was meant to be sent in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_max_ms: Option<f64>,
    /// End-to-end times of what was meant to be sent in it, to two digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_to_end_ms: Option<PointLatency>,
    /// The queue's depths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueDepth>,
    /// In its middle: request ids whose record was looked for and not seen yet.
    pub pending: u64,
    /// For how long the oldest of them had been due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_pending_seconds: Option<f64>,
}

/// A few percentiles, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct PointLatency {
    /// How many times were measured.
    pub count: u64,
    /// The median.
    pub p50: f64,
    /// 90 of 100 were at most this long.
    pub p90: f64,
    /// 99 of 100 were at most this long.
    pub p99: f64,
    /// The longest one.
    pub max: f64,
}

/// What the generator itself took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Generator {
    /// Processor time from the start of the run, in user and system mode.
    pub cpu_seconds: f64,
    /// The same for each message whose instant came.
    pub cpu_ms_per_job: Option<f64>,
    /// Most memory that the process had resident.
    pub max_resident_bytes: u64,
}

/// When a run took place, and for how long.
#[derive(Debug, Clone)]
pub(crate) struct Times {
    /// RFC 3339, UTC.
    pub started_at: String,
    pub sending: Duration,
    pub drain: Duration,
    pub ended_early: bool,
}

/// What makes a report, beside the books.
#[derive(Debug)]
pub(crate) struct Run {
    pub run_id: String,
    pub environment: Environment,
    pub settings: Settings,
    pub times: Times,
    pub requests: Requests,
    pub cost: Cost,
    /// Processor time and resident memory.
    pub cpu: Duration,
    pub max_resident_bytes: u64,
    /// The version in `--catalog-info`.
    pub expected_catalog: Option<String>,
}

impl Report {
    pub(crate) fn new(run: Run, schedule: &Schedule, objectives: &Objectives, books: &Books) -> Self {
        let overall = books.overall();
        let totals = overall.totals;
        let invalid_reasons = faults(&overall, &run.settings);
        let slo = objectives.outcomes(&overall, run.settings.verified_share > 0.0);
        let cpu_seconds = run.cpu.as_secs_f64();
        Self {
            format_version: FORMAT_VERSION,
            notes: notes(books, &run),
            run_id: run.run_id,
            started_at: run.times.started_at,
            environment: run.environment,
            settings: run.settings,
            totals,
            valid: invalid_reasons.is_empty(),
            invalid_reasons,
            slo_passed: slo.iter().all(|outcome| outcome.passed),
            slo,
            ended_early: run.times.ended_early,
            sending_seconds: run.times.sending.as_secs_f64(),
            drain_seconds: run.times.drain.as_secs_f64(),
            latency_ms: Latencies::new(&overall),
            accounting: books.accounting,
            catalogs: books.catalogs.clone(),
            queue: QueueReport { before: books.queue_before, after: books.queue_now, peak: books.queue_peak },
            stages: stages(schedule, books),
            series: series(schedule, books),
            lost_ids: books.lost_ids.clone(),
            late_ids: books.late_ids.clone(),
            duplicated_ids: books.duplicated_ids.clone(),
            unexpected_ids: books.unexpected_ids.clone(),
            wrong_records: books.wrong.clone(),
            send_error: books.send_error.clone(),
            requests: run.requests,
            cost_usd: run.cost,
            generator: Generator {
                cpu_seconds,
                cpu_ms_per_job: (totals.intended > 0).then(|| cpu_seconds * 1_000.0 / totals.intended as f64),
                max_resident_bytes: run.max_resident_bytes,
            },
        }
    }
}

/// Why the load that was asked for was not offered; empty for a valid run.
fn faults(run: &StageBooks, settings: &Settings) -> Vec<String> {
    let Totals { intended, dropped, send_failed, .. } = run.totals;
    let mut faults = Vec::new();
    let (lag, most) = (run.schedule_lag.quantile(0.99), Duration::from_secs_f64(settings.max_lag_seconds));
    if lag > most {
        faults.push(format!("p99 of the schedule lag was {lag:.0?}, more than {most:?}"));
    }
    if (dropped + send_failed) as f64 > settings.max_dropped * intended as f64 {
        faults.push(format!(
            "{dropped} jobs were dropped and {send_failed} failed to be sent, more than {} % of {intended}",
            settings.max_dropped * 100.0
        ));
    }
    if intended == 0 {
        faults.push("no job came due".to_owned());
    }
    faults
}

fn notes(books: &Books, run: &Run) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(before) = books.queue_before.filter(|before| before.total() > 0) {
        notes.push(format!("the queue held {} messages before the run: ours waited behind them", before.total()));
    }
    if books.catalogs.len() > 1 {
        let versions: Vec<String> = books
            .catalogs
            .iter()
            .map(|(version, seen)| {
                format!("{version} ({} records, first after {:.0} s)", seen.records, seen.first_seen_seconds)
            })
            .collect();
        notes.push(format!("the catalog changed during the run: {}", versions.join(", ")));
    }
    if let Some(expected) = &run.expected_catalog
        && let Some(other) = books.catalogs.keys().find(|version| *version != expected)
    {
        notes.push(format!(
            "records came from the catalog {other}, whose figures are not those of {expected} in --catalog-info: their \
             numbers of matches were only checked against top_k"
        ));
    }
    let dead_letters = |depth: Option<QueueDepth>| depth.and_then(|depth| depth.dead_letters);
    if let Some((before, after)) = dead_letters(books.queue_before).zip(dead_letters(books.queue_now)) {
        let (grown, conflicts) = (after.saturating_sub(before), books.accounting.conflicts_sent);
        if grown > 0 || conflicts > 0 {
            notes.push(format!("the dead-letter queue grew by {grown} messages, {conflicts} conflicts were sent"));
        }
    }
    if let Some(error) = &books.queue_error {
        notes.push(format!("the queue's depth could not be read: {error}"));
    }
    if run.settings.verified_share > 0.0 && run.settings.verified_share < 1.0 {
        notes.push(format!(
            "records were read for {} of {} request ids",
            books.accounting.verified, books.accounting.distinct_sent
        ));
    } else if run.settings.verified_share <= 0.0 {
        notes.push("no record was read: nothing is known of what became of the jobs".to_owned());
    }
    notes
}

fn stages(schedule: &Schedule, books: &Books) -> Vec<StageReport> {
    let stage = |(number, own): (usize, &StageBooks)| {
        let settings = schedule.stages()[number];
        let start = schedule.start_of(number);
        let parts = books.series.end_to_end(start, start + settings.duration, STAGE_PARTS);
        StageReport {
            settings: StageSettings {
                duration_seconds: settings.duration.as_secs_f64(),
                from_rps: settings.from,
                to_rps: settings.to,
            },
            start_seconds: start.as_secs_f64(),
            totals: own.totals,
            latency_ms: Latencies::new(own),
            parts_ms: parts.iter().map(|part| part.percentiles()).collect(),
        }
    };
    books.stages.iter().enumerate().map(stage).collect()
}

fn series(schedule: &Schedule, books: &Books) -> SeriesReport {
    let length = books.series.length();
    let milliseconds = |time: Duration| time.as_secs_f64() * 1_000.0;
    let point = |(index, interval): (usize, &Interval)| {
        let start = length * index as u32;
        let end_to_end = interval.end_to_end.as_ref().filter(|latency| latency.count() > 0).map(|latency| {
            let at = |quantile| milliseconds(latency.quantile(quantile));
            PointLatency { count: latency.count(), p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1.0) }
        });
        Point {
            second: start.as_secs_f64(),
            asked_rps: schedule.rate_at(start + length / 2),
            intended: interval.intended,
            dropped: interval.dropped,
            sent: interval.sent,
            send_failed: interval.send_failed,
            completed: interval.completed,
            faulty: interval.faulty,
            schedule_lag_max_ms: interval.schedule_lag_max.map(milliseconds),
            send_max_ms: interval.send_max.map(milliseconds),
            end_to_end_ms: end_to_end,
            queue: interval.queue,
            pending: interval.pending,
            oldest_pending_seconds: interval.oldest_pending.map(|age| age.as_secs_f64()),
        }
    };
    let points = books.series.intervals().iter().enumerate().map(point).collect();
    SeriesReport { interval_seconds: length.as_secs_f64(), points }
}

#[cfg(test)]
pub(crate) mod tests;
