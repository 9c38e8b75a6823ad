//! The event source mapping between a queue and the function: batches messages, invokes, and deletes what succeeded.
//!
//! A message is only received once an invocation's slot is reserved for it, so none sits here while its visibility
//! runs out. What failed stays as it is: its visibility runs on, and the function may have changed it.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName,
    QueueAttributeName,
};
use axum::body::Bytes;
use futures_util::{StreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::batch::{Batch, Received, Source};
use super::batch_response::failed_messages;
use super::dispatcher::Dispatcher;
use super::group_locks::GroupLocks;
use crate::DevstackError;
use crate::error::causes;
use crate::stack::queue_attribute;

/// As Lambda starts with for a standard queue.
const POLLERS: usize = 5;
/// Short, so that stopping needs not abandon a poll, which could be handed a message that nobody then processes.
const LONG_POLL: Duration = Duration::from_secs(1);
/// Between polls when less than a long poll of the window is left.
const SHORT_POLL_INTERVAL: Duration = Duration::from_millis(100);
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// SQS takes this many in one call.
const CALL_LIMIT: usize = 10;
const CONCURRENT_CALLS: usize = 4;
/// Lambda's own bounds.
const BATCH_LIMIT: usize = 10_000;
const WINDOW_LIMIT: Duration = Duration::from_mins(5);

/// How a queue is mapped.
#[derive(Debug, Clone)]
pub(super) struct MappingOptions {
    pub(super) queue_url: String,
    pub(super) batch_size: usize,
    pub(super) window: Duration,
    pub(super) function_timeout: Duration,
    pub(super) concurrency: usize,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) batches_ok: AtomicU64,
    pub(super) batches_failed: AtomicU64,
    pub(super) messages_deleted: AtomicU64,
    pub(super) messages_failed: AtomicU64,
}

/// A mapping, which polls from [`Mapping::begin`] until it is stopped or dropped.
#[derive(Debug)]
pub(super) struct Mapping {
    shared: Arc<Shared>,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

#[derive(Debug)]
struct Shared {
    sqs: Client,
    source: Source,
    options: MappingOptions,
    dispatcher: Arc<Dispatcher>,
    slots: Arc<Semaphore>,
    groups: GroupLocks,
    counters: Counters,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

impl Mapping {
    /// Checks the options against the queue as Lambda does; polls nothing yet.
    pub(super) async fn prepare(
        options: MappingOptions,
        sdk: &SdkConfig,
        dispatcher: Arc<Dispatcher>,
    ) -> Result<Self, DevstackError> {
        check(&options)?;
        let sqs = Client::new(sdk);
        let queue_arn = queue_attribute(&sqs, &options.queue_url, QueueAttributeName::QueueArn).await?;
        let visibility = queue_attribute(&sqs, &options.queue_url, QueueAttributeName::VisibilityTimeout).await?;
        if visibility.parse().is_ok_and(|seconds| Duration::from_secs(seconds) < options.function_timeout) {
            return Err(DevstackError::Option(format!(
                "the queue's visibility timeout of {visibility} s is shorter than the function timeout of {} s: raise \
                 the one or lower the other",
                options.function_timeout.as_secs_f64()
            )));
        }
        let region = sdk.region().map(ToString::to_string).unwrap_or_default();
        let shutdown = CancellationToken::new();
        let tasks = TaskTracker::new();
        let shared = Arc::new(Shared {
            sqs,
            source: Source { queue_arn, region },
            slots: Arc::new(Semaphore::new(options.concurrency)),
            options,
            dispatcher,
            groups: GroupLocks::default(),
            counters: Counters::default(),
            shutdown: shutdown.clone(),
            tasks: tasks.clone(),
        });
        Ok(Self { shared, shutdown, tasks })
    }

