//! From changed products to the bytes of an update.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::FixedSizeBinaryBuilder;
use arrow_array::{ArrayRef, BooleanArray, FixedSizeListArray, Float32Array, RecordBatch, StringArray};
use arrow_buffer::NullBuffer;
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_schema::{DataType, Field, Schema};
use bytes::Bytes;

use super::update::{DELETED, TextHash};
use crate::catalog::CatalogError;
use crate::catalog::artifact::{ATTRIBUTES, FORMAT_VERSION, MODEL_ID, SUPPORTED_FORMAT, TEXT_SHA256, column_of};
use crate::catalog::ipc::{invalid, unreadable};
use crate::catalog::source::Value;

/// Rows of a batch.
const BATCH_ROWS: usize = 16_384;

/// A row of an update.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::catalog) struct Row {
    pub(in crate::catalog) product_id: String,
    /// `None`: it is deleted.
    pub(in crate::catalog) content: Option<Written>,
}

/// What a row says of its product.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::catalog) struct Written {
    pub(in crate::catalog) category: String,
    pub(in crate::catalog) title: Option<String>,
    /// `None`: the product keeps its own.
    pub(in crate::catalog) vector: Option<Vec<f32>>,
    pub(in crate::catalog) text_sha256: Option<TextHash>,
    /// A value for each attribute of the catalog.
    pub(in crate::catalog) attributes: Vec<Option<Value>>,
}

/// Of what the rows are.
#[derive(Debug)]
pub(in crate::catalog) struct Form<'a> {
    pub(in crate::catalog) dimension: usize,
    pub(in crate::catalog) model_id: Option<&'a str>,
    /// The attributes of the catalog.
    pub(in crate::catalog) attributes: Vec<Field>,
}

/// An update of these rows. The same rows give the same bytes.
///
/// # Errors
/// [`CatalogError::Invalid`]: a value is not of its column's type.
pub(in crate::catalog) fn write(rows: &[Row], form: &Form<'_>) -> Result<Bytes, CatalogError> {
    let size = i32::try_from(form.dimension).map_err(|error| invalid(error.to_string()))?;
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    // A column of nulls would only take room.
    let has_vectors = rows.iter().filter_map(|row| row.content.as_ref()).any(|content| content.vector.is_some());
    let mut fields = vec![
        Field::new("product_id", DataType::Utf8, false),
        Field::new(DELETED, DataType::Boolean, false),
        Field::new("category", DataType::Utf8, true),
        Field::new("title", DataType::Utf8, true),
    ];
    fields.extend(form.attributes.iter().cloned());
    if has_vectors {
        fields.push(Field::new("embedding", DataType::FixedSizeList(Arc::clone(&item), size), true));
        fields.push(Field::new(TEXT_SHA256, DataType::FixedSizeBinary(32), true));
    }
    let names: Vec<&str> = form.attributes.iter().map(|field| field.name().as_str()).collect();
    let names = serde_json::to_string(&names).map_err(|error| invalid(error.to_string()))?;
    let metadata =
        [(FORMAT_VERSION, SUPPORTED_FORMAT), (MODEL_ID, form.model_id.unwrap_or_default()), (ATTRIBUTES, &names)];
    let metadata: HashMap<String, String> = metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
    // Rows without a vector take a row of zeros each, which compress to nothing.
    let options =
        IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME)).map_err(unreadable)?;
    let mut file = FileWriter::try_new_with_options(Vec::new(), &schema, options).map_err(unreadable)?;
    for rows in rows.chunks(BATCH_ROWS) {
        let contents: Vec<Option<&Written>> = rows.iter().map(|row| row.content.as_ref()).collect();
        let of = |text: fn(&Written) -> Option<&str>| {
            contents.iter().map(|content| content.and_then(text)).collect::<Vec<_>>()
        };
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.product_id))),
            Arc::new(contents.iter().map(|content| Some(content.is_none())).collect::<BooleanArray>()),
            Arc::new(StringArray::from(of(|content| Some(&content.category)))),
            Arc::new(StringArray::from(of(|content| content.title.as_deref()))),
        ];
        for (number, field) in form.attributes.iter().enumerate() {
            let value = |content: Option<&Written>| {
                content.and_then(|content| content.attributes.get(number).cloned().flatten())
            };
            let values: Vec<Option<Value>> = contents.iter().copied().map(value).collect();
            columns.push(column_of(field, values.iter()).map_err(unreadable)?);
        }
        if has_vectors {
            columns.push(vectors(&contents, form.dimension, size, &item)?);
            columns.push(hashes(&contents)?);
        }
        file.write(&RecordBatch::try_new(Arc::clone(&schema), columns).map_err(unreadable)?).map_err(unreadable)?;
    }
    Ok(file.into_inner().map_err(unreadable)?.into())
}

fn vectors(
    contents: &[Option<&Written>],
    dimension: usize,
    size: i32,
    item: &Arc<Field>,
) -> Result<ArrayRef, CatalogError> {
    let mut numbers = Vec::with_capacity(contents.len() * dimension);
    let nulls = contents.iter().map(|content| {
        let vector = content.and_then(|content| content.vector.as_deref());
        match vector {
            Some(vector) => numbers.extend_from_slice(vector),
            None => numbers.resize(numbers.len() + dimension, 0.0),
        }
        vector.is_some()
    });
    let nulls: NullBuffer = nulls.collect();
    let lists = FixedSizeListArray::try_new(Arc::clone(item), size, Arc::new(Float32Array::from(numbers)), Some(nulls));
    Ok(Arc::new(lists.map_err(unreadable)?))
}

fn hashes(contents: &[Option<&Written>]) -> Result<ArrayRef, CatalogError> {
    let mut hashes = FixedSizeBinaryBuilder::with_capacity(contents.len(), 32);
    for content in contents {
        match content.and_then(|content| content.text_sha256) {
            Some(hash) => hashes.append_value(hash).map_err(unreadable)?,
            None => hashes.append_null(),
        }
    }
    Ok(Arc::new(hashes.finish()))
}
