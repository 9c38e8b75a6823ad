//! A queue in memory, for tests and simulations.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::inspect::{Inspect, QueueState, Redrive};
use super::letter::Letter;
use super::queue::{BATCH_MAX, Delivery, Failures, Outgoing, Queue};
use crate::clock::Clock;
use crate::fault::{Call, Cause, Fault};
use crate::fault_plan::FaultPlan;

/// A queue; clones share it. Its operations are those of SQS: `ReceiveMessage`, `DeleteMessageBatch`,
/// `ChangeMessageVisibilityBatch`, `SendMessageBatch`, `GetQueueAttributes`.
#[derive(Debug, Clone)]
pub struct MemoryQueue {
    name: String,
    plan: FaultPlan,
    clock: Clock,
    visibility: Duration,
    redrive: Option<Redrive>,
    state: Arc<Mutex<State>>,
    arrivals: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    messages: BTreeMap<u64, Kept>,
    sent: u64,
    deliveries: u64,
}

#[derive(Debug, Clone)]
struct Kept {
    message: Outgoing,
    sent_at: time::OffsetDateTime,
    visible_at: Instant,
    receive_count: u32,
    receipt: u64,
}

impl MemoryQueue {
    /// An empty queue, FIFO if its name ends in `.fifo`, that misbehaves by `plan`: beside faults, entries that fail,
    /// messages that are delivered again while they are in flight, and any order where it is not FIFO.
    pub fn new(name: &str, visibility: Duration, plan: FaultPlan, clock: Clock) -> Self {
        let (state, arrivals) = (Arc::default(), Arc::default());
        Self { name: name.to_owned(), plan, clock, visibility, redrive: None, state, arrivals }
    }

    /// The same queue with a redrive policy, which it reports but does not carry out.
    #[must_use]
    pub fn with_redrive(self, redrive: Redrive) -> Self {
        Self { redrive: Some(redrive), ..self }
    }

    /// The same queue, as a process sees it that fails by `plan`.
    #[must_use]
    pub fn seen_by(&self, plan: FaultPlan) -> Self {
        Self { plan, ..self.clone() }
    }

    /// What is in the queue, in flight or not, in the order in which it was sent.
    pub fn all(&self) -> Vec<Outgoing> {
        self.state().messages.values().map(|kept| kept.message.clone()).collect()
    }

    /// Puts a message in, as a producer whose call never fails.
    pub fn push(&self, message: Outgoing) {
        let mut state = self.state();
        let twice = message.deduplication_id.is_some()
            && state.messages.values().any(|kept| kept.message.deduplication_id == message.deduplication_id);
        if !twice {
            state.sent += 1;
            let (number, now) = (state.sent, Instant::now());
            let sent_at = self.clock.now();
            state.messages.insert(number, Kept { message, sent_at, visible_at: now, receive_count: 0, receipt: 0 });
        }
        drop(state);
        self.arrivals.notify_waiters();
    }

    pub(super) fn default_visibility(&self) -> Duration {
        self.visibility
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self, operation: &'static str) -> Call {
        Call::new("Memory", operation, self.name.as_str())
    }

    /// What can be received now, and when that may change.
    fn take(&self, most: usize, visibility: Duration) -> (Vec<Letter>, Option<Instant>) {
        let mut guard = self.state();
        let State { messages, deliveries, .. } = &mut *guard;
        let now = Instant::now();
        let mut candidates: Vec<u64> = Vec::new();
        let mut blocked: Vec<&Option<String>> = Vec::new();
        let mut next: Option<Instant> = None;
        for (&number, kept) in messages.iter() {
            let in_flight = kept.visible_at > now && (self.is_fifo() || !self.plan.strikes(0.02));
            if in_flight {
                next = Some(next.map_or(kept.visible_at, |at| at.min(kept.visible_at)));
            }
            if self.is_fifo() && (in_flight || blocked.contains(&&kept.message.group)) {
                blocked.push(&kept.message.group);
            } else if !in_flight {
                candidates.push(number);
            }
        }
        let mut taken = Vec::new();
        while taken.len() < most && !candidates.is_empty() {
            let at = if self.is_fifo() { 0 } else { self.plan.below(candidates.len()) };
            let number = candidates.remove(at);
            let kept = messages.get_mut(&number).expect("a candidate is a message");
            *deliveries += 1;
            kept.receipt = *deliveries;
            kept.receive_count += 1;
            kept.visible_at = now + visibility;
            let delivery = Delivery {
                message_id: format!("{}-{number}", self.name),
                receipt_handle: format!("{number}#{}", kept.receipt),
                body: kept.message.body.clone(),
                receive_count: kept.receive_count,
                group: kept.message.group.clone(),
                sent_at: Some(kept.sent_at),
                trace: None,
            };
            let (attributes, deduplication_id) =
                (kept.message.attributes.clone(), kept.message.deduplication_id.clone());
            taken.push(Letter { delivery, attributes, deduplication_id, moved_from: None });
        }
        (taken, next)
    }

