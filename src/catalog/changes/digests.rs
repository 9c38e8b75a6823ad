//! Digests of an artifact's vectors, of those rows of which they were read: by them a source's vectors are compared.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

use hashbrown::DefaultHashBuilder;

/// Digests by row, with a key of their own.
#[derive(Debug, Clone, Default)]
pub(in crate::catalog) struct Digests {
    hasher: DefaultHashBuilder,
    of_rows: HashMap<u32, u64>,
}

impl Digests {
    /// The digest of a vector.
    pub(super) fn digest(&self, vector: &[f32]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        for number in vector {
            hasher.write_u32(number.to_bits());
        }
        hasher.finish()
    }

    /// The digest of a row's vector, or the row.
    pub(super) fn get(&self, row: u32) -> Result<u64, u32> {
        self.of_rows.get(&row).copied().ok_or(row)
    }

    /// Takes the vectors of rows from `first` on, which lie one after the other.
    pub(super) fn take(&mut self, first: usize, vectors: &[f32], dimension: usize) {
        for (row, vector) in (first as u32..).zip(vectors.chunks_exact(dimension)) {
            self.of_rows.insert(row, self.digest(vector));
        }
    }
}
