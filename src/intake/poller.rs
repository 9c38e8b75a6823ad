//! The polling intake, for ECS, Kubernetes or a laptop: long polls of the queue, the same worker, batch deletes.
//!
//! A fixed number of loops receive, process and settle one batch each, which bounds what is in flight. While a batch
//is processed its visibility is extended, so the queue's timeout need not cover a slow model.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};
use tokio_util::sync::CancellationToken;

use super::attempt;
use super::breaker::{Breaker, Permit};
use super::deletions::Deletions;
use super::queue::{BATCH_MAX, Delivery, Queue};
use super::settle::{Hold, Settler, Verdict};
use super::start::{IntakeError, Services, Settings, start};
use crate::backoff::Backoff;
use crate::catalog::Artifacts;
use crate::embed::Models;
use crate::fault::Fault;
use crate::results::Records;
use crate::telemetry::batches::Batches;
use crate::telemetry::event::Done;
use crate::telemetry::health::{Health, Serving, Watched};
use crate::telemetry::stages::Timer;
use crate::worker::{Processed, Worker};

/// How long a receive waits for messages. SQS offers 20 s; this is also what a drain may have to wait.
const LONG_POLL: Duration = Duration::from_secs(10);
/// Longest time for one batch, unless another is asked for.
pub const BATCH_TIMEOUT: Duration = Duration::from_mins(5);
/// Longest time for settling a batch.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Pauses after receives that fail.
const RECEIVE_PAUSES: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
/// Shortest visibility that can be kept alive; also in place of 0, which would make messages visible at once.
const VISIBILITY_MIN: Duration = Duration::from_secs(3);

/// How much is in flight, and for how long: what a drain has to wait for.
#[derive(Debug, Clone, Copy)]
pub struct Loops {
    /// Batches at once.
    pub count: usize,
    /// Longest time for one batch: what is not finished then is tried again.
    pub batch_timeout: Duration,
}

impl Loops {
    /// So many batches at once, each with [`BATCH_TIMEOUT`].
    #[must_use]
    pub fn of(count: usize) -> Self {
        Self { count, batch_timeout: BATCH_TIMEOUT }
    }
}

/// What the loops share.
struct Poller<Q, R> {
    queue: Arc<Q>,
    visibility: Duration,
    batch_timeout: Duration,
    worker: Arc<Worker<R>>,
    settler: Settler<Q, R>,
    stop: CancellationToken,
    breaker: Breaker,
    batches: Batches,
    deletions: Deletions<Q>,
    /// The last receive failed.
    failing: AtomicBool,
    in_flight: AtomicUsize,
}

/// Polls and processes in `loops` until `stop`, then finishes what it has. `health` can tell what
/// it is at.
///
/// # Errors
/// [`IntakeError`] of the start. What fails later is logged and tried again.
pub async fn run<Q: Queue, R: Records, M: Models, A: Artifacts>(
    services: Services<Q, R, M, A>,
    settings: Settings,
    Loops { count: loops, batch_timeout }: Loops,
    stop: CancellationToken,
    health: Health,
) -> Result<(), IntakeError> {
    let Some(visibility) = stop.run_until_cancelled(visibility(&services.queue)).await else { return Ok(()) };
    let visibility = visibility?;
    let Some(started) = stop.run_until_cancelled(start(services, settings, &stop)).await else { return Ok(()) };
    let (worker, settler, queue) = started?;
    tracing::info!(event = "polling", queue = queue.url(), loops, "polling");
    let batches = Batches::new(loops);
    let poller = Arc::new(Poller {
        deletions: Deletions::start(Arc::clone(&queue), loops),
        queue,
        visibility,
        batch_timeout,
        worker,
        settler,
        stop,
        breaker: Breaker::new(),
        batches: batches.clone(),
        failing: AtomicBool::new(false),
        in_flight: AtomicUsize::new(0),
    });
    health.watch(Arc::clone(&poller) as Arc<dyn Watched>);
    // Tasks of their own, so that they have all of the runtime's threads.
    let mut polling = JoinSet::new();
    for _ in 0..loops {
        let poller = Arc::clone(&poller);
        polling.spawn(async move { poller.poll().await });
    }
    polling.join_all().await;
    batches.flush();
    tracing::info!(event = "drained", "drained");
    Ok(())
}

/// The queue's visibility timeout, once it can be asked.
async fn visibility<Q: Queue>(queue: &Q) -> Result<Duration, Fault> {
    let mut failures = 0;
    loop {
        match queue.visibility_timeout().await {
            Err(fault) if !fault.is_permanent() => {
                failures += 1;
                not_receiving(&fault);
                sleep(RECEIVE_PAUSES.step(failures)).await;
            }
            answer => return answer.map(|visibility| visibility.max(VISIBILITY_MIN)),
        }
    }
}