    /// Starts polling.
    pub(super) fn begin(&self) {
        for _ in 0..POLLERS.min(self.shared.options.concurrency) {
            self.tasks.spawn(Arc::clone(&self.shared).poll());
        }
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// Receives nothing more, and waits at most `drain` for the batches that are being worked on; whether all ended.
    pub(super) async fn stop(&self, drain: Duration) -> bool {
        self.shutdown.cancel();
        self.tasks.close();
        tokio::time::timeout(drain, self.tasks.wait()).await.is_ok()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn check(options: &MappingOptions) -> Result<(), DevstackError> {
    let MappingOptions { batch_size, window, .. } = options;
    let refuse = |message: String| Err(DevstackError::Option(message));
    if !(1..=BATCH_LIMIT).contains(batch_size) {
        return refuse(format!("the batch size must be 1 to {BATCH_LIMIT}, was {batch_size}"));
    }
    if *window > WINDOW_LIMIT {
        return refuse(format!("the batching window must be 0 to 300 s, was {} s", window.as_secs_f64()));
    }
    if is_fifo(&options.queue_url) {
        if *batch_size > 10 || !window.is_zero() {
            return refuse("a FIFO queue allows a batch size of at most 10 and no batching window".into());
        }
    } else if *batch_size > 10 && *window < Duration::from_secs(1) {
        return refuse(format!("a batch size of {batch_size}, which is more than 10, needs a window of at least 1 s"));
    }
    Ok(())
}

fn is_fifo(queue_url: &str) -> bool {
    queue_url.rsplit_once('.').is_some_and(|(_, ending)| ending == "fifo")
}

impl Shared {
    /// One poller: reserve a slot, collect a batch, hand both over, and again.
    async fn poll(self: Arc<Self>) {
        while let Some(Ok(slot)) = self.shutdown.run_until_cancelled(Arc::clone(&self.slots).acquire_owned()).await {
            if self.shutdown.is_cancelled() {
                break;
            }
            let batch = self.collect().await;
            if !batch.is_empty() {
                self.tasks.spawn(Arc::clone(&self).process(batch, slot));
            }
        }
    }

    /// A batch that is full, or whose window has passed since its first message, or an empty one after one long poll.
    async fn collect(&self) -> Batch {
        let mut batch = Batch::new(self.options.batch_size);
        let mut window_ends = None;
        loop {
            let left = window_ends.map_or(LONG_POLL, |end: Instant| end.saturating_duration_since(Instant::now()));
            let wait = if left < LONG_POLL { Duration::ZERO } else { LONG_POLL };
            let received = self.receive(batch.room(), wait).await;
            let surplus: Vec<Received> =
                received.iter().filter_map(|message| batch.add(message, &self.source).err()).collect();
            if !surplus.is_empty() {
                self.release(&surplus).await;
                return batch;
            }
            if batch.is_empty() {
                return batch;
            }
            let end = *window_ends.get_or_insert_with(|| Instant::now() + self.options.window);
            if batch.room() == 0 || Instant::now() >= end || self.shutdown.is_cancelled() {
                return batch;
            }
            if received.is_empty() && wait.is_zero() {
                tokio::time::sleep_until(end.min(Instant::now() + SHORT_POLL_INTERVAL)).await;
            }
        }
    }

    async fn receive(&self, room: usize, wait: Duration) -> Vec<Message> {
        let count = i32::try_from(room.min(CALL_LIMIT)).expect("the limit of a call is small");
        let wait_seconds = i32::try_from(wait.as_secs()).expect("a long poll is short");
        let answer = self
            .sqs
            .receive_message()
            .queue_url(&self.options.queue_url)
            .max_number_of_messages(count)
            .wait_time_seconds(wait_seconds)
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All")
            .send()
            .await;
        match answer {
            Ok(answer) => answer.messages.unwrap_or_default(),
            Err(error) => {
                let error = causes(&error);
                tracing::warn!(queue = self.options.queue_url, %error, "cannot receive messages; trying again");
                self.shutdown.run_until_cancelled(tokio::time::sleep(RETRY_INTERVAL)).await;
                Vec::new()
            }
        }
    }

    async fn process(self: Arc<Self>, batch: Batch, slot: OwnedSemaphorePermit) {
        let fifo = is_fifo(&self.options.queue_url);
        let groups = if fifo { batch.groups() } else { HashSet::new() };
        let locked = self.groups.lock(groups).await;
        let ids: HashSet<&str> = batch.messages().iter().map(|message| message.message_id.as_str()).collect();
        let outcome = match self.dispatcher.invoke(Bytes::from(batch.payload())).await {
            Ok(response) => failed_messages(&response, &ids),
            Err(error) => Err(error.to_string()),
        };
        // The function is done; what is left is ours.
        drop(slot);
        let failed = match outcome {
            Ok(failed) => {
                self.counters.batches_ok.fetch_add(1, Ordering::Relaxed);
                failed
            }
            Err(reason) => {
                self.counters.batches_failed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(messages = ids.len(), %reason, "the whole batch failed");
                ids
            }
        };
        self.counters.messages_failed.fetch_add(failed.len() as u64, Ordering::Relaxed);
        let done: Vec<&Received> =
            batch.messages().iter().filter(|message| !failed.contains(message.message_id.as_str())).collect();
        self.delete(&done).await;
        drop(locked);
    }

    async fn delete(&self, messages: &[&Received]) {
        stream::iter(messages.chunks(CALL_LIMIT))
            .for_each_concurrent(CONCURRENT_CALLS, async |chunk| {
                let entries = chunk.iter().enumerate().map(|(index, message)| {
                    DeleteMessageBatchRequestEntry::builder()
                        .id(index.to_string())
                        .receipt_handle(&message.receipt_handle)
                        .build()
                        .expect("id and handle are set")
                });
                let call = self.sqs.delete_message_batch().queue_url(&self.options.queue_url);
                match call.set_entries(Some(entries.collect())).send().await {
                    Ok(answer) => {
                        let deleted = answer.successful().len() as u64;
                        self.counters.messages_deleted.fetch_add(deleted, Ordering::Relaxed);
                        for failure in answer.failed() {
                            tracing::warn!(code = failure.code(), message = failure.message(), "cannot delete");
                        }
                    }
                    Err(error) => {
                        tracing::warn!(error = causes(&error), "cannot delete messages; they will be redelivered");
                    }
                }
            })
            .await;
    }

    /// Gives messages back to the queue at once that did not fit into the batch.
    async fn release(&self, messages: &[Received]) {
        let entries = messages.iter().enumerate().map(|(index, message)| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(&message.receipt_handle)
                .visibility_timeout(0)
                .build()
                .expect("id and handle are set")
        });
        let call = self.sqs.change_message_visibility_batch().queue_url(&self.options.queue_url);
        if let Err(error) = call.set_entries(Some(entries.collect())).send().await {
            tracing::warn!(
                error = causes(&error),
                "cannot release messages; they will be redelivered when their visibility timeout ends"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(queue: &str, batch_size: usize, window_seconds: u64) -> Result<(), String> {
        let options = MappingOptions {
            queue_url: format!("http://127.0.0.1:4566/123456789012/{queue}"),
            batch_size,
            window: Duration::from_secs(window_seconds),
            function_timeout: Duration::from_mins(1),
            concurrency: 1,
        };
        check(&options).map_err(|error| error.to_string())
    }

    #[test]
    fn what_lambda_refuses_is_refused() {
        assert!(checked("jobs", 10, 0).is_ok());
        assert!(checked("jobs", 10_000, 1).is_ok());
        assert!(checked("jobs.fifo", 10, 0).is_ok());
        assert!(checked("jobs", 11, 0).unwrap_err().contains("needs a window"));
        assert!(checked("jobs", 0, 0).unwrap_err().contains("1 to 10000, was 0"));
        assert!(checked("jobs", 10_001, 300).is_err());
        assert!(checked("jobs", 10, 301).is_err());
        assert!(checked("jobs.fifo", 11, 0).is_err());
        assert!(checked("jobs.fifo", 10, 1).is_err());
    }
}
