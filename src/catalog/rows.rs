//! The columns of an artifact.

use super::attributes::Attributes;

/// The columns of an artifact, row by row.
#[derive(Debug, Default)]
pub struct Rows {
    /// Unique, not empty.
    pub product_ids: Vec<String>,
    /// Not empty.
    pub categories: Vec<String>,
    /// As many as rows.
    pub titles: Vec<Option<String>>,
    /// Rows x dimension, row-major.
    pub vectors: Vec<f32>,
    /// Length of a vector.
    pub dimension: usize,
    /// What filters look at; of as many rows, or of none.
    pub attributes: Attributes,
}
