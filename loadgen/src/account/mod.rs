//! The books of a run: what became of each job, and the distributions of its times.
//!
//! Everything that happens is entered here once, by whoever saw it happen. Every distinct request id that the queue has
//! ends in exactly one of succeeded, rejected, wrong and lost, if its record is read at all; [`Totals`] cannot be changed
//! from outside.

mod books;
mod totals;
mod verdict;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

pub(crate) use self::books::{Books, CatalogSeen, LISTED_MAX, StageBooks, Wrong};
pub(crate) use self::totals::{Accounting, Totals};
pub(crate) use self::verdict::{Unchecked, Verdict};
use crate::jobs::Kind;
use crate::latency::{Latency, milliseconds};
use crate::schedule::Schedule;
use crate::series::QueueDepth;

/// A record that was seen for the first time.
#[derive(Debug)]
pub(crate) struct Seen {
    pub request_id: String,
    /// Intended instant of its job.
    pub intended: Duration,
    pub verdict: Verdict,
    pub unchecked: Unchecked,
    /// Intended instant to first sight.
    pub end_to_end: Duration,
    /// From when it was last known to be absent to first sight.
    pub detection: Duration,
    /// What its catalog calls itself.
    pub catalog_version: Option<String>,
}

/// The books, shared by the tasks of a run. Instants are from the start of the run.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    books: Arc<Mutex<Books>>,
    schedule: Arc<Schedule>,
    rules: Rules,
    start: Instant,
}

/// How entries are judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// Times of jobs meant to be sent before this are left out of the distributions.
    pub warmup: Duration,
    /// A record seen longer than this after its job's intended instant is late.
    pub late_after: Duration,
}

impl Account {
    /// Empty books; the run starts now.
    pub(crate) fn new(schedule: Arc<Schedule>, rules: Rules) -> Self {
        let books = Books::new(&schedule);
        Self { books: Arc::new(Mutex::new(books)), schedule, rules, start: Instant::now() }
    }

    pub(crate) fn schedule(&self) -> &Arc<Schedule> {
        &self.schedule
    }

    /// When the run started: what intended instants are counted from.
    pub(crate) fn start(&self) -> Instant {
        self.start
    }

    /// Time since the start of the run.
    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// The books as they stand.
    pub(crate) fn books(&self) -> Books {
        self.open().clone()
    }

    /// A part of the books as they stand, without copying the rest.
    pub(crate) fn read<T>(&self, part: impl FnOnce(&Books) -> T) -> T {
        part(&self.open())
    }

    /// A message's intended instant came.
    pub(crate) fn intended(&self, at: Duration) {
        self.stage(at, |totals| totals.intended += 1).series.at(at).intended += 1;
    }

    /// A due message was not handed over.
    pub(crate) fn dropped(&self, at: Duration) {
        self.stage(at, |totals| totals.dropped += 1).series.at(at).dropped += 1;
    }

    /// The first request that carries a message began `lag` after its intended instant.
    pub(crate) fn send_began(&self, at: Duration, lag: Duration) {
        let mut books = self.open();
        if at >= self.rules.warmup {
            books.stages[self.schedule.stage_at(at)].times.schedule_lag.record(lag);
        }
        raise(&mut books.series.at(at).schedule_lag_max_ms, lag);
    }

    /// The queue accepted a message, `took` after its first request began.
    pub(crate) fn sent(&self, at: Duration, kind: Kind, took: Duration) {
        let now = self.now();
        let mut books = self.stage(at, |totals| totals.sent += 1);
        match kind {
            Kind::Original => {}
            Kind::Invalid => books.accounting.invalid_sent += 1,
            Kind::Duplicate { .. } => books.accounting.duplicates_sent += 1,
            Kind::Conflict { .. } => books.accounting.conflicts_sent += 1,
        }
        if at >= self.rules.warmup {
            books.stages[self.schedule.stage_at(at)].times.send.record(took);
        }
        books.series.at(now).sent += 1;
        raise(&mut books.series.at(at).send_max_ms, took);
    }

    /// A message was given up on.
    pub(crate) fn send_failed(&self, at: Duration) {
        let now = self.now();
        self.stage(at, |totals| totals.send_failed += 1).series.at(now).send_failed += 1;
    }

    /// A send, or a part of one, failed; it may be tried again.
    pub(crate) fn send_error(&self, reason: String) {
        let mut books = self.error(&reason);
        books.send_error = Some(reason);
    }

    /// So many messages are sent again.
    pub(crate) fn send_retried(&self, messages: usize) {
        self.open().accounting.send_retries += messages as u64;
    }

    /// The sending cannot go on.
    pub(crate) fn sending_ended(&self, reason: String) {
        self.open().sending_ended.get_or_insert(reason);
    }

    /// The queue has a request id that it did not have before; `verified` if its record is looked for.
    pub(crate) fn opened(&self, verified: bool) {
        let mut books = self.open();
        books.accounting.distinct_sent += 1;
        books.accounting.verified += u64::from(verified);
    }

    /// Reading records failed, or works again.
    pub(crate) fn read_error(&self, reason: Option<String>) {
        let Some(reason) = reason else {
            self.open().read_error = None;
            return;
        };
        let mut books = self.error(&reason);
        books.last_read_error = Some(reason.clone());
        books.read_error = Some(reason);
    }

