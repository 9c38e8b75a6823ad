//! The rows of a catalog and the scan that ranks them.
//!
//! An index is immutable, so any number of threads may search it at once. The scan reads rows in their order: each
//! chunk of them, small enough for a core's cache, is scored against every query of the batch before the next one is
//! read from memory. Threads select on their own and merge at the end; because the ranking is a total order, who
//! scanned what cannot show in the result.

use ndarray::{Array2, ArrayView1};
use rayon::prelude::*;
use thiserror::Error;

use crate::query::{Group, PreparedQuery, Query, QueryError, Ranking};
use crate::score::{cosine, dot, norm};
use crate::top_k::{Match, TopK};

/// Rows that are scanned together, in bytes: fits into a core's second-level cache beside the queries.
const CHUNK_BYTES: usize = 128 * 1_024;

/// Searchable rows: n vectors of D dimensions, each in one category.
#[derive(Debug)]
pub struct Index {
    /// n x D in standard layout, catalog order.
    rows: Array2<f32>,
    /// Per row, above 0.
    norms: Vec<f64>,
    /// Per row, dense from 0.
    category_of: Vec<u32>,
    category_count: u32,
}

/// Why rows cannot be searched. Row and column numbers count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[expect(missing_docs, reason = "each variant's message says what its fields are")]
pub enum IndexError {
    /// Row numbers are `u32`.
    #[error("{rows} rows are more than an index can hold ({}); split the catalog", u32::MAX)]
    TooManyRows { rows: usize },
    /// Nothing to search.
    #[error("there are no rows; an index needs at least one")]
    NoRows,
    /// Vectors without components have no direction.
    #[error("the rows have no columns; a vector needs at least one dimension")]
    ZeroDimension,
    /// Rows and categories do not belong together.
    #[error("{rows} rows but {categories} category numbers; each row needs exactly one")]
    LengthMismatch { rows: usize, categories: usize },
    /// Categories are not numbered by first appearance.
    #[error(
        "row {row} has category number {category}, but at most {expected} may come here: \
         categories are numbered from 0 in the order in which they first appear"
    )]
    CategoriesNotDense { row: usize, category: u32, expected: u32 },
    /// A component is NaN or infinite.
    #[error("row {row}, column {column} is {value}; every component must be finite")]
    NotFinite { row: usize, column: usize, value: f32 },
    /// The cosine with a zero vector is not defined.
    #[error("row {row} is all zeros, which has no direction; leave it out or embed it again")]
    ZeroRow { row: usize },
}

impl Index {
    /// Takes over `rows` (n x D, finite, none all zero; row order is catalog order) and the category number of each
    /// row: dense from 0, numbered by first appearance. Copies the rows only if they are not in standard layout.
    pub fn build(rows: Array2<f32>, categories: Vec<u32>) -> Result<Self, IndexError> {
        let (row_count, dimension) = rows.dim();
        if row_count > u32::MAX as usize {
            return Err(IndexError::TooManyRows { rows: row_count });
        }
        if row_count == 0 {
            return Err(IndexError::NoRows);
        }
        if dimension == 0 {
            return Err(IndexError::ZeroDimension);
        }
        if categories.len() != row_count {
            return Err(IndexError::LengthMismatch { rows: row_count, categories: categories.len() });
        }
        let category_count = count_dense(&categories)?;
        let rows = if rows.is_standard_layout() { rows } else { rows.as_standard_layout().into_owned() };
        let norms = positive_norms(&rows)?;
        Ok(Self { rows, norms, category_of: categories, category_count })
    }

    /// How many rows there are, at least 1.
    pub fn rows(&self) -> usize {
        self.rows.nrows()
    }

    /// Components of each row, at least 1.
    pub fn dimension(&self) -> usize {
        self.rows.ncols()
    }

    /// How many categories there are, at least 1; they are numbered from 0.
    pub fn categories(&self) -> usize {
        self.category_count as usize
    }

