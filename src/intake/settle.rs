//! Carries outcomes out on the queue: which messages may go, which wait and for how long, which are dead-lettered.
//!
//! A message is deleted only when its record or its dead letter exists. Decisions are made in [`super::policy`].

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use nearline_contract::JobError;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout_at};

use super::letter::{letter, reason};
use super::policy::{ATTEMPT_MAX, Decision, History, Ledger, Policy, WRITE_LATE_MAX, postponement};
use super::queue::{BATCH_MAX, Delivery, Failures, Queue};
use crate::fault::{Cause, Fault};
use crate::results::{Records, Results};
use crate::telemetry::event::{self, Batch, Subject};
use crate::worker::{JobKey, Outcome, Processed, conflict};

/// Most calls to the queues in flight: a batch may have 10,000 messages.
const CALLS_IN_FLIGHT_MAX: usize = 64;
/// Kept for the calls that end a message.
const CALLS_TIME: Duration = Duration::from_secs(1);
/// What to do with a message on the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is done with: delete it.
    Ack,
    /// It stays, and was told when to come back.
    Keep,
}

/// How a batch is held while it is settled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hold {
    /// Until when its messages are in flight for certain: no other process can receive them before then.
    pub(super) until: Instant,
    /// When settling has to be over.
    pub(super) end: Instant,
}

/// How a message was settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Settled {
    Acked,
    DeadLettered,
    Kept { after: Duration, blocked: bool },
}

/// The queue that messages came from, and the one for those that cannot be answered.
#[derive(Debug)]
pub(super) struct Settler<Q, R> {
    queue: Arc<Q>,
    dead_letters: Option<Q>,
    results: Results<R>,
    policy: Policy,
    ledger: Mutex<Ledger>,
    calls: Semaphore,
    /// The start of this process, or its last fault that an operator had to fix.
    calm_since: Mutex<Instant>,
}

impl<Q: Queue, R: Records> Settler<Q, R> {
    /// A settler for a worker's queue; without a dead-letter queue what would go there is left to the redrive policy.
    pub(super) fn new(queue: Arc<Q>, dead_letters: Option<Q>, results: Results<R>, policy: Policy) -> Self {
        Self {
            queue,
            dead_letters,
            results,
            policy,
            ledger: Mutex::default(),
            calls: Semaphore::new(CALLS_IN_FLIGHT_MAX),
            calm_since: Mutex::new(Instant::now()),
        }
    }

    /// Carries the outcomes of a batch out; the verdicts are in its order. What has none when the hold ends stays.
    pub(super) async fn settle(
        &self,
        deliveries: &[Delivery],
        processed: Vec<Processed>,
        hold: Hold,
    ) -> (Vec<Verdict>, Batch) {
        log_faults(deliveries, &processed);
        let settling = async {
            let settled = if self.queue.is_fifo() {
                self.settle_in_order(deliveries, &processed, hold).await
            } else {
                let each = deliveries.iter().zip(&processed);
                join_all(each.map(|(delivery, processed)| self.settle_one(delivery, processed, hold))).await
            };
            let kept = deliveries.iter().zip(&settled).filter_map(|(delivery, settled)| match settled {
                Settled::Kept { after, .. } => Some((delivery, *after)),
                Settled::Acked | Settled::DeadLettered => None,
            });
            self.change_visibility(&kept.collect::<Vec<_>>()).await;
            settled
        };
        let settled = timeout_at(hold.end, settling).await.unwrap_or_else(|_| {
            let messages = deliveries.len();
            tracing::error!(
                event = "not_settled",
                messages,
                "deadline reached before the batch could be acknowledged; it will be redelivered"
            );
            vec![Settled::Kept { after: Duration::ZERO, blocked: false }; messages]
        });
        let verdict = |settled: &Settled| match settled {
            Settled::Acked | Settled::DeadLettered => Verdict::Ack,
            Settled::Kept { .. } => Verdict::Keep,
        };
        (settled.iter().map(verdict).collect(), tally(&processed, &settled))
    }

