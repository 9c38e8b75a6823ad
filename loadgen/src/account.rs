//! The books of a run: what became of each job, and the distributions of its times.
//!
//! Everything that happens is entered here once, by whoever saw it happen. Every job that came due ends in exactly one
//! of dropped, `send_failed`, succeeded, rejected, wrong and lost; [`Totals`] cannot be changed from outside.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::jobs::Verdict;

/// Most request ids of lost and of wrong jobs that are listed; all are counted.
pub(crate) const LISTED_MAX: usize = 100;
/// Longest time that a histogram tells from longer ones.
const LATENCY_MAX: Duration = Duration::from_hours(24);
/// Decimal digits that a histogram keeps.
const LATENCY_DIGITS: u8 = 3;
/// A 99th percentile of the schedule lag above this makes a run invalid.
const LAG_MAX: Duration = Duration::from_millis(250);
/// A greater share of jobs that were not sent makes a run invalid.
const UNSENT_MAX: f64 = 0.01;

/// Numbers of jobs; `loadgen --help` defines each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Totals {
    pub intended: u64,
    pub sent: u64,
    pub dropped: u64,
    pub send_failed: u64,
    pub succeeded: u64,
    pub rejected: u64,
    pub lost: u64,
    pub wrong: u64,
    pub late: u64,
    pub unexpected: u64,
}

impl Totals {
    /// Sent jobs about whose record nothing is known yet.
    pub(crate) fn pending(&self) -> u64 {
        self.sent - self.succeeded - self.rejected - self.wrong - self.lost
    }
}

/// A distribution of times, to the microsecond and three digits.
#[derive(Debug, Clone)]
pub(crate) struct Latency(Histogram<u64>);

/// What people ask of a distribution, in milliseconds; `None` without a single value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Percentiles {
    pub count: u64,
    pub p50: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
    pub max: Option<f64>,
}

impl Latency {
    fn new() -> Self {
        let max = LATENCY_MAX.as_micros() as u64;
        Self(Histogram::new_with_bounds(1, max, LATENCY_DIGITS).expect("1 < 24 h in microseconds, and 3 digits <= 5"))
    }

    fn record(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn quantile(&self, quantile: f64) -> Duration {
        Duration::from_micros(self.0.value_at_quantile(quantile))
    }

    pub(crate) fn percentiles(&self) -> Percentiles {
        let milliseconds = |microseconds: u64| (!self.0.is_empty()).then_some(microseconds as f64 / 1_000.0);
        let at = |quantile| milliseconds(self.0.value_at_quantile(quantile));
        Percentiles { count: self.0.len(), p50: at(0.5), p95: at(0.95), p99: at(0.99), max: milliseconds(self.0.max()) }
    }
}

/// A record that its job cannot have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Wrong {
    pub request_id: String,
    pub reason: String,
}

/// A copy of the books at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Books {
    pub totals: Totals,
    /// Intended instant to the start of the first request that carries the job.
    pub schedule_lag: Latency,
    /// From there to the queue's acceptance.
    pub send: Latency,
    /// Intended instant to the record's first sight.
    pub end_to_end: Latency,
    /// The part of `end_to_end` that polling may have added.
    pub detection: Latency,
    /// At most [`LISTED_MAX`].
    pub lost_ids: Vec<String>,
    /// At most [`LISTED_MAX`].
    pub wrong: Vec<Wrong>,
    /// The last thing that kept a job from being sent.
    pub send_error: Option<String>,
    /// The error that ended the sending before its time.
    pub sending_ended: Option<String>,
    /// Why records cannot be read at the moment.
    pub read_error: Option<String>,
}

impl Books {
    /// Why the load that was asked for was not offered; empty for a valid run.
    pub(crate) fn faults_of_the_run(&self) -> Vec<String> {
        let Totals { intended, dropped, send_failed, .. } = self.totals;
        let mut faults = Vec::new();
        let lag = self.schedule_lag.quantile(0.99);
        if lag > LAG_MAX {
            faults.push(format!("p99 of the schedule lag was {lag:.0?}, more than {LAG_MAX:?}"));
        }
        if (dropped + send_failed) as f64 > UNSENT_MAX * intended as f64 {
            let limit = UNSENT_MAX * 100.0;
            faults.push(format!(
                "{dropped} jobs were dropped and {send_failed} failed to be sent, more than {limit} % of {intended}"
            ));
        }
        if intended == 0 {
            faults.push("no job came due".to_owned());
        }
        faults
    }

    /// Whether every sent job has a right record.
    pub(crate) fn all_accounted_for(&self) -> bool {
        self.totals.lost == 0 && self.totals.wrong == 0
    }
}

/// The books, shared by the tasks of a run.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    books: Arc<Mutex<Books>>,
    late_after: Duration,
}

impl Account {
    /// Empty books; records seen longer than `late_after` after their job's intended instant are late.
    pub(crate) fn new(late_after: Duration) -> Self {
        let books = Books {
            totals: Totals::default(),
            schedule_lag: Latency::new(),
            send: Latency::new(),
            end_to_end: Latency::new(),
            detection: Latency::new(),
            lost_ids: Vec::new(),
            wrong: Vec::new(),
            send_error: None,
            sending_ended: None,
            read_error: None,
        };
        Self { books: Arc::new(Mutex::new(books)), late_after }
    }

    /// The books as they stand.
    pub(crate) fn books(&self) -> Books {
        self.open().clone()
    }

    /// A job's intended instant came.
    pub(crate) fn intended(&self) {
        self.open().totals.intended += 1;
    }

    /// A due job was not handed over.
    pub(crate) fn dropped(&self) {
        self.open().totals.dropped += 1;
    }

