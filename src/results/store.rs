//! What the worker and the readers do with records: look-ups in parts, writes that spill, reads that are whole.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use nearline_contract::hash::hex;
use nearline_contract::{ErrorCode, Group, JobError, ResultRecord};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::records::{GivenUp, LOOK_UP_MAX, Prior, Records, Written};
use super::size::{INLINE_MAX_BYTES, is_inline};
use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::fault::{Call, Cause, Fault};
use crate::under_way::UnderWay;

/// Most calls in flight: batches may have 10,000 messages, a Lambda process 1,024 open files.
const CALLS_IN_FLIGHT_MAX: usize = 128;
/// Rounds of a look-up without a single new answer before it is given up.
const ROUNDS_WITHOUT_PROGRESS_MAX: u32 = 5;
/// Pauses after such rounds.
const LOOK_UP_BACKOFF: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));

/// Longer than a queue keeps a message, which is two weeks.
const MESSAGE_LIFE: Duration = Duration::from_hours(15 * 24);

/// How records are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long a record counts.
    pub ttl: Duration,
}

/// Why a record was not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// A service failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The results are too large for what is configured; the job is to be rejected.
    #[error(transparent)]
    TooLarge(JobError),
}

/// The records, within limits; clones share them.
#[derive(Debug)]
pub struct Results<R> {
    records: Arc<R>,
    ttl: Duration,
    clock: Clock,
    calls: Arc<Semaphore>,
}

impl<R> Clone for Results<R> {
    fn clone(&self) -> Self {
        let (records, calls) = (Arc::clone(&self.records), Arc::clone(&self.calls));
        Self { records, ttl: self.ttl, clock: self.clock.clone(), calls }
    }
}

impl<R: Records> Results<R> {
    /// Results that are kept in `records`.
    pub fn new(records: R, settings: Settings, clock: Clock) -> Self {
        let calls = Arc::new(Semaphore::new(CALLS_IN_FLIGHT_MAX));
        Self { records: Arc::new(records), ttl: settings.ttl, clock, calls }
    }

    /// When a record created at `now` stops counting, in seconds since the epoch.
    pub fn expires_at(&self, now: OffsetDateTime) -> i64 {
        now.unix_timestamp().saturating_add(i64::try_from(self.ttl.as_secs()).unwrap_or(i64::MAX))
    }

    /// What is kept for these ids, which must be distinct; an id without an entry has no record that counts. Reads are
    /// eventually consistent: a record missed here is still found by [`Results::write`]. A fault of a call is that of
    /// the ids alone that it left without an answer.
    pub async fn look_up(&self, ids: &[&str], under_way: &UnderWay) -> HashMap<String, Result<Prior, Fault>> {
        let chunks = ids.chunks(LOOK_UP_MAX).map(|chunk| self.look_up_chunk(chunk, false, under_way));
        join_all(chunks).await.into_iter().flatten().collect()
    }

    /// What is kept for an id, by a consistent read.
    ///
    /// # Errors
    /// [`Fault`]; nothing is known then.
    pub async fn look_up_consistently(&self, id: &str) -> Result<Option<Prior>, Fault> {
        let mut found = self.look_up_chunk(&[id], true, &UnderWay::default()).await;
        found.pop().map(|(_, prior)| prior).transpose()
    }

    async fn look_up_chunk(
        &self,
        ids: &[&str],
        consistent: bool,
        under_way: &UnderWay,
    ) -> Vec<(String, Result<Prior, Fault>)> {
        let now = self.clock.now().unix_timestamp();
        let mut answers = Vec::with_capacity(ids.len());
        let mut missing: Vec<String> = ids.iter().map(|&id| id.to_owned()).collect();
        let mut idle_rounds = 0;
        while !missing.is_empty() {
            let asked: Vec<&str> = missing.iter().map(String::as_str).collect();
            let permit = self.permit().await;
            let answer = under_way.during(self.records.look_up(&asked, consistent)).await;
            drop(permit);
            let fault = match answer {
                Ok(found) => {
                    answers.extend(found.found.into_iter().filter(|(_, prior)| prior.expires_at >= now));
                    if found.unprocessed.len() < missing.len() {
                        (missing, idle_rounds) = (found.unprocessed, 0);
                        continue;
                    }
                    idle_rounds += 1;
                    let call = Call::new("DynamoDB", "BatchGetItem", format!("{} ids", missing.len()));
                    Fault::of(call, Cause::Throttled, "keys were left unprocessed")
                }
                Err(fault) => {
                    idle_rounds = ROUNDS_WITHOUT_PROGRESS_MAX;
                    fault
                }
            };
            if idle_rounds == ROUNDS_WITHOUT_PROGRESS_MAX {
                let failed = missing.into_iter().map(|id| (id, Err(fault.clone())));
                return answers.into_iter().map(|(id, prior)| (id, Ok(prior))).chain(failed).collect();
            }
            LOOK_UP_BACKOFF.sleep(idle_rounds).await;
        }
        answers.into_iter().map(|(id, prior)| (id, Ok(prior))).collect()
    }