    /// In a FIFO queue nothing of a group may go once an earlier message of it stays.
    async fn settle_in_order(&self, deliveries: &[Delivery], processed: &[Processed], hold: Hold) -> Vec<Settled> {
        let mut kept: HashMap<&str, Settled> = HashMap::new();
        let mut all = Vec::with_capacity(deliveries.len());
        for (delivery, processed) in deliveries.iter().zip(processed) {
            let group = delivery.group.as_deref().unwrap_or_default();
            let settled = match kept.get(group) {
                Some(&behind) => {
                    self.note(
                        delivery,
                        &Outcome::Failed(Fault::new(
                            Cause::NotStarted,
                            "an earlier message of its group was not settled",
                        )),
                    );
                    behind
                }
                None => self.settle_one(delivery, processed, hold).await,
            };
            if matches!(settled, Settled::Kept { .. }) {
                kept.insert(group, settled);
            }
            all.push(settled);
        }
        all
    }

    async fn settle_one(&self, delivery: &Delivery, processed: &Processed, hold: Hold) -> Settled {
        let Processed { job, outcome } = processed;
        if let Outcome::Failed(fault) = outcome {
            self.note_permanent(fault);
        }
        let calm = self.calm_since.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
        let history = self.note(delivery, outcome);
        match self.policy.decide(outcome, history, calm, fastrand::f64()) {
            Decision::Ack => {
                if let Outcome::Rejected(code) = outcome {
                    event::job_rejected(subject(delivery, job.as_ref()), code.as_str());
                }
                Settled::Acked
            }
            Decision::Postpone(after) => {
                let blocked = matches!(outcome, Outcome::Failed(fault) if fault.is_permanent());
                Settled::Kept { after, blocked }
            }
            Decision::DeadLetter(error) => self.dead_letter(delivery, job.as_ref(), &error).await,
            Decision::GiveUp(error) => {
                let given_up = match outcome {
                    Outcome::GivenUp { quiet, .. } => self.end(delivery, job.as_ref(), &error, *quiet, hold).await,
                    _ => self.give_up(delivery, job.as_ref(), &error, history, hold).await,
                };
                given_up.unwrap_or_else(|fault| self.keep(delivery, &fault))
            }
        }
    }

    fn note(&self, delivery: &Delivery, outcome: &Outcome) -> History {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.note(&delivery.message_id, delivery.receive_count, outcome)
    }

    /// Notes that a message is never tried again: neither after a process died between its dead letter and its deletion,
    /// nor by a process that has a copy. Then ends it, at once if no other process can be working on it.
    async fn give_up(
        &self,
        delivery: &Delivery,
        job: Option<&JobKey>,
        error: &JobError,
        history: History,
        hold: Hold,
    ) -> Result<Settled, Fault> {
        if job.is_some() && self.dead_letters.is_some() {
            self.results.give_up(&delivery.message_id, error, ATTEMPT_MAX).await?;
            event::given_up(subject(delivery, job), &error.message);
        }
        let alone = history.is_whole() && Instant::now() < hold.until;
        self.end(delivery, job, error, if alone { WRITE_LATE_MAX } else { ATTEMPT_MAX }, hold).await
    }

    /// Dead-letters a message that was given up, once no attempt of it can be at work any more; unless it has its
    /// record, as the answer to a write may have been lost.
    async fn end(
        &self,
        delivery: &Delivery,
        job: Option<&JobKey>,
        error: &JobError,
        quiet: Duration,
        hold: Hold,
    ) -> Result<Settled, Fault> {
        let (Some(key), true) = (job, self.dead_letters.is_some()) else {
            return Ok(self.dead_letter(delivery, job, error).await);
        };
        // Its batch waits with it, which must be in flight still when it is deleted.
        if Instant::now() + quiet + CALLS_TIME > hold.end.min(hold.until) {
            return Ok(Settled::Kept { after: quiet, blocked: false });
        }
        sleep(quiet).await;
        Ok(match self.results.look_up_consistently(&key.request_id).await? {
            None => self.dead_letter(delivery, job, error).await,
            Some(prior) if prior.job_sha256 == key.sha256 => Settled::Acked,
            Some(_) => self.dead_letter(delivery, job, &conflict(&key.request_id)).await,
        })
    }

    async fn dead_letter(&self, delivery: &Delivery, job: Option<&JobKey>, error: &JobError) -> Settled {
        let one = subject(delivery, job);
        let Some(queue) = &self.dead_letters else {
            let message_id = one.message_id;
            tracing::error!(
                event = "no_dead_letter_queue",
                message_id,
                %error,
                "a message cannot be answered, and no dead-letter queue is set"
            );
            return self.keep(delivery, &Fault::new(Cause::Internal, "no dead-letter queue is set"));
        };
        let letter = letter(delivery, error, queue.is_fifo());
        let _permit = self.permit().await;
        let sent = queue.send(&[letter]).await;
        match sent.and_then(|failures| failures.into_iter().next().map_or(Ok(()), |(_, fault)| Err(fault))) {
            Ok(()) => {
                event::dead_lettered(one, error.code.as_str(), reason(error));
                Settled::DeadLettered
            }
            Err(fault) => {
                event::not_dead_lettered(one, &fault);
                self.keep(delivery, &fault)
            }
        }
    }

