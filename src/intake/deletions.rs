//! Deletes messages in full calls: smaller groups join those of other loops, without waiting.
//!
//! Ten messages go at once. Fewer join a queue of which a free call takes all that wait, so an idle worker sees no delay
//! and a busy one makes fewer calls, each of which SQS bills.

use std::sync::Arc;

use futures_util::future::{join, join_all};

use super::queue::{BATCH_MAX, Delivery, Queue};
use super::settle::all_worked;
use crate::coalesce::Coalescer;

/// Loops for each call of this kind that may be under way.
const LOOPS_FOR_CALL: usize = 8;

/// Deletes what is done with.
#[derive(Debug)]
pub(super) struct Deletions<Q> {
    queue: Arc<Q>,
    joined: Coalescer<String, ()>,
}

impl<Q: Queue> Deletions<Q> {
    /// For so many loops. Must be called on a Tokio runtime; its tasks end when it is dropped.
    pub(super) fn start(queue: Arc<Q>, loops: usize) -> Self {
        let shared = Arc::clone(&queue);
        let joined = Coalescer::start(loops.div_ceil(LOOPS_FOR_CALL), BATCH_MAX, move |receipts: Vec<String>| {
            let queue = Arc::clone(&shared);
            async move {
                delete(&*queue, &receipts.iter().map(String::as_str).collect::<Vec<_>>()).await;
                vec![(); receipts.len()]
            }
        });
        Self { queue, joined }
    }

    /// Deletes messages. What cannot be deleted comes back and is answered as a replay.
    pub(super) async fn delete(&self, done: &[&Delivery]) {
        let receipts: Vec<&str> = done.iter().map(|delivery| delivery.receipt_handle.as_str()).collect();
        let (full, rest) = receipts.as_chunks::<BATCH_MAX>();
        let full = full.iter().map(|receipts| delete(&*self.queue, receipts));
        let rest = rest.iter().map(|&receipt| self.joined.call(receipt.to_owned()));
        // A panic of the call drops its answers: the messages come back, too.
        let _ = join(join_all(full), join_all(rest)).await;
    }
}

async fn delete<Q: Queue>(queue: &Q, receipts: &[&str]) {
    all_worked("messages were not deleted", queue.delete(receipts).await);
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use tokio::time::{Instant, sleep};

    use super::super::queue::{Failures, Outgoing};
    use super::*;
    use crate::fault::{Cause, Fault};

    /// Deletions take 10 ms; how many messages each had.
    #[derive(Debug, Default)]
    struct Deleted(Mutex<Vec<usize>>);

    impl Queue for Deleted {
        fn url(&self) -> &'static str {
            "deleted"
        }

        fn is_fifo(&self) -> bool {
            false
        }

        async fn visibility_timeout(&self) -> Result<Duration, Fault> {
            unreachable!()
        }

        async fn receive(&self, _: usize, _: Duration, _: Duration) -> Result<Vec<Delivery>, Fault> {
            unreachable!()
        }

        async fn delete(&self, receipts: &[&str]) -> Result<Failures, Fault> {
            sleep(Duration::from_millis(10)).await;
            self.0.lock().unwrap().push(receipts.len());
            assert!(!receipts.contains(&"panic"));
            if receipts.contains(&"fault") { Err(Fault::new(Cause::Unavailable, "away")) } else { Ok(Vec::new()) }
        }

        async fn change_visibility(&self, _: &[(&str, Duration)]) -> Result<Failures, Fault> {
            unreachable!()
        }

        async fn send(&self, _: &[Outgoing]) -> Result<Failures, Fault> {
            unreachable!()
        }
    }

    fn deliveries(receipts: &[&str]) -> Vec<Delivery> {
        let delivery = |receipt: &&str| Delivery {
            message_id: String::new(),
            receipt_handle: (*receipt).to_owned(),
            body: String::new(),
            receive_count: 1,
            group: None,
            sent_at: None,
            trace: None,
        };
        receipts.iter().map(delivery).collect()
    }

    /// The sizes of the calls when loops delete so many messages each at the same time, and how long it took.
    async fn calls(loops: usize, messages: Vec<Vec<&str>>) -> (Vec<usize>, u128) {
        let queue = Arc::new(Deleted::default());
        let deletions = Deletions::start(Arc::clone(&queue), loops);
        let since = Instant::now();
        let each = messages.into_iter().map(async |receipts| {
            let done = deliveries(&receipts);
            deletions.delete(&done.iter().collect::<Vec<_>>()).await;
        });
        join_all(each).await;
        let sizes = queue.0.lock().unwrap().clone();
        (sizes, since.elapsed().as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_worker_deletes_at_once_and_a_busy_one_in_full_calls() {
        assert_eq!(calls(8, vec![vec!["r"; 3]]).await, (vec![3], 10));
        assert_eq!(calls(8, vec![vec!["r"; 10]; 8]).await, (vec![10; 8], 10), "full calls wait for nobody");
        assert_eq!(calls(8, vec![vec!["r"; 7]; 8]).await, (vec![10, 10, 10, 10, 10, 6], 60));
        assert_eq!(calls(1, vec![vec!["r"; 23]]).await, (vec![10, 10, 3], 10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_fails_holds_nobody_up() {
        let messages = vec![vec!["fault"], vec!["r"; 9], vec!["panic", "r"], vec!["r"; 9]];
        assert_eq!(calls(1, messages).await.0, [10, 10, 1]);
    }
}
