//! The numbers of a run: what the books count.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Numbers of jobs; `loadgen --help` defines each. From `succeeded` on they are distinct request ids.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Totals {
    /// Messages whose send instant came.
    pub intended: u64,
    /// Messages that the queue accepted.
    pub sent: u64,
    /// Messages that were not handed over, because too many were under way.
    pub dropped: u64,
    /// Messages that the queue did not accept.
    pub send_failed: u64,
    /// Request ids with a right record, SUCCEEDED.
    pub succeeded: u64,
    /// Request ids with a right record, REJECTED.
    pub rejected: u64,
    /// Request ids that the queue accepted and that have no record.
    pub lost: u64,
    /// Request ids with a record that their job cannot have, or whose record was written twice.
    pub wrong: u64,
    /// Request ids whose record came too late; they also count as what they are.
    pub late: u64,
    /// Request ids that count as `send_failed` and have a record all the same.
    pub unexpected: u64,
}

impl Totals {
    pub(super) fn add(&mut self, other: &Self) {
        self.intended += other.intended;
        self.sent += other.sent;
        self.dropped += other.dropped;
        self.send_failed += other.send_failed;
        self.succeeded += other.succeeded;
        self.rejected += other.rejected;
        self.lost += other.lost;
        self.wrong += other.wrong;
        self.late += other.late;
        self.unexpected += other.unexpected;
    }

    /// Each with its name for people, and whether it should be 0.
    pub(crate) fn named(&self) -> [(&'static str, u64, bool); 10] {
        [
            ("intended", self.intended, false),
            ("sent", self.sent, false),
            ("dropped", self.dropped, true),
            ("send failed", self.send_failed, true),
            ("succeeded", self.succeeded, false),
            ("rejected", self.rejected, false),
            ("lost", self.lost, true),
            ("wrong", self.wrong, true),
            ("late", self.late, true),
            ("unexpected", self.unexpected, true),
        ]
    }

    /// Request ids about whose record something is known.
    pub(crate) fn closed(&self) -> u64 {
        self.succeeded + self.rejected + self.wrong + self.lost
    }
}

/// What was sent and what was looked at, beyond [`Totals`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Accounting {
    /// Distinct request ids that the queue accepted.
    pub distinct_sent: u64,
    /// Those whose record was or is looked for.
    pub verified: u64,
    /// Accepted messages that repeat a job byte for byte.
    pub duplicates_sent: u64,
    /// Accepted messages with another job under the id of one that was sent.
    pub conflicts_sent: u64,
    /// Accepted messages with a job that breaks a rule.
    pub invalid_sent: u64,
    /// Records read again, to see that nobody wrote them twice.
    pub second_looks: u64,
    /// Records that were written again after they were first seen; they also count as wrong.
    pub duplicated: u64,
    /// Right records of jobs with a filter, SUCCEEDED: how many matches they must have is not known.
    #[serde(default)]
    pub filtered: u64,
    /// Right records of jobs that name attributes, where it was not known which ones the catalog has: rejected for them
    /// or not, either is right.
    #[serde(default)]
    pub attributes_unknown: u64,
    /// Jobs sent again because an attempt failed.
    pub send_retries: u64,
}
