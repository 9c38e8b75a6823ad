//! A queue in memory, for tests and simulations.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

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
    /// An empty queue, FIFO if its name ends in `.fifo`, that misbehaves by `plan`: besides faults, entries that fail,
    /// messages that are delivered again while they are in flight, and any order where it is not FIFO.
    pub fn new(name: &str, visibility: Duration, plan: FaultPlan, clock: Clock) -> Self {
        let (state, arrivals) = (Arc::default(), Arc::default());
        Self { name: name.to_owned(), plan, clock, visibility, state, arrivals }
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

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self, operation: &'static str) -> Call {
        Call::new("Memory", operation, self.name.as_str())
    }

    /// What can be received now, and when that may change.
    fn take(&self, most: usize, visibility: Duration) -> (Vec<Delivery>, Option<Instant>) {
        let mut guard = self.state();
        let State { messages, deliveries, .. } = &mut *guard;
        let now = Instant::now();
        let mut candidates: Vec<u64> = Vec::new();
        let mut blocked: Vec<&Option<String>> = Vec::new();
        let mut next: Option<Instant> = None;
        for (&number, kept) in messages.iter() {
            let in_flight = kept.visible_at > now && !self.plan.strikes(0.1);
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
            taken.push(Delivery {
                message_id: format!("{}-{number}", self.name),
                receipt_handle: format!("{number}#{}", kept.receipt),
                body: kept.message.body.clone(),
                receive_count: kept.receive_count,
                group: kept.message.group.clone(),
                sent_at: Some(kept.sent_at),
            });
        }
        (taken, next)
    }

    /// Applies a change to the message of each receipt handle.
    fn change(
        &self,
        operation: &'static str,
        receipts: &[&str],
        mut change: impl FnMut(usize, &mut BTreeMap<u64, Kept>, u64),
    ) -> Failures {
        assert!(receipts.len() <= BATCH_MAX, "the contract of `Queue`");
        let mut state = self.state();
        let mut failures = Vec::new();
        for (position, receipt) in receipts.iter().enumerate() {
            if self.plan.strikes(0.3) {
                failures.push((position, Fault::of(self.call(operation), Cause::Unavailable, "by the plan of faults")));
                continue;
            }
            let number = receipt.split_once('#').and_then(|(number, _)| number.parse().ok()).unwrap_or(0);
            if state.messages.contains_key(&number) {
                change(position, &mut state.messages, number);
            }
        }
        failures
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
        self.plan.call(self.call("GetQueueAttributes"), || Ok(self.visibility)).await
    }

    async fn receive(&self, most: usize, wait: Duration, visibility: Duration) -> Result<Vec<Delivery>, Fault> {
        let end = Instant::now() + wait;
        loop {
            let arrival = self.arrivals.notified();
            let take = || Ok(self.take(most.min(BATCH_MAX), visibility));
            let (taken, next) = self.plan.call(self.call("ReceiveMessage"), take).await?;
            if !taken.is_empty() || Instant::now() >= end {
                return Ok(taken);
            }
            let _ = timeout_at(next.map_or(end, |next| next.min(end)), arrival).await;
        }
    }

    async fn delete(&self, receipts: &[&str]) -> Result<Failures, Fault> {
        const DELETE: &str = "DeleteMessageBatch";
        let delete = || Ok(self.change(DELETE, receipts, |_, messages, number| drop(messages.remove(&number))));
        let deleted = self.plan.call(self.call(DELETE), delete).await;
        self.arrivals.notify_waiters(); // the next of a FIFO group
        deleted
    }

    async fn change_visibility(&self, changes: &[(&str, Duration)]) -> Result<Failures, Fault> {
        const CHANGE: &str = "ChangeMessageVisibilityBatch";
        let receipts: Vec<&str> = changes.iter().map(|(receipt, _)| *receipt).collect();
        let now = Instant::now();
        let change = || {
            Ok(self.change(CHANGE, &receipts, |position, messages, number| {
                if let Some(kept) = messages.get_mut(&number)
                    && receipts[position] == format!("{number}#{}", kept.receipt)
                {
                    kept.visible_at = now + changes[position].1;
                }
            }))
        };
        let changed = self.plan.call(self.call(CHANGE), change).await;
        self.arrivals.notify_waiters();
        changed
    }

    async fn send(&self, messages: &[Outgoing]) -> Result<Failures, Fault> {
        const SEND: &str = "SendMessageBatch";
        let send = || {
            let mut failures = Vec::new();
            for (position, message) in messages.iter().enumerate() {
                if self.plan.strikes(0.3) {
                    let fault = Fault::of(self.call(SEND), Cause::Unavailable, "by the plan of faults");
                    failures.push((position, fault));
                } else {
                    self.push(message.clone());
                }
            }
            Ok(failures)
        };
        self.plan.call(self.call(SEND), send).await
    }
}
