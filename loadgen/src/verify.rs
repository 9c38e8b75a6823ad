//! Finds the record of every sent job, and when it came.
//!
//! Jobs without a record are looked up in turn, at a bounded rate, from the moment the queue has them; after the last
//! send for the length of the drain, and then once more, so that no job is called lost on an old look.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::account::Account;
use crate::jobs::{Jobs, Record};
use crate::sender::{Delivery, backoff};

/// Most keys in one `BatchGetItem`.
pub(crate) const LOOKUP_MAX_KEYS: usize = 100;
/// Most requests in one round, side by side.
const LOOKUPS_IN_FLIGHT: usize = 16;
/// Shortest time from the start of one round to that of the next: how fine end-to-end times can be.
const ROUND_MIN: Duration = Duration::from_millis(25);
/// A round takes no more keys than the rate allows in this time, so that looks are spread and not in bursts.
const ROUND_MAX: Duration = Duration::from_millis(100);
/// Failures in a row, after the drain, that end the run without a verdict.
const FAILURES_MAX: u32 = 10;

/// Where records are read.
pub(crate) trait Records: Send + Sync + 'static {
    /// Looks up to [`LOOKUP_MAX_KEYS`] distinct request ids up, with a consistent read.
    fn lookup(&self, ids: &[String]) -> impl Future<Output = Result<Found, LookupError>> + Send;
}

/// The answer to a look-up. An id in neither part has no record.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// By request id.
    pub records: HashMap<String, Record>,
    /// Ids that were not looked up this time.
    pub unprocessed: Vec<String>,
}

/// A look-up that failed as a whole: repeated after a wait.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct LookupError(pub String);

/// The records could not be read at the end, so nothing can be said about the missing ones.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot tell what became of {pending} jobs, reading their records keeps failing: {cause}")]
pub(crate) struct Unverified {
    /// Jobs without a known record.
    pub pending: usize,
    /// The last failure.
    pub cause: LookupError,
}

/// A job whose record has not been seen.
#[derive(Debug, Clone, Copy)]
struct Pending {
    index: u64,
    intended: Instant,
    /// When it was last known to have no record.
    absent: Instant,
}

/// Reads records for one run.
#[derive(Debug)]
pub(crate) struct Verifier<R> {
    records: R,
    jobs: Arc<Jobs>,
    account: Account,
    lookups_per_second: f64,
    /// The one that was looked up longest ago first.
    pending: VecDeque<Pending>,
    /// Jobs that the queue did not acknowledge.
    failed: Vec<u64>,
    /// Look-ups in a row that failed or were not processed whole.
    failures: u32,
}

impl<R: Records> Verifier<R> {
    /// Looks at most `lookups_per_second` request ids up a second.
    pub(crate) fn new(records: R, jobs: Arc<Jobs>, account: Account, lookups_per_second: u32) -> Self {
        let lookups_per_second = f64::from(lookups_per_second);
        let (pending, failed) = (VecDeque::new(), Vec::new());
        Self { records, jobs, account, lookups_per_second, pending, failed, failures: 0 }
    }

    /// Follows `deliveries` to their end and then drains, for `drain_timeout` or until `stop`: at the end every sent
    /// job is entered as seen or lost. Returns how long the drain took.
    pub(crate) async fn run(
        mut self,
        mut deliveries: UnboundedReceiver<Delivery>,
        drain_timeout: Duration,
        stop: CancellationToken,
    ) -> Result<Duration, Unverified> {
        while self.take_in(&mut deliveries) {
            self.round().await;
        }
        let began = Instant::now();
        while !self.pending.is_empty() && began.elapsed() < drain_timeout && !stop.is_cancelled() {
            self.round().await;
        }
        let drain = began.elapsed();
        self.last_look().await?;
        self.look_for_the_unexpected().await?;
        Ok(drain)
    }

