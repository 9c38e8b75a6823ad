//! Products from tables whose columns have types: Parquet, and Arrow IPC files and streams.

use std::borrow::Cow;

use arrow_array::RecordBatch;
use arrow_schema::Schema;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

use super::arrow::{Texts, Vectors};
use super::columns::{Layout, Mapping};
use super::found::{Found, Sink};
use super::product::{Cells, product};
use super::shard::Shard;
use crate::catalog::CatalogError;
use crate::catalog::ipc::{Blob, Reader};

/// Rows of Parquet that are read at once.
const BATCH_ROWS: usize = 4_096;

/// Reads the products of a Parquet file, handing each to `sink` with its row.
pub(super) fn read_parquet(shard: &Shard, mapping: &Mapping, sink: &mut Sink<'_>) -> Result<(), CatalogError> {
    let unreadable = |error: &dyn std::fmt::Display| {
        let message: String = error.to_string().chars().take(400).collect();
        CatalogError::Invalid(format!("not readable as Parquet: {message}"))
    };
    let file = || shard.file.try_clone().map_err(|error| unreadable(&error));
    let typed = ArrowReaderMetadata::load(&file()?, ArrowReaderOptions::new());
    // The writer's own Arrow types, kept beside Parquet's, may be newer than this release.
    let metadata = typed.or_else(|_| {
        ArrowReaderMetadata::load(&file()?, ArrowReaderOptions::new().with_skip_arrow_metadata(true))
            .map_err(|error| unreadable(&error))
    })?;
    let layout = layout(mapping, metadata.schema(), sink)?;
    let columns = layout.columns();
    let projection = ProjectionMask::roots(metadata.parquet_schema(), columns.iter().copied());
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file()?, metadata)
        .with_projection(projection)
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(|error| unreadable(&error))?;
    let mut row = 0;
    for batch in reader {
        row = take_batch(&layout, &columns, &batch.map_err(|error| unreadable(&error))?, row, sink)?;
    }
    Ok(())
}

/// Reads the products of an Arrow IPC file or stream, handing each to `sink` with its row.
pub(super) fn read_ipc(shard: &Shard, mapping: &Mapping, sink: &mut Sink<'_>) -> Result<(), CatalogError> {
    let file = shard.file.try_clone().map_err(|error| CatalogError::Invalid(format!("it cannot be read: {error}")))?;
    let mut reader = Reader::open(Blob::File(file, shard.length))?;
    let layout = layout(mapping, reader.schema(), sink)?;
    if !reader.has_end() {
        sink.note(&format!("{}: the stream does not say that it ends here: it may have been cut short", shard.name));
    }
    let columns = layout.columns();
    reader.project(columns.clone());
    let mut row = 0;
    while let Some(batch) = reader.next_batch()? {
        row = take_batch(&layout, &columns, &batch, row, sink)?;
    }
    Ok(())
}

fn layout(mapping: &Mapping, schema: &Schema, sink: &mut Sink<'_>) -> Result<Layout, CatalogError> {
    let layout = mapping.layout(schema.fields().iter().map(|field| field.name().as_str()))?;
    layout.require()?;
    for note in &layout.notes {
        sink.note(note);
    }
    Ok(layout)
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
    for (&column, array) in columns.iter().zip(batch.columns()) {
        let fault = |what: String| CatalogError::Invalid(format!("column {}: {what}", layout.name(column)));
        if layout.embedding == Some(column) {
            vectors = Some(Vectors::of(array).map_err(fault)?);
        } else {
            texts[column] = Some(Texts::of(array).map_err(fault)?);
        }
    }
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
