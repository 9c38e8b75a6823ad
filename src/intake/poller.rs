//! The polling intake, for ECS, Kubernetes or a laptop: long polls of the queue, the same worker, batch deletes.
//!
//! A fixed number of loops receive, process and settle one batch each, which bounds what is in flight. While a batch
//! is worked on its visibility is kept alive, so that the queue's timeout needs not cover a slow model.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName, QueueAttributeName};
use futures_util::future::join_all;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::settle::{BATCH_MAX, Envelope, Settler, Verdict, change_visibility};
use super::{IntakeError, start};
use crate::aws;
use crate::config::WorkerSettings;
use crate::fault::Fault;
use crate::worker::{Outcome, Worker, tally};

/// How long a receive waits for messages: the longest that SQS offers.
const LONG_POLL_SECONDS: i32 = 20;
/// Longest time for one batch.
const BATCH_TIMEOUT: Duration = Duration::from_mins(5);
/// Pause after a fault that a person has to mend, before one message is let through as a probe. Doubles with each.
const FIRST_PROBE_PAUSE: Duration = Duration::from_secs(5);
/// Longest pause between probes.
const LONGEST_PROBE_PAUSE: Duration = Duration::from_mins(2);

/// What the loops share.
struct Poller {
    sqs: Client,
    queue_url: String,
    visibility: Duration,
    worker: Arc<Worker>,
    settler: Settler,
    stop: CancellationToken,
    breaker: Breaker,
}

/// Stops receiving after a fault that a person has to mend, but for one probe at a time.
struct Breaker {
    broken: AtomicBool,
    /// Pause before the next probe; held by the loop that probes.
    pause: Mutex<Duration>,
}

/// Leave to receive.
enum Pass<'a> {
    /// A full batch.
    Batch,
    /// One message, to see whether the fault was mended.
    Probe(MutexGuard<'a, Duration>),
}

impl Breaker {
    fn new() -> Self {
        Self { broken: AtomicBool::new(false), pause: Mutex::new(FIRST_PROBE_PAUSE) }
    }

    async fn pass(&self) -> Pass<'_> {
        if !self.broken.load(Ordering::Acquire) {
            return Pass::Batch;
        }
        let pause = self.pause.lock().await;
        if !self.broken.load(Ordering::Acquire) {
            return Pass::Batch;
        }
        tokio::time::sleep(*pause).await;
        Pass::Probe(pause)
    }

    fn report(&self, pass: Pass<'_>, permanent: bool) {
        if permanent && !self.broken.swap(true, Ordering::AcqRel) {
            tracing::error!("receiving stops until a probe succeeds");
        }
        if let Pass::Probe(mut pause) = pass {
            *pause = if permanent { (*pause * 2).min(LONGEST_PROBE_PAUSE) } else { FIRST_PROBE_PAUSE };
            if !permanent {
                self.broken.store(false, Ordering::Release);
                tracing::info!("a probe succeeded: receiving goes on");
            }
        }
    }
}

/// Polls and processes with `loops` batches in flight until `stop`, then finishes what it has.
///
/// # Errors
/// [`IntakeError`] of the start. What fails later is logged and tried again.
pub async fn run(
    config: &SdkConfig,
    settings: WorkerSettings,
    loops: usize,
    stop: CancellationToken,
) -> Result<(), IntakeError> {
    let sqs = Client::new(config);
    let visibility = visibility_timeout(&sqs, &settings.queue_url).await?;
    let worker = start(config, &settings, &stop).await?;
    let settler = Settler::new(
        sqs.clone(),
        settings.queue_url.clone(),
        settings.dead_letter_queue_url.clone(),
        settings.max_attempts,
    );
    let poller =
        Poller { sqs, queue_url: settings.queue_url, visibility, worker, settler, stop, breaker: Breaker::new() };
    tracing::info!(queue = poller.queue_url, loops, "polling");
    join_all((0..loops).map(|_| poller.poll())).await;
    tracing::info!("drained");
    Ok(())
}

async fn visibility_timeout(sqs: &Client, queue_url: &str) -> Result<Duration, Fault> {
    let attributes =
        sqs.get_queue_attributes().queue_url(queue_url).attribute_names(QueueAttributeName::VisibilityTimeout);
    let doing = format!("SQS GetQueueAttributes {queue_url}");
    let answer = attributes.send().await.map_err(|error| aws::classify(&error).context(&doing))?;
    let seconds = answer.attributes().and_then(|all| all.get(&QueueAttributeName::VisibilityTimeout)?.parse().ok());
    // 0 would make every message visible again at once: treat it as the shortest that can be kept alive.
    Ok(Duration::from_secs(seconds.unwrap_or(30).max(3)))
}

impl Poller {
    async fn poll(&self) {
        // A receive that is dropped here may have taken messages: they come back when their visibility ends.
        while let Some((pass, received)) = self.stop.run_until_cancelled(self.receive()).await {
            let permanent = match received {
                Ok(messages) if messages.is_empty() => continue,
                Ok(messages) => self.handle(messages).await,
                Err(fault) => {
                    tracing::error!(%fault, "no messages can be received");
                    true
                }
            };
            self.breaker.report(pass, permanent);
        }
    }

