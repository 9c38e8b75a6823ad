//! What a run was asked for, as its report has it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schedule::Stage;
use crate::text::number;

/// What was asked for. Durations in seconds, shares from 0 to 1.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// The filters of jobs that name none; absent if they get none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter_file: Option<String>,
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

impl Settings {
    /// What was sent and how much of it, without how it was read, what makes it pass, and where it went.
    pub(super) fn load(&self) -> Self {
        Self {
            max_in_flight: 0,
            lookups_per_second: 0,
            catalog_info: None,
            drain_timeout_seconds: 0.0,
            late_after_seconds: 0.0,
            recheck_after_seconds: 0.0,
            max_lag_seconds: 0.0,
            max_dropped: 0.0,
            queue_url: String::new(),
            results_table: String::new(),
            ..self.clone()
        }
    }
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

impl From<&Stage> for StageSettings {
    fn from(stage: &Stage) -> Self {
        Self { duration_seconds: stage.duration.as_secs_f64(), from_rps: stage.from, to_rps: stage.to }
    }
}

impl StageSettings {
    /// The rate for people: `100`, or `100 to 500`.
    pub(crate) fn rate(&self) -> String {
        let (from, to) = (number(self.from_rps), number(self.to_rps));
        if from == to { from } else { format!("{from} to {to}") }
    }
}
