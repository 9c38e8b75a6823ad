//! The Lambda intake: batches from an event source mapping or a pipe, and bare jobs from direct invocations.
//!
//! One process serves as many invocations at once as Lambda sends it; they share the worker. The catalog is loaded
//! before the first invocation is asked for. Of a batch only the ids of messages that failed are returned, never an
//! error. When Lambda shuts the environment down, what is in flight is returned to the queue at once.

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse};
use nearline_contract::ResultRecord;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::attempt;
use super::invocations::{FunctionError, Invocation, Invocations};
use super::payload::Payload;
use super::queue::{Delivery, Queue};
use super::settle::{Hold, Settler, Verdict};
use super::slots;
use super::start::{IntakeError, Services, Settings, start};
use crate::catalog::Artifacts;
use crate::clock::Clock;
use crate::embed::Models;
use crate::results::Records;
use crate::telemetry::batches::Batches;
use crate::telemetry::event::{Batch, Done};
use crate::telemetry::observers;
use crate::telemetry::stages::{Stages, Timer};
use crate::worker::{Message, Outcome, Worker};

/// Kept back from an invocation's time for settling what is not finished, at most a quarter of what is left.
const SETTLE_TIME: Duration = Duration::from_secs(2);
/// Kept back for the answer's way to Lambda, at most a tenth of what is left.
const ANSWER_TIME: Duration = Duration::from_millis(250);

/// Longest time for giving back what is in flight once Lambda ends the environment: then it kills the process.
const TERMINATION_TIME: Duration = Duration::from_millis(500);

/// Cancelled when Lambda shuts this environment down. The process ends when [`run`] returns, or by itself soon after.
/// Must be called once, on Lambda.
pub async fn termination() -> CancellationToken {
    let stop = CancellationToken::new();
    let terminated = stop.clone();
    lambda_runtime::spawn_graceful_shutdown_handler(move || async move {
        tracing::info!(event = "stopping", "Lambda is shutting this environment down");
        terminated.cancel();
        tokio::time::sleep(TERMINATION_TIME).await;
        observers::flush();
    })
    .await;
    stop
}

/// Serves invocations, so many at once, until `stop`; then gives back what is in flight.
///
/// # Errors
/// [`IntakeError`] of the start.
pub async fn run<Q: Queue, R: Records, M: Models, A: Artifacts>(
    services: Services<Q, R, M, A>,
    settings: Settings,
    invocations: impl Invocations,
    slots: usize,
    stop: CancellationToken,
) -> Result<(), IntakeError> {
    let clock = services.clock.clone();
    let Some(started) = stop.run_until_cancelled(start(services, settings, &stop)).await else { return Ok(()) };
    let (worker, settler, _) = started?;
    let batches = Batches::new(slots);
    let function = Arc::new(Function { worker, settler, clock, stop: stop.clone(), batches: batches.clone() });
    let handle = move |invocation| {
        let function = Arc::clone(&function);
        async move { function.handle(invocation).await }
    };
    slots::serve(invocations, slots, &stop, handle).await;
    batches.flush();
    Ok(())
}

struct Function<Q, R> {
    worker: Arc<Worker<R>>,
    settler: Settler<Q, R>,
    clock: Clock,
    stop: CancellationToken,
    batches: Batches,
}

impl<Q: Queue, R: Records> Function<Q, R> {
    async fn handle(&self, invocation: Invocation) -> Result<Vec<u8>, FunctionError> {
        let Invocation { request_id, deadline_ms, payload, .. } = &invocation;
        let end = self.end(*deadline_ms);
        let failed = |message: String| FunctionError { error_type: "invalid_event", message };
        let payload = std::str::from_utf8(payload).map_err(|error| failed(error.to_string()))?;
        let answer = match Payload::parse(payload).map_err(failed)? {
            Payload::Batch(deliveries) => serde_json::to_vec(&self.handle_batch(deliveries, request_id, end).await),
            Payload::Job => serde_json::to_vec(&self.handle_job(payload, end).await?),
        };
        answer.map_err(|error| FunctionError { error_type: "unavailable", message: error.to_string() })
    }

    async fn handle_batch(&self, deliveries: Vec<Delivery>, invocation: &str, end: Instant) -> SqsBatchResponse {
        let started = Instant::now();
        let process = attempt::process(&self.worker, &deliveries, end - SETTLE_TIME.min((end - started) / 4));
        let mut stages = Stages::default();
        let (verdicts, batch) = if let Some((processed, noted)) = self.stop.run_until_cancelled(process).await {
            stages = noted;
            let _settling = Timer::start(&mut stages.settle);
            // A queue's visibility timeout is as long as its function's, or the mapping could not have been made.
            self.settler.settle(&deliveries, processed, Hold { until: end, end }).await
        } else {
            // Their records are idempotent: whoever receives them next continues.
            self.settler.release(&deliveries).await;
            let messages = deliveries.len();
            (vec![Verdict::Keep; messages], Batch { messages, retried: messages, ..Batch::default() })
        };
        self.batches.tell(Done {
            invocation: invocation.to_owned(),
            trace: None,
            sent_in: Vec::new(),
            batch,
            stages,
            calls_in_flight: self.worker.serving().calls_in_flight(),
            duration: started.elapsed(),
        });
        let mut response = SqsBatchResponse::default();
        let failures = deliveries.into_iter().zip(verdicts).filter(|(_, verdict)| *verdict == Verdict::Keep);
        response.batch_item_failures = failures
            .map(|(delivery, _)| {
                let mut failure = BatchItemFailure::default();
                failure.item_identifier = delivery.message_id;
                failure
            })
            .collect();
        response
    }

    /// A bare job: its record as it is in the table, or a function error when there is none.
    async fn handle_job(&self, job: &str, end: Instant) -> Result<ResultRecord, FunctionError> {
        let failed = |error_type, message: String| FunctionError { error_type, message };
        let unavailable = |message: String| failed("unavailable", message);
        let processed = self.worker.process(&[Message { body: job, sent_at: None }], end).await.0.pop();
        let processed = processed.ok_or_else(|| unavailable("the job had no outcome".into()))?;
        match processed.outcome {
            Outcome::DeadLetter(error) | Outcome::GivenUp { error, .. } => {
                return Err(failed(error.code.as_str(), error.message));
            }
            Outcome::Failed(fault) => return Err(unavailable(fault.to_string())),
            Outcome::Succeeded | Outcome::Rejected(_) | Outcome::Replayed => {}
        }
        let id = processed.job.map(|job| job.request_id).unwrap_or_default();
        // Uploaded results stay in S3: they can be larger than what an invocation may answer.
        let record = timeout_at(end, self.worker.results().get_unresolved(&id)).await;
        let record = record.map_err(|_| unavailable("deadline reached before the record could be read".into()))?;
        let record = record.map_err(|fault| unavailable(fault.to_string()))?;
        record.ok_or_else(|| unavailable(format!("the record `{id}` was deleted before it could be read")))
    }

    /// When the answer has to be on its way.
    fn end(&self, deadline_ms: u64) -> Instant {
        let now = u64::try_from(self.clock.now().unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
        let left = Duration::from_millis(deadline_ms.saturating_sub(now));
        Instant::now() + left.saturating_sub(ANSWER_TIME.min(left / 10))
    }
}
