//! From the books of a run to its report.

use std::time::Duration;

use super::schema::{Environment, FORMAT_VERSION, Generator, QueueReport, Report, SeriesReport, StageReport};
use super::settings::{Settings, StageSettings};
use crate::account::{Accounting, Books, StageBooks, Totals};
use crate::latency::{Latency, milliseconds};
use crate::prices::Cost;
use crate::requests::Requests;
use crate::schedule::Schedule;
use crate::series::{Point, PointLatency, QueueDepth};
use crate::slo::{Measured, Objectives};
use crate::text::{self, NOTHING_ANSWERED, count, was};

/// Each stage's times are also given for this many parts of equal length: how much they vary by themselves.
const STAGE_PARTS: usize = 10;

/// What makes a report, beside the books.
#[derive(Debug)]
pub(crate) struct Run {
    pub id: String,
    pub environment: Environment,
    pub settings: Settings,
    /// RFC 3339, UTC.
    pub started_at: String,
    pub sending: Duration,
    pub drain: Duration,
    pub ended_early: bool,
    pub requests: Requests,
    pub cost: Cost,
    /// Processor time and resident memory.
    pub cpu: Duration,
    pub max_resident_bytes: u64,
    /// Why the records could not all be read at the end.
    pub unverified: Option<String>,
    /// The version in `--catalog-info`.
    pub expected_catalog: Option<String>,
}

