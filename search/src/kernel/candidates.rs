//! What a kernel finds: the rows of a chunk that may still be among the best of a query.

/// A row whose bound reaches its query's threshold. Bounds are in the query's units
/// ([`CodedQuery`](crate::quantize::CodedQuery)).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Candidate {
    /// Which of the scan's active queries.
    pub(crate) slot: u16,
    /// Which of the chunk's rows.
    pub(crate) row: u16,
    pub(crate) upper: f32,
    pub(crate) lower: f32,
}

/// What a scan has found.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    /// Ascending by row for each slot.
    pub(crate) list: Vec<Candidate>,
    /// Pairs of a block and a query whose head was looked at, and those that had to be read on.
    pub(super) tried: u32,
    pub(super) passed: u32,
}

impl Candidates {
    /// Forgets those of the last chunk.
    pub(crate) fn clear(&mut self) {
        self.list.clear();
        (self.tried, self.passed) = (0, 0);
    }

    /// The share of the pairs of a block and a query that had to be read on; `None` if that was not looked at.
    pub(crate) fn share_beyond_head(&self) -> Option<f64> {
        (self.tried > 0).then(|| f64::from(self.passed) / f64::from(self.tried))
    }
}
