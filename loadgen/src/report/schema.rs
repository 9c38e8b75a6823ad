//! The JSON of a report.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::settings::{Settings, StageSettings};
use crate::account::{Accounting, CatalogSeen, Totals, Wrong};
use crate::latency::{PercentilePoint, Percentiles, Times};
use crate::prices::Cost;
use crate::requests::Requests;
use crate::series::{Point, QueueDepth};
use crate::slo::Outcome;
use crate::text::{duration, number, time};

/// Version of the JSON report.
pub(crate) const FORMAT_VERSION: u32 = 1;

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
    pub latency_ms: Times<Percentiles>,
    /// `end_to_end` of it by percentile.
    pub end_to_end_by_percentile: Vec<PercentilePoint>,
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
    /// The last reason for which records could not be read at once: end-to-end times may be too long by that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_error: Option<String>,
    /// Requests that the generator made.
    pub requests: Requests,
    /// What they cost at the prices of docs/loadgen.md.
    pub cost_usd: Cost,
    /// What the generator itself took.
    pub generator: Generator,
}

/// Where a run took place.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
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

impl Report {
    /// What is shown of times: the heads of [`Self::time_rows`].
    pub(super) const TIME_HEADS: [&str; 8] = ["times", "count", "p50", "p90", "p95", "p99", "p99.9", "max"];

    /// For people, under [`Self::TIME_HEADS`].
    pub(super) fn time_rows(&self) -> [[String; 8]; 4] {
        let times = &self.latency_ms;
        let named = [
            ("schedule lag", &times.schedule_lag),
            ("send", &times.send),
            ("end to end", &times.end_to_end),
            ("detection", &times.detection),
        ];
        named.map(|(name, times)| {
            let [p50, p90, p95, p99, p99_9, max] = times.columns().map(|value| value.map_or("-".to_owned(), time));
            [name.to_owned(), number(times.count as f64), p50, p90, p95, p99, p99_9, max]
        })
    }

    /// What is shown of each stage: the heads of [`StageReport::cells`].
    pub(super) const STAGE_HEADS: [&str; 9] =
        ["stage", "intended", "sent", "lost", "wrong", "lag p99", "e2e p50", "e2e p99", "e2e max"];

    /// What is listed: of what, how many there are, and the first of them.
    pub(super) fn lists(&self) -> [(&'static str, u64, Vec<String>); 5] {
        let wrong = self.wrong_records.iter().map(|wrong| format!("{}: {}", wrong.request_id, wrong.reason));
        [
            ("wrong", self.totals.wrong, wrong.collect()),
            ("lost", self.totals.lost, self.lost_ids.clone()),
            ("written more than once", self.accounting.duplicated, self.duplicated_ids.clone()),
            ("late", self.totals.late, self.late_ids.clone()),
            ("unexpected", self.totals.unexpected, self.unexpected_ids.clone()),
        ]
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
    pub latency_ms: Times<Percentiles>,
    /// Their end-to-end times in ten parts of equal length: how much they vary by themselves.
    pub parts_ms: Vec<Percentiles>,
}

impl StageReport {
    /// For people, under [`Report::STAGE_HEADS`].
    pub(super) fn cells(&self) -> [String; 9] {
        let (totals, lag, e2e) = (&self.totals, &self.latency_ms.schedule_lag, &self.latency_ms.end_to_end);
        let [intended, sent, lost, wrong] =
            [totals.intended, totals.sent, totals.lost, totals.wrong].map(|count| number(count as f64));
        let [lag, p50, p99, max] = [lag.p99, e2e.p50, e2e.p99, e2e.max].map(|value| value.map_or("-".to_owned(), time));
        let name = format!("{} at {}", duration(self.settings.duration_seconds), self.settings.rate());
        [name, intended, sent, lost, wrong, lag, p50, p99, max]
    }
}

/// Intervals of a second, or longer in runs of more than an hour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct SeriesReport {
    /// How long each is.
    pub interval_seconds: f64,
    /// From the start of the run on.
    pub points: Vec<Point>,
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
