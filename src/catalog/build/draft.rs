//! The file that a build writes to before it becomes the output.
//!
//! Its lock keeps two builds from one output. A build that was killed leaves it behind; the next one starts it afresh.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufWriter, Error, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use arrow_schema::Field;

use crate::catalog::CatalogError;
use crate::catalog::artifact::Writer;

/// Bytes that are written at once.
const BUFFER_BYTES: usize = 1 << 20;

/// `OUTPUT.building`, locked.
#[derive(Debug)]
pub(super) struct Draft {
    path: PathBuf,
    output: PathBuf,
    file: Option<File>,
}

impl Draft {
    /// Begins a draft of `output`.
    ///
    /// # Errors
    /// [`CatalogError::File`]: it cannot be written, or another build is at it.
    pub(super) fn open(output: &Path) -> Result<Self, CatalogError> {
        let mut path = output.as_os_str().to_owned();
        path.push(".building");
        let path = PathBuf::from(path);
        let file_error = |source| CatalogError::File { path: path.clone(), source };
        loop {
            let mut options = OpenOptions::new();
            let file = options.read(true).write(true).create(true).truncate(false).open(&path).map_err(file_error)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let what = "another build is writing it: wait for that one, or stop it";
                    return Err(file_error(Error::other(what)));
                }
                Err(TryLockError::Error(error)) => return Err(file_error(error)),
            }
            // The build before may have finished in between, and the file is its output now.
            let (ours, named) = (file.metadata().map_err(file_error)?, std::fs::metadata(&path));
            if named.is_ok_and(|named| (named.dev(), named.ino()) == (ours.dev(), ours.ino())) {
                return Ok(Self { path, output: output.to_owned(), file: Some(file) });
            }
        }
    }

    /// A writer from the beginning of the draft on.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(super) fn writer(
        &self,
        dimension: usize,
        model_id: &str,
        keeps_hashes: bool,
        attributes: &[Field],
    ) -> Result<Writer<BufWriter<File>>, CatalogError> {
        let mut file = self.file().try_clone().map_err(|source| self.error(source))?;
        file.set_len(0).and_then(|()| file.seek(SeekFrom::Start(0))).map_err(|source| self.error(source))?;
        let sink = BufWriter::with_capacity(BUFFER_BYTES, file);
        Writer::with_attributes(sink, dimension, model_id, keeps_hashes, attributes)
    }

    /// Makes what was written the output, which was something whole before and is now.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(super) fn keep(mut self, writer: Writer<BufWriter<File>>) -> Result<(), CatalogError> {
        writer.finish()?.into_inner().map_err(|error| self.error(error.into_error()))?;
        self.file().sync_all().map_err(|source| self.error(source))?;
        std::fs::rename(&self.path, &self.output)
            .map_err(|source| CatalogError::File { path: self.output.clone(), source })?;
        self.file = None;
        Ok(())
    }

    fn file(&self) -> &File {
        self.file.as_ref().expect("taken only when the draft is kept, which ends it")
    }

    fn error(&self, source: Error) -> CatalogError {
        CatalogError::File { path: self.path.clone(), source }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Nothing that another build may need: vectors that were paid for are in the journal.
        if self.file.is_some() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::catalog::artifact::{Row, read};

    fn row(product_id: &str) -> Row<'_> {
        Row { product_id, category: "c", title: None, vector: &[1.0], text_sha256: None }
    }

    #[test]
    fn only_a_whole_draft_becomes_the_output_and_has_the_mode_of_any_new_file() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("catalog.arrow");
        let draft = Draft::open(&output).unwrap();
        draft.writer(1, "", false, &[]).unwrap().push(&row("lost")).unwrap();
        drop(draft);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

        std::fs::write(folder.path().join("catalog.arrow.building"), "what a killed build left").unwrap();
        let draft = Draft::open(&output).unwrap();
        let mut writer = draft.writer(1, "", false, &[]).unwrap();
        writer.push(&row("kept")).unwrap();
        draft.keep(writer).unwrap();
        assert_eq!(read(File::open(&output).unwrap()).unwrap().rows.product_ids, ["kept"]);
        let other = folder.path().join("other");
        File::create(&other).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode();
        assert_eq!(mode(&output), mode(&other));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn two_builds_do_not_write_one_output() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("catalog.arrow");
        let first = Draft::open(&output).unwrap();
        let message = Draft::open(&output).unwrap_err().to_string();
        assert!(message.contains("catalog.arrow.building: another build is writing it"), "{message}");
        drop(first);
        Draft::open(&output).unwrap();
    }
}
