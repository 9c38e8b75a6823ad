//! From the schedule to the queue: hands each job over at its instant, fills batches, sends them with retries.
//!
//! Nothing here waits for an answer before the next job: a job that finds too many unanswered before it is dropped.
//! Batches are sent side by side, so one slow request holds up only its own jobs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::account::Account;
use crate::jobs::{Jobs, MESSAGE_MAX_BYTES, Message, REPEAT_WITHIN};
use crate::window::Window;

/// Most messages in one `SendMessageBatch`.
pub(crate) const BATCH_MAX_MESSAGES: usize = 10;
/// Wait before the second attempt at a job; doubled for each further one.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// Longest wait between two attempts.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Where jobs are sent.
pub(crate) trait Queue: Clone + Send + Sync + 'static {
    /// Sends up to [`BATCH_MAX_MESSAGES`] jobs at once. `Ok` lists those that were refused; the queue has the others.
    fn send(&self, batch: &[Job]) -> impl Future<Output = Result<Vec<Refused>, SendError>> + Send;
}

/// A job of a batch that the queue did not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Its place in the batch, from 0.
    pub position: usize,
    /// Whether it would be refused again.
    pub for_good: bool,
    /// The queue's words.
    pub reason: String,
}

/// Why a whole batch was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SendError {
    /// Sent again after a wait. The queue may have the jobs already (a lost answer): a replay changes nothing.
    #[error("{0}")]
    Retry(String),
    /// Would fail each time: ends the sending of the whole run.
    #[error("{0}")]
    Permanent(String),
}

/// A job on its way to the queue.
#[derive(Debug)]
pub(crate) struct Job {
    pub request_id: String,
    pub body: String,
    /// The tenant, if tenants are named.
    pub tenant: Option<String>,
    /// What a FIFO queue knows the message by.
    pub deduplication_id: String,
    message: Message,
    /// From the start of the run; `first_intended` is that of the first message with the same request id.
    intended: Duration,
    first_intended: Duration,
    /// When it was handed over: from here it may linger.
    ready: Instant,
    /// Its place among the jobs in flight, free again when it is dropped.
    _in_flight: OwnedSemaphorePermit,
}

/// How the sending of a message ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// The queue has it.
    Sent {
        /// What it is.
        message: Message,
        /// When the first message with its request id was meant to be sent, from the start of the run.
        intended: Duration,
        /// When the queue's answer came, from the start of the run.
        accepted: Duration,
    },
    /// It was given up on; the queue may have it all the same.
    Failed {
        /// What it is.
        message: Message,
        /// When it was meant to be sent, from the start of the run.
        intended: Duration,
    },
}

/// Hands every message of the schedule to `out` at its instant, until the end or `stop`.
///
/// At most as many as `in_flight` has permits are on their way at a time; those beyond are dropped. Returns whether all
/// of them came due.
pub(crate) async fn pace(
    jobs: Arc<Jobs>,
    in_flight: Arc<Semaphore>,
    out: UnboundedSender<Job>,
    account: Account,
    stop: CancellationToken,
) -> bool {
    let schedule = account.schedule().clone();
    // When each recent message was meant to be sent, if it was handed over.
    let mut recent: Window<Option<Duration>> = Window::new(REPEAT_WITHIN as usize + 1);
    for (index, intended) in (0..).zip(schedule.instants()) {
        tokio::select! {
            biased;
            () = stop.cancelled() => return false,
            () = sleep_until(account.start() + intended) => {}
        }
        account.intended(intended);
        let Ok(permit) = in_flight.clone().try_acquire_owned() else {
            account.dropped(intended);
            recent.set(index, None);
            continue;
        };
        recent.set(index, Some(intended));
        let sent_at = |index| recent.get(index).flatten();
        let message = jobs.message(index, |first| sent_at(first).is_some());
        let job = Job {
            request_id: jobs.request_id(message.id_index()),
            body: jobs.body(&message),
            tenant: jobs.tenant(&message),
            deduplication_id: jobs.deduplication_id(&message),
            message,
            intended,
            first_intended: sent_at(message.id_index()).unwrap_or(intended),
            ready: Instant::now(),
            _in_flight: permit,
        };
        if out.send(job).is_err() {
            return false; // only if the batcher panicked, which ends the run
        }
    }
    true
}

/// Fills batches with the jobs that come in.
#[derive(Debug)]
pub(crate) struct Batcher {
    jobs: UnboundedReceiver<Job>,
    linger: Duration,
    /// The job that did not fit into the last batch.
    carried: Option<Job>,
}

impl Batcher {
    /// Batches in which no job waits longer than `linger` for company.
    pub(crate) fn new(jobs: UnboundedReceiver<Job>, linger: Duration) -> Self {
        Self { jobs, linger, carried: None }
    }

