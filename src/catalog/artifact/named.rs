//! An artifact that names no model, written again with one in its metadata: a batch at a time, with all its columns.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_ipc::reader::FileReader;
use arrow_ipc::writer::FileWriter;
use arrow_schema::Schema;

use super::format::{FORMAT_VERSION, MODEL_ID, SUPPORTED_FORMAT};
use super::read::{check_kind, open};
use crate::catalog::CatalogError;
use crate::catalog::ipc::{Blob, Budget, Reader, invalid, unreadable};
use crate::catalog::kind::HEAD_BYTES;

/// Bytes that are read or written at once.
const BUFFER_BYTES: usize = 1 << 20;

/// Writes the artifact at `path` to `sink`, with `model_id` in its metadata; whether it did: one that names this model
/// already is left as it is. Its rows are not looked at.
///
/// # Errors
/// [`CatalogError::File`]; [`CatalogError::Invalid`] if it names another model, is no Arrow file, or has a column that is
/// damaged or cannot be copied.
pub fn name_model(path: &Path, model_id: &str, sink: File) -> Result<bool, CatalogError> {
    let file_error = |source| CatalogError::File { path: path.to_owned(), source };
    let file = open(path)?;
    let length = file.metadata().map_err(file_error)?.len();
    let mut head = Vec::new();
    (&file).take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(file_error)?;
    check_kind(&head)?;
    let checked = Reader::open(Blob::File(file, length))?;
    match checked.schema().metadata().get(MODEL_ID).filter(|named| !named.is_empty()) {
        Some(named) if named == model_id => return Ok(false),
        Some(named) => return Err(invalid(format!("its {MODEL_ID} is already `{named}`, not `{model_id}`"))),
        None => {}
    }
    // Copying takes no more memory than the file can be worth.
    checked.check_everything(&mut Budget::new(length))?;
    let source = BufReader::with_capacity(BUFFER_BYTES, open(path)?);
    let mut reader = FileReader::try_new(source, None).map_err(unreadable)?;
    let schema = reader.schema();
    let mut metadata = schema.metadata().clone();
    metadata.insert(MODEL_ID.to_owned(), model_id.to_owned());
    if metadata.get(FORMAT_VERSION).is_none() {
        metadata.insert(FORMAT_VERSION.to_owned(), SUPPORTED_FORMAT.to_owned());
    }
    let schema = Arc::new(Schema::new_with_metadata(schema.fields().clone(), metadata));
    let sink = BufWriter::with_capacity(BUFFER_BYTES, sink);
    let mut writer = FileWriter::try_new(sink, &schema).map_err(unreadable)?;
    for batch in &mut reader {
        let columns = batch.map_err(unreadable)?.columns().to_vec();
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).map_err(unreadable)?;
        writer.write(&batch).map_err(unreadable)?;
    }
    writer
        .into_inner()
        .map_err(unreadable)?
        .flush()
        .map_err(|error| invalid(format!("it cannot be copied: {error}")))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use arrow_array::{ArrayRef, Int32Array};

    use super::super::write::write;
    use super::*;
    use crate::catalog::Rows;

    fn bytes(model_id: &str) -> Vec<u8> {
        let row = ["a".to_owned()].to_vec();
        let rows = Rows {
            product_ids: row.clone(),
            categories: row,
            titles: vec![None],
            vectors: vec![1.0],
            dimension: 1,
            ..Rows::default()
        };
        write(Vec::new(), &rows, model_id).unwrap()
    }

    /// What becomes of a file.
    fn named(bytes: &[u8], model_id: &str) -> Result<Option<Vec<u8>>, String> {
        let folder = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| folder.path().join(name));
        std::fs::write(&from, bytes).unwrap();
        let is_written = name_model(&from, model_id, File::create(&to).unwrap()).map_err(|error| error.to_string())?;
        Ok(is_written.then(|| std::fs::read(&to).unwrap()))
    }

    #[test]
    fn a_model_is_named_once() {
        assert!(named(&bytes(""), "model").unwrap().unwrap() == bytes("model"));
        assert_eq!(named(&bytes("model"), "model"), Ok(None));
        let other = named(&bytes("model"), "other").unwrap_err();
        assert!(other.contains("is already `model`, not `other`"), "{other}");
        for what_is_none in [&b"product_id,category,text\n"[..], &bytes("")[..40]] {
            assert!(named(what_is_none, "model").is_err());
        }
    }

    #[test]
    fn columns_that_are_not_read_stay() {
        let mut reader = FileReader::try_new(std::io::Cursor::new(bytes("")), None).unwrap();
        let batch = reader.next().unwrap().unwrap();
        let schema = batch.schema();
        let columns = schema.fields().iter().map(|field| field.name().clone()).zip(batch.columns().to_vec());
        let price: ArrayRef = Arc::new(Int32Array::from(vec![5]));
        let batch = RecordBatch::try_from_iter(columns.chain([("price".to_owned(), price)])).unwrap();
        let mut writer = FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        let copied = named(&writer.into_inner().unwrap(), "model").unwrap().unwrap();
        let schema = FileReader::try_new(std::io::Cursor::new(copied), None).unwrap().schema();
        assert_eq!(schema.metadata().get(MODEL_ID).map(String::as_str), Some("model"));
        assert!(schema.field_with_name("price").is_ok());
    }

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [&pipe, folder.path(), Path::new("/dev/zero")] {
            let message = name_model(path, "model", tempfile::tempfile().unwrap()).unwrap_err().to_string();
            assert_eq!(message, format!("{}: is not a regular file", path.display()));
        }
    }
}
