//! Records: written once, read back whole.
//!
//! The first write of a `request_id` wins. Writing says what was found there ([`Written`]); looking up before the
//! work says what is finished already ([`Prior`]). Results too large for an item go to S3 before the record is written.

mod dynamodb;
mod item;
mod spill;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use futures_util::future::join_all;
use nearline_contract::{ErrorCode, JobError, ResultRecord};
use time::OffsetDateTime;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::config::ResultSettings;
use crate::fault::Fault;

/// Most calls to DynamoDB and S3 in flight: batches may have 10,000 messages, a Lambda process 1,024 open files.
const CALLS_IN_FLIGHT_MAX: usize = 128;

/// What a table holds for a `request_id`, as far as deciding needs it. Expired records are never seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prior {
    /// Identity of the job that was answered.
    pub job_sha256: String,
    /// Catalog that answered it.
    pub catalog_version: String,
    /// Whether it was rejected with an error that another catalog could mend.
    pub retryable: bool,
}

/// What came of writing a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It was written.
    New,
    /// The same job was answered before: nothing changed.
    Replay,
    /// Another job holds the `request_id`: nothing changed.
    Conflict,
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

/// The table of records, and the bucket for large results.
#[derive(Debug, Clone)]
pub struct ResultStore {
    dynamodb: aws_sdk_dynamodb::Client,
    s3: aws_sdk_s3::Client,
    table: String,
    bucket: Option<String>,
    ttl: Duration,
    calls: Arc<Semaphore>,
}

impl ResultStore {
    /// A store for the table and bucket of `settings`.
    pub fn new(config: &SdkConfig, settings: ResultSettings) -> Self {
        Self {
            dynamodb: aws_sdk_dynamodb::Client::new(config),
            s3: aws_sdk_s3::Client::new(config),
            table: settings.table,
            bucket: settings.bucket,
            ttl: settings.ttl,
            calls: Arc::new(Semaphore::new(CALLS_IN_FLIGHT_MAX)),
        }
    }

    /// When a record created at `now` stops counting, in seconds since the epoch.
    pub fn expires_at(&self, now: OffsetDateTime) -> i64 {
        now.unix_timestamp().saturating_add(i64::try_from(self.ttl.as_secs()).unwrap_or(i64::MAX))
    }

    /// What the table holds for these ids, which must be distinct; an id without an entry has no record. Reads are
    /// eventually consistent: a record missed here is still found by [`ResultStore::write`]. A fault of a call is that
    /// of its ids alone.
    pub async fn look_up(&self, request_ids: &[&str]) -> HashMap<String, Result<Prior, Fault>> {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let chunks = request_ids.chunks(dynamodb::BATCH_GET_MAX).map(|chunk| async move {
            let _permit = self.permit().await;
            match dynamodb::look_up(&self.dynamodb, &self.table, chunk, now).await {
                Ok(priors) => priors.into_iter().map(|(id, prior)| (id, Ok(prior))).collect::<Vec<_>>(),
                Err(fault) => chunk.iter().map(|&id| (id.to_owned(), Err(fault.clone()))).collect(),
            }
        });
        join_all(chunks).await.into_iter().flatten().collect()
    }

    /// Writes a record unless its id is taken; one that another catalog could mend gives way to the same job.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is half-written then.
    pub async fn write(&self, record: &ResultRecord) -> Result<Written, WriteError> {
        let _permit = self.permit().await;
        let mut item = item::without_results(record);
        if let Some(results) = &record.results {
            if item::bytes(&item) + item::results_bytes(results) <= item::INLINE_MAX_BYTES {
                item::insert_results(&mut item, results);
            } else {
                let bucket = self.bucket.as_deref().ok_or_else(no_bucket)?;
                item::insert_uri(&mut item, &spill::put(&self.s3, bucket, results).await?);
            }
        }
        Ok(dynamodb::put(&self.dynamodb, &self.table, item, record).await?)
    }

    /// Reads a record, its results from S3 if they were spilled. Also an expired one, as long as it is there.
    ///
    /// # Errors
    /// [`Fault`] of a service, or of an item that is no record.
    pub async fn get(&self, request_id: &str) -> Result<Option<ResultRecord>, Fault> {
        let Some(mut record) = self.get_unresolved(request_id).await? else { return Ok(None) };
        if let Some(uri) = &record.results_uri {
            record.results = Some(spill::get(&self.s3, uri).await?);
        }
        Ok(Some(record))
    }

    /// Reads a record as it stands in the table: spilled results stay in S3.
    ///
    /// # Errors
    /// [`Fault`] of DynamoDB, or of an item that is no record.
    pub async fn get_unresolved(&self, request_id: &str) -> Result<Option<ResultRecord>, Fault> {
        let _permit = self.permit().await;
        dynamodb::get(&self.dynamodb, &self.table, request_id).await
    }

    async fn permit(&self) -> SemaphorePermit<'_> {
        self.calls.acquire().await.expect("the semaphore is never closed")
    }
}

fn no_bucket() -> WriteError {
    let message = format!(
        "the results take more than {} KB and no bucket is configured for them (NEARLINE_RESULTS_BUCKET): \
         ask for fewer matches",
        item::INLINE_MAX_BYTES / 1024
    );
    WriteError::TooLarge(JobError::new(ErrorCode::ResultTooLarge, message))
}
