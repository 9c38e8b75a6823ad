//! A walk through a dead-letter queue: every letter once, hidden from others while the walk lasts, given back at its end.
//!
//! SQS has no way to look without receiving. So what was looked at is held, or it would come again and again: for a
//! minute or some, extended as long as the walk lasts, so that a process that is killed hides nothing for long.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use time::OffsetDateTime;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::looked::{Looked, hidden_for};
use crate::backoff::Backoff;
use crate::fault::{Cause, Fault};
use crate::intake::{BATCH_MAX, Failures, Inspect, Letter, QueueState};

/// Longest wait for a letter: any but 0 makes SQS ask all of its servers.
const WAIT: Duration = Duration::from_secs(1);
/// Calls in flight at once.
const CALLS_IN_FLIGHT: usize = 8;
/// Looks without a letter that count as the end, if the queue's own count says that there should be more.
const IDLE_LOOKS_MAX: u32 = 3;
/// Times in a row that a call may fail.
const ATTEMPTS: u32 = 5;
/// Pauses after that.
const PAUSES: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));

/// A walk on its way.
pub(super) struct Walk<'a, Q> {
    queue: &'a Q,
    stop: CancellationToken,
    state: Result<QueueState, Fault>,
    began: OffsetDateTime,
    held: HashMap<String, Held>,
    /// When letters must be held again, earliest first; entries of letters released since are stale.
    renewals: BinaryHeap<Reverse<(Instant, String)>>,
    /// Ids of letters that were deleted; one may come again.
    gone: HashSet<String>,
    seen: usize,
    idle_looks: u32,
    most_received: u32,
}

struct Held {
    receipt: String,
    /// When it must be held again: half of its visibility is left then.
    renewed_at: Instant,
    until: Instant,
}

impl Held {
    fn new(receipt: String, now: Instant, visibility: Duration) -> Self {
        Self { receipt, renewed_at: now + visibility / 2, until: now + visibility }
    }
}

impl<'a, Q: Inspect> Walk<'a, Q> {
    /// Begins a walk that `stop` ends. A queue that cannot tell how full it is may still be walked through.
    ///
    /// # Errors
    /// The queue does not exist.
    pub(super) async fn begin(queue: &'a Q, stop: CancellationToken, now: OffsetDateTime) -> Result<Self, Fault> {
        let state = match queue.state().await {
            Err(fault) if fault.cause == Cause::NotFound => return Err(fault),
            state => state,
        };
        let (held, renewals, gone) = Default::default();
        let (seen, idle_looks, most_received) = (0, 0, 0);
        Ok(Self { queue, stop, state, began: now, held, renewals, gone, seen, idle_looks, most_received })
    }

    /// How full the queue was at the beginning.
    pub(super) fn state(&self) -> Result<&QueueState, &Fault> {
        self.state.as_ref()
    }

    /// Whether somebody has asked to stop.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Whether a letter came in after the walk had begun. A walk ends although such ones keep coming.
    pub(super) fn is_late(&self, letter: &Letter) -> bool {
        letter.delivery.sent_at.is_some_and(|sent_at| sent_at > self.began)
    }

    /// The next letters, none of them twice; none at the end.
    ///
    /// # Errors
    /// [`Fault`] that lasts; what was seen before is still held.
    pub(super) async fn next(&mut self) -> Result<Vec<Letter>, Fault> {
        let mut failed = 0;
        while !self.is_over() {
            self.renew().await?;
            let (now, visibility) = (Instant::now(), hidden_for(self.held.len()));
            let looks = (0..self.calls()).map(|_| self.queue.look(BATCH_MAX, WAIT, visibility));
            let (mut letters, mut fault) = (Vec::new(), None);
            for look in join_all(looks).await {
                match look {
                    Ok(found) => letters.extend(found),
                    Err(this) => fault = Some(this),
                }
            }
            let new = self.hold(letters, now, visibility).await;
            match fault.filter(|_| new.is_empty()) {
                Some(fault) if fault.is_permanent() || failed + 1 == ATTEMPTS => return Err(fault),
                Some(_) => {
                    failed += 1;
                    PAUSES.sleep(failed).await;
                    continue;
                }
                None => failed = 0,
            }
            let any_from_before = new.iter().any(|letter| !self.is_late(letter));
            self.idle_looks = if any_from_before { 0 } else { self.idle_looks + 1 };
            if !new.is_empty() {
                return Ok(new);
            }
        }
        Ok(Vec::new())
    }

    fn is_over(&self) -> bool {
        let most = if self.left() == Some(0) { 1 } else { IDLE_LOOKS_MAX };
        self.is_stopped() || self.idle_looks >= most
    }

    /// Letters that should still come, by the queue's own count at the beginning.
    fn left(&self) -> Option<usize> {
        let waiting = self.state.as_ref().ok()?.waiting;
        Some(usize::try_from(waiting).unwrap_or(usize::MAX).saturating_sub(self.seen))
    }

    /// Calls for what is left. A FIFO queue is asked by one at a time, as two may answer in any order.
    fn calls(&self) -> usize {
        if self.queue.is_fifo() || self.idle_looks > 0 {
            return 1;
        }
        self.left().map_or(CALLS_IN_FLIGHT, |left| left.div_ceil(BATCH_MAX).clamp(1, CALLS_IN_FLIGHT))
    }

