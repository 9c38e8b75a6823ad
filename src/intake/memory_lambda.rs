//! Lambda in memory, for tests and simulations: an event source mapping that hands batches of a queue to invocations,
//! and direct invocations beside it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lambda_events::event::sqs::SqsBatchResponse;
use http::StatusCode;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::invocations::{Answer, ApiError, Invocation, Invocations};
use super::memory::MemoryQueue;
use super::queue::{Delivery, Queue};
use crate::clock::Clock;
use crate::fault::{Call, Cause, Fault};
use crate::fault_plan::FaultPlan;

/// How long the mapping waits for messages, and after a receive that failed.
const WAIT: Duration = Duration::from_secs(20);

/// Invokes a function; clones share its invocations. The operations of its API are `Next` and `Answer`.
#[derive(Debug, Clone)]
pub struct MemoryLambda {
    queue: MemoryQueue,
    batch_max: usize,
    timeout: Duration,
    plan: FaultPlan,
    clock: Clock,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    invoked: u64,
    running: BTreeMap<String, (Instant, Work)>,
    direct: VecDeque<String>,
    answers: Vec<(String, Answer)>,
}

#[derive(Debug, Clone)]
enum Work {
    Batch(Vec<Delivery>),
    Job(String),
}

impl MemoryLambda {
    /// A function on `queue`, with batches of at most so many messages and a timeout.
    pub fn new(queue: MemoryQueue, batch_max: usize, timeout: Duration, clock: Clock) -> Self {
        Self { queue, batch_max, timeout, plan: FaultPlan::default(), clock, state: Arc::default() }
    }

    /// The same function, as a process sees it that fails by `plan`.
    #[must_use]
    pub fn seen_by(&self, plan: FaultPlan) -> Self {
        Self { plan, ..self.clone() }
    }

    /// Invokes the function with a job.
    pub fn invoke(&self, job: &str) {
        self.state().direct.push_back(job.to_owned());
    }

    /// What direct invocations were answered, with their jobs.
    pub fn answers(&self) -> Vec<(String, Answer)> {
        self.state().answers.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for work, as the mapping does: whatever becomes of the invocation, its messages are in flight by then.
    async fn work(&self) -> Work {
        loop {
            if let Some(job) = self.state().direct.pop_front() {
                return Work::Job(job);
            }
            let visibility = self.queue.default_visibility();
            match self.queue.receive(self.batch_max, WAIT, visibility).await {
                Ok(batch) if !batch.is_empty() => return Work::Batch(batch),
                Ok(_) => {}
                Err(_) => sleep(WAIT).await,
            }
        }
    }

    fn begin(&self, work: Work) -> Invocation {
        let payload = match &work {
            Work::Job(job) => job.clone(),
            Work::Batch(batch) => json!({"Records": batch.iter().map(record).collect::<Vec<_>>()}).to_string(),
        };
        let mut state = self.state();
        state.invoked += 1;
        let request_id = format!("invocation-{}", state.invoked);
        state.running.insert(request_id.clone(), (Instant::now() + self.timeout, work));
        let deadline = self.clock.now() + self.timeout;
        Invocation {
            request_id,
            delivery_id: None,
            trace: None,
            deadline_ms: u64::try_from(deadline.unix_timestamp_nanos() / 1_000_000).unwrap_or(0),
            payload: payload.into(),
        }
    }

    /// Takes an answer; whether the invocation still wanted one.
    fn take(&self, request_id: &str, answer: Answer) -> bool {
        let Some((deadline, work)) = self.state().running.remove(request_id) else { return false };
        if Instant::now() > deadline {
            return false;
        }
        match work {
            Work::Job(job) => self.state().answers.push((job, answer)),
            Work::Batch(batch) => {
                let done = answer.map(|body| done(&body, &batch)).unwrap_or_default();
                let queue = self.queue.clone();
                tokio::spawn(async move {
                    for receipts in done.chunks(super::queue::BATCH_MAX) {
                        let receipts: Vec<&str> = receipts.iter().map(String::as_str).collect();
                        let _ = queue.delete(&receipts).await; // what stays comes again
                    }
                });
            }
        }
        true
    }
}

/// The receipts of what may go: of an answer that the mapping cannot read, nothing.
fn done(body: &[u8], batch: &[Delivery]) -> Vec<String> {
    let Ok(response) = serde_json::from_slice::<SqsBatchResponse>(body) else { return Vec::new() };
    let failed: Vec<&str> =
        response.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str()).collect();
    if failed.iter().any(|id| !batch.iter().any(|delivery| delivery.message_id == *id)) {
        return Vec::new();
    }
    let done = batch.iter().filter(|delivery| !failed.contains(&delivery.message_id.as_str()));
    done.map(|delivery| delivery.receipt_handle.clone()).collect()
}

fn record(delivery: &Delivery) -> serde_json::Value {
    let sent_at = delivery.sent_at.map(|at| (at.unix_timestamp_nanos() / 1_000_000).to_string());
    let mut attributes = json!({"ApproximateReceiveCount": delivery.receive_count.to_string()});
    for (name, value) in [("SentTimestamp", &sent_at), ("MessageGroupId", &delivery.group)] {
        if let Some(value) = value {
            attributes[name] = json!(value);
        }
    }
    json!({
        "messageId": delivery.message_id,
        "receiptHandle": delivery.receipt_handle,
        "body": delivery.body,
        "attributes": attributes,
        "eventSource": "aws:sqs",
    })
}

fn api_error(fault: Fault) -> ApiError {
    match fault.cause {
        Cause::Unreachable | Cause::TimedOut => ApiError::Connection(fault.text),
        _ => ApiError::Status(StatusCode::SERVICE_UNAVAILABLE),
    }
}

impl Invocations for MemoryLambda {
    async fn next(&self) -> Result<Invocation, ApiError> {
        let work = self.work().await;
        let lambda = self.clone();
        self.plan.call(Call::new("Memory", "Next", ""), move || Ok(lambda.begin(work))).await.map_err(api_error)
    }

    async fn answer(&self, invocation: &Invocation, answer: &Answer) -> Result<(), ApiError> {
        let (lambda, request_id, answer) = (self.clone(), invocation.request_id.clone(), answer.clone());
        let take = move || Ok(lambda.take(&request_id, answer));
        let wanted = self.plan.call(Call::new("Memory", "Answer", ""), take).await.map_err(api_error)?;
        if wanted { Ok(()) } else { Err(ApiError::Status(StatusCode::BAD_REQUEST)) }
    }
}
