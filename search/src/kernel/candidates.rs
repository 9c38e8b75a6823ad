//! What a kernel finds: the rows of a chunk that may still be among the best of a query.

use crate::top_k::{ordered, unordered};

/// A row whose bound reaches its query's threshold. Packed into one u64, so that sorting by query, and then the best
/// bound first, compares integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Candidate(u64);

impl Candidate {
    /// `slot` and `row` are below 65,536.
    #[inline]
    pub(super) fn new(slot: usize, upper: f32, row: usize) -> Self {
        Self((slot as u64) << 48 | u64::from(!ordered(upper)) << 16 | row as u64)
    }

    /// Which of the scan's active queries.
    pub(crate) fn slot(self) -> usize {
        (self.0 >> 48) as usize
    }

    /// No smaller than the row's score.
    pub(crate) fn upper(self) -> f32 {
        unordered(!((self.0 >> 16) as u32))
    }

    /// Which of the chunk's rows.
    pub(crate) fn row(self) -> usize {
        usize::from(self.0 as u16)
    }
}

/// What a scan has found.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    pub(crate) list: Vec<Candidate>,
    /// For each block of the chunk the rows that were prefetched, as bits.
    pub(super) prefetched: Vec<u16>,
    /// Pairs of a block and a query whose head was looked at, and those that had to be read on.
    pub(super) tried: u32,
    pub(super) passed: u32,
}

impl Candidates {
    /// Forgets those of the last chunk; the next one has `blocks` blocks.
    pub(crate) fn clear(&mut self, blocks: usize) {
        self.list.clear();
        self.prefetched.clear();
        self.prefetched.resize(blocks, 0);
        (self.tried, self.passed) = (0, 0);
    }

    /// The share of the pairs of a block and a query that had to be read on; `None` if that was not looked at.
    pub(crate) fn share_beyond_head(&self) -> Option<f64> {
        (self.tried > 0).then(|| f64::from(self.passed) / f64::from(self.tried))
    }
}
