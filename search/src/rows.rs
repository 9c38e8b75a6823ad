//! The rows of a catalog: vectors, norms and categories, checked once when an index takes them over.

use std::borrow::Cow;
use std::sync::Arc;

use ndarray::Array2;
use rayon::prelude::*;
use thiserror::Error;

use crate::numbers::Numbers;
use crate::score::norm;

/// Searchable rows: n vectors of D dimensions, each in one category. A copy shares them.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    /// n x D, row by row, catalog order.
    vectors: Arc<Numbers>,
    dimension: usize,
    /// Per row, above 0.
    norms: Arc<Vec<f64>>,
    /// Per row, dense from 0.
    category_of: Arc<Vec<u32>>,
    category_count: u32,
    /// A bit for each row that is dead, which no search finds; empty if all live.
    dead: Vec<u64>,
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
    /// Changed rows do not fit their base.
    #[error("the changed rows have {actual} dimensions, but the base has {expected}")]
    DimensionMismatch { expected: usize, actual: usize },
    /// Changes lead from a base to what is searched, not from one change to the next.
    #[error("the base has changed rows itself; put all changes together and apply them to the index that was built")]
    ChangedBase,
    /// A dead row, or one whose place is kept, that the base does not have.
    #[error("row {row} is said to be changed, but the base has {rows} rows, numbered from 0")]
    NoSuchRow { row: u32, rows: usize },
    /// Kept places do not belong to changed rows of the base, or not in that order.
    #[error(
        "changed row {changed} cannot take the place of row {row} of the base: kept places must ascend, be those of \
         dead rows, and belong to the first changed rows"
    )]
    PlaceNotFree { changed: usize, row: u32 },
}

impl Rows {
    /// Checks them and takes them over. Copies the vectors only if they are not in standard layout.
    pub(crate) fn new(vectors: Array2<f32>, category_of: Vec<u32>) -> Result<Self, IndexError> {
        let dimension = vectors.ncols();
        let count = vectors.nrows();
        let vectors = if vectors.is_standard_layout() { vectors } else { vectors.as_standard_layout().into_owned() };
        let numbers = match vectors.into_raw_vec_and_offset() {
            (numbers, None | Some(0)) if numbers.len() == count * dimension => numbers,
            (numbers, offset) => numbers[offset.unwrap_or(0)..][..count * dimension].to_vec(),
        };
        Self::of(numbers.into(), [count, dimension], category_of)
    }

    /// The same of so many rows of so many numbers.
    pub(crate) fn of(
        vectors: Numbers,
        [count, dimension]: [usize; 2],
        category_of: Vec<u32>,
    ) -> Result<Self, IndexError> {
        if count > u32::MAX as usize {
            return Err(IndexError::TooManyRows { rows: count });
        }
        if count == 0 {
            return Err(IndexError::NoRows);
        }
        if dimension == 0 {
            return Err(IndexError::ZeroDimension);
        }
        if category_of.len() != count {
            return Err(IndexError::LengthMismatch { rows: count, categories: category_of.len() });
        }
        let category_count = count_dense(&category_of, 0)?;
        if vectors.len() != count.saturating_mul(dimension) {
            return Err(IndexError::LengthMismatch { rows: vectors.len() / dimension, categories: category_of.len() });
        }
        vectors.ask_for_huge_pages();
        let norms = positive_norms(&vectors, dimension)?;
        Ok(Self {
            vectors: Arc::new(vectors),
            dimension,
            norms: Arc::new(norms),
            category_of: Arc::new(category_of),
            category_count,
            dead: Vec::new(),
        })
    }

    /// The same rows, some of them dead.
    pub(crate) fn without(&self, dead: &[u32]) -> Self {
        let mut rest = self.clone();
        if !dead.is_empty() {
            rest.dead.resize(self.count().div_ceil(64), 0);
        }
        for &row in dead {
            rest.dead[row as usize / 64] |= 1 << (row % 64);
        }
        rest
    }

    /// Whether a search may find a row.
    #[inline]
    pub(crate) fn is_live(&self, row: u32) -> bool {
        self.dead.is_empty() || self.dead[row as usize / 64] >> (row % 64) & 1 == 0
    }

    /// How many rows live.
    pub(crate) fn live(&self) -> usize {
        self.count() - self.dead.iter().map(|word| word.count_ones() as usize).sum::<usize>()
    }

    /// Of a bit for each row those of rows that live.
    pub(crate) fn live_of<'a>(&self, bits: &'a [u64]) -> Cow<'a, [u64]> {
        if self.dead.is_empty() {
            return Cow::Borrowed(bits);
        }
        Cow::Owned(bits.iter().zip(&self.dead).map(|(bits, dead)| bits & !dead).collect())
    }

    /// How many there are, at least 1.
    pub(crate) fn count(&self) -> usize {
        self.norms.len()
    }

    /// Components of each vector, at least 1.
    pub(crate) fn dimension(&self) -> usize {
        self.dimension
    }

    /// At least 1.
    pub(crate) fn category_count(&self) -> u32 {
        self.category_count
    }

    /// The category of each row.
    pub(crate) fn categories(&self) -> &[u32] {
        &self.category_of
    }

    /// All vectors, one after the other.
    pub(crate) fn vectors(&self) -> &[f32] {
        &self.vectors
    }

    pub(crate) fn vector(&self, row: u32) -> &[f32] {
        &self.vectors()[row as usize * self.dimension()..][..self.dimension()]
    }

    /// The norm of a row's vector, above 0.
    pub(crate) fn norm(&self, row: u32) -> f64 {
        self.norms[row as usize]
    }

    pub(crate) fn category_of(&self, row: u32) -> u32 {
        self.category_of[row as usize]
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.vectors.memory_bytes()
            + size_of_val(self.norms.as_slice())
            + size_of_val(self.category_of.as_slice())
            + self.unshared_bytes()
    }

    /// Of that, what copies do not share.
    pub(crate) fn unshared_bytes(&self) -> usize {
        size_of_val(self.dead.as_slice())
    }
}

/// The number of categories, if those after the first `count` are numbered by first appearance.
pub(crate) fn count_dense(categories: &[u32], mut count: u32) -> Result<u32, IndexError> {
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
fn positive_norms(vectors: &[f32], dimension: usize) -> Result<Vec<f64>, IndexError> {
    let norms: Vec<f64> = vectors.par_chunks_exact(dimension).map(norm).collect();
    match norms.iter().position(|norm| !norm.is_finite() || *norm == 0.0) {
        None => Ok(norms),
        Some(row) => {
            Err(match (0..).zip(&vectors[row * dimension..][..dimension]).find(|(_, value)| !value.is_finite()) {
                Some((column, &value)) => IndexError::NotFinite { row, column, value },
                None => IndexError::ZeroRow { row },
            })
        }
    }
}