    async fn receive(&self) -> (Pass<'_>, Result<Vec<Envelope>, Fault>) {
        let pass = self.breaker.pass().await;
        let most = if matches!(pass, Pass::Probe(_)) { 1 } else { BATCH_MAX };
        let received = self.receive_up_to(most).await;
        (pass, received)
    }

    async fn receive_up_to(&self, most: usize) -> Result<Vec<Envelope>, Fault> {
        let receive = self
            .sqs
            .receive_message()
            .queue_url(&self.queue_url)
            .max_number_of_messages(i32::try_from(most).unwrap_or(i32::MAX))
            .wait_time_seconds(LONG_POLL_SECONDS)
            .visibility_timeout(i32::try_from(self.visibility.as_secs()).unwrap_or(i32::MAX))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::MessageGroupId);
        let doing = || format!("SQS ReceiveMessage {}", self.queue_url);
        let answer = receive.send().await.map_err(|error| aws::classify(&error).context(&doing()))?;
        Ok(answer.messages.unwrap_or_default().into_iter().map(envelope).collect())
    }

    /// Handles a batch; whether a fault stopped it that a person has to mend.
    async fn handle(&self, envelopes: Vec<Envelope>) -> bool {
        let started = Instant::now();
        let bodies: Vec<&str> = envelopes.iter().map(|envelope| envelope.body.as_str()).collect();
        let outcomes = tokio::select! {
            outcomes = self.worker.process(&bodies, started + BATCH_TIMEOUT) => outcomes,
            never = self.keep_visible(&envelopes) => match never {},
        };
        let permanent = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Failed(Fault::Permanent(_))));
        let event = tally(&outcomes);
        let verdicts = self.settler.settle(&envelopes, outcomes).await;
        let done = envelopes.iter().zip(verdicts).filter(|(_, verdict)| *verdict == Verdict::Delete);
        self.delete(done.map(|(envelope, _)| envelope).collect()).await;
        event.emit("", started.elapsed());
        permanent
    }

    async fn keep_visible(&self, envelopes: &[Envelope]) -> std::convert::Infallible {
        let period = self.visibility / 3;
        let mut ticks = interval_at(Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let seconds = u32::try_from(self.visibility.as_secs()).unwrap_or(u32::MAX);
        let messages: Vec<(&Envelope, u32)> = envelopes.iter().map(|envelope| (envelope, seconds)).collect();
        loop {
            ticks.tick().await;
            change_visibility(&self.sqs, &self.queue_url, &messages).await;
        }
    }

    /// Deletes what is done with. What cannot be deleted comes back and is answered as a replay.
    async fn delete(&self, done: Vec<&Envelope>) {
        let calls = done.chunks(BATCH_MAX).map(|chunk| {
            let entries = chunk.iter().enumerate().map(|(id, envelope)| {
                DeleteMessageBatchRequestEntry::builder()
                    .id(id.to_string())
                    .receipt_handle(&envelope.receipt_handle)
                    .build()
                    .expect("id and receipt handle are set")
            });
            self.sqs.delete_message_batch().queue_url(&self.queue_url).set_entries(Some(entries.collect())).send()
        });
        for answer in join_all(calls).await {
            match answer {
                Ok(answer) => {
                    for failed in answer.failed {
                        tracing::warn!(code = failed.code, cause = failed.message, "a message was not deleted");
                    }
                }
                Err(error) => {
                    let fault = aws::classify(&error).context("SQS DeleteMessageBatch");
                    tracing::warn!(%fault, "messages were not deleted");
                }
            }
        }
    }
}

fn envelope(message: Message) -> Envelope {
    let attribute = |name| message.attributes.as_ref().and_then(|attributes| attributes.get(&name)).cloned();
    Envelope {
        receive_count: attribute(MessageSystemAttributeName::ApproximateReceiveCount)
            .and_then(|count| count.parse().ok())
            .unwrap_or(1),
        group: attribute(MessageSystemAttributeName::MessageGroupId),
        message_id: message.message_id.unwrap_or_default(),
        receipt_handle: message.receipt_handle.unwrap_or_default(),
        body: message.body.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_broken_poller_probes_one_at_a_time_ever_slower_until_one_succeeds() {
        let breaker = Breaker::new();
        let pass = breaker.pass().await;
        assert!(matches!(pass, Pass::Batch));
        breaker.report(pass, true);
        let start = Instant::now();
        let probe = breaker.pass().await;
        assert!(matches!(probe, Pass::Probe(_)) && start.elapsed() == FIRST_PROBE_PAUSE);
        assert!(tokio::time::timeout(LONGEST_PROBE_PAUSE, breaker.pass()).await.is_err(), "a second loop waits");
        breaker.report(probe, true);
        let start = Instant::now();
        let probe = breaker.pass().await;
        assert_eq!(start.elapsed(), FIRST_PROBE_PAUSE * 2);
        breaker.report(probe, false);
        assert!(matches!(breaker.pass().await, Pass::Batch));
    }
}
