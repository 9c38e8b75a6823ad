//! What became of the rows of an index since it was built: some are dead, others came.
//!
//! Changes are checked whole before anything is made of them.

use ndarray::Array2;

use crate::rows::{IndexError, Rows, count_dense};

/// What [`Index::changed`](crate::Index::changed) makes of an index: rows that are gone, and rows that came, in catalog
/// order. A row that is replaced is both.
#[derive(Debug, Clone)]
pub struct Changes {
    /// Rows of the base that no search finds any more. Any order; repeated ones collapse.
    pub dead: Vec<u32>,
    /// Dead rows of the base in whose places the first of the changed rows stand, ascending: changed row `i` is in the
    /// catalog where row `places[i]` was. Those after them come after all rows of the base.
    pub places: Vec<u32>,
    /// The vectors of the changed rows, m x D: finite, none all zero.
    pub vectors: Array2<f32>,
    /// The category of each of them: a number of the base, or from [`Index::categories`](crate::Index::categories) of
    /// the base on one of a new category, these numbered by first appearance.
    pub categories: Vec<u32>,
}

impl Changes {
    /// How many categories there are, known and new, if the changes fit rows that none were made to before.
    pub(crate) fn check(&self, base: &Rows) -> Result<u32, IndexError> {
        let (count, dimension) = self.vectors.dim();
        let rows = base.count();
        if count > 0 && dimension != base.dimension() {
            return Err(IndexError::DimensionMismatch { expected: base.dimension(), actual: dimension });
        }
        if self.categories.len() != count {
            return Err(IndexError::LengthMismatch { rows: count, categories: self.categories.len() });
        }
        if rows + count > u32::MAX as usize {
            return Err(IndexError::TooManyRows { rows: rows + count });
        }
        if let Some(&row) = self.dead.iter().chain(&self.places).find(|&&row| row as usize >= rows) {
            return Err(IndexError::NoSuchRow { row, rows });
        }
        let rest = base.without(&self.dead);
        for (changed, &row) in self.places.iter().enumerate() {
            let ascends = changed == 0 || self.places[changed - 1] < row;
            if changed >= count || !ascends || rest.is_live(row) {
                return Err(IndexError::PlaceNotFree { changed, row });
            }
        }
        count_dense(&self.categories, base.category_count())
    }
}
