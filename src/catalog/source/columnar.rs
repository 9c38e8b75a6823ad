//! Products from tables whose columns have types: Parquet, and Arrow IPC files and streams.
//!
//! Whatever the libraries panic with is damage to a file, and an error.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use nearline_contract::clip;
use serde::Deserialize;

use super::arrow::{Texts, Vectors};
use super::attributes::{Kind, Value, get, target};
use super::columns::Mapping;
use super::found::{Found, Sink};
use super::layout::{Layout, Slot};
use super::parquet_file::Table;
use super::product::{Cells, product};
use super::shard::Shard;
use crate::catalog::CatalogError;
use crate::catalog::ipc::{Blob, Reader, type_name};

/// Reads the products of a Parquet file, handing each to `sink` with its row.
pub(super) fn read_parquet(shard: &Shard, mapping: &Mapping, sink: &mut Sink<'_>) -> Result<(), CatalogError> {
    let table = intact(|| Table::open(shard))?;
    let layout = layout(shard, mapping, table.schema(), sink)?;
    let (columns, rows) = (layout.columns(), table.rows());
    let mut batches = intact(|| table.batches(&columns))?;
    let mut row = 0;
    while let Some(batch) = intact(|| batches.next())? {
        row = take_batch(&layout, &columns, &batch, row, sink)?;
    }
    if row == rows { Ok(()) } else { Err(damaged(&format!("it has {row} rows, its footer says {rows}"))) }
}

/// Reads the products of an Arrow IPC file or stream, handing each to `sink` with its row.
pub(super) fn read_ipc(shard: &Shard, mapping: &Mapping, sink: &mut Sink<'_>) -> Result<(), CatalogError> {
    let file = shard.file.try_clone().map_err(|error| CatalogError::Invalid(format!("it cannot be read: {error}")))?;
    let mut reader = intact(|| Reader::open(Blob::File(file, shard.length)))?;
    let layout = layout(shard, mapping, reader.schema(), sink)?;
    if !reader.has_end() {
        sink.note(&format!("{}: the stream has no end marker: it may have been cut short", shard.name));
    }
    let columns = layout.columns();
    reader.project(columns.clone());
    let mut row = 0;
    while let Some(batch) = intact(|| reader.next_batch())? {
        row = take_batch(&layout, &columns, &batch, row, sink)?;
    }
    Ok(())
}

/// What `read` returns; that it panics is an error.
fn intact<T>(read: impl FnOnce() -> Result<T, CatalogError>) -> Result<T, CatalogError> {
    // What a panic may leave half done is not used again.
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|panic| {
        let what = panic.downcast_ref::<&str>().copied();
        let what = what.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason is known");
        Err(damaged(what))
    })
}

fn damaged(what: &str) -> CatalogError {
    CatalogError::Invalid(format!("the file is damaged: {}", clip(what)))
}

fn layout(shard: &Shard, mapping: &Mapping, schema: &Schema, sink: &mut Sink<'_>) -> Result<Layout, CatalogError> {
    let mut layout = mapping.layout(schema.fields().iter().map(|field| field.name().as_str()))?;
    layout.require()?;
    mapping.check_ignored_lists(&layout, |column| is_list_of_floats(schema.field(column).data_type()))?;
    keep_possible(&mut layout, schema)?;
    // Texts that are to be read for what they say have no type of their own.
    let declared = |slot: &Slot| match (target(schema.field(slot.column).data_type()), slot.kind) {
        (_, Some(Kind::String)) => Some(DataType::Utf8),
        (Some(DataType::Utf8), Some(_)) => None,
        (target, _) => target,
    };
    sink.attributes.register(&mut layout, Some(&shard.name), &declared)?;
    for note in &layout.notes {
        sink.note(note);
    }
    if let Some(column) = layout.embedding {
        check_tensor(schema.field(column))
            .map_err(|what| CatalogError::Invalid(format!("column {}: {what}", layout.name(column))))?;
    }
    Ok(layout)
}

/// Leaves columns out of the attributes whose types cannot be any.
///
/// # Errors
/// One of them was asked for.
fn keep_possible(layout: &mut Layout, schema: &Schema) -> Result<(), CatalogError> {
    let (mut notes, mut faulty) = (Vec::new(), None);
    let Layout { attributes, names, .. } = layout;
    attributes.retain(|slot| {
        let kind = schema.field(slot.column).data_type();
        let shown = format!("{}: it is {}", clip(&names[slot.column]), type_name(kind));
        match target(kind) {
            None if slot.is_named => faulty = Some(format!("--attributes {shown}, which cannot be an attribute")),
            None => notes.push(format!("column {shown}, which cannot be an attribute, and is left out")),
            Some(target) => match slot.kind.filter(|kind| !kind.may_be(&target)) {
                Some(kind) => faulty = Some(format!("--attributes {shown}, no {kind}")),
                None => return true,
            },
        }
        false
    });
    layout.notes.extend(notes);
    faulty.map_or(Ok(()), |what| Err(CatalogError::Invalid(what)))
}

