//! What a watch remembers of content that does not serve.

use std::time::Duration;

use tokio::time::Instant;

use super::error::CatalogError;

/// Times that content is read whose hash is not the pointer's.
const TRIES_MAX: u32 = 3;

/// Content that does not serve.
pub(super) struct Refusal {
    version: String,
    /// Times that it was read.
    tries: u32,
    pub(super) error: String,
    /// When it was last said.
    said: Instant,
}

impl Refusal {
    /// A version was refused, perhaps not for the first time.
    pub(super) fn new(version: String, error: &CatalogError, before: Option<&Self>, now: Instant) -> Self {
        // Wrong bytes may be somebody's on the way; what is wrong in the right bytes stays so.
        let tries = match (error, before) {
            (CatalogError::Corrupt { .. }, Some(known)) if known.version == version => known.tries + 1,
            (CatalogError::Corrupt { .. }, _) => 1,
            _ => TRIES_MAX,
        };
        Self { version, tries, error: error.to_string(), said: now }
    }

    /// Whether a version is not to be read again.
    pub(super) fn is_final_for(&self, version: &str) -> bool {
        self.version == version && self.tries == TRIES_MAX
    }

    /// Whether it is to be said again.
    pub(super) fn is_due(&mut self, now: Instant, period: Duration) -> bool {
        let is_due = now - self.said >= period;
        if is_due {
            self.said = now;
        }
        is_due
    }
}