    /// Takes in what has been delivered so far; false if no more will come.
    fn take_in(&mut self, deliveries: &mut UnboundedReceiver<Delivery>) -> bool {
        loop {
            match deliveries.try_recv() {
                Ok(Delivery::Sent { index, intended, accepted }) => {
                    self.pending.push_back(Pending { index, intended, absent: accepted });
                }
                Ok(Delivery::Failed { index }) => self.failed.push(index),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// Looks up those that were looked up longest ago, as many as the rate allows, and waits until the next round is due.
    async fn round(&mut self) {
        let began = Instant::now();
        let most = (self.lookups_per_second * ROUND_MAX.as_secs_f64()).ceil() as usize;
        let count = most.min(LOOKUP_MAX_KEYS * LOOKUPS_IN_FLIGHT).min(self.pending.len());
        let batch: Vec<Pending> = self.pending.drain(..count).collect();
        let (jobs, records) = (&self.jobs, &self.records);
        let lookups = batch.chunks(LOOKUP_MAX_KEYS).map(|chunk| async move {
            let ids: Vec<String> = chunk.iter().map(|job| jobs.request_id(job.index)).collect();
            let result = records.lookup(&ids).await;
            (ids, chunk, result, Instant::now())
        });
        let mut hampered = false;
        for (ids, chunk, result, answered) in join_all(lookups).await {
            let found = result.map_err(|error| self.account.read_error(Some(error.to_string())));
            let unprocessed: HashSet<String> = match &found {
                Ok(found) => found.unprocessed.iter().cloned().collect(),
                Err(()) => ids.iter().cloned().collect(),
            };
            hampered |= !unprocessed.is_empty();
            let mut records = found.unwrap_or_default().records;
            for (job, id) in chunk.iter().zip(ids) {
                if let Some(record) = records.remove(&id) {
                    self.enter(job, id, &record, answered);
                } else if unprocessed.contains(&id) {
                    self.pending.push_back(*job);
                } else {
                    self.pending.push_back(Pending { absent: began, ..*job });
                }
            }
        }
        let rest = if hampered {
            self.failures += 1;
            backoff(self.failures)
        } else {
            self.failures = 0;
            self.account.read_error(None);
            Duration::ZERO
        };
        sleep_until(began + self.time_for(count).max(ROUND_MIN) + rest).await;
    }

    /// Looks every missing record up once more; a job that still has none is lost.
    async fn last_look(&mut self) -> Result<(), Unverified> {
        self.pending.make_contiguous().sort_unstable_by_key(|job| job.index); // for the list of the lost
        while !self.pending.is_empty() {
            let count = self.pending.len().min(LOOKUP_MAX_KEYS);
            let ids: Vec<String> = self.pending.range(..count).map(|job| self.jobs.request_id(job.index)).collect();
            let mut records = self.lookup_all(ids, self.pending.len()).await?;
            let answered = Instant::now();
            for job in self.pending.drain(..count).collect::<Vec<_>>() {
                let id = self.jobs.request_id(job.index);
                match records.remove(&id) {
                    Some(record) => self.enter(&job, id, &record, answered),
                    None => self.account.lost(id),
                }
            }
        }
        Ok(())
    }

    /// Looks up the jobs whose sending was given up: a record shows that the queue had the job after all.
    async fn look_for_the_unexpected(&mut self) -> Result<(), Unverified> {
        let failed = std::mem::take(&mut self.failed);
        for chunk in failed.chunks(LOOKUP_MAX_KEYS) {
            let ids = chunk.iter().map(|&index| self.jobs.request_id(index)).collect();
            self.lookup_all(ids, 0).await?.iter().for_each(|_| self.account.unexpected());
        }
        Ok(())
    }

    /// Looks `ids` up until each has been answered for, at the rate; gives up after [`FAILURES_MAX`] failures in a row.
    async fn lookup_all(&self, mut ids: Vec<String>, pending: usize) -> Result<HashMap<String, Record>, Unverified> {
        let mut records = HashMap::new();
        let mut failures = 0;
        while !ids.is_empty() {
            let due = Instant::now() + self.time_for(ids.len());
            let asked = ids.len();
            let cause = match self.records.lookup(&ids).await {
                Ok(found) => {
                    records.extend(found.records);
                    ids = found.unprocessed;
                    LookupError(format!("{} of {asked} keys were left unprocessed", ids.len()))
                }
                Err(error) => error,
            };
            // An answer to a part of the ids is progress.
            failures = if ids.len() < asked { 0 } else { failures + 1 };
            if failures == FAILURES_MAX {
                return Err(Unverified { pending, cause });
            }
            sleep_until(due).await;
            if !ids.is_empty() {
                self.account.read_error(Some(cause.to_string()));
                sleep(backoff(failures)).await;
            }
        }
        self.account.read_error(None);
        Ok(records)
    }

    fn enter(&self, job: &Pending, id: String, record: &Record, answered: Instant) {
        let verdict = self.jobs.judge(job.index, record);
        self.account.seen(id, verdict, answered - job.intended, answered - job.absent);
    }

    /// The time in which the rate allows `keys` look-ups.
    fn time_for(&self, keys: usize) -> Duration {
        Duration::from_secs_f64(keys as f64 / self.lookups_per_second)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use nearline_contract::receive;
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;
    use crate::account::Totals;

    const MS: Duration = Duration::from_millis(1);

    /// A table whose records appear at set instants.
    #[derive(Default)]
    struct Table {
        /// Request id -> when it can be read, and what it is.
        records: HashMap<String, (Duration, Record)>,
        /// Answers this many keys of a request and leaves the others unprocessed.
        takes: Option<usize>,
        /// Fails every look-up from the first to the second time after the start.
        outage: Option<(Duration, Duration)>,
    }

    /// The table, its creation, and when each request was made with how many keys.
    #[derive(Clone)]
    struct Fake(Arc<Table>, Instant, Arc<Mutex<Vec<(Duration, usize)>>>);

    impl Records for Fake {
        async fn lookup(&self, ids: &[String]) -> Result<Found, LookupError> {
            let now = self.1.elapsed();
            self.2.lock().unwrap().push((now, ids.len()));
            assert!(ids.len() <= LOOKUP_MAX_KEYS);
            if self.0.outage.is_some_and(|(from, to)| (from..to).contains(&now)) {
                return Err(LookupError("down".into()));
            }
            let (taken, left) = ids.split_at(self.0.takes.unwrap_or(ids.len()).min(ids.len()));
            let visible = |id: &&String| self.0.records.get(*id).filter(|(from, _)| *from <= now);
            let records = taken.iter().filter_map(|id| Some((id.clone(), visible(&id)?.1.clone()))).collect();
            Ok(Found { records, unprocessed: left.to_vec() })
        }
    }

    fn jobs() -> Arc<Jobs> {
        Arc::new(Jobs::phrases("t".into(), 0))
    }

    /// The right records of jobs `indexes`, visible from `from` after the start.
    fn right(indexes: impl IntoIterator<Item = u64>, from: Duration) -> HashMap<String, (Duration, Record)> {
        let jobs = jobs();
        let record = |index| Record {
            status: Some("SUCCEEDED".into()),
            job_sha256: Some(receive(&jobs.body(index)).unwrap().sha256),
            error_code: None,
        };
        indexes.into_iter().map(|index| (jobs.request_id(index), (from, record(index)))).collect()
    }

    /// Verifies jobs `0..sent`, all sent at the start, and `failed` further ones that were not; 1,000 look-ups a second,
    /// 10 s of drain.
    async fn verify(table: Table, sent: u64, failed: u64) -> (Account, Result<Duration, Unverified>, Fake) {
        let account = Account::new(5_000 * MS);
        let start = Instant::now();
        let fake = Fake(Arc::new(table), start, Arc::default());
        let (sender, deliveries) = unbounded_channel();
        for index in 0..sent {
            account.sent(MS);
            sender.send(Delivery::Sent { index, intended: start, accepted: start }).unwrap();
        }
        (sent..sent + failed).for_each(|index| sender.send(Delivery::Failed { index }).unwrap());
        drop(sender);
        let verifier = Verifier::new(fake.clone(), jobs(), account.clone(), 1_000);
        let drain = verifier.run(deliveries, 10_000 * MS, CancellationToken::new()).await;
        (account, drain, fake)
    }

    #[tokio::test(start_paused = true)]
    async fn each_record_has_its_own_time_as_good_as_polling_gives() {
        let mut records = right([0], 300 * MS);
        records.extend(right([1], 6_000 * MS));
        let (account, drain, _) = verify(Table { records, ..Table::default() }, 2, 0).await;
        let books = account.books();
        assert_eq!(books.totals, Totals { sent: 2, succeeded: 2, late: 1, ..Totals::default() });
        for (quantile, visible) in [(0.0, 300 * MS), (1.0, 6_000 * MS)] {
            let seen = books.end_to_end.quantile(quantile) + MS; // a histogram keeps three digits
            assert!(seen >= visible && seen <= visible + ROUND_MIN + 10 * MS, "{seen:?} for {visible:?}");
        }
        assert!(books.detection.quantile(1.0) <= ROUND_MIN + 2 * MS);
        assert!(drain.unwrap() < 6_100 * MS, "the drain ends with the last record");
    }

    #[tokio::test(start_paused = true)]
    async fn lost_and_corrupted_records_are_named() {
        let mut records = right((0..100).filter(|index| *index != 17), MS);
        let (_, record) = records.get_mut("load-t-42").unwrap();
        record.job_sha256 = Some("0".repeat(64));
        let (account, drain, _) = verify(Table { records, ..Table::default() }, 100, 0).await;
        let books = account.books();
        assert_eq!(books.totals, Totals { sent: 100, succeeded: 98, wrong: 1, lost: 1, ..Totals::default() });
        assert_eq!((books.lost_ids, &books.wrong[0].request_id[..]), (vec!["load-t-17".to_owned()], "load-t-42"));
        assert!(drain.unwrap() >= 10_000 * MS);
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_of_the_last_moment_is_not_lost() {
        // One round takes 100 of these, so a job's last look in turn can be 3 s old at the end of the drain.
        let records = right(0..3_000, 9_999 * MS);
        let (account, ..) = verify(Table { records, ..Table::default() }, 3_000, 0).await;
        assert_eq!(account.books().totals, Totals { sent: 3_000, succeeded: 3_000, late: 3_000, ..Totals::default() });
    }

    #[tokio::test(start_paused = true)]
    async fn lookups_keep_to_the_rate() {
        let (_, _, fake) = verify(Table::default(), 5_000, 0).await;
        let calls = fake.2.lock().unwrap();
        let end = calls.last().unwrap().0;
        let keys: usize = calls.iter().map(|(_, keys)| keys).sum();
        let rate = keys as f64 / end.as_secs_f64();
        assert!((900.0..1_050.0).contains(&rate), "{rate} keys a second");
    }

    #[tokio::test(start_paused = true)]
    async fn unprocessed_keys_are_asked_for_again_more_slowly() {
        let table = Table { records: right(0..60, MS), takes: Some(25), ..Table::default() };
        let (account, _, fake) = verify(table, 60, 0).await;
        assert_eq!(account.books().totals.succeeded, 60);
        let calls = fake.2.lock().unwrap();
        let gaps: Vec<Duration> = calls.windows(2).map(|pair| pair[1].0.abs_diff(pair[0].0)).collect();
        assert!(gaps.iter().take(2).all(|gap| *gap > 50 * MS), "{calls:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_of_the_table_delays_and_loses_nothing() {
        let table =
            Table { records: right(0..500, MS), outage: Some((Duration::ZERO, 4_000 * MS)), ..Table::default() };
        let (account, drain, fake) = verify(table, 500, 0).await;
        assert_eq!(account.books().totals.succeeded, 500);
        assert_eq!(account.books().read_error, None);
        assert!(drain.is_ok());
        let during = fake.2.lock().unwrap().iter().filter(|(at, _)| *at < 4_000 * MS).count();
        assert!(during < 12, "{during} attempts in 4 s");
    }

    #[tokio::test(start_paused = true)]
    async fn a_table_that_stays_down_gives_no_verdict() {
        let outage = Some((Duration::ZERO, Duration::MAX));
        let (account, drain, _) = verify(Table { outage, ..Table::default() }, 3, 0).await;
        assert_eq!(drain, Err(Unverified { pending: 3, cause: LookupError("down".into()) }));
        assert_eq!(account.books().totals.lost, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_of_a_job_that_failed_to_be_sent_is_unexpected() {
        let (account, ..) = verify(Table { records: right([0, 2], MS), ..Table::default() }, 1, 3).await;
        assert_eq!(account.books().totals, Totals { sent: 1, succeeded: 1, unexpected: 1, ..Totals::default() });
    }
}
