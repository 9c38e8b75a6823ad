//! Uploads in parts, in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use time::OffsetDateTime;

use crate::catalog::location::ObjectName;
use crate::catalog::publishing::Part;

/// Uploads that are not complete.
#[derive(Debug, Clone, Default)]
pub(super) struct Uploads(Arc<Mutex<Open>>);

/// By id, and how many were begun.
#[derive(Debug, Default)]
pub(super) struct Open {
    pub(super) begun: u64,
    pub(super) by_id: BTreeMap<String, UnderWay>,
}

/// An upload.
#[derive(Debug)]
pub(super) struct UnderWay {
    pub(super) name: ObjectName,
    pub(super) began: OffsetDateTime,
    pub(super) parts: BTreeMap<u32, (Part, Bytes)>,
}

impl Uploads {
    pub(super) fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
