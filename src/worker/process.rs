//! The order of things for a batch: parse, look up, answer, write.
//!
//! Every message is handled on its own, except that messages of one `request_id` are handled in their order.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use nearline_contract::limits::RECORD_FORMAT_VERSION;
use nearline_contract::{JobError, ReceivedJob, Refusal, ResultRecord, Status, receive};
use time::OffsetDateTime;
use tokio::time::{Instant, timeout_at};

use super::engine::{Answer, Engine, NoAnswer};
use super::outcome::{JobKey, Message, Outcome, Processed, conflict};
use super::serving::Serving;
use crate::catalog::refresh::Looks;
use crate::clock::{Clock, iso8601};
use crate::fault::{Cause, Fault};
use crate::results::{Prior, Records, Results, WriteError, Written};
use crate::telemetry::stages::{Stages, Timer};
use crate::under_way::UnderWay;

/// Handles batches, any number at once.
#[derive(Debug)]
pub struct Worker<R> {
    serving: RwLock<Serving>,
    results: Results<R>,
    /// `None`: the catalog is never looked for again.
    looks: Option<Arc<Looks>>,
    clock: Clock,
}

/// A job of a batch: where it stands there, and when it was sent.
type Job<'a> = (usize, &'a ReceivedJob, Option<OffsetDateTime>);

impl<R: Records> Worker<R> {
    /// A worker that searches with `engine` and writes to `results`.
    pub fn new(engine: Engine, results: Results<R>, looks: Option<Arc<Looks>>, clock: Clock) -> Self {
        Self { serving: RwLock::new(Serving::new(engine)), results, looks, clock }
    }