impl Report {
    pub(crate) fn new(run: Run, schedule: &Schedule, objectives: &Objectives, books: &Books) -> Self {
        let overall = books.overall();
        let totals = overall.totals;
        let mut invalid_reasons = faults(&overall, &run.settings);
        if let Some(reason) = &books.sending_ended {
            invalid_reasons.push(format!("the queue rejected a batch for good: {reason}"));
        }
        invalid_reasons.extend(run.unverified.clone());
        let measured = Measured {
            books: &overall,
            verified: books.accounting.verified,
            verified_share: run.settings.verified_share,
            series: Some((&books.series, Duration::from_secs_f64(run.settings.warmup_seconds))),
        };
        let slo = objectives.outcomes(&measured);
        let cpu_seconds = run.cpu.as_secs_f64();
        let warmup = Duration::from_secs_f64(run.settings.warmup_seconds);
        Self {
            format_version: FORMAT_VERSION,
            notes: notes(books, &run),
            run_id: run.id,
            started_at: run.started_at,
            environment: run.environment,
            settings: run.settings,
            totals,
            valid: invalid_reasons.is_empty(),
            invalid_reasons,
            // Of records that could not be read it is not known that they are right.
            slo_passed: run.unverified.is_none() && slo.iter().all(|outcome| outcome.passed),
            slo,
            ended_early: run.ended_early,
            sending_seconds: run.sending.as_secs_f64(),
            drain_seconds: run.drain.as_secs_f64(),
            latency_ms: overall.times.percentiles(),
            end_to_end_by_percentile: overall.times.end_to_end.by_percentile(),
            accounting: books.accounting,
            catalogs: books.catalogs.clone(),
            queue: QueueReport { before: books.queue_before, after: books.queue_now, peak: books.queue_peak },
            stages: stages(schedule, warmup, books),
            series: series(schedule, books),
            lost_ids: books.lost_ids.clone(),
            late_ids: books.late_ids.clone(),
            duplicated_ids: books.duplicated_ids.clone(),
            unexpected_ids: books.unexpected_ids.clone(),
            wrong_records: books.wrong.clone(),
            send_error: books.send_error.clone(),
            read_error: books.last_read_error.clone(),
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
pub(super) fn faults(run: &StageBooks, settings: &Settings) -> Vec<String> {
    let Totals { intended, dropped, send_failed, .. } = run.totals;
    let mut faults = Vec::new();
    let (lag, most) = (run.times.schedule_lag.quantile(0.99), Duration::from_secs_f64(settings.max_lag_seconds));
    if lag > most {
        let [lag, most] = [lag, most].map(text::span);
        faults.push(format!("p99 of the schedule lag was {lag}, more than {most}"));
    }
    if (dropped + send_failed) as f64 > settings.max_dropped * intended as f64 {
        faults.push(format!(
            "{} dropped and {send_failed} failed to be sent, more than {} % of {intended}",
            was(dropped, "job"),
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
    if books.unanswered() {
        notes.push(NOTHING_ANSWERED.to_owned());
    }
    if run.ended_early {
        let all = run.settings.stages.iter().map(|stage| stage.duration_seconds).sum();
        let [sending, all] = [run.sending.as_secs_f64(), all].map(text::duration);
        notes.push(format!("sending stopped after {sending} of {all}: this report covers that part only"));
    }
    if let Some(before) = books.queue_before.filter(|before| before.total() > 0) {
        let held = count(before.total(), "message");
        notes.push(format!("the queue held {held} before the run: the jobs of this run waited behind them"));
    }
    if books.catalogs.len() > 1 {
        let versions: Vec<String> = books
            .catalogs
            .iter()
            .map(|(version, seen)| {
                let (records, first) = (count(seen.records, "record"), text::duration(seen.first_seen_seconds));
                format!("{version} ({records}, first after {first})")
            })
            .collect();
        notes.push(format!("the catalog changed during the run: {}", versions.join(", ")));
    }
    if let Some(expected) = &run.expected_catalog
        && let Some(other) = books.catalogs.keys().find(|version| *version != expected)
    {
        notes.push(format!(
            "records came from catalog {other}, but --catalog-info describes {expected}: their numbers of matches were \
             only checked against top_k"
        ));
    }
    let Accounting { filtered, attributes_unknown, .. } = books.accounting;
    if filtered > 0 {
        notes.push(format!(
            "{} of jobs with a filter: how many products pass it is not known, so their numbers of matches were only \
             checked against top_k",
            count(filtered, "record")
        ));
    }
    if attributes_unknown > 0 {
        notes.push(format!(
            "{} of jobs that name attributes, without knowing which ones the catalog has: matches and a rejection for \
             its attributes both counted as right; a --catalog-info with `attributes` makes it exact",
            count(attributes_unknown, "record")
        ));
    }
    let dead_letters = |depth: Option<QueueDepth>| depth.and_then(|depth| depth.dead_letters);
    if let Some((before, after)) = dead_letters(books.queue_before).zip(dead_letters(books.queue_now)) {
        let (grown, conflicts) = (after.saturating_sub(before), books.accounting.conflicts_sent);
        if grown > 0 || conflicts > 0 {
            let (grown, conflicts) = (count(grown, "message"), was(conflicts, "conflict"));
            notes.push(format!("the dead-letter queue grew by {grown}, {conflicts} sent"));
        }
    }
    if let Some(error) = &books.queue_error {
        notes.push(format!("the queue's depth could not be read: {error}"));
    }
    if run.settings.verified_share > 0.0 && run.settings.verified_share < 1.0 {
        let all = count(books.accounting.distinct_sent, "request id");
        notes.push(format!("records were read for {} of {all}", books.accounting.verified));
    } else if run.settings.verified_share <= 0.0 {
        notes.push("no record was read, so what became of the jobs is not known".to_owned());
    }
    notes
}

fn stages(schedule: &Schedule, warmup: Duration, books: &Books) -> Vec<StageReport> {
    let stage = |(number, own): (usize, &StageBooks)| {
        let settings = &schedule.stages()[number];
        let start = schedule.start_of(number);
        let parts = books.series.end_to_end(start.max(warmup), start + settings.duration, STAGE_PARTS);
        StageReport {
            settings: StageSettings::from(settings),
            start_seconds: start.as_secs_f64(),
            totals: own.totals,
            latency_ms: own.times.percentiles(),
            parts_ms: parts.iter().map(Latency::percentiles).collect(),
        }
    };
    books.stages.iter().enumerate().map(stage).collect()
}

fn series(schedule: &Schedule, books: &Books) -> SeriesReport {
    let length = books.series.length();
    let times = |latency: &Latency| {
        let at = |quantile| milliseconds(latency.quantile(quantile));
        PointLatency { count: latency.count(), p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1.0) }
    };
    let point = |(index, point): (usize, &Point)| {
        let start = length * index as u32;
        Point {
            second: start.as_secs_f64(),
            asked_rps: schedule.rate_at(start + length / 2),
            end_to_end_ms: point.latency.as_ref().map(times),
            latency: None,
            ..point.clone()
        }
    };
    let points = books.series.points().iter().enumerate().map(point).collect();
    SeriesReport { interval_seconds: length.as_secs_f64(), points }
}
