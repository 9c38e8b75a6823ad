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
use crate::backoff::backoff;
use crate::jobs::{Jobs, MESSAGE_MAX_BYTES, Message, REPEAT_WITHIN};
use crate::window::Window;

/// Most messages in one `SendMessageBatch`.
pub(crate) const BATCH_MAX_MESSAGES: usize = 10;

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
    /// Counts it among the jobs in flight until it is dropped.
    _permit: OwnedSemaphorePermit,
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
            _permit: permit,
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

#[cfg(test)]
mod tests;
