//! From rows to bytes.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, RecordBatch, StringArray};
use arrow_ipc::writer::FileWriter;
use arrow_schema::{DataType, Field, Schema};

use super::format::{FORMAT_VERSION, MODEL_ID, SUPPORTED_FORMAT, invalid, unreadable};
use crate::catalog::{CatalogError, Rows};

/// Rows in a batch that is written.
const BATCH_ROWS: usize = 16_384;

/// Writes an artifact. The same rows and model give the same bytes.
///
/// # Errors
/// Those of the sink, as [`CatalogError::Invalid`].
pub fn write<W: Write>(sink: W, rows: &Rows, model_id: &str) -> Result<W, CatalogError> {
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let list_size = i32::try_from(rows.dimension).map_err(|error| invalid(error.to_string()))?;
    let metadata = [(MODEL_ID, model_id), (FORMAT_VERSION, SUPPORTED_FORMAT)];
    let fields = vec![
        Field::new("product_id", DataType::Utf8, false),
        Field::new("category", DataType::Utf8, false),
        Field::new("title", DataType::Utf8, true),
        Field::new("embedding", DataType::FixedSizeList(Arc::clone(&item), list_size), false),
    ];
    let metadata: HashMap<String, String> = metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
    let mut writer = FileWriter::try_new(sink, &schema).map_err(unreadable)?;
    let mut start = 0;
    while start < rows.product_ids.len() {
        let end = (start + BATCH_ROWS).min(rows.product_ids.len());
        let vectors = Float32Array::from(rows.vectors[start * rows.dimension..end * rows.dimension].to_vec());
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(&rows.product_ids[start..end])),
            Arc::new(StringArray::from_iter_values(&rows.categories[start..end])),
            Arc::new(StringArray::from_iter(&rows.titles[start..end])),
            Arc::new(FixedSizeListArray::new(Arc::clone(&item), list_size, Arc::new(vectors), None)),
        ];
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).map_err(unreadable)?;
        writer.write(&batch).map_err(unreadable)?;
        start = end;
    }
    writer.into_inner().map_err(unreadable)
}
