//! The polling intake, for ECS, Kubernetes or a laptop: long polls of the queue, the same worker, batch deletes.
//!
//! A fixed number of loops receive, process and settle one batch each, which bounds what is in flight. While a batch
//! is worked on its visibility is kept alive, so that the queue's timeout needs not cover a slow model.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use futures_util::future::join_all;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::settle::{BATCH_MAX, Envelope, Settler, Verdict};
use super::{IntakeError, start};
use crate::aws;
use crate::config::WorkerSettings;
use crate::fault::Fault;
use crate::worker::{Outcome, Worker, tally};

/// How long a receive waits for messages. SQS offers 20 s; this is also what a drain may have to wait.
const LONG_POLL_SECONDS: i32 = 10;
/// Longest time for one batch.
const BATCH_TIMEOUT: Duration = Duration::from_mins(5);
/// Longest time for settling a batch.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause after a receive that failed; doubles with each.
const FIRST_RECEIVE_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause between receives that fail.
const LONGEST_RECEIVE_PAUSE: Duration = Duration::from_secs(30);
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

    fn report(&self, pass: Pass<'_>, outcomes: &[Outcome]) {
        let permanent = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Failed(Fault::Permanent(_))));
        let answered = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Succeeded | Outcome::Rejected(_)));
        if permanent && !self.broken.swap(true, Ordering::AcqRel) {
            tracing::error!("receiving stops until a probe succeeds");
        }
        // A probe that neither met the fault nor wrote a record has shown nothing.
        if let Pass::Probe(mut pause) = pass {
            if permanent {
                *pause = (*pause * 2).min(LONGEST_PROBE_PAUSE);
            } else if answered {
                *pause = FIRST_PROBE_PAUSE;
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
    let Some(worker) = stop.run_until_cancelled(start(config, &settings, &stop)).await else { return Ok(()) };
    let worker = worker?;
    let settler = Settler::new(sqs.clone(), &settings);
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
        let mut pause = Duration::ZERO;
        while self.stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
            let Some(pass) = self.stop.run_until_cancelled(self.breaker.pass()).await else { break };
            let most = if matches!(pass, Pass::Probe(_)) { 1 } else { BATCH_MAX };
            // A long poll is never dropped: SQS could hand messages to it that nobody would see for a while.
            let received = self.receive(most).await;
            pause = match received {
                Ok(messages) if self.stop.is_cancelled() => {
                    self.hand_back(&messages).await;
                    break;
                }
                Ok(messages) if messages.is_empty() => Duration::ZERO,
                Ok(messages) => {
                    let outcomes = self.handle(&messages).await;
                    self.breaker.report(pass, &outcomes);
                    Duration::ZERO
                }
                Err(fault) => {
                    tracing::error!(%fault, "no messages can be received");
                    (pause * 2).clamp(FIRST_RECEIVE_PAUSE, LONGEST_RECEIVE_PAUSE)
                }
            };
        }
    }

    async fn receive(&self, most: usize) -> Result<Vec<Envelope>, Fault> {
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

    /// Makes messages visible again that came too late to be worked on.
    async fn hand_back(&self, envelopes: &[Envelope]) {
        let messages: Vec<(&Envelope, u32)> = envelopes.iter().map(|envelope| (envelope, 0)).collect();
        self.settler.change_visibility(&messages).await;
    }

    async fn handle(&self, envelopes: &[Envelope]) -> Vec<Outcome> {
        let started = Instant::now();
        let bodies: Vec<&str> = envelopes.iter().map(|envelope| envelope.body.as_str()).collect();
        let outcomes = tokio::select! {
            outcomes = self.worker.process(&bodies, started + BATCH_TIMEOUT) => outcomes,
            never = self.keep_visible(envelopes) => match never {},
        };
        let verdicts = self.settler.settle(envelopes, outcomes.clone(), Instant::now() + SETTLE_TIMEOUT).await;
        let done = envelopes.iter().zip(verdicts).filter(|(_, verdict)| *verdict == Verdict::Delete);
        self.settler.delete(&done.map(|(envelope, _)| envelope).collect::<Vec<_>>()).await;
        tally(&outcomes).emit("", started.elapsed());
        outcomes
    }

    async fn keep_visible(&self, envelopes: &[Envelope]) -> std::convert::Infallible {
        let period = self.visibility / 3;
        let mut ticks = interval_at(Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let seconds = u32::try_from(self.visibility.as_secs()).unwrap_or(u32::MAX);
        let messages: Vec<(&Envelope, u32)> = envelopes.iter().map(|envelope| (envelope, seconds)).collect();
        loop {
            ticks.tick().await;
            self.settler.change_visibility(&messages).await;
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
        let denied = [Outcome::Failed(Fault::Permanent("access denied".into()))];
        breaker.report(breaker.pass().await, &denied);
        let start = Instant::now();
        let probe = breaker.pass().await;
        assert!(matches!(probe, Pass::Probe(_)) && start.elapsed() == FIRST_PROBE_PAUSE);
        assert!(tokio::time::timeout(LONGEST_PROBE_PAUSE, breaker.pass()).await.is_err(), "a second loop waits");
        breaker.report(probe, &denied);
        let start = Instant::now();
        let probe = breaker.pass().await;
        assert_eq!(start.elapsed(), FIRST_PROBE_PAUSE * 2);
        breaker.report(probe, &[Outcome::Replayed]);
        let probe = breaker.pass().await;
        assert!(matches!(probe, Pass::Probe(_)), "a replay shows nothing");
        breaker.report(probe, &[Outcome::Succeeded]);
        assert!(matches!(breaker.pass().await, Pass::Batch));
    }
}