fn not_receiving(fault: &Fault) {
    let cause = fault.cause.as_str();
    tracing::error!(event = "not_receiving", cause, error = %fault, "no messages can be received");
}

impl<Q: Queue, R: Records> Poller<Q, R> {
    async fn poll(&self) {
        let mut failures = 0;
        while !self.stop.is_cancelled() {
            let Some(permit) = self.stop.run_until_cancelled(self.breaker.permit()).await else { break };
            let most = if matches!(permit, Permit::Probe(_)) { 1 } else { BATCH_MAX };
            // A long poll is never dropped: the queue could hand it messages that nobody would see for a while.
            let received = self.queue.receive(most, LONG_POLL, self.visibility).await;
            self.failing.store(received.is_err(), Ordering::Relaxed);
            match received {
                Ok(deliveries) if self.stop.is_cancelled() => {
                    self.settler.release(&deliveries).await;
                    break;
                }
                Ok(deliveries) => {
                    failures = 0;
                    if !deliveries.is_empty() {
                        self.in_flight.fetch_add(1, Ordering::Relaxed);
                        let processed = self.handle(&deliveries).await;
                        self.in_flight.fetch_sub(1, Ordering::Relaxed);
                        self.breaker.report(permit, &processed);
                    }
                }
                Err(fault) => {
                    failures += 1;
                    not_receiving(&fault);
                    drop(permit);
                    self.stop.run_until_cancelled(sleep(RECEIVE_PAUSES.step(failures))).await;
                }
            }
        }
    }

    async fn handle(&self, deliveries: &[Delivery]) -> Vec<Processed> {
        let started = Instant::now();
        let finished = CancellationToken::new();
        let process = async {
            let processed = attempt::process(&self.worker, deliveries, started + self.batch_timeout).await;
            finished.cancel();
            processed
        };
        // Settling waits for a change of visibility that is under way, which would undo a back-off.
        let ((processed, mut stages), until) = join(process, self.keep_in_flight(deliveries, &finished)).await;
        let settling = Timer::start(&mut stages.settle);
        let hold = Hold { until, end: Instant::now() + SETTLE_TIMEOUT };
        let (verdicts, batch) = self.settler.settle(deliveries, processed.clone(), hold).await;
        let done = deliveries.iter().zip(verdicts).filter(|(_, verdict)| *verdict == Verdict::Ack);
        self.deletions.delete(&done.map(|(delivery, _)| delivery).collect::<Vec<_>>()).await;
        drop(settling);
        let calls_in_flight = self.worker.serving().calls_in_flight();
        let sent_in = deliveries.iter().filter_map(|delivery| delivery.trace.clone()).collect();
        let duration = started.elapsed();
        self.batches.tell(Done { sent_in, batch, stages, calls_in_flight, duration, ..Done::default() });
        processed
    }

    /// Keeps messages in flight until `finished`; until when they are for certain.
    async fn keep_in_flight(&self, deliveries: &[Delivery], finished: &CancellationToken) -> Instant {
        let mut until = Instant::now() + self.visibility;
        let mut lapsed = false;
        let period = self.visibility / 3;
        let mut ticks = interval_at(Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let messages: Vec<_> = deliveries.iter().map(|delivery| (delivery, self.visibility)).collect();
        while finished.run_until_cancelled(ticks.tick()).await.is_some() {
            let asked = Instant::now();
            let worked = self.settler.change_visibility(&messages).await;
            // Once they may have been received elsewhere, a call that works changes nothing about that.
            lapsed |= Instant::now() > until;
            if worked && !lapsed {
                until = asked + self.visibility;
            }
        }
        until
    }
}

impl<Q: Queue, R: Records> Watched for Poller<Q, R> {
    fn not_receiving(&self) -> Option<&'static str> {
        if self.stop.is_cancelled() {
            Some("draining")
        } else if self.breaker.is_open() {
            Some("receiving is paused: a permanent fault holds jobs, see the log")
        } else if self.failing.load(Ordering::Relaxed) {
            Some("the queue cannot be received from, see the log")
        } else {
            None
        }
    }

    fn serving(&self) -> Serving {
        let serving = self.worker.serving();
        let catalog = serving.current().catalog();
        Serving {
            version: catalog.version().to_owned(),
            model: catalog.model_id().map(str::to_owned),
            rows: catalog.rows(),
            dimension: catalog.dimension(),
            memory_bytes: serving.memory_bytes(),
            kernel: catalog.index().kernel(),
        }
    }

    fn model_calls_in_flight(&self) -> usize {
        self.worker.serving().calls_in_flight()
    }

    fn batches_in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }
}
