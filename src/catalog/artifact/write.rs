//! From rows to bytes.

mod columns;

use std::collections::HashMap;
use std::fmt;
use std::io::Write;
use std::sync::Arc;

use arrow_array::builder::FixedSizeBinaryBuilder;
use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, RecordBatch, StringArray};
use arrow_ipc::writer::FileWriter;
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};

use super::format::{ATTRIBUTES, FORMAT_VERSION, MODEL_ID, SUPPORTED_FORMAT, TEXT_SHA256};
use crate::catalog::ipc::{invalid, unreadable};
use crate::catalog::source::Value;
use crate::catalog::{CatalogError, Rows};
use columns::{array, bytes};

pub(in crate::catalog) use columns::array as column_of;

/// Rows in a batch that is written.
const BATCH_ROWS: usize = 16_384;
/// Bytes of attributes in it: a column has less than 2 GiB.
const BATCH_ATTRIBUTES_BYTES: usize = 256 << 20;

/// Writes an artifact row by row. The same rows and model give the same bytes.
pub struct Writer<W: Write> {
    file: FileWriter<W>,
    schema: SchemaRef,
    item: FieldRef,
    dimension: i32,
    keeps_hashes: bool,
    batch: Batch,
}

/// The columns of rows that are not written yet.
#[derive(Debug, Default)]
struct Batch {
    product_ids: Vec<String>,
    categories: Vec<String>,
    titles: Vec<Option<String>>,
    vectors: Vec<f32>,
    text_hashes: Vec<Option<[u8; 32]>>,
    /// Of each row as many as there are columns.
    attributes: Vec<Option<Value>>,
    attributes_bytes: usize,
}

/// A row of an artifact.
#[derive(Debug)]
pub struct Row<'a> {
    /// Unique.
    pub product_id: &'a str,
    /// Its category.
    pub category: &'a str,
    /// What people see.
    pub title: Option<&'a str>,
    /// As many numbers as the artifact's dimension.
    pub vector: &'a [f32],
    /// SHA-256 of the text that was embedded; kept only if the writer keeps hashes.
    pub text_sha256: Option<[u8; 32]>,
}

impl<W: Write> fmt::Debug for Writer<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl<W: Write> Writer<W> {
    /// Begins an artifact. `keeps_hashes`: it has a column for the hash of each text that was embedded, by which a later
    /// build finds what did not change.
    ///
    /// # Errors
    /// Those of the sink, as [`CatalogError::Invalid`].
    pub fn new(sink: W, dimension: usize, model_id: &str, keeps_hashes: bool) -> Result<Self, CatalogError> {
        Self::with_attributes(sink, dimension, model_id, keeps_hashes, &[])
    }

    /// The same, with columns of attributes: strings, booleans, numbers, days, timestamps, and lists of strings or numbers.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_attributes(
        sink: W,
        dimension: usize,
        model_id: &str,
        keeps_hashes: bool,
        attributes: &[Field],
    ) -> Result<Self, CatalogError> {
        let item = Arc::new(Field::new("item", DataType::Float32, false));
        let list_size = i32::try_from(dimension).map_err(|error| invalid(error.to_string()))?;
        let metadata = [(MODEL_ID, model_id), (FORMAT_VERSION, SUPPORTED_FORMAT)];
        let mut fields = vec![
            Field::new("product_id", DataType::Utf8, false),
            Field::new("category", DataType::Utf8, false),
            Field::new("title", DataType::Utf8, true),
            Field::new("embedding", DataType::FixedSizeList(Arc::clone(&item), list_size), false),
        ];
        fields.extend(attributes.iter().cloned());
        if keeps_hashes {
            fields.push(Field::new(TEXT_SHA256, DataType::FixedSizeBinary(32), true));
        }
        let mut metadata: HashMap<String, String> =
            metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        if !attributes.is_empty() {
            let names: Vec<&str> = attributes.iter().map(|field| field.name().as_str()).collect();
            let names = serde_json::to_string(&names).map_err(|error| invalid(error.to_string()))?;
            metadata.insert(ATTRIBUTES.to_owned(), names);
        }
        let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
        let file = FileWriter::try_new(sink, &schema).map_err(unreadable)?;
        Ok(Self { file, schema, item, dimension: list_size, keeps_hashes, batch: Batch::default() })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn push(&mut self, row: &Row<'_>) -> Result<(), CatalogError> {
        self.push_with(row, &[])
    }

    /// Adds a row with a value for each of the attributes, of the column's type.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn push_with(&mut self, row: &Row<'_>, attributes: &[Option<Value>]) -> Result<(), CatalogError> {
        self.batch.product_ids.push(row.product_id.to_owned());
        self.batch.categories.push(row.category.to_owned());
        self.batch.titles.push(row.title.map(str::to_owned));
        self.batch.vectors.extend_from_slice(row.vector);
        self.batch.text_hashes.push(row.text_sha256);
        self.batch.attributes.extend_from_slice(attributes);
        self.batch.attributes_bytes += attributes.iter().flatten().map(bytes).sum::<usize>();
        let is_full =
            self.batch.product_ids.len() == BATCH_ROWS || self.batch.attributes_bytes >= BATCH_ATTRIBUTES_BYTES;
        if is_full { self.write_batch() } else { Ok(()) }
    }

    /// Writes what is left and the end of the file.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn finish(mut self) -> Result<W, CatalogError> {
        if !self.batch.product_ids.is_empty() {
            self.write_batch()?;
        }
        self.file.into_inner().map_err(unreadable)
    }

    fn write_batch(&mut self) -> Result<(), CatalogError> {
        let Batch { product_ids, categories, titles, vectors, text_hashes, attributes, .. } =
            std::mem::take(&mut self.batch);
        let numbers = Arc::new(Float32Array::from(vectors));
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(product_ids)),
            Arc::new(StringArray::from_iter_values(categories)),
            Arc::new(StringArray::from_iter(titles)),
            Arc::new(FixedSizeListArray::new(Arc::clone(&self.item), self.dimension, numbers, None)),
        ];
        let width = self.schema.fields().len() - columns.len() - usize::from(self.keeps_hashes);
        for (number, field) in self.schema.fields()[columns.len()..][..width].iter().enumerate() {
            columns.push(array(field, attributes.iter().skip(number).step_by(width)).map_err(unreadable)?);
        }
        if self.keeps_hashes {
            let mut hashes = FixedSizeBinaryBuilder::with_capacity(text_hashes.len(), 32);
            for hash in text_hashes {
                match hash {
                    Some(hash) => hashes.append_value(hash).map_err(unreadable)?,
                    None => hashes.append_null(),
                }
            }
            columns.push(Arc::new(hashes.finish()));
        }
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(unreadable)?;
        self.file.write(&batch).map_err(unreadable)
    }
}

/// Writes an artifact of rows in memory, without hashes of texts.
///
/// # Errors
/// Those of the sink, as [`CatalogError::Invalid`].
pub fn write<W: Write>(sink: W, rows: &Rows, model_id: &str) -> Result<W, CatalogError> {
    let mut writer = Writer::new(sink, rows.dimension, model_id, false)?;
    for (number, vector) in rows.vectors.chunks_exact(rows.dimension).enumerate() {
        writer.push(&Row {
            product_id: &rows.product_ids[number],
            category: &rows.categories[number],
            title: rows.titles[number].as_deref(),
            vector,
            text_sha256: None,
        })?;
    }
    writer.finish()
}
