//! What a record is worth.

/// What a record says about its job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Right, and answered.
    Succeeded,
    /// Right, and rejected.
    Rejected {
        /// Whether a later run of the same job may replace it.
        replaceable: bool,
    },
    /// Not a record that this job can have; the reason.
    Wrong(String),
}

/// What was not checked about a right record, because nobody could know what it must be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Unchecked {
    /// How many matches there must be: it depends on how many products pass the job's filter.
    pub counts: bool,
    /// Whether the catalog has the attributes that the job names.
    pub attributes: bool,
}
