//! From bytes to rows.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::{Array, RecordBatch};
use arrow_buffer::Buffer;
use arrow_schema::{DataType, Schema, SchemaRef};
use bytes::Bytes;
use nearline_contract::clip;

use super::format::{ATTRIBUTES, Artifact, COLUMNS, FORMAT_VERSION, MODEL_ID, SUPPORTED_FORMAT, TEXT_SHA256};
use crate::catalog::attributes::Builders;
use crate::catalog::ipc::{Blob, Budget, Reader, invalid, is_string, strings, type_name};
use crate::catalog::kind::{HEAD_BYTES, Kind};
use crate::catalog::{CatalogError, Rows};

/// What to do with a file that has products, but not in the form of an artifact.
const BUILD_HINT: &str = "make an artifact of it: nearline catalog build --input FILE --output CATALOG.arrow";

/// Reads an artifact from anything.
///
/// # Errors
/// [`CatalogError::Invalid`], naming row and column.
pub fn read(mut source: impl Read) -> Result<Artifact, CatalogError> {
    let mut bytes = Vec::new();
    source.read_to_end(&mut bytes).map_err(|error| invalid(error.to_string()))?;
    read_bytes(&bytes.into())
}

/// Opens a regular file. A named pipe would wait for a writer, a device may never end.
///
/// # Errors
/// [`CatalogError::File`].
pub fn open(path: &Path) -> Result<File, CatalogError> {
    let file_error = |source| CatalogError::File { path: path.to_owned(), source };
    if !std::fs::metadata(path).map_err(file_error)?.is_file() {
        return Err(file_error(std::io::Error::other("is not a regular file")));
    }
    File::open(path).map_err(file_error)
}

/// Whether a file is to be an artifact: it says so, or has the columns of one. What is wrong with its rows is not looked at.
///
/// # Errors
/// [`CatalogError::File`].
pub fn is_artifact(path: &Path) -> Result<bool, CatalogError> {
    let mut file = open(path)?;
    let file_error = |source| CatalogError::File { path: path.to_owned(), source };
    let mut head = Vec::new();
    (&mut file).take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(file_error)?;
    if Kind::of(&head) != Kind::ArrowFile {
        return Ok(false);
    }
    let length = file.metadata().map_err(file_error)?.len();
    let is_one =
        |file: Reader| file.schema().metadata().contains_key(FORMAT_VERSION) || check_columns(file.schema()).is_ok();
    Ok(Reader::open(Blob::File(file, length)).is_ok_and(is_one))
}

/// Reads an artifact that is in memory. Besides the rows it takes what one batch expands to.
///
/// # Errors
/// [`CatalogError::Invalid`], naming batch or row, and column.
pub fn read_bytes(bytes: &Bytes) -> Result<Artifact, CatalogError> {
    match Kind::of(bytes) {
        Kind::ArrowFile => {}
        other if other.may_have_products() => return Err(invalid(format!("this is {other}; {BUILD_HINT}"))),
        other => return Err(invalid(format!("this is {other}, not an Arrow IPC file"))),
    }
    let mut file = Reader::open(Blob::Memory(Buffer::from(bytes.clone())))?;
    let schema = SchemaRef::clone(file.schema());
    let format = schema.metadata().get(FORMAT_VERSION).map_or(SUPPORTED_FORMAT, String::as_str);
    if format != SUPPORTED_FORMAT {
        let format = clip(format);
        return Err(invalid(format!("its {FORMAT_VERSION} is `{format}`, this release reads `{SUPPORTED_FORMAT}`")));
    }
    let dimension = check_columns(&schema)?;
    let mut attributes = Builders::new(&schema, &attribute_names(&schema)?)?;
    let of_attributes: Vec<usize> = attributes.columns().collect();
    let is_read =
        |column: &usize| COLUMNS.contains(&schema.field(*column).name().as_str()) || of_attributes.contains(column);
    file.project((0..schema.fields().len()).filter(is_read).collect());
    let mut budget = Budget::new(bytes.len() as u64);
    let count = file.check(&mut budget, dimension)?;
    if count == 0 {
        return Err(invalid("it has no rows"));
    }
    let mut rows = Rows { dimension, ..Rows::default() };
    let reserved = rows.vectors.try_reserve_exact(count * dimension);
    reserved.map_err(|error| CatalogError::NoRoom(format!("{count} rows of {dimension} numbers: {error}")))?;
    while let Some(batch) = file.next_batch()? {
        append(&mut rows, &batch, &mut budget)?;
        attributes.append(&batch, &mut budget)?;
    }
    rows.attributes = attributes.finish();
    Ok(Artifact { model_id: schema.metadata().get(MODEL_ID).filter(|id| !id.is_empty()).cloned(), rows })
}

