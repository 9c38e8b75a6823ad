//! A batch of messages in, one outcome for each message out.
//!
//! Owns the order of things: parse, look up what is finished, run what is not, write the record. It knows no queue:
//! [`crate::intake`] carries outcomes out. Every message is handled on its own, except that messages of one
//! `request_id` are handled in their order.

mod engine;
mod filter;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

pub use engine::{Answer, Engine, Refused, no_model};
pub use filter::{Filter, check_expiry, groups, known_vector};
use futures_util::future::join_all;
use nearline_contract::limits::RECORD_FORMAT_VERSION;
use nearline_contract::{ErrorCode, JobError, ReceivedJob, Refusal, ResultRecord, Status, receive};
use time::{OffsetDateTime, UtcOffset};
use tokio::time::{Instant, timeout_at};

use crate::fault::Fault;
use crate::results::{Prior, ResultStore, WriteError, Written};
use crate::telemetry::BatchEvent;

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Its record was written, with results.
    Succeeded,
    /// Its record was written, with an error.
    Rejected(ErrorCode),
    /// The same job was answered before; nothing was written.
    Replayed,
    /// No record can answer it: it goes to the dead-letter queue with this reason.
    DeadLetter(JobError),
    /// It stays on the queue.
    Failed(Fault),
}

/// Counts the outcomes of a batch.
pub fn tally(outcomes: &[Outcome]) -> BatchEvent {
    let mut event = BatchEvent { messages: outcomes.len(), ..BatchEvent::default() };
    for outcome in outcomes {
        *match outcome {
            Outcome::Succeeded => &mut event.succeeded,
            Outcome::Rejected(_) => &mut event.rejected,
            Outcome::Replayed => &mut event.replayed,
            Outcome::DeadLetter(_) => &mut event.dead_lettered,
            Outcome::Failed(Fault::Retry(_)) => &mut event.retried,
            Outcome::Failed(Fault::Permanent(_)) => &mut event.blocked,
        } += 1;
    }
    event
}

/// Handles batches, any number at once.
#[derive(Debug)]
pub struct Worker {
    engine: RwLock<Arc<Engine>>,
    results: ResultStore,
}

impl Worker {
    /// A worker that searches with `engine` and writes to `results`.
    pub fn new(engine: Engine, results: ResultStore) -> Self {
        Self { engine: RwLock::new(Arc::new(engine)), results }
    }

    /// Searches with another engine from now on; jobs that are running finish with the old one.
    pub fn replace_engine(&self, engine: Engine) {
        *self.engine.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(engine);
    }

