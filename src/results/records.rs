//! The boundary to where records and large results are kept.

use nearline_contract::{JobError, ResultRecord};

use crate::fault::Fault;

/// Most ids in one look-up.
pub const LOOK_UP_MAX: usize = 100;

/// What is kept for a `request_id`, as far as deciding needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prior {
    /// Identity of the job that was answered.
    pub job_sha256: String,
    /// Catalog that answered it.
    pub catalog_version: String,
    /// Whether it was rejected with an error that another catalog may not have.
    pub retryable: bool,
    /// When it stops counting, in seconds since the epoch.
    pub expires_at: i64,
}

impl Prior {
    /// What counts of a record.
    pub fn of(record: &ResultRecord) -> Self {
        Self {
            job_sha256: record.job_sha256.clone(),
            catalog_version: record.catalog_version.clone(),
            retryable: record.error.as_ref().is_some_and(|error| error.retryable),
            expires_at: record.expires_at,
        }
    }

    /// Whether `record` may take its place at `now` (seconds since the epoch): the condition of every write. An expired
    /// record counts as none, and one that another catalog may answer gives way to the same job.
    pub fn gives_way_to(&self, record: &ResultRecord, now: i64) -> bool {
        self.expires_at < now
            || (self.retryable
                && self.job_sha256 == record.job_sha256
                && self.catalog_version != record.catalog_version)
    }
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

/// Part of an answer, or all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LookUp {
    /// Ids that have a record, expired ones included; in any order.
    pub found: Vec<(String, Prior)>,
    /// Ids that were left out: ask again.
    pub unprocessed: Vec<String>,
}

/// A message that was given up. It is never tried again, by any process: its dead letter may be on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenUp {
    /// What the dead letter says.
    pub error: JobError,
    /// Until when an earlier attempt may still write the record, in seconds since the epoch.
    pub quiet_until: i64,
    /// When the note stops counting, in seconds since the epoch: after the message.
    pub expires_at: i64,
}

/// Keeps records by `request_id`, and results that are too large for them.
///
/// - A write is atomic and conditional ([`Prior::gives_way_to`]): of any number of writers one wins, and the others
///   are told which job did. It may have happened although its answer was lost: writing again then says
///   [`Written::Replay`].
/// - Reads are eventually consistent unless they are asked to be consistent: what a write has made may not show yet.
/// - An expired record may be there for days.
/// - Notes of messages that were given up are kept apart from records: no `request_id` is one of theirs. The newest one
///   of a message counts, and reads of them are consistent.
/// - Uploaded results are named by their content, so uploading them twice changes nothing.
/// - Kinds of faults: `JobRefused` if the service does not take this one record or upload; `Permanent` if it takes none;
///   `Retry` for all else.
pub trait Records: Send + Sync + 'static {
    /// What is kept for at most [`LOOK_UP_MAX`] distinct ids. It may answer in parts.
    ///
    /// # Errors
    /// See [`Records`].
    fn look_up(&self, ids: &[&str], consistent: bool) -> impl Future<Output = Result<LookUp, Fault>> + Send;

    /// Writes a record unless its id is taken at `now`, in seconds since the epoch.
    ///
    /// # Errors
    /// See [`Records`].
    fn put(&self, record: &ResultRecord, now: i64) -> impl Future<Output = Result<Written, Fault>> + Send;

    /// Reads a record consistently, an expired one too as long as it is there. Uploaded results stay where they are.
    ///
    /// # Errors
    /// See [`Records`]; `Permanent` for an item that is not a record.
    fn get(&self, id: &str) -> impl Future<Output = Result<Option<ResultRecord>, Fault>> + Send;

    /// Notes that a message was given up.
    ///
    /// # Errors
    /// See [`Records`].
    fn note_given_up(&self, message_id: &str, note: &GivenUp) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Whether a message was given up.
    ///
    /// # Errors
    /// See [`Records`].
    fn given_up(&self, message_id: &str) -> impl Future<Output = Result<Option<GivenUp>, Fault>> + Send;

    /// Whether they can be looked up at all: that they are there, and may be read. It changes nothing, and needs no more
    /// than [`Records::look_up`].
    ///
    /// # Errors
    /// See [`Records`].
    fn check(&self) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Whether large results can be uploaded.
    fn has_room_for_results(&self) -> bool;

    /// Uploads results as `results/<name>`; the URI to read them by.
    ///
    /// # Errors
    /// See [`Records`].
    fn put_results(&self, name: &str, body: Vec<u8>) -> impl Future<Output = Result<String, Fault>> + Send;

    /// Reads uploaded results.
    ///
    /// # Errors
    /// See [`Records`].
    fn get_results(&self, uri: &str) -> impl Future<Output = Result<Vec<u8>, Fault>> + Send;
}