    /// A record was seen for the first time.
    pub(crate) fn seen(&self, seen: Seen) {
        let (at, now) = (seen.intended, self.now());
        let mut books = self.stage(at, |totals| match &seen.verdict {
            Verdict::Succeeded => totals.succeeded += 1,
            Verdict::Rejected { .. } => totals.rejected += 1,
            Verdict::Wrong(_) => totals.wrong += 1,
        });
        books.accounting.filtered += u64::from(seen.unchecked.counts);
        books.accounting.attributes_unknown += u64::from(seen.unchecked.attributes);
        if let Some(version) = seen.catalog_version {
            let first_seen_seconds = now.as_secs_f64();
            books.catalogs.entry(version).or_insert(CatalogSeen { records: 0, first_seen_seconds }).records += 1;
        }
        let stage = &mut books.stages[self.schedule.stage_at(at)];
        let late = seen.end_to_end > self.rules.late_after;
        stage.totals.late += u64::from(late);
        if at >= self.rules.warmup {
            stage.times.end_to_end.record(seen.end_to_end);
            stage.times.detection.record(seen.detection);
        }
        books.series.at(now).completed += 1;
        let interval = books.series.at(at);
        interval.wrong += u64::from(matches!(seen.verdict, Verdict::Wrong(_)));
        interval.late += u64::from(late);
        interval.latency.get_or_insert_with(Latency::coarse).record(seen.end_to_end);
        if late {
            list(&mut books.late_ids, || seen.request_id.clone());
        }
        if let Verdict::Wrong(reason) = seen.verdict {
            list(&mut books.wrong, || Wrong { request_id: seen.request_id, reason });
        }
    }

    /// A record that was right when first seen, as `before`, is not any more.
    pub(crate) fn turned_wrong(
        &self,
        request_id: &str,
        at: Duration,
        before: &Verdict,
        reason: String,
        duplicated: bool,
    ) {
        let mut books = self.stage(at, |totals| {
            match before {
                Verdict::Succeeded => totals.succeeded -= 1,
                Verdict::Rejected { .. } => totals.rejected -= 1,
                Verdict::Wrong(_) => totals.wrong -= 1,
            }
            totals.wrong += 1;
        });
        if !matches!(before, Verdict::Wrong(_)) {
            books.series.at(at).wrong += 1;
            list(&mut books.wrong, || Wrong { request_id: request_id.to_owned(), reason });
        }
        if duplicated {
            books.accounting.duplicated += 1;
            list(&mut books.duplicated_ids, || request_id.to_owned());
        }
    }

    /// Records were read again.
    pub(crate) fn looked_again(&self, records: usize) {
        self.open().accounting.second_looks += records as u64;
    }

    /// A request id that the queue had has no record at the end.
    pub(crate) fn lost(&self, request_id: String, at: Duration) {
        let mut books = self.stage(at, |totals| totals.lost += 1);
        books.series.at(at).lost += 1;
        list(&mut books.lost_ids, || request_id);
    }

    /// A request id that was given up on has a record.
    pub(crate) fn unexpected(&self, request_id: String, at: Duration) {
        let mut books = self.stage(at, |totals| totals.unexpected += 1);
        list(&mut books.unexpected_ids, || request_id);
    }

    /// When the oldest job whose record is looked for was meant to be sent.
    pub(crate) fn oldest_pending(&self, intended: Option<Duration>) {
        self.open().oldest_pending = intended;
    }

    /// So many records are to be looked up before the run ends.
    pub(crate) fn looks_left(&self, records: usize) {
        self.open().looks_left = records;
    }

    /// Enters the backlog of this moment into the series.
    pub(crate) fn tick(&self) {
        let now = self.now();
        let mut books = self.open();
        let (pending, oldest) = (books.pending(), books.oldest_pending);
        let interval = books.series.at(now);
        interval.pending = pending;
        let oldest = oldest.filter(|_| pending > 0).map(|intended| now.saturating_sub(intended));
        interval.oldest_pending_seconds = oldest.map(|age| age.as_secs_f64());
    }

    /// The queue's depths, as far as they are known, and why not all of them are.
    pub(crate) fn queue(&self, depth: Option<QueueDepth>, trouble: Option<String>) {
        let now = self.now();
        let mut books = self.open();
        books.queue_error = trouble;
        if let Some(depth) = depth {
            books.queue_before.get_or_insert(depth);
            books.queue_now = Some(depth);
            books.queue_peak = books.queue_peak.max(depth.total());
            books.series.at(now).queue = Some(depth);
        }
    }

    /// Enters a failed attempt where it happened.
    fn error(&self, reason: &str) -> MutexGuard<'_, Books> {
        let now = self.now();
        let mut books = self.open();
        let interval = books.series.at(now);
        interval.errors += 1;
        interval.last_error = Some(reason.to_owned());
        books
    }

    /// Changes the totals of the stage of an instant.
    fn stage(&self, at: Duration, change: impl FnOnce(&mut Totals)) -> MutexGuard<'_, Books> {
        let mut books = self.open();
        change(&mut books.stages[self.schedule.stage_at(at)].totals);
        books
    }

    fn open(&self) -> MutexGuard<'_, Books> {
        // No entry can panic halfway, so books that a panicking task held are whole.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the longest time, in milliseconds.
fn raise(longest: &mut Option<f64>, time: Duration) {
    *longest = Some(longest.unwrap_or_default().max(milliseconds(time)));
}

fn list<T>(list: &mut Vec<T>, entry: impl FnOnce() -> T) {
    if list.len() < LISTED_MAX {
        list.push(entry());
    }
}

#[cfg(test)]
pub(crate) mod tests;
