//! A file read once: what is hashed, checked and published are the same bytes.

use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_ipc::reader::FileReader;
use arrow_ipc::writer::FileWriter;
use arrow_schema::Schema;
use bytes::Bytes;
use nearline_contract::hash::hex;
use sha2::{Digest, Sha256};

use super::format::{Artifact, FORMAT_VERSION, MODEL_ID, SUPPORTED_FORMAT};
use super::read::{check_all_columns, open, read_bytes};
use crate::catalog::CatalogError;
use crate::catalog::ipc::{invalid, unreadable};

/// An artifact and the bytes that it was read from.
#[derive(Debug)]
pub struct Loaded {
    /// The file.
    pub bytes: Bytes,
    /// Of the bytes, as lower-case hex.
    pub sha256: String,
    /// What they hold.
    pub artifact: Artifact,
}

impl Loaded {
    /// Reads an artifact that is in memory, and keeps the bytes.
    ///
    /// # Errors
    /// As [`read_bytes`].
    pub fn new(bytes: Bytes) -> Result<Self, CatalogError> {
        let sha256 = hex(&Sha256::digest(&bytes));
        Self::hashed(bytes, sha256)
    }

    /// As [`new`](Self::new), of bytes whose SHA-256 is known.
    ///
    /// # Errors
    /// As [`read_bytes`].
    pub fn hashed(bytes: Bytes, sha256: String) -> Result<Self, CatalogError> {
        let artifact = read_bytes(&bytes)?;
        Ok(Self { bytes, sha256, artifact })
    }

    /// The artifact with `model_id` in its metadata, and all its columns.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] if it names another model already, or has a column that is damaged or cannot be copied.
    pub fn with_model(self, model_id: &str) -> Result<Self, CatalogError> {
        match &self.artifact.model_id {
            Some(named) if named == model_id => return Ok(self),
            Some(named) => return Err(invalid(format!("its {MODEL_ID} is already `{named}`, not `{model_id}`"))),
            None => {}
        }
        check_all_columns(&self.bytes)?;
        let mut reader = FileReader::try_new(Cursor::new(self.bytes), None).map_err(unreadable)?;
        let schema = reader.schema();
        let mut metadata = schema.metadata().clone();
        metadata.insert(MODEL_ID.to_owned(), model_id.to_owned());
        if metadata.get(FORMAT_VERSION).is_none() {
            metadata.insert(FORMAT_VERSION.to_owned(), SUPPORTED_FORMAT.to_owned());
        }
        let schema = Arc::new(Schema::new_with_metadata(schema.fields().clone(), metadata));
        let mut writer = FileWriter::try_new(Vec::new(), &schema).map_err(unreadable)?;
        for batch in &mut reader {
            let columns = batch.map_err(unreadable)?.columns().to_vec();
            let batch = RecordBatch::try_new(Arc::clone(&schema), columns).map_err(unreadable)?;
            writer.write(&batch).map_err(unreadable)?;
        }
        let bytes = Bytes::from(writer.into_inner().map_err(unreadable)?);
        let artifact = Artifact { model_id: Some(model_id.to_owned()), ..self.artifact };
        Ok(Self { sha256: hex(&Sha256::digest(&bytes)), bytes, artifact })
    }
}

/// Reads a file whole, once.
///
/// # Errors
/// [`CatalogError::File`] if it is none or cannot be read; otherwise as [`read_bytes`].
pub fn load_path(path: &Path) -> Result<Loaded, CatalogError> {
    let mut bytes = Vec::new();
    let read = open(path)?.read_to_end(&mut bytes);
    read.map_err(|source| CatalogError::File { path: path.to_owned(), source })?;
    Loaded::new(bytes.into())
}

/// SHA-256 of an artifact's bytes, as lower-case hex.
///
/// # Errors
/// Those of reading.
pub fn sha256(mut source: impl Read) -> std::io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match source.read(&mut buffer)? {
            0 => return Ok(hex(&hasher.finalize())),
            length => hasher.update(&buffer[..length]),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{ArrayRef, Int32Array};

    use super::super::write::write;
    use super::*;
    use crate::catalog::Rows;

    fn bytes(model_id: &str) -> Bytes {
        let row = ["a".to_owned()].to_vec();
        let rows = Rows {
            product_ids: row.clone(),
            categories: row,
            titles: vec![None],
            vectors: vec![1.0],
            dimension: 1,
            ..Rows::default()
        };
        write(Vec::new(), &rows, model_id).unwrap().into()
    }

    #[test]
    fn what_is_hashed_is_what_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog.arrow");
        std::fs::write(&path, bytes("model")).unwrap();
        let loaded = load_path(&path).unwrap();
        assert_eq!(loaded.bytes, bytes("model"));
        assert_eq!(loaded.sha256, sha256(&loaded.bytes[..]).unwrap());
        assert_eq!(loaded.artifact.model_id.as_deref(), Some("model"));
    }

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [&pipe, folder.path(), Path::new("/dev/zero")] {
            let message = load_path(path).unwrap_err().to_string();
            assert_eq!(message, format!("{}: is not a regular file", path.display()));
        }
    }

    #[test]
    fn a_model_is_named_once() {
        let named = Loaded::new(bytes("")).unwrap().with_model("model").unwrap();
        assert_eq!(named.bytes, bytes("model"));
        assert_eq!(named.sha256, sha256(&named.bytes[..]).unwrap());
        let other = named.with_model("other").unwrap_err().to_string();
        assert!(other.contains("is already `model`, not `other`"), "{other}");
    }

    #[test]
    fn columns_that_are_not_read_stay_when_a_model_is_named() {
        let mut reader = FileReader::try_new(Cursor::new(bytes("")), None).unwrap();
        let batch = reader.next().unwrap().unwrap();
        let schema = batch.schema();
        let columns = schema.fields().iter().map(|field| field.name().clone()).zip(batch.columns().to_vec());
        let price: ArrayRef = Arc::new(Int32Array::from(vec![5]));
        let batch = RecordBatch::try_from_iter(columns.chain([("price".to_owned(), price)])).unwrap();
        let mut writer = FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        let named = Loaded::new(writer.into_inner().unwrap().into()).unwrap().with_model("model").unwrap();
        let schema = FileReader::try_new(Cursor::new(named.bytes), None).unwrap().schema();
        assert_eq!(schema.metadata().get(MODEL_ID).map(String::as_str), Some("model"));
        assert!(schema.field_with_name("price").is_ok());
    }
}