    /// The engine that new jobs are given.
    pub fn engine(&self) -> Arc<Engine> {
        Arc::clone(&self.engine.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Where the records are.
    pub fn results(&self) -> &ResultStore {
        &self.results
    }

    /// Handles the bodies of a batch; the outcomes are in their order. What is not finished at `deadline` is
    /// [`Outcome::Failed`].
    pub async fn process(&self, bodies: &[&str], deadline: Instant) -> Vec<Outcome> {
        let received: Vec<Result<ReceivedJob, JobError>> = bodies.iter().map(|body| receive(body)).collect();
        let mut by_id: HashMap<&str, Vec<(usize, &ReceivedJob)>> = HashMap::new();
        for (position, job) in received.iter().enumerate() {
            if let Ok(job) = job {
                by_id.entry(&job.request_id).or_default().push((position, job));
            }
        }
        let late = || Fault::Retry("the deadline came before the job was finished".into());
        let ids: Vec<&str> = by_id.keys().copied().collect();
        let mut priors = timeout_at(deadline, self.results.look_up(&ids)).await.map_err(|_| late());
        let engine = self.engine();
        let handled = by_id.into_iter().map(|(id, jobs)| {
            let prior = match &mut priors {
                Ok(priors) => priors.remove(id).transpose(),
                Err(fault) => Err(fault.clone()),
            };
            let engine = &engine;
            async move {
                let outcomes = match prior {
                    Ok(prior) => {
                        let in_order = self.process_id(engine, jobs.iter().map(|(_, job)| *job), prior);
                        timeout_at(deadline, in_order).await.map_err(|_| late())
                    }
                    Err(fault) => Err(fault),
                };
                let outcomes = outcomes.unwrap_or_else(|fault| vec![Outcome::Failed(fault); jobs.len()]);
                jobs.into_iter().map(|(position, _)| position).zip(outcomes).collect::<Vec<_>>()
            }
        });
        let mut by_position: HashMap<usize, Outcome> = join_all(handled).await.into_iter().flatten().collect();
        received
            .into_iter()
            .enumerate()
            .map(|(position, job)| match job {
                Err(error) => Outcome::DeadLetter(error),
                Ok(_) => by_position.remove(&position).expect("every received job is in by_id once"),
            })
            .collect()
    }

    /// The messages of one `request_id`, in order: the first decides what the id stands for.
    async fn process_id<'a>(
        &self,
        engine: &Engine,
        jobs: impl Iterator<Item = &'a ReceivedJob>,
        mut prior: Option<Prior>,
    ) -> Vec<Outcome> {
        let mut outcomes: Vec<Outcome> = Vec::new();
        let mut failed: Option<Fault> = None;
        for job in jobs {
            let outcome = match &failed {
                // A later job must not overtake an earlier one that is tried again.
                Some(fault) => Outcome::Failed(fault.clone()),
                None => self.process_one(engine, job, prior.as_ref()).await,
            };
            match &outcome {
                Outcome::Failed(fault) => failed = Some(fault.clone()),
                Outcome::Succeeded | Outcome::Rejected(_) => {
                    prior = Some(Prior {
                        job_sha256: job.sha256.clone(),
                        catalog_version: engine.catalog().version().to_owned(),
                        retryable: false,
                    });
                }
                Outcome::Replayed | Outcome::DeadLetter(_) => {}
            }
            outcomes.push(outcome);
        }
        outcomes
    }

    async fn process_one(&self, engine: &Engine, received: &ReceivedJob, prior: Option<&Prior>) -> Outcome {
        if let Some(prior) = prior {
            if prior.job_sha256 != received.sha256 {
                return conflict(&received.request_id);
            }
            if !prior.retryable || prior.catalog_version == engine.catalog().version() {
                return Outcome::Replayed;
            }
        }
        let answer = match &received.job {
            Ok(job) => engine.answer(job).await,
            Err(Refusal::Invalid(error)) => Err(Refused::Job(error.clone())),
            Err(Refusal::NewerVersion(version)) => {
                let cause = format!("job version {version} is newer than this worker, which leaves it to a newer one");
                Err(Refused::Fault(Fault::Retry(cause)))
            }
        };
        match answer {
            Ok(answer) => match self.write(engine, received, Ok(answer)).await {
                Err(WriteError::TooLarge(error)) => self.reject(engine, received, error).await,
                written => outcome(written, &received.request_id, Outcome::Succeeded),
            },
            Err(Refused::Job(error)) => self.reject(engine, received, error).await,
            Err(Refused::Fault(fault)) => Outcome::Failed(fault),
        }
    }

    async fn reject(&self, engine: &Engine, received: &ReceivedJob, error: JobError) -> Outcome {
        let code = error.code;
        let written = self.write(engine, received, Err(error)).await;
        outcome(written, &received.request_id, Outcome::Rejected(code))
    }

    async fn write(
        &self,
        engine: &Engine,
        received: &ReceivedJob,
        answer: Result<Answer, JobError>,
    ) -> Result<Written, WriteError> {
        let now = OffsetDateTime::now_utc();
        let query_truncated = answer.as_ref().is_ok_and(|answer| answer.query_truncated);
        // The room is given back when the record is written.
        let (status, results, error, _room) = match answer {
            Ok(Answer { results, room, .. }) => (Status::Succeeded, Some(results), None, Some(room)),
            Err(error) => (Status::Rejected, None, Some(error.into()), None),
        };
        let record = ResultRecord {
            request_id: received.request_id.clone(),
            format_version: RECORD_FORMAT_VERSION,
            status,
            results,
            results_uri: None,
            error,
            catalog_version: engine.catalog().version().to_owned(),
            model_id: engine.catalog().model_id().map(str::to_owned),
            job_sha256: received.sha256.clone(),
            created_at: iso8601(now),
            expires_at: self.results.expires_at(now),
            metadata: received.metadata.clone(),
            query_truncated,
        };
        self.results.write(&record).await
    }
}

fn outcome(written: Result<Written, WriteError>, request_id: &str, new: Outcome) -> Outcome {
    match written {
        Ok(Written::New) => new,
        Ok(Written::Replay) => Outcome::Replayed,
        Ok(Written::Conflict) => conflict(request_id),
        Err(WriteError::Fault(fault)) => Outcome::Failed(fault),
        // A rejection has no results that could be too large.
        Err(WriteError::TooLarge(error)) => Outcome::Failed(Fault::Permanent(error.to_string())),
    }
}

fn conflict(request_id: &str) -> Outcome {
    let message = format!("request_id `{request_id}` belongs to another job already: send this one under its own id");
    Outcome::DeadLetter(JobError::new(ErrorCode::RequestIdConflict, message))
}

/// ISO 8601 in UTC, always to the millisecond, so that text order is time order.
fn iso8601(time: OffsetDateTime) -> String {
    let utc = time.to_offset(UtcOffset::UTC);
    let (hour, minute, second, millisecond) = utc.time().as_hms_milli();
    format!("{}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z", utc.date())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_iso_8601_to_the_millisecond() {
        let at = |nanoseconds| iso8601(OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).unwrap());
        assert_eq!(at(1_795_435_200_123_456_789), "2026-11-23T12:00:00.123Z");
        assert_eq!(at(1_795_435_200_000_000_000), "2026-11-23T12:00:00.000Z");
    }

    #[test]
    fn every_outcome_is_counted_once() {
        let error = || JobError::new(ErrorCode::InvalidJson, "x");
        let outcomes = [
            Outcome::Succeeded,
            Outcome::Rejected(ErrorCode::Expired),
            Outcome::Replayed,
            Outcome::DeadLetter(error()),
            Outcome::Failed(Fault::Retry("x".into())),
            Outcome::Failed(Fault::Permanent("x".into())),
        ];
        let expected = BatchEvent {
            messages: 6,
            succeeded: 1,
            rejected: 1,
            replayed: 1,
            dead_lettered: 1,
            retried: 1,
            blocked: 1,
        };
        assert_eq!(tally(&outcomes), expected);
    }
}
