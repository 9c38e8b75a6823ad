//! A file that is read once, from start to end: what of it lies where is known before, from its footer and metadata.
//!
//! The numbers of vectors go from where they come to where they stay; of a batch the rest alone is in memory, for as
//! long as it is decoded. Batches that lie in another order than they apply in are not read so.

use std::ops::Range;

use arrow_array::RecordBatch;
use arrow_buffer::{Buffer, MutableBuffer};
use arrow_ipc::Message;
use arrow_ipc::reader::read_record_batch;
use arrow_schema::SchemaRef;

use super::blob::Blob;
use super::bounds::Columns;
use super::budget::Budget;
use super::container::{Container, Part};
use super::reader::Reader;
use super::{invalid, unreadable};
use crate::catalog::CatalogError;

/// What is cut out of a batch is as long as a multiple of this, so that what follows stays aligned.
const ALIGNMENT: u64 = 64;

/// A part of a file that is read once.
#[derive(Debug)]
pub(in crate::catalog) struct Batch {
    /// Where it lies in the file.
    pub(in crate::catalog) body: Range<u64>,
    /// Rows that it has: none if it is a dictionary.
    pub(in crate::catalog) rows: usize,
    /// Where the numbers of its vectors lie in the file, if they are not decoded.
    pub(in crate::catalog) vectors: Option<Range<u64>>,
}

/// The parts of a file, in the order in which they lie and apply.
#[derive(Debug)]
pub(in crate::catalog) struct Once {
    reader: Reader,
    /// The columns without vectors.
    others: Vec<usize>,
    /// What is decoded.
    pub(in crate::catalog) batches: Vec<Batch>,
    /// Rows of all of them.
    pub(in crate::catalog) rows: usize,
}

/// The pieces that must be known before a file is read once, beyond those that are: its footer, then its metadata.
///
/// # Errors
/// There is no footer, or it is damaged.
pub(in crate::catalog) fn missing(blob: &Blob) -> Result<Vec<Range<u64>>, CatalogError> {
    let footer = Container::footer_place(blob)?;
    if blob.read(footer.clone()).is_err() {
        return Ok(vec![footer]);
    }
    let mut places = Container::metadata_places(blob)?;
    places.retain(|place| blob.read(place.clone()).is_err());
    Ok(places)
}

impl Once {
    /// Checks what the metadata declares; `None`: the parts do not lie in the order in which they apply. `column` has
    /// vectors of so many numbers.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`], naming batch and column.
    pub(in crate::catalog) fn new(
        reader: Reader,
        column: usize,
        dimension: usize,
        budget: &mut Budget,
    ) -> Result<Option<Self>, CatalogError> {
        let parts = &reader.container.parts;
        if !parts.is_sorted_by(|one, next| one.body.end <= next.body.start) {
            return Ok(None);
        }
        let mut batches = Vec::with_capacity(parts.len());
        let mut rows = 0_usize;
        for part in parts {
            let message = part.message()?;
            let (mut rows_here, mut vectors) = (0, None);
            if let Some(batch) = message.header_as_record_batch() {
                let length = part.body.end - part.body.start;
                let mut bounds = Columns::new(&part.name, message.version(), batch, &[], length, budget)?;
                bounds.take_rows(dimension)?;
                rows_here = usize::try_from(batch.length()).unwrap_or_default();
                rows = rows.saturating_add(rows_here);
                if batch.compression().is_none() {
                    for (number, field) in reader.schema.fields().iter().enumerate() {
                        if number == column {
                            vectors = bounds.vectors(batch, dimension);
                        }
                        bounds.column(field.name(), field.data_type(), reader.columns.contains(&number))?;
                    }
                }
            }
            let vectors = vectors.map(|place| part.body.start + place.start..part.body.start + place.end);
            batches.push(Batch { body: part.body.clone(), rows: rows_here, vectors });
        }
        let others = reader.columns.iter().copied().filter(|&other| other != column).collect();
        Ok(Some(Self { reader, others, batches, rows }))
    }

    /// Length of the file.
    pub(in crate::catalog) fn length(&self) -> u64 {
        self.reader.blob.len()
    }

    /// Whether some bytes that lie at `at` are others than those that were read before.
    pub(in crate::catalog) fn contradicts(&self, at: u64, bytes: &[u8]) -> bool {
        self.reader.blob.contradicts(at, bytes)
    }

    /// Decodes the part of this number, given its body: what lies before the vectors, and what lies behind. `None`: it
    /// was a dictionary.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`], naming batch and column.
    pub(in crate::catalog) fn decode(
        &mut self,
        number: usize,
        [before, behind]: [&[u8]; 2],
        budget: &mut Budget,
    ) -> Result<Option<RecordBatch>, CatalogError> {
        let batch = &self.batches[number];
        let part = &self.reader.container.parts[number];
        let length = batch.vectors.as_ref().map_or(0, |place| place.end - place.start);
        let gap = length % ALIGNMENT;
        let mut body = MutableBuffer::with_capacity(before.len() + gap as usize + behind.len());
        body.extend_from_slice(before);
        body.extend_zeros(gap as usize);
        body.extend_from_slice(behind);
        let body = Buffer::from(body);
        let message = part.message()?;
        let version = message.version();
        let Some(declared) = message.header_as_record_batch() else {
            self.reader.check_values_in(part, &message, &body, budget)?;
            if let Some((.., dictionary)) = self.reader.values(part, &message)? {
                let mut dictionaries = std::mem::take(&mut self.reader.dictionaries);
                self.reader.read_values(part, dictionary, &body, version, &mut dictionaries)?;
                self.reader.dictionaries = dictionaries;
            }
            return Ok(None);
        };
        let schema = SchemaRef::clone(&self.reader.schema);
        let dictionaries = &self.reader.dictionaries;
        let read = if batch.vectors.is_some() {
            let metadata = moved(part, &message, before.len() as u64, length - gap);
            let message = super::container::message(&part.name, &metadata)?;
            let declared = message.header_as_record_batch().ok_or_else(|| invalid("it is not a record batch"))?;
            read_record_batch(&body, declared, schema, dictionaries, Some(&self.others), &version)
        } else {
            if declared.compression().is_some() {
                let length = body.len() as u64;
                let bounds = Columns::counted(&part.name, version, declared, &body, length, budget)?;
                self.reader.check_columns(bounds)?;
            }
            read_record_batch(&body, declared, schema, dictionaries, Some(&self.reader.columns), &version)
        };
        read.map(Some).map_err(unreadable)
    }
}

/// The metadata of a batch out of which, at a place in its body, so many bytes were cut.
fn moved(part: &Part, message: &Message<'_>, place: u64, length: u64) -> Vec<u8> {
    let mut metadata = part.metadata.to_vec();
    let buffers = message.header_as_record_batch().and_then(|batch| batch.buffers());
    for buffer in buffers.into_iter().flatten() {
        let start = u64::try_from(buffer.offset()).unwrap_or_default();
        if start > place {
            // A pair of 64-bit numbers, the first of which is the offset.
            let at = std::ptr::from_ref(buffer).addr() - part.metadata.as_ptr().addr();
            // An empty one may lie in what was cut out.
            let moved = start.saturating_sub(length).max(place);
            metadata[at..at + 8].copy_from_slice(&moved.to_le_bytes());
        }
    }
    metadata
}
