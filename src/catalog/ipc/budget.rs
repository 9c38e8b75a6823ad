//! What reading a file may take in memory, all together.

use super::invalid;
use crate::catalog::CatalogError;

/// What any file may expand to, in bytes: a small one of equal vectors compresses by thousands.
const FREE_BYTES: u64 = 256 << 20;
/// What a file may expand to for each of its bytes. Embeddings hardly compress; sparse ones do by 20 or 30.
const EXPANSION: u64 = 64;
/// What numbers of vectors may expand to besides, as far as there are rows for them: most of them may be null or zero,
/// and compress to nothing.
const VECTORS_BYTES: u64 = 4 << 30;
/// The longest vector that is counted so: 16,384 numbers of 32 bits.
const VECTOR_BYTES: u64 = 64 << 10;
/// Rows that a byte of a file may stand for: each brings an id of its own, which takes a few bits however it is written.
const ROWS_PER_BYTE: u64 = 4;

/// Bytes that reading a file may still take.
pub(in crate::catalog) struct Budget {
    file_bytes: u64,
    taken: u64,
    /// What vectors may take of the room that there is for the rows so far, and for any number of them.
    vectors_left: u64,
    vectors_max: u64,
}

impl Budget {
    pub(in crate::catalog) fn new(file_bytes: u64) -> Self {
        Self { file_bytes, taken: 0, vectors_left: 0, vectors_max: VECTORS_BYTES }
    }

    /// Counts `bytes` in, or says for what they are too many.
    pub(in crate::catalog) fn take(&mut self, bytes: u64, what: impl FnOnce() -> String) -> Result<(), CatalogError> {
        let (file, limit) = (self.file_bytes, FREE_BYTES.saturating_add(self.file_bytes.saturating_mul(EXPANSION)));
        self.taken = self.taken.saturating_add(bytes);
        match self.taken {
            taken if taken <= limit => Ok(()),
            taken => Err(invalid(format!(
                "{}: takes {taken} bytes with what comes before, {file} bytes may take {limit}: write smaller batches, or \
                 do not compress",
                what()
            ))),
        }
    }

    /// Makes room for the vectors of so many rows: decoded, and as they stay.
    pub(super) fn expect_rows(&mut self, rows: u64) {
        let rows = rows.min(self.file_bytes.saturating_mul(ROWS_PER_BYTE));
        self.vectors_left =
            self.vectors_left.saturating_add(rows.saturating_mul(2 * VECTOR_BYTES)).min(self.vectors_max);
    }

    /// Counts `bytes` of vectors in, or says for what they are too many.
    pub(super) fn take_vectors(&mut self, bytes: u64, what: impl FnOnce() -> String) -> Result<(), CatalogError> {
        match self.vectors_left.checked_sub(bytes) {
            Some(left) => {
                self.vectors_left = left;
                self.vectors_max -= bytes;
                Ok(())
            }
            None => self.take(bytes, what),
        }
    }
}
