//! From bytes to rows.

use std::collections::HashMap;
use std::io::Read;

use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{read_dictionary, read_record_batch};
use arrow_schema::{DataType, Schema, SchemaRef};
use bytes::Bytes;
use nearline_contract::clip;

use super::bounds::{Budget, Columns};
use super::container::Container;
use super::format::{Artifact, COLUMNS, FORMAT_VERSION, MODEL_ID, SUPPORTED_FORMAT, invalid, unreadable};
use crate::catalog::{CatalogError, Rows};

/// Reads an artifact from anything.
///
/// # Errors
/// [`CatalogError::Invalid`], naming row and column.
pub fn read(mut source: impl Read) -> Result<Artifact, CatalogError> {
    let mut bytes = Vec::new();
    source.read_to_end(&mut bytes).map_err(|error| invalid(error.to_string()))?;
    read_bytes(&bytes.into())
}

/// Reads an artifact that is in memory. Besides the rows it takes what one batch expands to.
///
/// # Errors
/// [`CatalogError::Invalid`], naming batch or row, and column.
pub fn read_bytes(bytes: &Bytes) -> Result<Artifact, CatalogError> {
    let file = Container::open(bytes)?;
    let schema = SchemaRef::new(try_fb_to_schema(file.schema).map_err(unreadable)?);
    let format = schema.metadata().get(FORMAT_VERSION).map_or(SUPPORTED_FORMAT, String::as_str);
    if format != SUPPORTED_FORMAT {
        let format = clip(format);
        return Err(invalid(format!("its {FORMAT_VERSION} is `{format}`, this release reads `{SUPPORTED_FORMAT}`")));
    }
    let dimension = check_columns(&schema)?;
    let is_read = |column: &usize| COLUMNS.contains(&schema.field(*column).name().as_str());
    let columns = (0..schema.fields().len()).filter(is_read).collect::<Vec<_>>();
    let whole = Buffer::from(bytes.clone());
    let mut budget = Budget::new(bytes.len());
    let dictionaries = read_dictionaries(&file, &whole, &schema, &columns, &mut budget)?;

    let mut count = 0;
    let mut batches = Vec::with_capacity(file.batches.len());
    for part in &file.batches {
        let batch = part.message.header_as_record_batch();
        let batch = batch.ok_or_else(|| invalid(format!("{}: is none", part.name)))?;
        let version = part.message.version();
        let mut bounds = Columns::new(&part.name, version, batch, &bytes[part.body.clone()], &mut budget)?;
        bounds.take_rows(dimension)?;
        for (number, field) in schema.fields().iter().enumerate() {
            bounds.column(field.name(), field.data_type(), columns.contains(&number))?;
        }
        count += usize::try_from(batch.length()).unwrap_or_default();
        batches.push((whole.slice_with_length(part.body.start, part.body.len()), batch, version));
    }
    if count == 0 {
        return Err(invalid("it has no rows"));
    }
    let mut rows = Rows { dimension, ..Rows::default() };
    let reserved = rows.vectors.try_reserve_exact(count * dimension);
    reserved.map_err(|error| CatalogError::NoRoom(format!("{count} rows of {dimension} numbers: {error}")))?;
    for (body, batch, version) in batches {
        let schema = SchemaRef::clone(&schema);
        let batch = read_record_batch(&body, batch, schema, &dictionaries, Some(&columns), &version);
        append(&mut rows, &batch.map_err(unreadable)?, &mut budget)?;
    }
    Ok(Artifact { model_id: schema.metadata().get(MODEL_ID).filter(|id| !id.is_empty()).cloned(), rows })
}

/// Checks that reading the columns that are not of the format takes no more memory than the file can be worth.
pub(super) fn check_all_columns(bytes: &Bytes) -> Result<(), CatalogError> {
    let file = Container::open(bytes)?;
    let mut budget = Budget::new(bytes.len());
    for part in file.dictionaries.iter().chain(&file.batches) {
        let dictionary = part.message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data());
        let batch = part.message.header_as_record_batch().or(dictionary);
        let batch = batch.ok_or_else(|| invalid(format!("{}: is none", part.name)))?;
        let (version, body) = (part.message.version(), &bytes[part.body.clone()]);
        Columns::new(&part.name, version, batch, body, &mut budget)?.all()?;
    }
    Ok(())
}

/// The values of each dictionary that a column of `columns` uses.
fn read_dictionaries(
    file: &Container<'_>,
    whole: &Buffer,
    schema: &Schema,
    columns: &[usize],
    budget: &mut Budget,
) -> Result<HashMap<i64, ArrayRef>, CatalogError> {
    let fields = file.schema.fields();
    let id =
        |column: usize| fields.and_then(|fields| fields.get(column).dictionary()).map(|dictionary| dictionary.id());
    // The reader takes the type of the first column with the dictionary's id: it must not see others than those checked.
    let read_schema = schema.project(columns).map_err(unreadable)?;
    let mut dictionaries = HashMap::new();
    for part in &file.dictionaries {
        let damaged = |what: &str| invalid(format!("{}: {what}", part.name));
        let dictionary = part.message.header_as_dictionary_batch().ok_or_else(|| damaged("is none"))?;
        let Some(&column) = columns.iter().find(|&&column| id(column) == Some(dictionary.id())) else { continue };
        let field = schema.field(column);
        let DataType::Dictionary(_, values) = field.data_type() else { return Err(damaged("its column has no keys")) };
        let batch = dictionary.data().ok_or_else(|| damaged("has no values"))?;
        if !dictionary.isDelta() && dictionaries.contains_key(&dictionary.id()) {
            return Err(damaged("replaces a dictionary, of which a file has one for each column"));
        }
        let body = whole.slice_with_length(part.body.start, part.body.len());
        let version = part.message.version();
        Columns::new(&part.name, version, batch, &body, budget)?.column(field.name(), values, true)?;
        read_dictionary(&body, dictionary, &read_schema, &mut dictionaries, &version).map_err(unreadable)?;
    }
    Ok(dictionaries)
}

/// Checks names and types of the columns; the dimension of the embeddings.
fn check_columns(schema: &Schema) -> Result<usize, CatalogError> {
    let column = |name: &str, required: bool| {
        let mut found = schema.fields().iter().filter(|field| field.name() == name);
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => Err(invalid(format!("column {name} is there twice"))),
            (None, _) if required => Err(invalid(format!("column {name} is missing"))),
            (field, _) => Ok(field.map(|field| field.data_type())),
        }
    };
    let wrong = |name: &str, wanted: &str, is: &DataType| {
        invalid(format!("column {name} must be {wanted}, is {}", clip(&is.to_string())))
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

fn is_string(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, value) => is_string(value),
        _ => false,
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
    if let Some(row) = null_list.or(null_number.map(|number| number / rows.dimension)) {
        return Err(invalid(format!("row {}, column embedding: is null", first + row)));
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
        other => return Err(invalid(format!("a string column was expected, found {}", clip(&other.to_string())))),
    })
}
