//! A part of what `nearline status` shows: what was seen of it, or why nothing was.

use serde::Serialize;

use super::super::colour::{BAD, paint};

/// A part of the whole: what it is called, and what was seen of it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Part<T> {
    /// URL of a queue, or where the catalog is.
    pub(super) at: String,
    #[serde(flatten)]
    pub(super) seen: Seen<T>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(super) enum Seen<T> {
    Known(T),
    Fault { error: String },
}

impl<T> Part<T> {
    pub(super) fn fault(&self) -> Option<&str> {
        match &self.seen {
            Seen::Known(_) => None,
            Seen::Fault { error } => Some(error),
        }
    }

    /// What was seen in words, or why nothing was.
    pub(super) fn words(&self, known: impl FnOnce(&T) -> String) -> String {
        match &self.seen {
            Seen::Known(seen) => known(seen),
            Seen::Fault { error } => paint(BAD, &format!("cannot be read: {error}")),
        }
    }
}
