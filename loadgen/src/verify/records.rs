//! Where records are read.

use std::collections::HashMap;

use nearline_contract::ResultRecord;

/// Most keys in one `BatchGetItem`.
pub(crate) const LOOKUP_MAX_KEYS: usize = 100;

/// Where records are read.
pub(crate) trait Records: Send + Sync + 'static {
    /// Looks up to [`LOOKUP_MAX_KEYS`] distinct request ids up, with a consistent read.
    fn lookup(&self, ids: &[String], detail: Detail) -> impl Future<Output = Result<Found, LookupError>> + Send;
}

/// How much of a record is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// All that can be checked.
    Whole,
    /// Without the results.
    Identity,
}

/// What stands under a request id: a record, or why it is none.
pub(crate) type Read = Result<ResultRecord, String>;

/// The answer to a look-up. An id in neither part has no record.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// By request id.
    pub records: HashMap<String, Read>,
    /// Ids that were not looked up this time.
    pub unprocessed: Vec<String>,
    /// Why not, if there is more to say than that the table had enough.
    pub reason: Option<String>,
}

/// A look-up that failed as a whole: repeated after a wait.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LookupError(pub String);