    /// The next batch: full, or its oldest job has lingered, or nothing more will come. `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Vec<Job>> {
        let first = match self.carried.take() {
            Some(job) => job,
            None => self.jobs.recv().await?,
        };
        let deadline = first.ready + self.linger;
        let mut bytes = first.body.len();
        let mut batch = vec![first];
        while batch.len() < BATCH_MAX_MESSAGES {
            // Past the deadline this still takes the jobs that are there already: they cost no time.
            let Ok(Some(job)) = timeout_at(deadline, self.jobs.recv()).await else { break };
            bytes += job.body.len();
            if bytes > MESSAGE_MAX_BYTES {
                self.carried = Some(job);
                break;
            }
            batch.push(job);
        }
        Some(batch)
    }
}

/// Sends batches until there are no more, each as soon as it is there, and says what became of every job.
///
/// A job is tried at most `attempts` times. A permanent error cancels `stop`.
pub(crate) async fn deliver_all<Q: Queue>(
    mut batcher: Batcher,
    queue: Q,
    attempts: u32,
    done: UnboundedSender<Delivery>,
    account: Account,
    stop: CancellationToken,
) {
    let mut sends = JoinSet::new();
    while let Some(batch) = batcher.next().await {
        while sends.try_join_next().is_some() {}
        let (queue, done, account, stop) = (queue.clone(), done.clone(), account.clone(), stop.clone());
        sends.spawn(async move {
            for job in deliver(batch, &queue, attempts, &done, &account, &stop).await {
                account.send_failed(job.intended);
                let failed = Delivery::Failed { message: job.message, intended: job.intended };
                let _ = done.send(failed); // fails only if the run is over
            }
        });
    }
    sends.join_all().await;
}

/// Sends one batch, repeating what fails; returns the jobs that it gave up on.
async fn deliver<Q: Queue>(
    mut batch: Vec<Job>,
    queue: &Q,
    attempts: u32,
    done: &UnboundedSender<Delivery>,
    account: &Account,
    stop: &CancellationToken,
) -> Vec<Job> {
    let began = account.now();
    for job in &batch {
        account.send_began(job.intended, began.saturating_sub(job.intended));
    }
    let mut given_up = Vec::new();
    for attempt in 1..=attempts {
        let refused = match queue.send(&batch).await {
            Ok(refused) => refused,
            Err(SendError::Retry(reason)) => {
                (0..batch.len()).map(|position| Refused { position, for_good: false, reason: reason.clone() }).collect()
            }
            Err(SendError::Permanent(reason)) => {
                account.sending_ended(reason);
                stop.cancel();
                break;
            }
        };
        let accepted = account.now();
        let mut again = Vec::new();
        for (position, job) in batch.into_iter().enumerate() {
            let Some(refusal) = refused.iter().find(|refused| refused.position == position) else {
                account.sent(job.intended, job.message.kind, accepted.saturating_sub(began));
                let _ = done.send(Delivery::Sent { message: job.message, intended: job.first_intended, accepted });
                continue;
            };
            account.send_error(refusal.reason.clone());
            if refusal.for_good { given_up.push(job) } else { again.push(job) }
        }
        batch = again;
        if batch.is_empty() {
            break;
        }
        if attempt == attempts || stop.run_until_cancelled(sleep(backoff(attempt))).await.is_none() {
            break;
        }
        account.send_retried(batch.len());
    }
    given_up.append(&mut batch);
    given_up
}

