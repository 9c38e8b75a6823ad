//! What went wrong outside, classified once: worth another attempt, or for a person to mend.
//!
//! Every call to a service ends in a [`Fault`]; nothing further up looks at status codes again.

/// A failure of something nearline depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Fault {
    /// Throttling, timeouts, 5xx: the message is left on the queue and comes back after a back-off.
    #[error("{0}")]
    Retry(String),
    /// Access denied, no such table or model: the message waits as long as it may; a person has to act.
    #[error("{0}")]
    Permanent(String),
}

impl Fault {
    /// The same fault, with what was being done in front.
    #[must_use]
    pub fn context(self, doing: &str) -> Self {
        match self {
            Self::Retry(cause) => Self::Retry(format!("{doing}: {cause}")),
            Self::Permanent(cause) => Self::Permanent(format!("{doing}: {cause}")),
        }
    }
}