/// A tensor of several dimensions is several vectors, or one that nobody called so.
fn check_tensor(field: &Field) -> Result<(), String> {
    #[derive(Deserialize)]
    struct Tensor {
        shape: Vec<u64>,
    }
    if field.extension_type_name() != Some("arrow.fixed_shape_tensor") {
        return Ok(());
    }
    let tensor = field.extension_type_metadata().and_then(|text| serde_json::from_str::<Tensor>(text).ok());
    match tensor {
        Some(Tensor { shape }) if shape.len() != 1 => {
            let shape = shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            Err(format!("is a tensor of the shape ({}): write each vector as one list of numbers", clip(&shape)))
        }
        _ => Ok(()),
    }
}

fn is_list_of_floats(kind: &DataType) -> bool {
    match kind {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => {
            matches!(item.data_type(), DataType::Float16 | DataType::Float32 | DataType::Float64)
        }
        _ => false,
    }
}

/// Hands the rows of a batch on, which has `columns` of the layout; returns the number of the row after it.
fn take_batch(
    layout: &Layout,
    columns: &[usize],
    batch: &RecordBatch,
    first: u64,
    sink: &mut Sink<'_>,
) -> Result<u64, CatalogError> {
    let mut texts: Vec<Option<Texts<'_>>> = (0..layout.width()).map(|_| None).collect();
    let mut vectors = None;
    let mut arrays: Vec<Option<&ArrayRef>> = vec![None; layout.width()];
    let known = layout.known_columns();
    intact(|| {
        for (&column, array) in columns.iter().zip(batch.columns()) {
            arrays[column] = Some(array);
            let fault = |what: String| CatalogError::Invalid(format!("column {}: {what}", layout.name(column)));
            if layout.embedding == Some(column) {
                vectors = Some(Vectors::of(array).map_err(fault)?);
            } else if known.contains(&column) {
                texts[column] = Some(Texts::of(array).map_err(fault)?);
            }
        }
        Ok(())
    })?;
    for row in 0..batch.num_rows() {
        let cells = Row { texts: &texts, vectors: vectors.as_ref(), arrays: &arrays, number: row };
        let what = || {
            let cells = columns.iter().filter_map(|&column| texts[column].as_ref()?.get(row));
            cells.collect::<Vec<_>>().join("\t")
        };
        sink.take(first + row as u64, Found { product: product(layout, &cells), what: &what })?;
    }
    Ok(first + batch.num_rows() as u64)
}

struct Row<'a> {
    /// By the columns of the layout.
    texts: &'a [Option<Texts<'a>>],
    vectors: Option<&'a Vectors<'a>>,
    arrays: &'a [Option<&'a ArrayRef>],
    number: usize,
}

impl Cells for Row<'_> {
    fn text(&self, column: usize) -> Result<Option<Cow<'_, str>>, String> {
        match &self.texts[column] {
            Some(texts) => Ok(texts.get(self.number).map(Cow::Borrowed)),
            None => Err("holds vectors: a string was expected".to_owned()),
        }
    }

    fn vector(&self, _column: usize) -> Result<Option<Vec<f32>>, String> {
        self.vectors.map_or(Ok(None), |vectors| vectors.get(self.number))
    }

    fn value(&self, slot: &Slot) -> Result<Option<Value>, String> {
        let value = self.arrays[slot.column].map_or(Ok(None), |array| get(array, self.number))?;
        match (value, slot.kind) {
            (Some(value), Some(kind)) => kind.take(value),
            (value, _) => Ok(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_panics_is_a_damaged_file() {
        let index = 3;
        let plain = intact(|| -> Result<(), _> { panic!("no bytes") });
        let formatted = intact(|| -> Result<(), _> { panic!("no byte {index}") });
        for (read, why) in [(plain, "no bytes"), (formatted, "no byte 3")] {
            let error = read.unwrap_err().to_string();
            assert_eq!(error, format!("the catalog is not valid: the file is damaged: {why}"));
        }
    }
}