    /// A message whose settling met a fault.
    fn keep(&self, delivery: &Delivery, fault: &Fault) -> Settled {
        self.note_permanent(fault);
        let after = postponement(fault, delivery.receive_count, fastrand::f64());
        Settled::Kept { after, blocked: fault.is_permanent() }
    }

    fn note_permanent(&self, fault: &Fault) {
        if fault.is_permanent() {
            *self.calm_since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
    }

    /// Sets for how long messages stay invisible from now; whether that worked for all. Where it fails they come back when
    /// their visibility ends.
    pub(super) async fn change_visibility(&self, messages: &[(&Delivery, Duration)]) -> bool {
        let calls = messages.chunks(BATCH_MAX).map(|chunk| async move {
            let changes: Vec<_> =
                chunk.iter().map(|(delivery, after)| (delivery.receipt_handle.as_str(), *after)).collect();
            let _permit = self.permit().await;
            all_worked(
                "messages will be redelivered when their visibility timeout ends",
                self.queue.change_visibility(&changes).await,
            )
        });
        join_all(calls).await.into_iter().all(|worked| worked)
    }

    /// Gives messages back at once, unanswered.
    pub(super) async fn release(&self, deliveries: &[Delivery]) {
        self.change_visibility(&deliveries.iter().map(|delivery| (delivery, Duration::ZERO)).collect::<Vec<_>>()).await;
    }

    async fn permit(&self) -> SemaphorePermit<'_> {
        self.calls.acquire().await.expect("the semaphore is never closed")
    }
}

/// Whether no entry of a call failed; logs what did.
pub(super) fn all_worked(what: &str, answer: Result<Failures, Fault>) -> bool {
    let failures = answer.unwrap_or_else(|fault| vec![(0, fault)]);
    if let Some((_, fault)) = failures.first() {
        let (failed, cause) = (failures.len(), fault.cause.as_str());
        tracing::warn!(event = "not_acknowledged", failed, cause, error = %fault, "{what}");
    }
    failures.is_empty()
}

/// One line for each fault, however many messages of a batch have it.
fn log_faults(deliveries: &[Delivery], processed: &[Processed]) {
    // How long each has to wait is not said.
    let mut faults: HashMap<_, (&Fault, usize, usize)> = HashMap::new();
    for (position, processed) in processed.iter().enumerate() {
        if let Outcome::Failed(fault) = &processed.outcome {
            let same = (fault.cause, fault.text.as_str(), fault.call.as_ref());
            faults.entry(same).or_insert((fault, 0, position)).1 += 1;
        }
    }
    let in_order: BTreeMap<usize, (&Fault, usize)> =
        faults.into_values().map(|(fault, count, first)| (first, (fault, count))).collect();
    for (first, (fault, messages)) in in_order {
        event::jobs_failed(fault, messages, subject(&deliveries[first], processed[first].job.as_ref()));
    }
}

fn subject<'a>(delivery: &'a Delivery, job: Option<&'a JobKey>) -> Subject<'a> {
    Subject {
        message_id: &delivery.message_id,
        request_id: job.map(|job| job.request_id.as_str()),
        receive_count: delivery.receive_count,
    }
}

fn tally(processed: &[Processed], settled: &[Settled]) -> Batch {
    let mut batch = Batch { messages: processed.len(), ..Batch::default() };
    for (Processed { outcome, .. }, settled) in processed.iter().zip(settled) {
        *match (settled, outcome) {
            (Settled::Kept { blocked: true, .. }, _) => &mut batch.blocked,
            (Settled::Kept { blocked: false, .. }, _) => &mut batch.retried,
            (Settled::DeadLettered, _) => &mut batch.dead_lettered,
            (Settled::Acked, Outcome::Succeeded) => &mut batch.succeeded,
            (Settled::Acked, Outcome::Rejected(_)) => &mut batch.rejected,
            (Settled::Acked, _) => &mut batch.replayed,
        } += 1;
    }
    batch
}
