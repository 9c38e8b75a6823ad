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
