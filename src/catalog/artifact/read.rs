//! From bytes to rows.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::{Array, RecordBatch};
use arrow_buffer::{Buffer, ScalarBuffer};
use arrow_schema::{DataType, Schema, SchemaRef};
use bytes::Bytes;
use nearline_contract::clip;

use super::format::{ATTRIBUTES, Artifact, COLUMNS, FORMAT_VERSION, MODEL_ID, SUPPORTED_FORMAT, TEXT_SHA256};
use crate::catalog::attributes::Builders;
use crate::catalog::ipc::{Blob, Budget, Reader, invalid, is_string, strings, type_name};
use crate::catalog::kind::{HEAD_BYTES, Kind};
use crate::catalog::table::Table;
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
    check_kind(bytes)?;
    let blob = Blob::Memory(Buffer::from(bytes.clone()));
    let Opened { mut file, schema, dimension, mut attributes, mut budget } = Opened::new(blob)?;
    let count = file.check(&mut budget, dimension)?;
    if count == 0 {
        return Err(invalid("it has no rows"));
    }
    let mut rows = Rows { dimension, ..Rows::default() };
    rows.vectors
        .try_reserve_exact(count * dimension)
        .map_err(|error| CatalogError::NoRoom(format!("{count} rows of {dimension} numbers: {error}")))?;
    while let Some(batch) = file.next_batch()? {
        append(&mut rows, &batch, &mut budget)?;
        rows.vectors.extend_from_slice(&numbers(&batch, dimension, rows.product_ids.len() - batch.num_rows())?);
        attributes.append(&batch, &mut budget)?;
    }
    rows.attributes = attributes.finish();
    Ok(Artifact { model_id: model_id(&schema), rows })
}

/// Checks what a file is, by its first bytes.
pub(super) fn check_kind(head: &[u8]) -> Result<(), CatalogError> {
    match Kind::of(head) {
        Kind::ArrowFile => Ok(()),
        other if other.may_have_products() => Err(invalid(format!("this is {other}; {BUILD_HINT}"))),
        other => Err(invalid(format!("this is {other}, not an Arrow IPC file"))),
    }
}

/// An artifact whose columns have been checked.
pub(super) struct Opened {
    pub(super) file: Reader,
    pub(super) schema: SchemaRef,
    pub(super) dimension: usize,
    pub(super) attributes: Builders,
    pub(super) budget: Budget,
}

impl Opened {
    pub(super) fn new(blob: Blob) -> Result<Self, CatalogError> {
        let budget = Budget::new(blob.len());
        let mut file = Reader::open(blob)?;
        let schema = SchemaRef::clone(file.schema());
        let format = schema.metadata().get(FORMAT_VERSION).map_or(SUPPORTED_FORMAT, String::as_str);
        if format != SUPPORTED_FORMAT {
            let format = clip(format);
            let what = format!("its {FORMAT_VERSION} is `{format}`, this release reads `{SUPPORTED_FORMAT}`");
            return Err(invalid(what));
        }
        let dimension = check_columns(&schema)?;
        let attributes = Builders::new(&schema, &attribute_names(&schema)?)?;
        let of_attributes: Vec<usize> = attributes.columns().collect();
        let is_read =
            |column: &usize| COLUMNS.contains(&schema.field(*column).name().as_str()) || of_attributes.contains(column);
        file.project((0..schema.fields().len()).filter(is_read).collect());
        Ok(Self { file, schema, dimension, attributes, budget })
    }
}

/// The model that the metadata names.
pub(super) fn model_id(schema: &Schema) -> Option<String> {
    schema.metadata().get(MODEL_ID).filter(|id| !id.is_empty()).cloned()
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

/// Takes strings, row by row.
pub(super) trait Strings {
    /// Rows so far.
    fn rows(&self) -> usize;

    /// The id of the next row.
    fn push_product(&mut self, id: &str) -> Result<(), CatalogError>;

    /// The category of the next row.
    fn push_category(&mut self, category: &str);

    /// The title of the next row.
    fn push_title(&mut self, row: usize, title: Option<&str>);
}

impl Strings for Rows {
    fn rows(&self) -> usize {
        self.product_ids.len()
    }

    fn push_product(&mut self, id: &str) -> Result<(), CatalogError> {
        self.product_ids.push(id.to_owned());
        Ok(())
    }

    fn push_category(&mut self, category: &str) {
        self.categories.push(category.to_owned());
    }

    fn push_title(&mut self, _: usize, title: Option<&str>) {
        self.titles.push(title.map(str::to_owned));
    }
}

impl Strings for Table {
    fn rows(&self) -> usize {
        self.products.len()
    }

    fn push_product(&mut self, id: &str) -> Result<(), CatalogError> {
        Self::push_product(self, id)
    }

    fn push_category(&mut self, category: &str) {
        Self::push_category(self, category);
    }

    fn push_title(&mut self, row: usize, title: Option<&str>) {
        Self::push_title(self, row, title);
    }
}

/// Takes the strings of a batch.
pub(super) fn append(to: &mut impl Strings, batch: &RecordBatch, budget: &mut Budget) -> Result<(), CatalogError> {
    let first = to.rows();
    // One text of a dictionary or of a column of views can stand in every row: each copy counts.
    let mut count = |row: usize, name: &str, string: &str| {
        budget.take(string.len() as u64, || format!("row {}, column {name}", first + row))
    };
    let column = |name: &str| batch.column_by_name(name).ok_or_else(|| invalid(format!("column {name} is missing")));
    for name in ["product_id", "category"] {
        for (row, string) in strings(column(name)?)?.into_iter().enumerate() {
            let string = string.filter(|string| !string.is_empty());
            let string = string.ok_or_else(|| invalid(format!("row {}, column {name}: is empty", first + row)))?;
            count(row, name, string)?;
            if name == "product_id" { to.push_product(string)? } else { to.push_category(string) }
        }
    }
    let Some(column) = batch.column_by_name("title") else {
        (first..first + batch.num_rows()).for_each(|row| to.push_title(row, None));
        return Ok(());
    };
    for (row, title) in strings(column)?.into_iter().enumerate() {
        title.map_or(Ok(()), |title| count(row, "title", title))?;
        to.push_title(first + row, title);
    }
    Ok(())
}

/// The vectors of a batch, the first of which is that of row `first`.
pub(super) fn numbers(batch: &RecordBatch, dimension: usize, first: usize) -> Result<ScalarBuffer<f32>, CatalogError> {
    let lists = batch
        .column_by_name("embedding")
        .and_then(|column| column.as_fixed_size_list_opt())
        .ok_or_else(|| invalid("column embedding is missing"))?;
    let start = lists.value_offset_at(0);
    let numbers = lists.values().slice(start, lists.len() * dimension);
    let null_number = numbers.nulls().and_then(|nulls| nulls.iter().position(|valid| !valid));
    let null_list = lists.nulls().and_then(|nulls| nulls.iter().position(|valid| !valid));
    let null_number = null_number.map(|number| number / dimension);
    if let Some(row) = null_list.into_iter().chain(null_number).min() {
        return Err(invalid(format!("row {}, column embedding: is null", first + row)));
    }
    Ok(numbers.as_primitive::<Float32Type>().values().clone())
}
