//! What goes into the worker, and what comes out.

use std::time::Duration;

use nearline_contract::{ErrorCode, JobError};
use time::OffsetDateTime;

use crate::fault::Fault;

/// A message to process.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// The job.
    pub body: &'a str,
    /// When it was sent, if that is known.
    pub sent_at: Option<OffsetDateTime>,
}

/// Which job a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobKey {
    /// Key of its record.
    pub request_id: String,
    /// Its identity.
    pub sha256: String,
}

/// A message that was processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Processed {
    /// The job; `None` if the body has no usable `request_id`.
    pub job: Option<JobKey>,
    /// What became of it.
    pub outcome: Outcome,
}

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
    /// It was given up before, and was not tried again.
    GivenUp {
        /// Why.
        error: JobError,
        /// How long an earlier attempt may still write its record.
        quiet: Duration,
    },
}

/// Why a job is not answered whose id another job owns.
pub fn conflict(request_id: &str) -> JobError {
    let message = format!("request_id `{request_id}` already belongs to another job: send this one under its own id");
    JobError::new(ErrorCode::RequestIdConflict, message)
}
