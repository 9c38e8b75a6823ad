//! Rows that were left out, for whoever fixes them: a CSV file with place, reason and content.
//!
//! It takes the place of an older one only when the build has succeeded.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};

use csv::Writer;

use crate::catalog::CatalogError;
use crate::catalog::source::RowFault;

#[derive(Debug)]
pub(in crate::catalog) struct Rejects {
    path: PathBuf,
    /// The file, as it was before, or empty.
    file: File,
    /// Whether this build made the file.
    is_new: bool,
    /// What will be in it.
    writer: Writer<File>,
}

impl Rejects {
    /// Begins a list for a file that can be written.
    ///
    /// # Errors
    /// [`CatalogError::File`].
    pub(in crate::catalog) fn create(path: &Path) -> Result<Self, CatalogError> {
        let file_error = |source| CatalogError::File { path: path.to_owned(), source };
        let is_new = !path.exists();
        let draft = tempfile::tempfile().map_err(file_error)?;
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(file_error)?;
        let mut rejects = Self { path: path.to_owned(), file, is_new, writer: Writer::from_writer(draft) };
        rejects.write(["place", "kind", "column", "reason", "row"])?;
        Ok(rejects)
    }

    /// Adds a fault of a row.
    ///
    /// # Errors
    /// [`CatalogError::File`].
    pub(in crate::catalog) fn push(&mut self, place: &str, fault: &RowFault, row: &str) -> Result<(), CatalogError> {
        let column = fault.column.as_deref().unwrap_or_default();
        self.write([place, fault.kind.as_str(), column, &fault.message, row])
    }

    /// Makes the file what was listed.
    ///
    /// # Errors
    /// [`CatalogError::File`].
    pub(in crate::catalog) fn finish(mut self) -> Result<(), CatalogError> {
        self.is_new = false;
        self.replace().map_err(|source| CatalogError::File { path: self.path.clone(), source })
    }

    fn replace(&mut self) -> std::io::Result<()> {
        self.writer.flush()?;
        let mut draft = self.writer.get_ref();
        draft.seek(SeekFrom::Start(0))?;
        // It may be a terminal.
        if self.file.metadata()?.is_file() {
            self.file.set_len(0)?;
        }
        std::io::copy(&mut draft, &mut self.file).map(drop)
    }

    fn write(&mut self, cells: [&str; 5]) -> Result<(), CatalogError> {
        let written = self.writer.write_record(cells);
        written.map_err(|error| CatalogError::File { path: self.path.clone(), source: error.into() })
    }
}

impl Drop for Rejects {
    fn drop(&mut self) {
        if self.is_new {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::source::FaultKind;

    #[test]
    fn an_older_list_stays_until_the_build_has_succeeded() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old.csv"), folder.path().join("new.csv"));
        let fault = RowFault { kind: FaultKind::Unreadable, column: None, message: "why".to_owned() };
        std::fs::write(&old, "mine, and longer than what comes, by far, as it was made by hand").unwrap();
        for path in [&old, &new] {
            let mut rejects = Rejects::create(path).unwrap();
            rejects.push("line 2", &fault, "a,b").unwrap();
        }
        assert!(std::fs::read_to_string(&old).unwrap().starts_with("mine"));
        assert!(!new.exists());
        for path in [&old, &new] {
            let mut rejects = Rejects::create(path).unwrap();
            rejects.push("line 2", &fault, "a,b").unwrap();
            rejects.finish().unwrap();
            let written = std::fs::read_to_string(path).unwrap();
            assert_eq!(written, "place,kind,column,reason,row\nline 2,unreadable_row,,why,\"a,b\"\n");
        }
        let no_folder = Rejects::create(&folder.path().join("none/x.csv")).unwrap_err().to_string();
        assert!(no_folder.contains("none/x.csv: No such file"), "{no_folder}");
    }
}
