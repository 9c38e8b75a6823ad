//! Products from tables whose columns have types: Parquet, and Arrow IPC files and streams.
//!
//! Whatever the libraries panic with is damage to a file, and an error.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema};
use nearline_contract::clip;
use serde::Deserialize;

use super::arrow::{Texts, Vectors};
use super::columns::Mapping;
use super::found::{Found, Sink};
use super::layout::Layout;
use super::parquet_file::Table;
use super::product::{Cells, product};
use super::shard::Shard;
use crate::catalog::CatalogError;
use crate::catalog::ipc::{Blob, Reader};

/// Reads the products of a Parquet file, handing each to `sink` with its row.
pub(super) fn read_parquet(shard: &Shard, mapping: &Mapping, sink: &mut Sink<'_>) -> Result<(), CatalogError> {
    let table = intact(|| Table::open(shard))?;
    let layout = layout(mapping, table.schema(), sink)?;
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
    let layout = layout(mapping, reader.schema(), sink)?;
    if !reader.has_end() {
        sink.note(&format!("{}: the stream does not say that it ends here: it may have been cut short", shard.name));
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

fn layout(mapping: &Mapping, schema: &Schema, sink: &mut Sink<'_>) -> Result<Layout, CatalogError> {
    let layout = mapping.layout(schema.fields().iter().map(|field| field.name().as_str()))?;
    layout.require()?;
    mapping.check_ignored_lists(&layout, |column| is_list_of_floats(schema.field(column).data_type()))?;
    for note in &layout.notes {
        sink.note(note);
    }
    if let Some(column) = layout.embedding {
        check_tensor(schema.field(column))
            .map_err(|what| CatalogError::Invalid(format!("column {}: {what}", layout.name(column))))?;
    }
    Ok(layout)
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
    intact(|| {
        for (&column, array) in columns.iter().zip(batch.columns()) {
            let fault = |what: String| CatalogError::Invalid(format!("column {}: {what}", layout.name(column)));
            if layout.embedding == Some(column) {
                vectors = Some(Vectors::of(array).map_err(fault)?);
            } else {
                texts[column] = Some(Texts::of(array).map_err(fault)?);
            }
        }
        Ok(())
    })?;
    for row in 0..batch.num_rows() {
        let cells = Row { texts: &texts, vectors: vectors.as_ref(), number: row };
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
