//! The rows of a catalog, and the ways to search them.
//!
//! An index is immutable, so any number of threads may search it at once. Rows stay in catalog order; only their codes
//! are permuted. Queries are checked before any row is read, and scanned in batches that fit a core's cache. An index
//! with changed rows has two layers, and shares the one that was built with the index that it was made of.

use std::sync::atomic::AtomicBool;

use ndarray::{Array2, ArrayView1};

use crate::changes::Changes;
use crate::kernel::{Available, Kernel};
use crate::layer::Layer;
use crate::layout::Codes;
use crate::numbers::Numbers;
use crate::overlay::Overlay;
use crate::query::{PreparedQuery, Query, QueryError, Ranking};
use crate::row_set::{Identity, RowSet};
use crate::rows::{IndexError, Rows};
use crate::stored::{StoredIndex, Unfit};

/// Fewer rows than this are scored without codes: it takes no longer, and codes come in blocks.
const PACKED_ROWS_MIN: usize = 256;

/// Rows, ready to be searched.
#[derive(Debug)]
pub struct Index {
    base: Layer,
    /// `None` if no row was changed since the base was built.
    overlay: Option<Overlay>,
    kernel: Available,
    identity: Identity,
}

impl Index {
    /// Takes over `rows` (n x D, finite, none all zero; row order is catalog order) and the category number of each
    /// row: dense from 0, numbered by first appearance. Copies the rows only if they are not in standard layout.
    pub fn build(rows: Array2<f32>, categories: Vec<u32>) -> Result<Self, IndexError> {
        Self::build_with(rows, categories, Kernel::fastest())
    }

    /// As [`build`](Self::build), for a kernel of one's choice.
    pub fn build_with(rows: Array2<f32>, categories: Vec<u32>, kernel: Available) -> Result<Self, IndexError> {
        let base = Layer::build(rows, categories, kernel, PACKED_ROWS_MIN)?;
        Ok(Self { base, overlay: None, kernel, identity: Identity::new() })
    }

    /// As [`build_with`](Self::build_with) of `rows` x `dimension` numbers, with what was packed before if it serves;
    /// and why it does not, if so. `of` says which rows these are.
    pub fn build_from(
        numbers: Numbers,
        dimension: usize,
        categories: Vec<u32>,
        kernel: Available,
        stored: Option<([u8; 32], StoredIndex)>,
    ) -> Result<(Self, Option<Unfit>), IndexError> {
        let rows = Rows::of(numbers, [categories.len(), dimension], categories)?;
        let (base, unfit) = Layer::build_from(rows, kernel, PACKED_ROWS_MIN, |rows| match stored {
            Some((of, stored)) => stored.packed(rows, of, kernel).map_err(Some),
            None => Err(None),
        });
        let unfit = unfit.flatten();
        Ok((Self { base, overlay: None, kernel, identity: Identity::new() }, unfit))
    }

    /// Packs the rows that it was built of to be stored, without changes; `None` for so few that they are not packed. `of`
    /// says which rows they are.
    pub fn stored(&self, codes: Codes, of: [u8; 32]) -> Option<StoredIndex> {
        self.base.packed.is_some().then(|| StoredIndex::pack(&self.base.rows, codes, of))
    }

    /// An index of the rows of `base` that are not dead, and of the changed ones. It answers as one that was built of
    /// them in catalog order ([`place`](Self::place)), to the bit. Rows of the base keep their numbers, changed row i
    /// has number `base.rows()` + i; categories are numbered anew.
    ///
    /// All that is large is shared with `base`, which is searched as before. The more rows are changed, the more a
    /// search takes: with one in a hundred a few percent. Faults of vectors name the row of [`Changes::vectors`].
    pub fn changed(base: &Self, changes: Changes) -> Result<Self, IndexError> {
        if base.overlay.is_some() {
            return Err(IndexError::ChangedBase);
        }
        let known = changes.check(&base.base.rows)?;
        let layer = base.base.without(&changes.dead);
        let overlay = Overlay::build(&layer.rows, changes, known, base.kernel)?;
        Ok(Self { base: layer, overlay: Some(overlay), kernel: base.kernel, identity: Identity::new() })
    }

