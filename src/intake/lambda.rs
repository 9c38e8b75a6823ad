//! The Lambda intake: batches from an event source mapping, and bare jobs from direct invocations.
//!
//! One process serves as many invocations at once as Lambda sends it; they share the worker. The catalog is loaded
//! before the first invocation is asked for. Only message ids that failed are returned, never an error for a batch.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use lambda_runtime::{Context, Diagnostic, LambdaEvent, Runtime, service_fn};
use nearline_contract::ResultRecord;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::settle::{Envelope, Settler, Verdict};
use super::{IntakeError, start};
use crate::aws;
use crate::config::Reader;
use crate::telemetry;
use crate::worker::{Outcome, Worker, tally};

/// Kept back from an invocation's time for settling what is not finished, at most a quarter of what is left.
const SETTLE_TIME: Duration = Duration::from_secs(2);
/// Kept back for the answer's way to Lambda, at most a tenth of what is left.
const ANSWER_TIME: Duration = Duration::from_millis(250);

/// Serves invocations until Lambda ends the process.
///
/// # Errors
/// [`IntakeError`] of the start, or when no task is left that asks for invocations.
pub async fn run() -> Result<(), IntakeError> {
    let reader = Reader::from_process();
    telemetry::init(reader.log().unwrap_or("info"));
    reader.log()?;
    let settings = reader.worker()?;
    let config = aws::sdk_config().await;
    let stop = CancellationToken::new();
    let worker = start(&config, &settings, &stop).await?;
    let settler = Settler::new(aws_sdk_sqs::Client::new(&config), &settings);
    // Lambda leaves half a second: what is in flight comes back to the queue, and its records are idempotent.
    lambda_runtime::spawn_graceful_shutdown_handler(move || async move {
        stop.cancel();
        tracing::info!("Lambda ends this environment");
    })
    .await;
    let shared = Arc::new((worker, settler));
    let handler = service_fn(move |event: LambdaEvent<Box<RawValue>>| {
        let shared = Arc::clone(&shared);
        async move {
            let (worker, settler) = &*shared;
            handle(worker, settler, event.payload.get(), &event.context).await
        }
    });
    Runtime::new(handler).run_concurrent().await.map_err(|error| IntakeError::Runtime(error.to_string()))
}

/// What an invocation is answered with.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Answer {
    Batch(SqsBatchResponse),
    Record(Box<ResultRecord>),
}

async fn handle(worker: &Worker, settler: &Settler, payload: &str, context: &Context) -> Result<Answer, Diagnostic> {
    let end = end(context);
    match serde_json::from_str::<SqsEvent>(payload) {
        Ok(event) => Ok(Answer::Batch(handle_batch(worker, settler, event, context, end).await)),
        Err(_) => handle_direct(worker, payload, end).await.map(|record| Answer::Record(Box::new(record))),
    }
}

async fn handle_batch(
    worker: &Worker,
    settler: &Settler,
    event: SqsEvent,
    context: &Context,
    end: Instant,
) -> SqsBatchResponse {
    let started = Instant::now();
    let envelopes: Vec<Envelope> = event.records.into_iter().map(envelope).collect();
    let bodies: Vec<&str> = envelopes.iter().map(|envelope| envelope.body.as_str()).collect();
    let outcomes = worker.process(&bodies, end - SETTLE_TIME.min((end - started) / 4)).await;
    let event = tally(&outcomes);
    let verdicts = settler.settle(&envelopes, outcomes, end).await;
    event.emit(&context.request_id, started.elapsed());
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = envelopes
        .into_iter()
        .zip(verdicts)
        .filter(|(_, verdict)| *verdict == Verdict::Keep)
        .map(|(envelope, _)| {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = envelope.message_id;
            failure
        })
        .collect();
    response
}

/// A bare job: its record as it stands in the table, or a function error when there is none.
async fn handle_direct(worker: &Worker, job: &str, end: Instant) -> Result<ResultRecord, Diagnostic> {
    let failed = |error_type: &str, error_message: String| Diagnostic { error_type: error_type.into(), error_message };
    match worker.process(&[job], end).await.pop() {
        Some(Outcome::DeadLetter(error)) => Err(failed(error.code.as_str(), error.message)),
        Some(Outcome::Failed(fault)) => Err(failed("unavailable", fault.to_string())),
        None => Err(failed("unavailable", "the job had no outcome".into())),
        Some(Outcome::Succeeded | Outcome::Rejected(_) | Outcome::Replayed) => {
            let request_id = nearline_contract::receive(job).map(|job| job.request_id);
            let request_id = request_id.map_err(|error| failed(error.code.as_str(), error.message))?;
            // Spilled results stay in S3: they can be larger than what an invocation may answer.
            let record = timeout_at(end, worker.results().get_unresolved(&request_id)).await;
            let record = record.map_err(|_| failed("unavailable", "no time was left to read the record".into()))?;
            let record = record.map_err(|fault| failed("unavailable", fault.to_string()))?;
            record.ok_or_else(|| failed("unavailable", format!("the record `{request_id}` is gone again")))
        }
    }
}

fn envelope(message: SqsMessage) -> Envelope {
    let attribute = |name: &str| message.attributes.get(name);
    Envelope {
        receive_count: attribute("ApproximateReceiveCount").and_then(|count| count.parse().ok()).unwrap_or(1),
        group: attribute("MessageGroupId").cloned(),
        message_id: message.message_id.unwrap_or_default(),
        receipt_handle: message.receipt_handle.unwrap_or_default(),
        body: message.body.unwrap_or_default(),
    }
}

/// When the answer has to be on its way.
fn end(context: &Context) -> Instant {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let left = Duration::from_millis(context.deadline).saturating_sub(now);
    Instant::now() + left.saturating_sub(ANSWER_TIME.min(left / 10))
}
