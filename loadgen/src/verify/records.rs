//! Where records are read, and what of them is checked.

use std::collections::HashMap;

use nearline_contract::Group;

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

/// The answer to a look-up. An id in neither part has no record.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// By request id.
    pub records: HashMap<String, Record>,
    /// Ids that were not looked up this time.
    pub unprocessed: Vec<String>,
    /// Why not, if there is more to say than that the table had enough.
    pub reason: Option<String>,
}

/// A look-up that failed as a whole: repeated after a wait.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LookupError(pub String);

/// The parts of a record that are checked; absent or of the wrong type is `None`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Record {
    pub status: Option<String>,
    pub job_sha256: Option<String>,
    pub error_code: Option<String>,
    pub catalog_version: Option<String>,
    pub created_at: Option<String>,
    pub results: Results,
}

/// The results of a record, wherever they stand.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Results {
    /// There are none.
    #[default]
    Absent,
    /// As they were read.
    Groups(Vec<Group>),
    /// They are not what the contract says; why.
    Broken(String),
}
