//! The artifact: one Arrow IPC file with `product_id`, `category`, optional `title`, and `embedding`.
//!
//! Reads what pyarrow and polars write (every string layout, dictionaries, several batches, compressed buffers) and
//! ignores other columns. Nothing is cast: a column of another type is an error that names it.

use std::collections::HashMap;
use std::io::{Read, Seek, Write};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::{Array, ArrayRef, FixedSizeListArray, Float32Array, RecordBatch, StringArray};
use arrow_ipc::reader::FileReader;
use arrow_ipc::writer::FileWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use nearline_contract::hash::hex;
use sha2::{Digest, Sha256};

use super::{CatalogError, Rows};

/// Schema metadata: model of the embeddings.
pub const MODEL_ID: &str = "nearline.model_id";
/// Schema metadata: version of the format.
pub const FORMAT_VERSION: &str = "nearline.format_version";
/// The format that this release reads and writes.
pub const SUPPORTED_FORMAT: &str = "1";

/// Rows in a batch that is written.
const BATCH_ROWS: usize = 16_384;

/// An artifact's content.
#[derive(Debug)]
pub struct Artifact {
    /// Embedding model, if the file names one.
    pub model_id: Option<String>,
    /// The rows, in file order.
    pub rows: Rows,
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

/// The version of an artifact: the first 16 digits of its SHA-256.
pub fn version(sha256: &str) -> &str {
    &sha256[..16.min(sha256.len())]
}

/// Reads an artifact.
///
/// # Errors
/// [`CatalogError::Invalid`], naming row and column.
pub fn read<R: Read + Seek>(source: R) -> Result<Artifact, CatalogError> {
    let mut reader = open(source)?;
    let schema = reader.schema();
    let format = schema.metadata().get(FORMAT_VERSION).map_or(SUPPORTED_FORMAT, String::as_str);
    if format != SUPPORTED_FORMAT {
        let message = format!("its {FORMAT_VERSION} is `{format}`, this release reads `{SUPPORTED_FORMAT}`");
        return Err(CatalogError::Invalid(message));
    }
    let dimension = check_columns(&schema)?;
    let mut rows = Rows { dimension, ..Rows::default() };
    for batch in &mut reader {
        append(&mut rows, &batch.map_err(unreadable)?)?;
    }
    if rows.product_ids.is_empty() {
        return Err(CatalogError::Invalid("it has no rows".into()));
    }
    Ok(Artifact { model_id: schema.metadata().get(MODEL_ID).filter(|id| !id.is_empty()).cloned(), rows })
}

/// Writes an artifact. The same rows and model give the same bytes.
///
/// # Errors
/// Those of the sink, as [`CatalogError::Invalid`].
pub fn write<W: Write>(sink: W, rows: &Rows, model_id: &str) -> Result<W, CatalogError> {
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let list_size = i32::try_from(rows.dimension).map_err(|error| CatalogError::Invalid(error.to_string()))?;
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

/// Copies an artifact, with `model_id` in its metadata where it has none.
///
/// # Errors
/// [`CatalogError::Invalid`] if it names another model already, or cannot be read.
pub fn add_model<R: Read + Seek, W: Write>(source: R, sink: W, model_id: &str) -> Result<W, CatalogError> {
    let mut reader = FileReader::try_new(source, None).map_err(unreadable)?;
    let schema = reader.schema();
    let mut metadata = schema.metadata().clone();
    match metadata.get(MODEL_ID) {
        Some(named) if !named.is_empty() && named != model_id => {
            return Err(CatalogError::Invalid(format!("its {MODEL_ID} is `{named}` already, not `{model_id}`")));
        }
        _ => drop(metadata.insert(MODEL_ID.to_owned(), model_id.to_owned())),
    }
    if metadata.get(FORMAT_VERSION).is_none() {
        metadata.insert(FORMAT_VERSION.to_owned(), SUPPORTED_FORMAT.to_owned());
    }
    let schema = Arc::new(Schema::new_with_metadata(schema.fields().clone(), metadata));
    let mut writer = FileWriter::try_new(sink, &schema).map_err(unreadable)?;
    for batch in &mut reader {
        let batch = batch.and_then(|batch| batch.with_schema(Arc::clone(&schema))).map_err(unreadable)?;
        writer.write(&batch).map_err(unreadable)?;
    }
    writer.into_inner().map_err(unreadable)
}

/// A reader of the columns that count.
fn open<R: Read + Seek>(mut source: R) -> Result<FileReader<R>, CatalogError> {
    let schema = FileReader::try_new(&mut source, None).map_err(unreadable)?.schema();
    let wanted = ["product_id", "category", "title", "embedding"];
    let columns = (0..schema.fields().len()).filter(|&i| wanted.contains(&schema.field(i).name().as_str())).collect();
    source.rewind().map_err(|error| CatalogError::Invalid(error.to_string()))?;
    FileReader::try_new(source, Some(columns)).map_err(unreadable)
}

#[expect(clippy::needless_pass_by_value, reason = "taken by map_err")]
fn unreadable(error: ArrowError) -> CatalogError {
    CatalogError::Invalid(format!("not readable as an Arrow IPC file: {error}"))
}

/// Checks names and types of the columns; the dimension of the embeddings.
fn check_columns(schema: &SchemaRef) -> Result<usize, CatalogError> {
    let column = |name: &str, required: bool| {
        let mut found = schema.fields().iter().filter(|field| field.name() == name);
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => Err(CatalogError::Invalid(format!("column {name} stands in it twice"))),
            (None, _) if required => Err(CatalogError::Invalid(format!("column {name} is missing"))),
            (field, _) => Ok(field.map(|field| field.data_type())),
        }
    };
    let wrong = |name: &str, wanted: &str, is: &DataType| {
        CatalogError::Invalid(format!("column {name} must be {wanted}, is {is}"))
    };
    for (name, required) in [("product_id", true), ("category", true), ("title", false)] {
        match column(name, required)? {
            Some(kind) if !is_string(kind) => return Err(wrong(name, "a string column", kind)),
            _ => {}
        }
    }
    match column("embedding", true)? {
        Some(DataType::FixedSizeList(item, size)) if *item.data_type() == DataType::Float32 && *size > 0 => {
            Ok(usize::try_from(*size).unwrap_or_default())
        }
        Some(kind) => Err(wrong("embedding", "FixedSizeList<Float32, D>", kind)),
        None => Err(CatalogError::Invalid("column embedding is missing".into())),
    }
}

fn is_string(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, value) => is_string(value),
        _ => false,
    }
}

