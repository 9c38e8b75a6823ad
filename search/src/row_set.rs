//! Some of the rows of an index: those that a query may match. A set belongs to the index that made it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::position_set::PositionSet;

/// Rows that a query may match, made by [`Index::row_set`](crate::Index::row_set).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowSet {
    /// Of the index that made it.
    identity: Identity,
    base: PositionSet,
    /// Of the changed rows, if there are any.
    changed: Option<PositionSet>,
}

/// Tells indexes apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity(u64);

impl Identity {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl RowSet {
    pub(crate) fn new(identity: Identity, base: PositionSet, changed: Option<PositionSet>) -> Self {
        Self { identity, base, changed }
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.base.rows() + self.changed.as_ref().map_or(0, PositionSet::rows)
    }

    /// What it keeps in memory, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.base.memory_bytes() + self.changed.as_ref().map_or(0, PositionSet::memory_bytes)
    }

    pub(crate) fn is_of(&self, identity: Identity) -> bool {
        self.identity == identity
    }

    pub(crate) fn base(&self) -> &PositionSet {
        &self.base
    }

    pub(crate) fn changed(&self) -> Option<&PositionSet> {
        self.changed.as_ref()
    }
}