    /// The vector of a row, as it was given.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: u32) -> ArrayView1<'_, f32> {
        self.rows.row(row as usize)
    }

    /// The category number of a row.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn category_of(&self, row: u32) -> u32 {
        self.category_of[row as usize]
    }

    /// What the index keeps in memory, in bytes.
    pub fn memory_bytes(&self) -> usize {
        size_of_val(standard_layout(&self.rows))
            + size_of_val(self.norms.as_slice())
            + size_of_val(self.category_of.as_slice())
    }

    /// The name of the scoring kernel in use.
    pub fn kernel(&self) -> &'static str {
        "portable"
    }

    /// One ranking per query, in order, computed on the current rayon pool. The first query at fault fails the batch.
    pub fn search(&self, queries: &[Query<'_>]) -> Result<Vec<Ranking>, QueryError> {
        let queries = queries
            .iter()
            .enumerate()
            .map(|(position, query)| {
                PreparedQuery::new(query, self.dimension(), self.category_count)
                    .map_err(|fault| QueryError { position, fault })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let nothing_scanned = || queries.iter().map(Selection::new).collect::<Vec<_>>();
        let chunk_rows = (CHUNK_BYTES / size_of::<f32>() / self.dimension()).max(1);
        let selections = standard_layout(&self.rows)
            .par_chunks(chunk_rows * self.dimension())
            .enumerate()
            .fold(nothing_scanned, |mut selections, (number, chunk)| {
                self.scan(number * chunk_rows, chunk, &queries, &mut selections);
                selections
            })
            .reduce(nothing_scanned, |mut selections, others| {
                for (selection, other) in selections.iter_mut().zip(others) {
                    selection.merge(other);
                }
                selections
            });
        Ok(queries.iter().zip(selections).map(|(query, selection)| selection.rank(query)).collect())
    }

    /// Scores a chunk of consecutive rows against each query.
    fn scan(&self, first_row: usize, chunk: &[f32], queries: &[PreparedQuery], selections: &mut [Selection]) {
        for (query, selection) in queries.iter().zip(selections) {
            for (at, vector) in (first_row..).zip(chunk.chunks_exact(self.dimension())) {
                let Some(group) = query.group_of(self.category_of[at]) else { continue };
                let score = cosine(dot(&query.vector, vector), query.norm, self.norms[at]);
                let candidate = Match { row: at as u32, score };
                selection.rescored += 1;
                let best = selection.open(group, query);
                if best.admits(candidate) && !query.excludes(candidate.row) {
                    best.push(candidate);
                }
            }
        }
    }
}

/// The best matches of one query among the rows that one thread has scanned.
struct Selection {
    /// One for each group of the answer; boxed, as most stay empty if there are thousands.
    groups: Vec<Option<Box<TopK>>>,
    rescored: u64,
}

impl Selection {
    fn new(query: &PreparedQuery) -> Self {
        Self { groups: query.groups.iter().map(|_| None).collect(), rescored: 0 }
    }

    fn open(&mut self, group: usize, query: &PreparedQuery) -> &mut TopK {
        self.groups[group].get_or_insert_with(|| Box::new(TopK::new(query.top_k, query.min_score)))
    }

    /// Takes over what was selected from other rows.
    fn merge(&mut self, other: Self) {
        self.rescored += other.rescored;
        for (mine, theirs) in self.groups.iter_mut().zip(other.groups) {
            match (mine, theirs) {
                (Some(mine), Some(theirs)) => mine.merge(*theirs),
                (mine @ None, theirs) => *mine = theirs,
                (Some(_), None) => {}
            }
        }
    }

    /// The query's answer, if this is the selection from all rows.
    fn rank(self, query: &PreparedQuery) -> Ranking {
        let groups = query.groups.iter().zip(self.groups).map(|(&category, best)| Group {
            category,
            matches: best.map_or_else(Vec::new, |best| best.into_ranked()),
        });
        Ranking { groups: groups.collect(), rescored: self.rescored }
    }
}

fn standard_layout(rows: &Array2<f32>) -> &[f32] {
    rows.as_slice().expect("rows are brought into standard layout when the index is built")
}

/// The number of categories, if they are numbered from 0 by first appearance.
fn count_dense(categories: &[u32]) -> Result<u32, IndexError> {
    let mut count = 0;
    for (row, &category) in categories.iter().enumerate() {
        if category > count {
            return Err(IndexError::CategoriesNotDense { row, category, expected: count });
        }
        count = count.max(category + 1);
    }
    Ok(count)
}

/// The norm of each row, or the first row that has no usable one. A norm is 0 only for a row of zeros and not finite
/// only if a component is not, so each row is read once.
fn positive_norms(rows: &Array2<f32>) -> Result<Vec<f64>, IndexError> {
    let norms: Vec<f64> = standard_layout(rows).par_chunks_exact(rows.ncols()).map(norm).collect();
    match norms.iter().position(|norm| !norm.is_finite() || *norm == 0.0) {
        None => Ok(norms),
        Some(row) => Err(match rows.row(row).indexed_iter().find(|(_, value)| !value.is_finite()) {
            Some((column, &value)) => IndexError::NotFinite { row, column, value },
            None => IndexError::ZeroRow { row },
        }),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{array, aview1};

    use super::*;
    use crate::query::Grouping;

    fn query(vector: &[f32], grouping: Grouping) -> Query<'_> {
        Query { vector: aview1(vector), top_k: 1_000, grouping, categories: None, min_score: None, exclude: &[] }
    }

    #[test]
    fn an_index_tells_its_shape() {
        let index = Index::build(array![[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], vec![0, 1, 0]).unwrap();
        assert_eq!((index.rows(), index.dimension(), index.categories()), (3, 2, 2));
        assert_eq!([0, 1, 2].map(|row| index.category_of(row)), [0, 1, 0]);
        assert_eq!(index.row(2), aview1(&[1.0, 1.0]));
        assert_eq!(index.memory_bytes(), 3 * (2 * 4 + 8 + 4));
        assert_eq!(index.kernel(), "portable");
    }

    #[test]
    fn an_index_can_be_shared_between_threads() {
        fn shareable<T: Send + Sync + 'static>() {}
        shareable::<Index>();
    }

    #[test]
    fn only_rows_of_the_asked_for_categories_are_scored() {
        let index = Index::build(Array2::ones((7, 3)), vec![0, 1, 0, 2, 2, 2, 1]).unwrap();
        let all = query(&[1.0; 3], Grouping::Overall);
        let some = Query { categories: Some(&[2, 0, 2]), ..all };
        let none = Query { categories: Some(&[]), ..all };
        let rescored = |ranking: &Ranking| ranking.rescored;
        let rankings = index.search(&[all, some, none]).unwrap();
        assert_eq!(rankings.iter().map(rescored).collect::<Vec<_>>(), [7, 5, 0]);
    }

    #[test]
    fn a_scan_makes_room_only_for_categories_that_it_meets() {
        let index = Index::build(Array2::ones((9_000, 1)), (0..9_000).map(|row| row % 3_000).collect()).unwrap();
        let queries = [PreparedQuery::new(&query(&[1.0], Grouping::ByCategory), 1, 3_000).unwrap()];
        let mut selections = [Selection::new(&queries[0])];
        index.scan(5, &[1.0; 7], &queries, &mut selections);
        let open = |&at: &usize| selections[0].groups[at].is_some();
        assert_eq!((0..3_000).filter(open).collect::<Vec<_>>(), [5, 6, 7, 8, 9, 10, 11]);
    }
}