    /// Holds letters; those that were not seen before.
    async fn hold(&mut self, letters: Vec<Letter>, now: Instant, visibility: Duration) -> Vec<Letter> {
        let (mut new, mut again) = (Vec::new(), Vec::new());
        for letter in letters {
            let id = &letter.delivery.message_id;
            if self.gone.contains(id) {
                again.push(letter.delivery.receipt_handle);
                continue;
            }
            let held = Held::new(letter.delivery.receipt_handle.clone(), now, visibility);
            self.renewals.push(Reverse((held.renewed_at, id.clone())));
            if self.held.insert(id.clone(), held).is_none() {
                self.seen += 1;
                self.most_received = self.most_received.max(letter.delivery.receive_count);
                new.push(letter);
            }
        }
        // SQS may deliver what was deleted. If it cannot be deleted now either, it is there for the next run.
        let _ = self.in_batches(&again, Action::Delete).await;
        new
    }

    /// Prolongs what is held and would show soon.
    ///
    /// # Errors
    /// It may not be prolonged: it would come again and again.
    pub(super) async fn renew(&mut self) -> Result<(), Fault> {
        let (now, visibility) = (Instant::now(), hidden_for(self.held.len()));
        let mut due = Vec::new();
        while self.renewals.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            let Some(Reverse((at, id))) = self.renewals.pop() else { break };
            if self.held.get(&id).is_some_and(|held| held.renewed_at == at) {
                due.push(id);
            }
        }
        let receipts: Vec<String> = due.iter().map(|id| self.held[id].receipt.clone()).collect();
        let failures = self.in_batches(&receipts, Action::HideFor(visibility)).await;
        if let Some((_, fault)) = failures.into_iter().find(|(_, fault)| fault.is_permanent() && denies_all(fault)) {
            return Err(fault);
        }
        for (id, receipt) in due.into_iter().zip(receipts) {
            let held = Held::new(receipt, now, visibility);
            self.renewals.push(Reverse((held.renewed_at, id.clone())));
            self.held.insert(id, held);
        }
        Ok(())
    }

    /// Deletes letters; the ids of those that it could not, and why.
    pub(super) async fn delete(&mut self, ids: &[String]) -> Vec<(String, Fault)> {
        let mut left: Vec<String> = ids.iter().filter(|id| self.held.contains_key(*id)).cloned().collect();
        for attempt in 1.. {
            let receipts: Vec<String> = left.iter().map(|id| self.held[id].receipt.clone()).collect();
            let failures = self.in_batches(&receipts, Action::Delete).await;
            let failed: Vec<(String, Fault)> =
                failures.into_iter().map(|(position, fault)| (left[position].clone(), fault)).collect();
            for id in left.into_iter().filter(|id| failed.iter().all(|(other, _)| other != id)) {
                self.held.remove(&id);
                self.gone.insert(id);
            }
            if failed.iter().all(|(_, fault)| !fault.is_transient()) || attempt == ATTEMPTS {
                return failed;
            }
            left = failed.into_iter().map(|(id, _)| id).collect();
            PAUSES.sleep(attempt).await;
        }
        Vec::new()
    }

    /// Ends the walk: gives everything back that is still held, and tells what was looked at.
    pub(super) async fn end(self) -> Looked {
        let now = Instant::now();
        let receipts: Vec<String> =
            self.held.values().filter(|held| held.until > now).map(|held| held.receipt.clone()).collect();
        let failures = self.in_batches(&receipts, Action::HideFor(Duration::ZERO)).await;
        let hidden = failures.len();
        Looked {
            seen: self.seen,
            walked_through: self.idle_looks > 0 && !self.is_stopped(),
            is_fifo: self.queue.is_fifo(),
            most_received: self.most_received,
            still_hidden: failures.into_iter().next().map(|(_, fault)| (hidden, fault)),
            state: self.state,
        }
    }

    /// Makes calls for receipts, a few at a time; the positions of those that failed. A call that fails fails all of its.
    async fn in_batches(&self, receipts: &[String], action: Action) -> Failures {
        let calls = receipts.chunks(BATCH_MAX).enumerate().map(|(number, chunk)| async move {
            let failures = match action {
                Action::Delete => {
                    let receipts: Vec<&str> = chunk.iter().map(String::as_str).collect();
                    self.queue.delete(&receipts).await
                }
                Action::HideFor(time) => {
                    let changes: Vec<(&str, Duration)> = chunk.iter().map(|receipt| (receipt.as_str(), time)).collect();
                    self.queue.change_visibility(&changes).await
                }
            };
            let failures = failures.unwrap_or_else(|fault| (0..chunk.len()).map(|at| (at, fault.clone())).collect());
            failures.into_iter().map(|(at, fault)| (number * BATCH_MAX + at, fault)).collect::<Failures>()
        });
        stream::iter(calls).buffer_unordered(CALLS_IN_FLIGHT).collect::<Vec<_>>().await.concat()
    }
}

/// What is done to letters by their receipts.
#[derive(Debug, Clone, Copy)]
enum Action {
    Delete,
    HideFor(Duration),
}

/// Whether it is about the caller, not about one message: that one may just have gone.
fn denies_all(fault: &Fault) -> bool {
    fault.cause != Cause::Refused
}