    /// Applies a change to the message of each receipt handle; the last argument tells whether it is the newest one.
    fn change(
        &self,
        operation: &'static str,
        receipts: &[String],
        mut change: impl FnMut(usize, &mut BTreeMap<u64, Kept>, u64, bool),
    ) -> Failures {
        assert!(receipts.len() <= BATCH_MAX, "the contract of `Queue`");
        let mut state = self.state();
        let mut failures = Vec::new();
        for (position, receipt) in receipts.iter().enumerate() {
            if self.plan.strikes(0.3) {
                failures.push((position, self.entry_failed(operation)));
                continue;
            }
            let mut numbers = receipt.split('#').map_while(|number| number.parse().ok());
            let (number, delivery) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
            if let Some(newest) = state.messages.get(&number).map(|kept| kept.receipt == delivery) {
                change(position, &mut state.messages, number, newest);
            }
        }
        drop(state);
        self.arrivals.notify_waiters(); // what is visible now, and the next of a FIFO group
        failures
    }

    fn entry_failed(&self, operation: &'static str) -> Fault {
        Fault::of(self.call(operation), Cause::Unavailable, "by the plan of faults")
    }
}

impl Queue for MemoryQueue {
    fn url(&self) -> &str {
        &self.name
    }

    #[expect(clippy::case_sensitive_file_extension_comparisons, reason = "not a file")]
    fn is_fifo(&self) -> bool {
        self.name.ends_with(".fifo")
    }

    async fn visibility_timeout(&self) -> Result<Duration, Fault> {
        let visibility = self.visibility;
        self.plan.call(self.call("GetQueueAttributes"), move || Ok(visibility)).await
    }

    async fn receive(&self, most: usize, wait: Duration, visibility: Duration) -> Result<Vec<Delivery>, Fault> {
        let letters = self.look(most, wait, visibility).await?;
        Ok(letters.into_iter().map(|letter| letter.delivery).collect())
    }

    async fn delete(&self, receipts: &[&str]) -> Result<Failures, Fault> {
        const DELETE: &str = "DeleteMessageBatch";
        let (queue, receipts) = (self.clone(), owned(receipts));
        let delete = move || {
            Ok(queue.change(DELETE, &receipts, |_, messages, number, newest| {
                // A replica that misses a deletion delivers the message once more; an old receipt may delete nothing.
                let missed = !queue.is_fifo() && queue.plan.strikes(if newest { 0.05 } else { 0.5 });
                if missed && let Some(kept) = messages.get_mut(&number) {
                    kept.visible_at = Instant::now() + Duration::from_secs(queue.plan.below(60) as u64);
                } else {
                    messages.remove(&number);
                }
            }))
        };
        self.plan.call(self.call(DELETE), delete).await
    }

    async fn change_visibility(&self, changes: &[(&str, Duration)]) -> Result<Failures, Fault> {
        const CHANGE: &str = "ChangeMessageVisibilityBatch";
        let (queue, after): (_, Vec<Duration>) = (self.clone(), changes.iter().map(|(_, after)| *after).collect());
        let receipts: Vec<String> = changes.iter().map(|(receipt, _)| (*receipt).to_owned()).collect();
        let change = move || {
            let now = Instant::now();
            Ok(queue.change(CHANGE, &receipts, |position, messages, number, newest| {
                if let Some(kept) = messages.get_mut(&number).filter(|_| newest) {
                    kept.visible_at = now + after[position];
                }
            }))
        };
        self.plan.call(self.call(CHANGE), change).await
    }

    async fn send(&self, messages: &[Outgoing]) -> Result<Failures, Fault> {
        const SEND: &str = "SendMessageBatch";
        let (queue, messages) = (self.clone(), messages.to_vec());
        let send = move || {
            let mut failures = Vec::new();
            for (position, message) in messages.into_iter().enumerate() {
                if queue.plan.strikes(0.3) {
                    failures.push((position, queue.entry_failed(SEND)));
                } else {
                    queue.push(message);
                }
            }
            Ok(failures)
        };
        self.plan.call(self.call(SEND), send).await
    }
}

impl Inspect for MemoryQueue {
    async fn state(&self) -> Result<QueueState, Fault> {
        let queue = self.clone();
        let count = move || {
            let (state, now) = (queue.state(), Instant::now());
            let waiting = state.messages.values().filter(|kept| kept.visible_at <= now).count();
            let in_flight = state.messages.len() - waiting;
            let redrive = queue.redrive.clone();
            Ok(QueueState { waiting: waiting as u64, in_flight: in_flight as u64, delayed: 0, redrive })
        };
        self.plan.call(self.call("GetQueueAttributes"), count).await
    }

    async fn look(&self, most: usize, wait: Duration, visibility: Duration) -> Result<Vec<Letter>, Fault> {
        let end = Instant::now() + wait;
        loop {
            let arrival = self.arrivals.notified();
            let queue = self.clone();
            let take = move || Ok(queue.take(most.min(BATCH_MAX), visibility));
            let (taken, next) = self.plan.call(self.call("ReceiveMessage"), take).await?;
            if !taken.is_empty() || Instant::now() >= end {
                return Ok(taken);
            }
            let _ = timeout_at(next.map_or(end, |next| next.min(end)), arrival).await;
        }
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}
