//! A Parquet file as batches of rows, after its footer has been held against the file.

use std::fs::File;
use std::os::unix::fs::FileExt;

use arrow_array::RecordBatch;
use arrow_schema::Schema;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::ParquetMetaData;

use super::shard::Shard;
use crate::catalog::CatalogError;
use crate::catalog::ipc::Blob;

/// Rows that are read at once.
const BATCH_ROWS: usize = 4_096;
/// The length of the footer and the mark, at the end.
const TAIL_BYTES: u64 = 8;
/// Where one Parquet file ends and another begins.
const BETWEEN_FILES: &[u8] = b"PAR1PAR1";

/// A file whose footer has been read.
pub(super) struct Table {
    file: File,
    metadata: ArrowReaderMetadata,
}

/// Rows in order, of some columns.
pub(super) struct Batches(ParquetRecordBatchReader);

impl Table {
    /// Reads the footer, and checks that what it names lies in the file.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`].
    pub(super) fn open(shard: &Shard) -> Result<Self, CatalogError> {
        let file = shard.file.try_clone().map_err(|error| unreadable(&error))?;
        let typed = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new());
        // The writer's own Arrow types, kept beside Parquet's, may be newer than this release.
        let metadata = typed.or_else(|_| {
            ArrowReaderMetadata::load(&file, ArrowReaderOptions::new().with_skip_arrow_metadata(true))
                .map_err(|error| unreadable(&error))
        })?;
        check(shard, metadata.metadata())?;
        Ok(Self { file, metadata })
    }

    /// The columns.
    pub(super) fn schema(&self) -> &Schema {
        self.metadata.schema()
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> u64 {
        let rows = self.metadata.metadata().file_metadata().num_rows();
        // Not negative, or it would not have been opened.
        u64::try_from(rows).unwrap_or_default()
    }

    /// The rows, of the columns with these numbers.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`].
    pub(super) fn batches(self, columns: &[usize]) -> Result<Batches, CatalogError> {
        let projection = ProjectionMask::roots(self.metadata.parquet_schema(), columns.iter().copied());
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(self.file, self.metadata)
            .with_projection(projection)
            .with_batch_size(BATCH_ROWS)
            .build();
        reader.map(Batches).map_err(|error| unreadable(&error))
    }
}

impl Batches {
    /// The next rows; `None`: there are no more.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`].
    pub(super) fn next(&mut self) -> Result<Option<RecordBatch>, CatalogError> {
        self.0.next().transpose().map_err(|error| unreadable(&error))
    }
}

/// Whether the chunks of columns lie before the footer, with as many rows as there are to be.
fn check(shard: &Shard, metadata: &ParquetMetaData) -> Result<(), CatalogError> {
    let damaged = |what: String| CatalogError::Invalid(format!("not readable as Parquet: the file is damaged: {what}"));
    let mut tail = [0; TAIL_BYTES as usize];
    let tail_start = shard.length.saturating_sub(TAIL_BYTES);
    shard.file.read_exact_at(&mut tail, tail_start).map_err(|error| unreadable(&error))?;
    let [footer @ .., _, _, _, _] = tail;
    let end = tail_start.saturating_sub(u32::from_le_bytes(footer).into());
    let (mut last, mut rows) = (0, 0_i64);
    for (number, group) in metadata.row_groups().iter().enumerate() {
        rows = rows.saturating_add(group.num_rows());
        for chunk in group.columns() {
            let start =
                chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset()).min(chunk.data_page_offset());
            let length = chunk.compressed_size();
            let place = u64::try_from(start).ok().zip(u64::try_from(length).ok());
            let place = place.and_then(|(start, length)| start.checked_add(length)).filter(|&chunk| chunk <= end);
            let Some(chunk_end) = place else {
                let column = nearline_contract::clip(&chunk.column_path().string());
                return Err(damaged(format!(
                    "row group {number}, column {column}: {length} bytes at {start}, the footer begins at {end}"
                )));
            };
            last = last.max(chunk_end);
        }
        if group.num_rows() < 0 {
            return Err(damaged(format!("row group {number} has {} rows", group.num_rows())));
        }
    }
    if rows != metadata.file_metadata().num_rows() {
        return Err(damaged(format!("it has {rows} rows, its footer says {}", metadata.file_metadata().num_rows())));
    }
    let file = shard.file.try_clone().map_err(|error| unreadable(&error))?;
    // The places of another file before it would be taken for those of this one.
    if Blob::File(file, shard.length).holds(last..end, BETWEEN_FILES)? {
        let what = "several Parquet files one after the other: put each in its own file";
        return Err(CatalogError::Invalid(what.to_owned()));
    }
    Ok(())
}

fn unreadable(error: &dyn std::fmt::Display) -> CatalogError {
    let message: String = error.to_string().chars().take(400).collect();
    CatalogError::Invalid(format!("not readable as Parquet: {message}"))
}
