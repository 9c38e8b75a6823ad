//! The boundary to those who run batch jobs, and keep the files that jobs read and write.

use std::path::Path;

use tokio::io::AsyncBufRead;

use crate::fault::Fault;

/// A job to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// The same for each attempt to start the job; letters and digits.
    pub token: String,
    /// What is called.
    pub model_id: String,
    /// The role that the job works with.
    pub role_arn: String,
    /// The object with its records: `s3://BUCKET/KEY`.
    pub input: String,
    /// Where its answers go: `s3://BUCKET/PREFIX/`.
    pub output: String,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobStatus {
    /// Whether it has ended.
    pub state: JobState,
    /// Records that have been processed, as far as the service says.
    pub processed: u64,
}

/// Whether a job has ended, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobState {
    /// It waits or works.
    Running,
    /// It has answered its records, all or those that there was time for.
    Completed,
    /// It failed, expired or was stopped: the service's words. There may be some answers.
    Broken(String),
}

/// Runs batch jobs, and keeps objects by their URIs.
///
/// - A start may have happened although its answer was lost; with the same token it starts no second job, and answers
///   the first one's ARN.
/// - An upload replaces a whole object or nothing. Answers may be read only after the end of a job, and never change
///   then.
/// - Kinds of faults: `Permanent` if the caller may not do this, or the service does not take the job; `Retry` for all
///   else, too many jobs at a time among it.
pub trait Batches: Send + Sync + 'static {
    /// The answers of a job, line by line.
    type Answers: AsyncBufRead + Send + Unpin;

    /// Writes the object `uri` from a file.
    ///
    /// # Errors
    /// See [`Batches`].
    fn upload(&self, uri: &str, file: &Path) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Starts a job; its ARN.
    ///
    /// # Errors
    /// See [`Batches`].
    fn start(&self, job: &NewJob) -> impl Future<Output = Result<String, Fault>> + Send;

    /// How far a job is.
    ///
    /// # Errors
    /// See [`Batches`].
    fn status(&self, arn: &str) -> impl Future<Output = Result<JobStatus, Fault>> + Send;

    /// Opens the object `uri`; `None` if it does not exist.
    ///
    /// # Errors
    /// See [`Batches`].
    fn answers(&self, uri: &str) -> impl Future<Output = Result<Option<Self::Answers>, Fault>> + Send;
}