    /// The first request that carries a job began `lag` after its intended instant.
    pub(crate) fn send_began(&self, lag: Duration) {
        self.open().schedule_lag.record(lag);
    }

    /// The queue accepted a job, `took` after its first request began.
    pub(crate) fn sent(&self, took: Duration) {
        let mut books = self.open();
        books.totals.sent += 1;
        books.send.record(took);
    }

    /// A job was given up on.
    pub(crate) fn send_failed(&self) {
        self.open().totals.send_failed += 1;
    }

    /// A send, or a part of one, failed; it may be tried again.
    pub(crate) fn send_error(&self, reason: String) {
        self.open().send_error = Some(reason);
    }

    /// The sending cannot go on.
    pub(crate) fn sending_ended(&self, reason: String) {
        self.open().sending_ended.get_or_insert(reason);
    }

    /// Reading records failed, or works again.
    pub(crate) fn read_error(&self, reason: Option<String>) {
        self.open().read_error = reason;
    }

    /// The record of `request_id` was first seen `end_to_end` after the intended instant; it was last found absent
    /// `detection` before.
    pub(crate) fn seen(&self, request_id: String, verdict: Verdict, end_to_end: Duration, detection: Duration) {
        let mut books = self.open();
        match verdict {
            Verdict::Succeeded => books.totals.succeeded += 1,
            Verdict::Rejected => books.totals.rejected += 1,
            Verdict::Wrong(reason) => {
                books.totals.wrong += 1;
                if books.wrong.len() < LISTED_MAX {
                    books.wrong.push(Wrong { request_id, reason });
                }
            }
        }
        books.totals.late += u64::from(end_to_end > self.late_after);
        books.end_to_end.record(end_to_end);
        books.detection.record(detection);
    }

    /// A sent job has no record at the end.
    pub(crate) fn lost(&self, request_id: String) {
        let mut books = self.open();
        books.totals.lost += 1;
        if books.lost_ids.len() < LISTED_MAX {
            books.lost_ids.push(request_id);
        }
    }

    /// A job that was given up on has a record.
    pub(crate) fn unexpected(&self) {
        self.open().totals.unexpected += 1;
    }

    fn open(&self) -> MutexGuard<'_, Books> {
        // No entry can panic halfway, so books that a panicking task held are whole.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn account(intended: u64) -> Account {
        let account = Account::new(1_000 * MS);
        (0..intended).for_each(|_| account.intended());
        account
    }

    #[test]
    fn a_seen_record_leaves_the_pending_and_can_be_late_as_well() {
        let account = account(4);
        (0..4).for_each(|_| account.sent(MS));
        account.seen("a".into(), Verdict::Succeeded, 1_000 * MS, MS);
        account.seen("b".into(), Verdict::Rejected, 1_001 * MS, MS);
        account.seen("c".into(), Verdict::Wrong("because".into()), 5 * MS, MS);
        let books = account.books();
        assert_eq!(books.totals.pending(), 1);
        account.lost("d".into());
        let expected =
            Totals { intended: 4, sent: 4, succeeded: 1, rejected: 1, wrong: 1, lost: 1, late: 1, ..Totals::default() };
        let books = account.books();
        assert_eq!(books.totals, expected);
        assert_eq!(books.totals.pending(), 0);
        assert_eq!((&books.wrong[0].request_id[..], &books.lost_ids[0][..]), ("c", "d"));
        assert_eq!(books.end_to_end.percentiles().count, 3);
        assert!(!books.all_accounted_for());
    }

    #[test]
    fn listed_ids_are_bounded_and_counts_are_not() {
        let account = account(0);
        for index in 0..LISTED_MAX + 5 {
            account.sent(MS);
            account.lost(index.to_string());
        }
        let books = account.books();
        assert_eq!((books.lost_ids.len(), books.totals.lost), (LISTED_MAX, LISTED_MAX as u64 + 5));
    }

    #[test]
    fn a_run_is_invalid_above_one_percent_of_unsent_jobs() {
        let account = account(200);
        account.dropped();
        account.send_failed();
        assert_eq!(account.books().faults_of_the_run(), [""; 0], "2 of 200 are 1 %");
        account.dropped();
        assert_eq!(
            account.books().faults_of_the_run(),
            ["2 jobs were dropped and 1 failed to be sent, more than 1 % of 200"]
        );
    }

    #[test]
    fn a_run_is_invalid_when_the_lag_is_above_the_limit_at_the_99th_percentile() {
        let account = account(200);
        (0..198).for_each(|_| account.send_began(20 * MS));
        (0..2).for_each(|_| account.send_began(900 * MS));
        assert_eq!(account.books().faults_of_the_run(), [""; 0]);
        account.send_began(900 * MS);
        assert!(account.books().faults_of_the_run()[0].contains("more than 250ms"));
    }

    #[test]
    fn percentiles_are_in_milliseconds_and_absent_without_values() {
        let mut latency = Latency::new();
        assert_eq!(latency.percentiles(), Percentiles { count: 0, p50: None, p95: None, p99: None, max: None });
        (1..=100).for_each(|index| latency.record(index * MS));
        let found = latency.percentiles();
        for (found, expected) in [(found.p50, 50.0), (found.p95, 95.0), (found.p99, 99.0), (found.max, 100.0)] {
            let found = found.unwrap();
            assert!((found - expected).abs() <= expected / 1_000.0, "{found} for {expected}");
        }
        latency.record(2 * LATENCY_MAX);
        assert!(latency.quantile(1.0) >= LATENCY_MAX, "a time beyond the range counts as the longest");
    }
}