/// The wait after failure number `failures`: doubling, and random in its upper half so that retries spread out.
pub(crate) fn backoff(failures: u32) -> Duration {
    let wait = BACKOFF_MIN.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(BACKOFF_MAX);
    wait.mul_f64(0.5 + rand::random::<f64>() / 2.0)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Mutex;

    use tokio::sync::mpsc::unbounded_channel;

    use super::*;
    use crate::account::Rules;
    use crate::jobs::{Choice, Kind, Shape, Source};
    use crate::schedule::{Arrivals, Schedule, Stage};

    const MS: Duration = Duration::from_millis(1);

    fn job(index: u64, body: usize) -> Job {
        Job {
            request_id: format!("r-{index}"),
            body: "x".repeat(body),
            tenant: None,
            deduplication_id: index.to_string(),
            message: Message { index, kind: Kind::Original },
            intended: Duration::ZERO,
            first_intended: Duration::ZERO,
            ready: Instant::now(),
            _in_flight: Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap(),
        }
    }

    fn indexes(batch: &[Job]) -> Vec<u64> {
        batch.iter().map(|job| job.message.index).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_lone_job_leaves_when_it_has_lingered() {
        let (jobs, receiver) = unbounded_channel();
        let mut batcher = Batcher::new(receiver, 20 * MS);
        let start = Instant::now();
        jobs.send(job(0, 1)).unwrap();
        tokio::spawn(async move {
            for index in 1..4 {
                sleep(8 * MS).await;
                jobs.send(job(index, 1)).unwrap();
            }
        });
        assert_eq!(indexes(&batcher.next().await.unwrap()), [0, 1, 2]);
        assert!((20 * MS..=21 * MS).contains(&start.elapsed()), "{:?}", start.elapsed());
        assert_eq!(indexes(&batcher.next().await.unwrap()), [3]);
        assert!(batcher.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_batch_does_not_linger_and_late_jobs_wait_no_more() {
        let (jobs, receiver) = unbounded_channel();
        let mut batcher = Batcher::new(receiver, 20 * MS);
        (0..15).for_each(|index| jobs.send(job(index, 1)).unwrap());
        let start = Instant::now();
        assert_eq!(batcher.next().await.unwrap().len(), 10);
        assert_eq!(start.elapsed(), Duration::ZERO);
        sleep(50 * MS).await;
        assert_eq!(indexes(&batcher.next().await.unwrap()), [10, 11, 12, 13, 14]);
        assert_eq!(start.elapsed(), 50 * MS);
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_stays_within_the_size_that_the_queue_takes() {
        let (jobs, receiver) = unbounded_channel();
        let mut batcher = Batcher::new(receiver, 20 * MS);
        (0..3).for_each(|index| jobs.send(job(index, MESSAGE_MAX_BYTES / 2)).unwrap());
        drop(jobs);
        assert_eq!(indexes(&batcher.next().await.unwrap()), [0, 1]);
        assert_eq!(indexes(&batcher.next().await.unwrap()), [2]);
        assert!(batcher.next().await.is_none());
    }

    /// Takes `latency` for each call and answers by `answer(request id, calls that the job has been in)`.
    #[derive(Clone)]
    struct Fake {
        latency: Duration,
        calls: Arc<Mutex<HashMap<String, u32>>>,
        answer: fn(&str, u32) -> Answer,
    }

    enum Answer {
        Taken,
        Refused { for_good: bool },
        Fails(SendError),
    }

    impl Queue for Fake {
        async fn send(&self, batch: &[Job]) -> Result<Vec<Refused>, SendError> {
            sleep(self.latency).await;
            let mut refused = Vec::new();
            for (position, job) in batch.iter().enumerate() {
                let mut calls = self.calls.lock().unwrap();
                let call = calls.entry(job.request_id.clone()).or_default();
                *call += 1;
                match (self.answer)(&job.request_id, *call) {
                    Answer::Taken => {}
                    Answer::Refused { for_good } => refused.push(Refused { position, for_good, reason: "no".into() }),
                    Answer::Fails(error) => return Err(error),
                }
            }
            Ok(refused)
        }
    }

    /// Sends `rps` for `duration` through a fake queue; the books, how each job ended, and the queue.
    async fn send(
        rps: f64,
        duration: Duration,
        max_in_flight: usize,
        latency: Duration,
        answer: fn(&str, u32) -> Answer,
    ) -> (Account, Vec<Delivery>, Fake) {
        let schedule = Schedule::new(vec![Stage::constant(rps, duration)], Arrivals::Constant, 0);
        let rules = Rules { warmup: Duration::ZERO, late_after: MS, planned: duration };
        let account = Account::new(Arc::new(schedule), rules);
        let queue = Fake { latency, calls: Arc::default(), answer };
        let stop = CancellationToken::new();
        let (job_sender, job_receiver) = unbounded_channel();
        let (delivery_sender, mut deliveries) = unbounded_channel();
        let jobs = Arc::new(Jobs::new("t".into(), Source::Phrases, Shape::plain(0, Choice::Uniform)));
        let pacer = pace(jobs, Arc::new(Semaphore::new(max_in_flight)), job_sender, account.clone(), stop.clone());
        let batcher = Batcher::new(job_receiver, 20 * MS);
        tokio::join!(pacer, deliver_all(batcher, queue.clone(), 3, delivery_sender, account.clone(), stop));
        let mut ended = Vec::new();
        while let Some(delivery) = deliveries.recv().await {
            ended.push(delivery);
        }
        (account, ended, queue)
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_queue_does_not_slow_the_schedule() {
        let (account, ended, _) = send(100.0, 2_000 * MS, 1_000, 5_000 * MS, |_, _| Answer::Taken).await;
        let books = account.books();
        let stage = &books.stages[0];
        assert_eq!((stage.totals.intended, stage.totals.sent, ended.len()), (200, 200, 200));
        assert!(stage.schedule_lag.quantile(1.0) <= 25 * MS, "{:?}", stage.schedule_lag.percentiles());
        assert!(stage.send.quantile(0.0) >= 4_990 * MS);
    }

    #[tokio::test(start_paused = true)]
    async fn jobs_beyond_the_cap_are_dropped_not_queued() {
        let (account, ended, queue) = send(100.0, 1_000 * MS, 30, 60_000 * MS, |_, _| Answer::Taken).await;
        let totals = account.books().totals();
        assert_eq!((totals.intended, totals.sent, totals.dropped), (100, 30, 70));
        assert_eq!((ended.len(), queue.calls.lock().unwrap().len()), (30, 30));
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_refused_part_of_a_batch_is_sent_again() {
        let answer = |id: &str, call| match id {
            "load-t-3" if call == 1 => Answer::Refused { for_good: false },
            _ => Answer::Taken,
        };
        let (account, ended, queue) = send(1_000.0, 10 * MS, 100, MS, answer).await;
        assert_eq!((account.books().totals().sent, account.books().totals().send_failed), (10, 0));
        assert_eq!(ended.len(), 10);
        let calls = queue.calls.lock().unwrap();
        assert_eq!((calls["load-t-3"], calls.values().sum::<u32>()), (2, 11));
        assert_eq!(account.books().accounting.send_retries, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_is_given_up_after_the_attempts_or_when_refused_for_good() {
        let answer = |id: &str, _| match id {
            "load-t-0" => Answer::Refused { for_good: false },
            "load-t-1" => Answer::Refused { for_good: true },
            _ => Answer::Taken,
        };
        let (account, ended, queue) = send(1_000.0, 3 * MS, 100, MS, answer).await;
        let totals = account.books().totals();
        assert_eq!((totals.intended, totals.sent, totals.send_failed), (3, 1, 2));
        let failed: Vec<_> = ended.iter().filter(|end| matches!(end, Delivery::Failed { .. })).collect();
        assert_eq!(failed.len(), 2);
        let calls = queue.calls.lock().unwrap();
        assert_eq!((calls["load-t-0"], calls["load-t-1"], calls["load-t-2"]), (3, 1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_call_is_repeated_as_a_whole() {
        let answer = |_: &str, call| match call {
            1 => Answer::Fails(SendError::Retry("throttled".into())),
            _ => Answer::Taken,
        };
        // The fake stops counting at the first job of a failing call, so two jobs need two failing calls.
        let (account, ..) = send(1_000.0, 2 * MS, 100, MS, answer).await;
        assert_eq!((account.books().totals().sent, account.books().totals().send_failed), (2, 0));
        assert_eq!(account.books().send_error.as_deref(), Some("throttled"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_permanent_error_ends_the_sending() {
        let answer = |_: &str, _| Answer::Fails(SendError::Permanent("no such queue".into()));
        let (account, ended, _) = send(100.0, 60_000 * MS, 100, MS, answer).await;
        let totals = account.books().totals();
        assert!(totals.intended < 10, "{totals:?}");
        assert_eq!((totals.sent, totals.send_failed), (0, totals.intended));
        assert_eq!(ended.len() as u64, totals.intended);
    }

    #[tokio::test(start_paused = true)]
    async fn what_repeats_a_job_counts_from_that_jobs_instant() {
        let shape = Shape { duplicates: 0.5, ..Shape::plain(0, Choice::Uniform) };
        let schedule = Schedule::new(vec![Stage::constant(100.0, 1_000 * MS)], Arrivals::Constant, 0);
        let rules = Rules { warmup: Duration::ZERO, late_after: MS, planned: 1_000 * MS };
        let account = Account::new(Arc::new(schedule), rules);
        let (out, mut jobs) = unbounded_channel();
        let planned = Arc::new(Jobs::new("t".into(), Source::Phrases, shape));
        pace(planned, Arc::new(Semaphore::new(1_000)), out, account, CancellationToken::new()).await;
        let mut repeated = 0;
        while let Some(job) = jobs.recv().await {
            let first = job.message.id_index();
            assert_eq!(
                (job.intended, job.first_intended),
                (job.message.index as u32 * 10 * MS, first as u32 * 10 * MS)
            );
            assert_eq!(job.request_id, format!("load-t-{first}"));
            repeated += u32::from(first != job.message.index);
        }
        assert!(repeated > 30, "{repeated}");
    }

    #[test]
    fn backoff_doubles_up_to_its_bound_with_jitter() {
        for (failures, most) in [(1, 100), (2, 200), (5, 1_600), (7, 5_000), (4_000, 5_000)] {
            let wait = backoff(failures);
            assert!((most * MS / 2..=most * MS).contains(&wait), "{failures}: {wait:?}");
        }
    }
}
