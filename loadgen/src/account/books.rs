//! Everything that is known about a run, as it stands: what reports and screens are made from.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::totals::{Accounting, Totals};
use crate::latency::{Latency, Times};
use crate::schedule::Schedule;
use crate::series::{QueueDepth, Series};

/// Most request ids that each list has; all are counted.
pub(crate) const LISTED_MAX: usize = 100;

/// A request id, and what is the matter with its record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Wrong {
    /// Key of the record.
    pub request_id: String,
    /// What is wrong with it.
    pub reason: String,
}

/// A catalog that answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct CatalogSeen {
    /// Records that it produced.
    pub records: u64,
    /// When the first of them was seen, from the start of the run.
    pub first_seen_seconds: f64,
}

/// The books of one stage.
#[derive(Debug, Clone, Default)]
pub(crate) struct StageBooks {
    pub totals: Totals,
    /// Without the warm-up.
    pub times: Times<Latency>,
}

/// Everything that is known about a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Books {
    /// In the order of the schedule; a job belongs to the stage of its intended instant.
    pub stages: Vec<StageBooks>,
    pub series: Series,
    pub accounting: Accounting,
    /// Each list has at most [`LISTED_MAX`].
    pub lost_ids: Vec<String>,
    pub late_ids: Vec<String>,
    pub duplicated_ids: Vec<String>,
    pub unexpected_ids: Vec<String>,
    pub wrong: Vec<Wrong>,
    /// By version.
    pub catalogs: BTreeMap<String, CatalogSeen>,
    /// The first and the last sample of the queue.
    pub queue_before: Option<QueueDepth>,
    pub queue_now: Option<QueueDepth>,
    /// Most messages that a sample found on the queue, waiting or received.
    pub queue_peak: u64,
    /// The last thing that kept a job from being sent.
    pub send_error: Option<String>,
    /// The error that ended the sending before its time.
    pub sending_ended: Option<String>,
    /// Why records cannot be read at the moment.
    pub read_error: Option<String>,
    /// The last thing that kept records from being read.
    pub last_read_error: Option<String>,
    /// Why the queue's depth is not known.
    pub queue_error: Option<String>,
    /// When the oldest job whose record is looked for was meant to be sent.
    pub oldest_pending: Option<Duration>,
    /// Records that are to be looked up before the run ends.
    pub looks_left: usize,
}

impl Books {
    /// Empty ones.
    pub(super) fn new(schedule: &Schedule) -> Self {
        let stages = vec![StageBooks::default(); schedule.stages().len()];
        Self { stages, series: Series::new(schedule.duration()), ..Self::default() }
    }

    /// All stages together.
    pub(crate) fn overall(&self) -> StageBooks {
        self.stages.iter().fold(StageBooks::default(), |mut all, stage| {
            all.totals.add(&stage.totals);
            all.times.merge(&stage.times);
            all
        })
    }

    /// Totals of all stages together.
    pub(crate) fn totals(&self) -> Totals {
        self.stages.iter().fold(Totals::default(), |mut all, stage| {
            all.add(&stage.totals);
            all
        })
    }

    /// Whether records are looked for, and not one was seen.
    pub(crate) fn unanswered(&self) -> bool {
        let totals = self.totals();
        self.accounting.verified > 0 && totals.succeeded + totals.rejected + totals.wrong == 0
    }

    /// Request ids whose record is looked for and was not seen.
    pub(crate) fn pending(&self) -> u64 {
        self.accounting.verified.saturating_sub(self.totals().closed())
    }
}
