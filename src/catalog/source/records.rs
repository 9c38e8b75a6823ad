//! Records of a CSV file: their cells as the csv crate splits them, their bytes, and the lines on which they begin.
//!
//! It can resume within the record before: where a quote swallowed rows, they are read again.

use std::io::Read;

use ::csv::{ByteRecord, Reader};

use super::dialect::Marks;
use super::raw::Raw;
use super::shard::{ReadAt, Shard};
use crate::catalog::CatalogError;

/// Longest record: a quote that does not close would take the rest of the file into memory.
pub(super) const RECORD_MAX_BYTES: u64 = 16 << 20;

/// The records of a file from some place on.
pub(super) struct Records<'a> {
    shard: &'a Shard,
    marks: Marks,
    reader: Reader<Bounded<'a>>,
    /// Where `reader` began.
    origin: u64,
    raw: Raw<ReadAt<'a>>,
    /// Where the record before begins, and where it ends.
    start: u64,
    end: u64,
    cells: ByteRecord,
}

/// One of them.
pub(super) struct Record<'a> {
    pub(super) line: u64,
    pub(super) cells: &'a ByteRecord,
    pub(super) bytes: &'a [u8],
    /// Whether it was cut because it is longer than [`RECORD_MAX_BYTES`].
    pub(super) is_cut: bool,
}

impl<'a> Records<'a> {
    /// `line`: the number of the line that begins at `start`.
    pub(super) fn new(shard: &'a Shard, marks: Marks, start: u64, line: u64) -> Self {
        Self {
            shard,
            marks,
            reader: reader(shard, marks, start),
            origin: start,
            raw: Raw::new(shard.reader(start), start, line),
            start,
            end: start,
            cells: ByteRecord::new(),
        }
    }

    /// The next one that is no empty line; `None`: the file ends.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn next(&mut self) -> Result<Option<Record<'_>>, CatalogError> {
        loop {
            let until = self.end + RECORD_MAX_BYTES;
            self.reader.get_mut().until = until;
            let read = self.reader.read_byte_record(&mut self.cells);
            let is_some = read.map_err(|error| CatalogError::Invalid(format!("not readable as CSV: {error}")))?;
            let begin = std::mem::replace(&mut self.end, self.origin + self.reader.position().byte());
            let is_cut = self.end >= until && self.end < self.shard.length;
            if is_some {
                let (start, line, bytes) = self.raw.record(begin, self.end)?;
                self.start = start;
                return Ok(Some(Record { line, cells: &self.cells, bytes, is_cut }));
            }
            if !is_cut {
                return Ok(None);
            }
            self.restart();
        }
    }

    /// Goes on so many bytes after the beginning of the record before.
    pub(super) fn go_on_at(&mut self, bytes: usize) {
        self.end = self.start + bytes as u64;
        self.restart();
    }

    fn restart(&mut self) {
        self.origin = self.end;
        self.reader = reader(self.shard, self.marks, self.end);
    }
}

fn reader(shard: &Shard, marks: Marks, start: u64) -> Reader<Bounded<'_>> {
    marks.builder().buffer_capacity(1 << 14).from_reader(Bounded {
        reader: shard.reader(start),
        at: start,
        until: start,
    })
}

/// Reads as far as it may.
struct Bounded<'a> {
    reader: ReadAt<'a>,
    at: u64,
    until: u64,
}

impl Read for Bounded<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let most = usize::try_from(self.until.saturating_sub(self.at)).unwrap_or(usize::MAX).min(bytes.len());
        let read = self.reader.read(&mut bytes[..most])?;
        self.at += read as u64;
        Ok(read)
    }
}