    /// Writes a record unless its id is taken; one that another catalog may answer gives way to the same job.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is half-written then.
    pub async fn write(&self, mut record: ResultRecord, under_way: &UnderWay) -> Result<Written, WriteError> {
        let _permit = self.permit().await;
        if !is_inline(&record)
            && let Some(results) = record.results.take()
        {
            if !self.records.has_room_for_results() {
                return Err(no_bucket());
            }
            let body = serde_json::to_vec(&results).map_err(|error| Fault::new(Cause::Internal, error.to_string()))?;
            let name = results_name(&body);
            record.results_uri = Some(under_way.during(self.records.put_results(&name, body)).await?);
        }
        let now = self.clock.now().unix_timestamp();
        Ok(under_way.during(self.records.put(&record, now)).await?)
    }

    /// Gives a message up, for good: after `quiet` no earlier attempt of it writes any more.
    ///
    /// # Errors
    /// [`Fault`]; it may be given up or not.
    pub async fn give_up(&self, message_id: &str, error: &JobError, quiet: Duration) -> Result<(), Fault> {
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        let now = self.clock.now().unix_timestamp();
        let (quiet_until, expires_at) = (now + seconds(quiet) + 1, now + seconds(MESSAGE_LIFE));
        let _permit = self.permit().await;
        self.records.note_given_up(message_id, &GivenUp { error: error.clone(), quiet_until, expires_at }).await
    }

    /// Why a message was given up, and how long it has to wait for its dead letter.
    ///
    /// # Errors
    /// [`Fault`]; nothing is known then.
    pub async fn given_up(&self, message_id: &str) -> Result<Option<(JobError, Duration)>, Fault> {
        let _permit = self.permit().await;
        let note = self.records.given_up(message_id).await?;
        let now = self.clock.now().unix_timestamp();
        Ok(note.map(|GivenUp { error, quiet_until, .. }| {
            (error, Duration::from_secs(u64::try_from(quiet_until - now).unwrap_or(0)))
        }))
    }

    /// Reads a record, its results from where they were uploaded. Also an expired one, as long as it is there.
    ///
    /// # Errors
    /// [`Fault`] of a service, or of an item that is not a record.
    pub async fn get(&self, id: &str) -> Result<Option<ResultRecord>, Fault> {
        let Some(mut record) = self.get_unresolved(id).await? else { return Ok(None) };
        if let Some(uri) = &record.results_uri {
            record.results = Some(self.resolve(uri).await?);
        }
        Ok(Some(record))
    }

    /// Reads a record as it is kept: uploaded results stay where they are.
    ///
    /// # Errors
    /// [`Fault`] of a service, or of an item that is not a record.
    pub async fn get_unresolved(&self, id: &str) -> Result<Option<ResultRecord>, Fault> {
        let _permit = self.permit().await;
        self.records.get(id).await
    }

    /// Results by their URI, checked against the name that their content gave them.
    async fn resolve(&self, uri: &str) -> Result<Vec<Group>, Fault> {
        let broken = |why: String| Fault::new(Cause::Misconfigured, format!("{uri}: {why}"));
        let body = self.records.get_results(uri).await?;
        if uri.rsplit('/').next() != Some(results_name(&body).as_str()) {
            return Err(broken("its content does not match its name".into()));
        }
        serde_json::from_slice(&body).map_err(|error| broken(error.to_string()))
    }

    async fn permit(&self) -> SemaphorePermit<'_> {
        self.calls.acquire().await.expect("the semaphore is never closed")
    }
}

/// Results are named by their content: an upload is idempotent, and no other job can change what a record names.
fn results_name(body: &[u8]) -> String {
    format!("{}.json", hex(&Sha256::digest(body)))
}

fn no_bucket() -> WriteError {
    let message = format!(
        "the results take more than {} KB and no bucket is configured for them (NEARLINE_RESULTS_BUCKET): \
         ask for fewer matches",
        INLINE_MAX_BYTES / 1024
    );
    WriteError::TooLarge(JobError::new(ErrorCode::ResultTooLarge, message))
}
