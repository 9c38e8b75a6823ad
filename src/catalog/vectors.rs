//! Where the f32 vectors of a catalog lie: in memory, or in a file without a name that is mapped.
//!
//! A search reads codes all the time, and f32 rows for what is left alone. So a catalog that is larger than the memory
//! can still be searched from a fast disk: what is read often stays in the page cache, and the answers are the same bits.

use std::path::PathBuf;

use nearline_search::Numbers;
use rustix::fs::{FallocateFlags, fallocate};

use super::error::CatalogError;

/// Where vectors lie.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Vectors {
    /// In memory.
    #[default]
    Memory,
    /// In a file in this folder, which goes with the process.
    Mapped(PathBuf),
}

impl Vectors {
    /// Room for so many rows of so many numbers.
    ///
    /// # Errors
    /// [`CatalogError::NoRoom`]: there is none, in memory or on the disk.
    pub(super) fn room(&self, rows: usize, dimension: usize) -> Result<Numbers, CatalogError> {
        let Self::Mapped(folder) = self else {
            let zeros = Numbers::zeros(rows, dimension);
            return zeros.map_err(|error| CatalogError::NoRoom(format!("{rows} rows of {dimension} numbers: {error}")));
        };
        let bytes = rows.saturating_mul(dimension).saturating_mul(size_of::<f32>()) as u64;
        let mapped = || {
            let file = tempfile::tempfile_in(folder)?;
            // Taken at once: a disk that is full would end the process when a page is written.
            fallocate(&file, FallocateFlags::empty(), 0, bytes.max(1))?;
            Numbers::mapped(&file, rows, dimension)
        };
        mapped().map_err(|error: std::io::Error| {
            let mib = bytes.div_ceil(1 << 20);
            CatalogError::NoRoom(format!(
                "its vectors take {mib} MiB in a file in {}: {error}; set TMPDIR to a folder on a larger local disk",
                folder.display()
            ))
        })
    }

    /// Whether they take memory that the system cannot take back.
    pub(super) fn stay_in_memory(&self) -> bool {
        *self == Self::Memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_has_no_room_is_said_before_anything_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let mapped = Vectors::Mapped(folder.path().to_owned());
        let mut numbers = mapped.room(3, 2).unwrap();
        numbers.copy_from_slice(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(numbers[5].to_bits(), 6.0_f32.to_bits());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it has no name");
        for (vectors, rows) in [(mapped, 1 << 50), (Vectors::Mapped("/no/such/folder".into()), 1)] {
            let message = vectors.room(rows, 64).unwrap_err().to_string();
            assert!(message.contains("MiB in a file in ") && message.contains("set TMPDIR"), "{message}");
        }
        assert!(Vectors::Memory.room(1 << 50, 64).is_err());
    }
}