/// Checks that reading the columns that are not of the format takes no more memory than the file can be worth.
pub(super) fn check_all_columns(bytes: &Bytes) -> Result<(), CatalogError> {
    let file = Reader::open(Blob::Memory(Buffer::from(bytes.clone())))?;
    file.check_everything(&mut Budget::new(bytes.len() as u64))
}

/// The columns that are attributes, by the metadata.
pub(in crate::catalog) fn attribute_names(schema: &Schema) -> Result<Vec<String>, CatalogError> {
    let Some(names) = schema.metadata().get(ATTRIBUTES) else { return Ok(Vec::new()) };
    let names: Vec<String> = serde_json::from_str(names)
        .map_err(|_| invalid(format!("its {ATTRIBUTES} must be a JSON array of column names, is `{}`", clip(names))))?;
    let is_other = |name: &&String| {
        COLUMNS.contains(&name.as_str()) || **name == TEXT_SHA256 || name.is_empty() || name.starts_with('$')
    };
    match names.iter().find(is_other) {
        Some(name) => Err(invalid(format!("its {ATTRIBUTES} names {}, which cannot be an attribute", clip(name)))),
        None => Ok(names),
    }
}

/// Checks names and types of the columns; the dimension of the embeddings.
pub(in crate::catalog) fn check_columns(schema: &Schema) -> Result<usize, CatalogError> {
    let column = |name: &str, required: bool| {
        let mut found = schema.fields().iter().filter(|field| field.name() == name);
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => Err(invalid(format!("column {name} appears twice"))),
            (None, _) if required => Err(invalid(format!("column {name} is missing"))),
            (field, _) => Ok(field.map(|field| field.data_type())),
        }
    };
    let wrong = |name: &str, wanted: &str, is: &DataType| {
        invalid(format!("column {name} must be {wanted}, is {}; {BUILD_HINT}", type_name(is)))
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
        None => Err(invalid("column embedding is missing")),
    }
}

fn append(rows: &mut Rows, batch: &RecordBatch, budget: &mut Budget) -> Result<(), CatalogError> {
    let first = rows.product_ids.len();
    // One text of a dictionary or of a column of views can stand in every row: each copy counts.
    let mut copy = |row: usize, name: &str, string: &str| {
        budget.take(string.len() as u64, || format!("row {}, column {name}", first + row))?;
        Ok::<_, CatalogError>(string.to_owned())
    };
    for (name, into) in [("product_id", &mut rows.product_ids), ("category", &mut rows.categories)] {
        let column = batch.column_by_name(name).ok_or_else(|| invalid(format!("column {name} is missing")))?;
        for (row, string) in strings(column)?.into_iter().enumerate() {
            let string = string.filter(|string| !string.is_empty());
            let string = string.ok_or_else(|| invalid(format!("row {}, column {name}: is empty", first + row)))?;
            into.push(copy(row, name, string)?);
        }
    }
    match batch.column_by_name("title") {
        Some(column) => {
            for (row, title) in strings(column)?.into_iter().enumerate() {
                rows.titles.push(title.map(|title| copy(row, "title", title)).transpose()?);
            }
        }
        None => rows.titles.resize(first + batch.num_rows(), None),
    }
    let lists = batch
        .column_by_name("embedding")
        .and_then(|column| column.as_fixed_size_list_opt())
        .ok_or_else(|| invalid("column embedding is missing"))?;
    let start = lists.value_offset_at(0);
    let numbers = lists.values().slice(start, lists.len() * rows.dimension);
    let null_number = numbers.nulls().and_then(|nulls| nulls.iter().position(|valid| !valid));
    let null_list = lists.nulls().and_then(|nulls| nulls.iter().position(|valid| !valid));
    let null_number = null_number.map(|number| number / rows.dimension);
    if let Some(row) = null_list.into_iter().chain(null_number).min() {
        return Err(invalid(format!("row {}, column embedding: is null", first + row)));
    }
    rows.vectors.extend_from_slice(numbers.as_primitive::<Float32Type>().values());
    Ok(())
}