    /// What answers new jobs; jobs that are running finish with what they began with.
    pub fn serving(&self) -> Serving {
        self.serving.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes what answers new jobs.
    pub fn serve<T>(&self, change: impl FnOnce(&mut Serving) -> T) -> T {
        change(&mut self.serving.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Where the records are.
    pub fn results(&self) -> &Results<R> {
        &self.results
    }

    /// Handles a batch; what comes back is in its order, and where the time went. What is not finished at `deadline` has
    /// failed.
    pub async fn process(&self, messages: &[Message<'_>], deadline: Instant) -> (Vec<Processed>, Stages) {
        let received: Vec<Result<ReceivedJob, JobError>> =
            messages.iter().map(|message| receive(message.body)).collect();
        let mut by_id: BTreeMap<&str, Vec<Job<'_>>> = BTreeMap::new();
        for (position, (job, message)) in received.iter().zip(messages).enumerate() {
            if let Ok(job) = job {
                by_id.entry(&job.request_id).or_default().push((position, job, message.sent_at));
            }
        }
        let ids: Vec<&str> = by_id.keys().copied().collect();
        let under_way = UnderWay::default();
        let mut stages = Stages { wait: self.longest_wait(messages), ..Stages::default() };
        let looking_up = Timer::start(&mut stages.look_up);
        let mut priors =
            timeout_at(deadline, self.results.look_up(&ids, &under_way)).await.map_err(|_| under_way.late());
        drop(looking_up);
        let serving = self.serving();
        let handled = by_id.into_iter().map(|(id, jobs)| {
            let prior = match &mut priors {
                Ok(priors) => priors.remove(id).transpose(),
                Err(fault) => Err(fault.clone()),
            };
            let engine = serving.engine_of(id);
            async move {
                let (under_way, mut stages) = (UnderWay::until(deadline), Stages::default());
                let outcomes = match prior {
                    Ok(prior) => {
                        let in_order = self.process_id(engine, &jobs, prior, &under_way, &mut stages);
                        timeout_at(deadline, in_order).await.map_err(|_| under_way.late())
                    }
                    Err(fault) => Err(fault),
                };
                let outcomes = outcomes.unwrap_or_else(|fault| vec![Outcome::Failed(fault); jobs.len()]);
                (jobs.into_iter().map(|(position, ..)| position).zip(outcomes).collect::<Vec<_>>(), stages)
            }
        });
        // Each is polled when it was woken, and not whenever one was.
        let handled: Vec<_> = handled.collect::<FuturesUnordered<_>>().collect().await;
        for (_, of_one) in &handled {
            stages.merge(of_one);
        }
        let mut by_position: BTreeMap<usize, Outcome> =
            handled.into_iter().flat_map(|(outcomes, _)| outcomes).collect();
        let processed = received
            .into_iter()
            .enumerate()
            .map(|(position, job)| match job {
                Err(error) => Processed { job: None, outcome: Outcome::DeadLetter(error) },
                Ok(job) => Processed {
                    job: Some(JobKey { request_id: job.request_id, sha256: job.sha256 }),
                    outcome: by_position.remove(&position).expect("every received job is in by_id once"),
                },
            })
            .collect();
        (processed, stages)
    }

    /// Since when the oldest of some messages has been on the queue.
    fn longest_wait(&self, messages: &[Message<'_>]) -> Duration {
        let oldest = messages.iter().filter_map(|message| message.sent_at).min();
        let wait = oldest.and_then(|sent_at| Duration::try_from(self.clock.now() - sent_at).ok());
        wait.unwrap_or_default() // the clocks differ
    }

    /// The messages of one `request_id`, in order: the first decides what the id stands for.
    async fn process_id(
        &self,
        engine: &Engine,
        jobs: &[Job<'_>],
        mut prior: Option<Prior>,
        under_way: &UnderWay,
        stages: &mut Stages,
    ) -> Vec<Outcome> {
        let mut outcomes: Vec<Outcome> = Vec::new();
        let mut failed: Option<Fault> = None;
        for (_, job, sent_at) in jobs {
            let outcome = match &failed {
                // A later job must not overtake an earlier one that is tried again.
                Some(fault) => Outcome::Failed(fault.clone()),
                None => self.process_one(engine, job, *sent_at, prior.as_ref(), under_way, stages).await,
            };
            match &outcome {
                Outcome::Failed(fault) if fault.is_permanent() => failed = Some(fault.clone()),
                Outcome::Failed(_) => {
                    failed = Some(Fault::new(Cause::NotStarted, "the job waits for an earlier one of its id"));
                }
                Outcome::Succeeded | Outcome::Rejected(_) => {
                    let retryable = matches!(outcome, Outcome::Rejected(code) if code.retryable());
                    prior = Some(Prior {
                        job_sha256: job.sha256.clone(),
                        catalog_version: engine.catalog().version().to_owned(),
                        retryable,
                        expires_at: i64::MAX,
                    });
                }
                Outcome::Replayed | Outcome::DeadLetter(_) | Outcome::GivenUp { .. } => {}
            }
            outcomes.push(outcome);
        }
        outcomes
    }

    async fn process_one(
        &self,
        engine: &Engine,
        received: &ReceivedJob,
        sent_at: Option<OffsetDateTime>,
        prior: Option<&Prior>,
        under_way: &UnderWay,
        stages: &mut Stages,
    ) -> Outcome {
        if let Some(prior) = prior {
            if prior.job_sha256 != received.sha256 {
                return Outcome::DeadLetter(conflict(&received.request_id));
            }
            if !prior.retryable {
                return Outcome::Replayed;
            }
            if prior.catalog_version == engine.catalog().version() {
                return self.replay_of_retryable(sent_at);
            }
        }
        let answer = match &received.job {
            Ok(job) => engine.answer(job, under_way, stages).await,
            Err(Refusal::Invalid(error)) => Err(NoAnswer::Rejected(error.clone())),
            Err(Refusal::NewerVersion(version)) => {
                let text =
                    format!("job version {version} is newer than this worker, which leaves it to a newer worker");
                Err(NoAnswer::Fault(Fault::new(Cause::NewerVersion, text)))
            }
        };
        let _writing = Timer::start(&mut stages.write);
        match answer {
            Ok(answer) => match self.write(engine, received, Ok(answer), under_way).await {
                Err(WriteError::TooLarge(error)) => self.reject(engine, received, error, under_way).await,
                written => outcome(written, &received.request_id, Outcome::Succeeded),
            },
            Err(NoAnswer::Rejected(error)) => self.reject(engine, received, error, under_way).await,
            Err(NoAnswer::Fault(fault)) => Outcome::Failed(fault),
        }
    }

    /// A job that this catalog has rejected and another one may answer was sent again, perhaps because another one was
    /// published: it is a replay only if this process has looked for that since.
    fn replay_of_retryable(&self, sent_at: Option<OffsetDateTime>) -> Outcome {
        match (&self.looks, sent_at) {
            (Some(looks), Some(sent_at)) if !looks.have_seen(sent_at, self.clock.now()) => {
                let text = "the job was rejected by this catalog, and waits until the latest published one is checked";
                Outcome::Failed(Fault::new(Cause::CatalogUnseen, text))
            }
            _ => Outcome::Replayed,
        }
    }

    async fn reject(&self, engine: &Engine, received: &ReceivedJob, error: JobError, under_way: &UnderWay) -> Outcome {
        let code = error.code;
        let written = self.write(engine, received, Err(error), under_way).await;
        outcome(written, &received.request_id, Outcome::Rejected(code))
    }

    async fn write(
        &self,
        engine: &Engine,
        received: &ReceivedJob,
        answer: Result<Answer, JobError>,
        under_way: &UnderWay,
    ) -> Result<Written, WriteError> {
        let now = self.clock.now();
        let query_truncated = answer.as_ref().is_ok_and(|answer| answer.query_truncated);
        // The permit for the matches is given back when the record is written.
        let (status, results, error, _permit) = match answer {
            Ok(Answer { results, permit, .. }) => (Status::Succeeded, Some(results), None, Some(permit)),
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
        self.results.write(record, under_way).await
    }
}

fn outcome(written: Result<Written, WriteError>, request_id: &str, new: Outcome) -> Outcome {
    match written {
        Ok(Written::New) => new,
        Ok(Written::Replay) => Outcome::Replayed,
        Ok(Written::Conflict) => Outcome::DeadLetter(conflict(request_id)),
        Err(WriteError::Fault(fault)) => Outcome::Failed(fault),
        // A rejection has no results that could be too large.
        Err(WriteError::TooLarge(error)) => Outcome::Failed(Fault::new(Cause::Misconfigured, error.to_string())),
    }
}
