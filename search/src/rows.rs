//! The rows of a catalog: vectors, norms and categories, checked once when an index takes them over.

use ndarray::Array2;
use rayon::prelude::*;
use thiserror::Error;

use crate::pages::ask_for_huge_pages;
use crate::score::norm;

/// Searchable rows: n vectors of D dimensions, each in one category.
#[derive(Debug)]
pub(crate) struct Rows {
    /// n x D in standard layout, catalog order.
    vectors: Array2<f32>,
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

impl Rows {
    /// Checks them and takes them over. Copies the vectors only if they are not in standard layout.
    pub(crate) fn new(vectors: Array2<f32>, category_of: Vec<u32>) -> Result<Self, IndexError> {
        let (count, dimension) = vectors.dim();
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
        let category_count = count_dense(&category_of)?;
        let vectors = if vectors.is_standard_layout() { vectors } else { vectors.as_standard_layout().into_owned() };
        ask_for_huge_pages(standard_layout(&vectors));
        let norms = positive_norms(&vectors)?;
        Ok(Self { vectors, norms, category_of, category_count })
    }

    /// How many there are, at least 1.
    pub(crate) fn count(&self) -> usize {
        self.vectors.nrows()
    }

    /// Components of each vector, at least 1.
    pub(crate) fn dimension(&self) -> usize {
        self.vectors.ncols()
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
        standard_layout(&self.vectors)
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
        size_of_val(self.vectors()) + size_of_val(self.norms.as_slice()) + size_of_val(self.category_of.as_slice())
    }
}

fn standard_layout(vectors: &Array2<f32>) -> &[f32] {
    vectors.as_slice().expect("vectors are brought into standard layout when they are taken over")
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
fn positive_norms(vectors: &Array2<f32>) -> Result<Vec<f64>, IndexError> {
    let norms: Vec<f64> = standard_layout(vectors).par_chunks_exact(vectors.ncols()).map(norm).collect();
    match norms.iter().position(|norm| !norm.is_finite() || *norm == 0.0) {
        None => Ok(norms),
        Some(row) => Err(match vectors.row(row).indexed_iter().find(|(_, value)| !value.is_finite()) {
            Some((column, &value)) => IndexError::NotFinite { row, column, value },
            None => IndexError::ZeroRow { row },
        }),
    }
}