    /// How many rows there are, at least 1: numbers of rows are below it. Some may be dead.
    pub fn rows(&self) -> usize {
        self.base.rows.count() + self.overlay.as_ref().map_or(0, Overlay::rows)
    }

    /// How many rows a search may find, at least 1.
    pub fn live_rows(&self) -> usize {
        self.base.rows.live() + self.overlay.as_ref().map_or(0, Overlay::rows)
    }

    /// Whether a search may find a row: not if it was replaced, or is gone.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn is_live(&self, row: u32) -> bool {
        let (layer, row) = self.find(row);
        layer.rows.is_live(row)
    }

    /// Where a row stands in the catalog: of rows that score the same, those in earlier places come first. For dead
    /// rows where they stood.
    pub fn place(&self, row: u32) -> u32 {
        self.overlay.as_ref().map_or(row, |overlay| overlay.place(row))
    }

    /// Components of each row, at least 1.
    pub fn dimension(&self) -> usize {
        self.base.rows.dimension()
    }

    /// How many categories there are, at least 1; they are numbered from 0 by first appearance among the rows that live.
    pub fn categories(&self) -> usize {
        self.category_count() as usize
    }

    /// The number by which [`Changes`] know a category: that of the base, or of a new one. Without changes its own.
    ///
    /// # Panics
    /// If rows were changed, and there is no such category.
    pub fn known_category(&self, category: u32) -> u32 {
        self.overlay.as_ref().map_or(category, |overlay| overlay.numbering.known(category))
    }

    /// The other way round: `None` if there is no live row of the category.
    pub fn category_number(&self, known: u32) -> Option<u32> {
        match &self.overlay {
            Some(overlay) => overlay.numbering.number(known),
            None => (known < self.category_count()).then_some(known),
        }
    }

    /// The vector of a row, as it was given.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: u32) -> ArrayView1<'_, f32> {
        let (layer, row) = self.find(row);
        layer.rows.vector(row).into()
    }

    /// The category number of a row.
    ///
    /// # Panics
    /// If there is no such row, or it is dead.
    pub fn category_of(&self, row: u32) -> u32 {
        match &self.overlay {
            Some(overlay) => {
                assert!(self.is_live(row), "row {row} is dead: it has no category");
                overlay.category_of(&self.base.rows, row).expect("a row that lives gives its category a number")
            }
            None => self.base.rows.category_of(row),
        }
    }

    /// The rows that live and whose bit is set: bit `row % 64` of word `row / 64`. Bits beyond the last row count for
    /// nothing.
    ///
    /// # Panics
    /// If there are not as many words as all rows take.
    pub fn row_set(&self, bits: &[u64]) -> RowSet {
        let changed = self.overlay.as_ref().and_then(|overlay| overlay.position_set(bits));
        RowSet::new(self.identity, self.base.position_set(bits), changed)
    }

    /// How many rows of a category are in a set of this index.
    ///
    /// # Panics
    /// If there is no such category.
    pub fn rows_in(&self, category: u32, set: &RowSet) -> usize {
        match &self.overlay {
            Some(overlay) => overlay.rows_in(&self.base, category, set.base(), set.changed()),
            None => self.base.rows_in(category, set.base()),
        }
    }

    /// What the index keeps in memory, in bytes, what it shares with its base included.
    pub fn memory_bytes(&self) -> usize {
        self.base.memory_bytes() + self.overlay.as_ref().map_or(0, Overlay::memory_bytes)
    }

    /// Of that, what it does not share with its base: all, if no row was changed.
    pub fn unshared_bytes(&self) -> usize {
        match &self.overlay {
            Some(overlay) => self.base.unshared_bytes() + overlay.memory_bytes(),
            None => self.base.memory_bytes(),
        }
    }

    /// The name of the scoring kernel in use.
    pub fn kernel(&self) -> &'static str {
        self.kernel.name()
    }

    /// One ranking per query, in order, computed on the current rayon pool. The first query at fault fails the batch.
    pub fn search(&self, queries: &[Query<'_>]) -> Result<Vec<Ranking>, QueryError> {
        let rankings = self.search_unless(&AtomicBool::new(false), queries)?;
        Ok(rankings.expect("nobody can cancel it"))
    }

    /// As [`search`](Self::search), but `None` if `cancelled` becomes true before it is done. Each thread looks at it
    /// between two chunks and while it rescores, and is soon free for other work: 0.3 ms later as a rule, 3.2 ms later
    /// where each of 64 queries asked for 1,000 of 60,000 rows that are nearly alike.
    pub fn search_unless(
        &self,
        cancelled: &AtomicBool,
        queries: &[Query<'_>],
    ) -> Result<Option<Vec<Ranking>>, QueryError> {
        let prepared = self.prepare(queries)?;
        Ok(match &self.overlay {
            Some(overlay) => {
                overlay.search(&self.base, queries, &prepared, |layer, queries| layer.search(queries, cancelled))
            }
            None => self.base.search(prepared, cancelled),
        })
    }

    /// As [`search`](Self::search), by scoring every row: what it must equal to the bit, and is measured against.
    pub fn search_brute_force(&self, queries: &[Query<'_>]) -> Result<Vec<Ranking>, QueryError> {
        let prepared = self.prepare(queries)?;
        let Some(overlay) = &self.overlay else { return Ok(self.base.search_brute_force(&prepared)) };
        let found =
            overlay.search(&self.base, queries, &prepared, |layer, queries| Some(layer.search_brute_force(&queries)));
        Ok(found.expect("nobody can cancel it"))
    }

    fn category_count(&self) -> u32 {
        match &self.overlay {
            Some(overlay) => overlay.numbering.count(),
            None => self.base.rows.category_count(),
        }
    }

    /// The layer of a row, and its number there.
    fn find(&self, row: u32) -> (&Layer, u32) {
        self.overlay.as_ref().and_then(|overlay| overlay.find(row)).unwrap_or((&self.base, row))
    }

    fn prepare<'a>(&self, queries: &[Query<'a>]) -> Result<Vec<PreparedQuery<'a>>, QueryError> {
        let prepare = |(position, query)| {
            PreparedQuery::new(query, self.dimension(), self.category_count(), self.identity)
                .map_err(|fault| QueryError { position, fault })
        };
        queries.iter().enumerate().map(prepare).collect()
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{array, aview1};

    use super::*;
    use crate::query::Grouping;

    fn query(vector: &[f32], grouping: Grouping) -> Query<'_> {
        Query {
            vector: aview1(vector),
            top_k: 1_000,
            grouping,
            categories: None,
            min_score: None,
            exclude: &[],
            rows: None,
        }
    }

    #[test]
    fn an_index_tells_its_shape() {
        let index = Index::build(array![[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], vec![0, 1, 0]).unwrap();
        assert_eq!((index.rows(), index.dimension(), index.categories()), (3, 2, 2));
        assert_eq!([0, 1, 2].map(|row| index.category_of(row)), [0, 1, 0]);
        assert_eq!(index.row(2), aview1(&[1.0, 1.0]));
        assert_eq!(index.memory_bytes(), 3 * (2 * 4 + 8 + 4));
        assert_eq!(index.kernel(), Kernel::fastest().name());
    }

    /// Vectors whose components shrink geometrically, so that principal components decide.
    fn uneven(rows: usize, dimension: usize) -> Array2<f32> {
        let mut state = 7_u64;
        Array2::from_shape_fn((rows, dimension), |(_, column)| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let noise = (state >> 40) as f32 / (1 << 23) as f32 - 1.0;
            noise * 0.9_f32.powf(column as f32)
        })
    }

    #[test]
    fn memory_stays_within_its_bound() {
        for (rows, dimension, categories) in [
            (256, 384, 1),
            (257, 384, 257),
            (300, 3_072, 2),
            (1_000, 50, 1_000),
            (5_000, 3, 5),
            (12_000, 128, 9),
            (16_000, 384, 1),
        ] {
            let numbers = (0..rows as u32).map(|row| row % categories).collect();
            let index =
                Index::build_with(uneven(rows, dimension), numbers, Kernel::Portable.detect().unwrap()).unwrap();
            let bound = rows as f64 * (5.1 * dimension as f64 + 68.0);
            let ratio = index.memory_bytes() as f64 / bound;
            assert_eq!(
                index.base.packed.as_ref().unwrap().centroids.is_some(),
                rows >= 12_000,
                "{rows} x {dimension} is pruned"
            );
            assert!(ratio <= 1.0, "{rows} x {dimension}, {categories} categories: {ratio}");
            assert!(ratio > 0.5, "not everything is counted: {ratio}");
        }
    }

    #[test]
    fn a_cancelled_search_has_no_answer() {
        for (rows, dimension) in [(2_000, 20), (12_000, 128)] {
            let index = Index::build(uneven(rows, dimension), vec![0; rows]).unwrap();
            let vector = vec![1.0; dimension];
            let queries = vec![query(&vector, Grouping::Overall); 3];
            assert_eq!(index.search_unless(&AtomicBool::new(true), &queries).unwrap(), None);
            let answers = index.search_unless(&AtomicBool::new(false), &queries).unwrap().unwrap();
            for (answer, searched) in answers.iter().zip(index.search(&queries).unwrap()) {
                assert_eq!(answer.groups, searched.groups);
            }
        }
    }

    #[test]
    fn few_rows_have_their_score_computed() {
        for (rows, dimension) in [(20_000, 16), (12_000, 128)] {
            let index = Index::build(uneven(rows, dimension), vec![0; rows]).unwrap();
            for row in [0, 77, 1_999] {
                let vector = index.row(row).to_vec();
                let query = Query { top_k: 5, ..query(&vector, Grouping::Overall) };
                let ranking = &index.search(&[query]).unwrap()[0];
                let brute_force = &index.search_brute_force(&[query]).unwrap()[0];
                assert_eq!(ranking.groups, brute_force.groups);
                assert_eq!(brute_force.rescored, rows as u64);
                assert!(ranking.rescored < rows as u64 / 20, "{} of {rows}", ranking.rescored);
            }
        }
    }

    #[test]
    fn an_index_can_be_shared_between_threads() {
        fn shareable<T: Send + Sync + 'static>() {}
        shareable::<Index>();
    }

    #[test]
    fn only_rows_of_the_asked_for_categories_are_scored() {
        let rows = 700_u32;
        let index = Index::build(Array2::ones((700, 3)), (0..rows).map(|row| row / 100).collect()).unwrap();
        let some = Query { categories: Some(&[2, 0, 2]), ..query(&[1.0; 3], Grouping::Overall) };
        assert_eq!(index.search(&[some]).unwrap()[0].rescored, 200);

        let index = Index::build(Array2::ones((7, 3)), vec![0, 1, 0, 2, 2, 2, 1]).unwrap();
        let all = query(&[1.0; 3], Grouping::Overall);
        let some = Query { categories: Some(&[2, 0, 2]), ..all };
        let none = Query { categories: Some(&[]), ..all };
        let rescored = |ranking: &Ranking| ranking.rescored;
        let rankings = index.search(&[all, some, none]).unwrap();
        assert_eq!(rankings.iter().map(rescored).collect::<Vec<_>>(), [7, 5, 0]);
    }
}
