//! Which messages of a batch are tried: all but those that any process has given up before.
//!
//! Only a message that comes again can have been given up, so that others cost no call.

use std::collections::HashSet;

use futures_util::future::join_all;
use nearline_contract::receive;
use tokio::time::{Instant, timeout_at};

use super::queue::Delivery;
use crate::fault::{Cause, Fault};
use crate::results::{Records, Results};
use crate::telemetry::stages::Stages;
use crate::worker::{JobKey, Outcome, Processed, Worker};

/// Handles a batch; what comes back is in its order, and where the time went. What is not finished at `deadline` has
/// failed.
pub(super) async fn process<R: Records>(
    worker: &Worker<R>,
    deliveries: &[Delivery],
    deadline: Instant,
) -> (Vec<Processed>, Stages) {
    let mut notes = join_all(deliveries.iter().map(|delivery| given_up(worker.results(), delivery, deadline))).await;
    keep_order(deliveries, &mut notes);
    let tried = deliveries.iter().zip(&notes).filter(|(_, note)| note.is_none());
    let messages: Vec<_> = tried.map(|(delivery, _)| delivery.message()).collect();
    let (processed, stages) = worker.process(&messages, deadline).await;
    let mut processed = processed.into_iter();
    let outcomes = notes.into_iter().map(|note| match note {
        None => processed.next().expect("the worker answers for each message"),
        Some(untried) => untried,
    });
    (outcomes.collect(), stages)
}

/// A message that is not tried.
async fn given_up<R: Records>(results: &Results<R>, delivery: &Delivery, deadline: Instant) -> Option<Processed> {
    if delivery.receive_count < 2 {
        return None;
    }
    let late =
        || Fault::new(Cause::NotStarted, "the deadline came before it was known whether the job had been given up");
    let note = timeout_at(deadline, results.given_up(&delivery.message_id)).await.unwrap_or_else(|_| Err(late()));
    let outcome = match note {
        Ok(None) => return None,
        Ok(Some((error, quiet))) => Outcome::GivenUp { error, quiet },
        Err(fault) => Outcome::Failed(fault),
    };
    // What no record can answer is never given up: the worker says why it goes.
    Some(Processed { job: Some(key(delivery)?), outcome })
}

/// A job must not overtake an earlier one of its id that comes again.
fn keep_order(deliveries: &[Delivery], notes: &mut [Option<Processed>]) {
    let mut ids: HashSet<String> = HashSet::new();
    for (delivery, note) in deliveries.iter().zip(notes) {
        match note {
            Some(Processed { job: Some(job), outcome: Outcome::Failed(_) }) => {
                ids.insert(job.request_id.clone());
            }
            None if !ids.is_empty() => {
                *note = key(delivery).filter(|job| ids.contains(&job.request_id)).map(|job| {
                    let fault = Fault::new(Cause::NotStarted, "the job waits for an earlier one of its id");
                    Processed { job: Some(job), outcome: Outcome::Failed(fault) }
                });
            }
            _ => {}
        }
    }
}

fn key(delivery: &Delivery) -> Option<JobKey> {
    let job = receive(&delivery.body).ok()?;
    Some(JobKey { request_id: job.request_id, sha256: job.sha256 })
}