fn append(rows: &mut Rows, batch: &RecordBatch) -> Result<(), CatalogError> {
    let first = rows.product_ids.len();
    let required = |name: &str| {
        let column =
            batch.column_by_name(name).ok_or_else(|| CatalogError::Invalid(format!("column {name} is missing")))?;
        let strings = strings(column)?;
        match strings.iter().position(|string| string.is_none_or(str::is_empty)) {
            Some(row) => Err(CatalogError::Invalid(format!("row {}, column {name}: is empty", first + row))),
            None => Ok(strings.into_iter().flatten().map(str::to_owned).collect::<Vec<_>>()),
        }
    };
    let (product_ids, categories) = (required("product_id")?, required("category")?);
    rows.product_ids.extend(product_ids);
    rows.categories.extend(categories);
    match batch.column_by_name("title") {
        Some(column) => rows.titles.extend(strings(column)?.into_iter().map(|title| title.map(str::to_owned))),
        None => rows.titles.resize(first + batch.num_rows(), None),
    }
    let lists = batch
        .column_by_name("embedding")
        .and_then(|column| column.as_fixed_size_list_opt())
        .ok_or_else(|| CatalogError::Invalid("column embedding is missing".into()))?;
    let start = lists.value_offset_at(0);
    let numbers = lists.values().slice(start, lists.len() * rows.dimension);
    let null_number = numbers.nulls().and_then(|nulls| nulls.iter().position(|valid| !valid));
    let null_list = lists.nulls().and_then(|nulls| nulls.iter().position(|valid| !valid));
    if let Some(row) = null_list.or(null_number.map(|number| number / rows.dimension)) {
        return Err(CatalogError::Invalid(format!("row {}, column embedding: is null", first + row)));
    }
    rows.vectors.extend_from_slice(numbers.as_primitive::<Float32Type>().values());
    Ok(())
}

/// The strings of a column in any of Arrow's layouts.
fn strings(column: &ArrayRef) -> Result<Vec<Option<&str>>, CatalogError> {
    Ok(match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().iter().collect(),
        DataType::LargeUtf8 => column.as_string::<i64>().iter().collect(),
        DataType::Utf8View => column.as_string_view().iter().collect(),
        DataType::Dictionary(..) => {
            let dictionary = column.as_any_dictionary();
            if dictionary.values().is_empty() {
                return Ok(vec![None; dictionary.len()]);
            }
            let values = strings(dictionary.values())?;
            let keys = dictionary.normalized_keys().into_iter().enumerate();
            keys.map(|(row, key)| if dictionary.is_null(row) { None } else { values[key] }).collect()
        }
        other => return Err(CatalogError::Invalid(format!("a string column was expected, found {other}"))),
    })
}
