//! Rows with their codes, and the ways to search them: all of an index, or those of its base, or the changed ones.

use std::sync::atomic::AtomicBool;

use ndarray::Array2;

use crate::kernel::Available;
use crate::packed::Packed;
use crate::position_set::PositionSet;
use crate::query::{PreparedQuery, Ranking};
use crate::rows::{IndexError, Rows};
use crate::{brute_force, ways};

/// In more dimensions than this the 32-bit sums of codes could overflow.
const PACKED_DIMENSION_MAX: usize = 1 << 16;
const _: () = assert!(128 * 127 * PACKED_DIMENSION_MAX < 1 << 31, "sums of codes must fit into 32 bits");

/// Rows, ready to be searched.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) rows: Rows,
    /// `None` for so few rows that codes would not pay.
    pub(crate) packed: Option<Packed>,
}

impl Layer {
    /// Codes the rows unless they are fewer than `packed_rows_min`.
    pub(crate) fn build(
        rows: Array2<f32>,
        categories: Vec<u32>,
        kernel: Available,
        packed_rows_min: usize,
    ) -> Result<Self, IndexError> {
        let unpacked = |_: &Rows| Err(());
        Ok(Self::build_from(Rows::new(rows, categories)?, kernel, packed_rows_min, unpacked).0)
    }

    /// The same, with what `packed` has of them; and why it does not, if so.
    pub(crate) fn build_from<E>(
        rows: Rows,
        kernel: Available,
        packed_rows_min: usize,
        packed: impl FnOnce(&Rows) -> Result<Packed, E>,
    ) -> (Self, Option<E>) {
        let packs = rows.count() >= packed_rows_min && rows.dimension() <= PACKED_DIMENSION_MAX;
        if !packs {
            return (Self { rows, packed: None }, None);
        }
        match packed(&rows) {
            Ok(packed) => (Self { rows, packed: Some(packed) }, None),
            Err(why) => {
                let packed = Packed::build(&rows, kernel);
                (Self { rows, packed: Some(packed) }, Some(why))
            }
        }
    }

    /// The same rows, of which no search finds the dead ones. All that is large is shared.
    pub(crate) fn without(&self, dead: &[u32]) -> Self {
        Self { rows: self.rows.without(dead), packed: self.packed.as_ref().map(|packed| packed.without(dead)) }
    }

    /// Those rows that live and whose bit is set.
    pub(crate) fn position_set(&self, bits: &[u64]) -> PositionSet {
        PositionSet::new(&self.rows.live_of(bits), self.rows.count(), |row| self.position(row))
    }

    /// How many rows of a category are in a set of this layer.
    pub(crate) fn rows_in(&self, category: u32, set: &PositionSet) -> usize {
        match &self.packed {
            Some(packed) => set.count(packed.positions(category)),
            None => {
                set.positions(0..self.rows.count()).filter(|&row| self.rows.category_of(row as u32) == category).count()
            }
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.rows.memory_bytes() + self.packed.as_ref().map_or(0, Packed::memory_bytes)
    }

    /// Of that, what [`without`](Self::without) does not share.
    pub(crate) fn unshared_bytes(&self) -> usize {
        self.rows.unshared_bytes() + self.packed.as_ref().map_or(0, Packed::errors_bytes)
    }

    /// `None` if it was cancelled.
    pub(crate) fn search(&self, queries: Vec<PreparedQuery<'_>>, cancelled: &AtomicBool) -> Option<Vec<Ranking>> {
        match &self.packed {
            Some(packed) => ways::search(&self.rows, packed, queries, cancelled),
            None => Some(self.search_brute_force(&queries)),
        }
    }

    pub(crate) fn search_brute_force(&self, queries: &[PreparedQuery<'_>]) -> Vec<Ranking> {
        brute_force::search(&self.rows, queries, |row| self.position(row))
    }

    /// Where sets of rows have a row.
    fn position(&self, row: usize) -> usize {
        self.packed.as_ref().map_or(row, |packed| packed.position(row))
    }
}
