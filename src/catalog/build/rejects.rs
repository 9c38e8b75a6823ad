//! Rows that were left out, for those who mend them: a CSV file with place, reason and content.

use std::fs::File;
use std::path::{Path, PathBuf};

use csv::Writer;

use crate::catalog::CatalogError;
use crate::catalog::source::RowFault;

#[derive(Debug)]
pub(super) struct Rejects {
    path: PathBuf,
    writer: Writer<File>,
}

impl Rejects {
    /// Begins the file anew.
    ///
    /// # Errors
    /// [`CatalogError::File`].
    pub(super) fn create(path: &Path) -> Result<Self, CatalogError> {
        let file = File::create(path).map_err(|source| CatalogError::File { path: path.to_owned(), source })?;
        let mut rejects = Self { path: path.to_owned(), writer: Writer::from_writer(file) };
        rejects.write(["place", "kind", "column", "reason", "row"])?;
        Ok(rejects)
    }

    /// Adds a fault of a row.
    ///
    /// # Errors
    /// [`CatalogError::File`].
    pub(super) fn push(&mut self, place: &str, fault: &RowFault, row: &str) -> Result<(), CatalogError> {
        let column = fault.column.as_deref().unwrap_or_default();
        self.write([place, fault.kind.as_str(), column, &fault.message, row])
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// [`CatalogError::File`].
    pub(super) fn finish(mut self) -> Result<(), CatalogError> {
        self.writer.flush().map_err(|source| CatalogError::File { path: self.path, source })
    }

    fn write(&mut self, cells: [&str; 5]) -> Result<(), CatalogError> {
        let written = self.writer.write_record(cells);
        written.map_err(|error| CatalogError::File { path: self.path.clone(), source: error.into() })
    }
}
