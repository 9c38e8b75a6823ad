//! What a batch may declare: no more than its rows, its bytes and the file can hold.
//!
//! The Arrow reader allocates what a compressed buffer says that it expands to, and ends the process if there is no
//! such memory. So each length is checked before the reader sees it: against what the column needs for its rows, against
//! what the codec can make of so many bytes, and all together against a budget for the file.

use std::ops::Range;

use arrow_ipc::{BodyCompression, CompressionType, FieldNode, RecordBatch};
use arrow_schema::{DataType, UnionMode};
use flatbuffers::VectorIter;
use nearline_contract::clip;

use super::budget::Budget;
use super::{invalid, type_name};
use crate::catalog::CatalogError;

/// What a row takes in memory besides its vector and the bytes of its strings: three strings and their allocations.
const ROW_BYTES: u64 = 128;
/// A byte of an LZ4 block stands for at most 255.
const LZ4_EXPANSION: u64 = 255;
/// The shortest block of Zstandard has 4 bytes, the longest content of one 128 KiB.
const ZSTD_EXPANSION: u64 = (128 << 10) / 4;
/// Writers pad buffers up to this many bytes.
const PADDING: u64 = 64;

/// The columns of one batch, from left to right: its nodes and buffers have no names.
pub(super) struct Columns<'a, 'b> {
    batch_name: &'b str,
    column: String,
    /// Its bytes; empty if it is not compressed and not read yet.
    body: &'a [u8],
    body_length: u64,
    rows: u64,
    nodes: VectorIter<'a, FieldNode>,
    buffers: VectorIter<'a, arrow_ipc::Buffer>,
    variadic_counts: Option<VectorIter<'a, i64>>,
    /// What a compressed byte can stand for; `None` if nothing is compressed.
    codec_expansion: Option<u64>,
    has_union_validity: bool,
    /// Whether what is checked are the numbers of lists.
    is_vectors: bool,
    budget: &'b mut Budget,
}

impl<'a, 'b> Columns<'a, 'b> {
    /// The body may be left out where only rows, or what is not compressed, is looked at.
    pub(super) fn new(
        batch_name: &'b str,
        version: arrow_ipc::MetadataVersion,
        batch: RecordBatch<'a>,
        body: &'a [u8],
        body_length: u64,
        budget: &'b mut Budget,
    ) -> Result<Self, CatalogError> {
        let columns = Self::counted(batch_name, version, batch, body, body_length, budget)?;
        columns.budget.expect_rows(columns.rows);
        Ok(columns)
    }

    /// As [`new`](Self::new), of a batch whose rows are expected already.
    pub(super) fn counted(
        batch_name: &'b str,
        version: arrow_ipc::MetadataVersion,
        batch: RecordBatch<'a>,
        body: &'a [u8],
        body_length: u64,
        budget: &'b mut Budget,
    ) -> Result<Self, CatalogError> {
        let missing = |what: &str| invalid(format!("{batch_name}: has no {what}"));
        let rows = u64::try_from(batch.length());
        let codec_expansion = batch.compression().as_ref().map(BodyCompression::codec).map(|codec| match codec {
            CompressionType::LZ4_FRAME => LZ4_EXPANSION,
            _ => ZSTD_EXPANSION,
        });
        let rows = rows.map_err(|_| invalid(format!("{batch_name}: declares {} rows", batch.length())))?;
        Ok(Self {
            batch_name,
            column: String::new(),
            body,
            body_length,
            rows,
            nodes: batch.nodes().ok_or_else(|| missing("nodes"))?.iter(),
            buffers: batch.buffers().ok_or_else(|| missing("buffers"))?.iter(),
            variadic_counts: batch.variadicBufferCounts().map(|counts| counts.iter()),
            codec_expansion,
            has_union_validity: version < arrow_ipc::MetadataVersion::V5,
            is_vectors: false,
            budget,
        })
    }

    /// Counts what the rows of a record batch take when they have been read.
    pub(super) fn take_rows(&mut self, dimension: usize) -> Result<(), CatalogError> {
        let what = || format!("{} with {} rows", self.batch_name, self.rows);
        let vector = (dimension as u64).saturating_mul(size_of::<f32>() as u64);
        self.budget.take_vectors(self.rows.saturating_mul(vector), what)?;
        self.budget.take(self.rows.saturating_mul(ROW_BYTES), what)
    }

    /// Checks what each buffer declares, whatever column it is of, for a reader of all columns.
    pub(super) fn all(mut self) -> Result<(), CatalogError> {
        while self.buffers.len() > 0 {
            self.buffer(None)?;
        }
        Ok(())
    }

    /// Where in the body the numbers of the next column lie, if these are vectors of f32 without nulls that stand there as
    /// they are, and nothing else does.
    pub(super) fn vectors(&self, batch: RecordBatch<'a>, dimension: usize) -> Option<Range<u64>> {
        let (nodes, buffers) = (batch.nodes()?, batch.buffers()?);
        let node = nodes.len() - self.nodes.len();
        let at = buffers.len() - self.buffers.len() + 2;
        if self.codec_expansion.is_some() || node + 1 >= nodes.len() || at >= buffers.len() {
            return None;
        }
        let has_nulls = nodes.get(node).null_count() != 0 || nodes.get(node + 1).null_count() != 0;
        let place = |number: usize| {
            let buffer = buffers.get(number);
            let start = u64::try_from(buffer.offset()).ok()?;
            Some(start..start.checked_add(u64::try_from(buffer.length()).ok()?)?)
        };
        let held = place(at)?;
        let needed = self.rows.checked_mul(dimension as u64)?.checked_mul(size_of::<f32>() as u64)?;
        let wanted = held.start..held.start.checked_add(needed)?;
        let is_apart = |other: Range<u64>| other.is_empty() || other.end <= wanted.start || wanted.end <= other.start;
        let is_alone =
            (0..buffers.len()).filter(|&number| number != at).all(|number| place(number).is_some_and(is_apart));
        (!has_nulls && is_alone && wanted.end <= held.end).then_some(wanted)
    }

    /// Checks the next column if it is read, else passes it over.
    pub(super) fn column(&mut self, name: &str, kind: &DataType, is_read: bool) -> Result<(), CatalogError> {
        self.column = clip(name);
        if is_read { self.check(kind, Some(self.rows)) } else { self.skip(kind) }
    }

    /// `length`: how many values there must be; `None`: as many as the column itself declares, which its buffers hold.
    fn check(&mut self, kind: &DataType, length: Option<u64>) -> Result<(), CatalogError> {
        let node = self.node()?;
        let (declared, nulls) = (node.length(), node.null_count());
        let length = length.or(u64::try_from(declared).ok()).unwrap_or_default();
        if u64::try_from(declared) != Ok(length) || !(0..=declared).contains(&nulls) {
            let message = format!("declares {declared} values and {nulls} nulls, its rows have {length} values");
            return Err(self.fault(&message));
        }
        match kind {
            DataType::Null => return Ok(()),
            // Their buffers are others than those of the rest.
            DataType::Map(..) | DataType::Union(..) => return Err(self.unknown(kind)),
            DataType::RunEndEncoded(ends, values) => {
                self.check(ends.data_type(), None)?;
                return self.check(values.data_type(), None);
            }
            // Writers leave the offsets of what an empty column was cut from.
            _ => self.buffer((length > 0).then_some(length.div_ceil(8)))?,
        };
        let offsets = if length == 0 { 0 } else { length.saturating_add(1) };
        match kind {
            DataType::Utf8 | DataType::Binary => self.numbers(offsets, 4)?,
            DataType::LargeUtf8 | DataType::LargeBinary => self.numbers(offsets, 8)?,
            DataType::Utf8View | DataType::BinaryView => self.numbers(length, 16)?,
            DataType::FixedSizeList(item, size) => {
                let size = u64::try_from(*size).unwrap_or_default();
                return self.check_items(item.data_type(), Some(length.saturating_mul(size)));
            }
            DataType::List(item) | DataType::LargeList(item) => {
                self.numbers(offsets, if matches!(kind, DataType::List(_)) { 4 } else { 8 })?;
                return self.check_items(item.data_type(), None);
            }
            DataType::ListView(item) | DataType::LargeListView(item) => {
                let width = if matches!(kind, DataType::ListView(_)) { 4 } else { 8 };
                self.numbers(length, width)?;
                self.numbers(length, width)?;
                return self.check_items(item.data_type(), None);
            }
            DataType::Struct(fields) => {
                return fields.iter().try_for_each(|field| self.check(field.data_type(), None));
            }
            DataType::Boolean => return self.buffer(Some(length.div_ceil(8))).map(drop),
            DataType::FixedSizeBinary(width) => {
                return self.numbers(length, usize::try_from(*width).unwrap_or_default().max(1));
            }
            number => {
                let number = if let DataType::Dictionary(keys, _) = number { keys } else { number };
                let width = number.primitive_width().ok_or_else(|| self.unknown(kind))?;
                return self.numbers(length, width);
            }
        }
        let views = matches!(kind, DataType::Utf8View | DataType::BinaryView);
        let texts = if views { self.variadic_count()? } else { 1 };
        (0..texts).try_for_each(|_| self.buffer(None).map(drop))
    }

    /// Checks what lists hold, as [`check`](Self::check) does.
    fn check_items(&mut self, kind: &DataType, length: Option<u64>) -> Result<(), CatalogError> {
        let outer = std::mem::replace(&mut self.is_vectors, kind.primitive_width().is_some());
        let checked = self.check(kind, length);
        self.is_vectors = outer;
        checked
    }

    /// As the reader skips what it is not asked for, without looking into buffers.
    fn skip(&mut self, kind: &DataType) -> Result<(), CatalogError> {
        self.node()?;
        let buffers = match kind {
            DataType::Null | DataType::RunEndEncoded(..) => 0,
            DataType::Struct(_) | DataType::FixedSizeList(..) => 1,
            DataType::Union(_, UnionMode::Sparse) => 1 + i64::from(self.has_union_validity),
            DataType::Union(_, UnionMode::Dense) => 2 + i64::from(self.has_union_validity),
            DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Binary
            | DataType::LargeBinary
            | DataType::ListView(_)
            | DataType::LargeListView(_) => 3,
            DataType::Utf8View | DataType::BinaryView => self.variadic_count()?.saturating_add(2),
            _ => 2,
        };
        (0..buffers).try_for_each(|_| self.next_buffer().map(drop))?;
        match kind {
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::ListView(item)
            | DataType::LargeListView(item)
            | DataType::FixedSizeList(item, _)
            | DataType::Map(item, _) => self.skip(item.data_type()),
            DataType::Struct(fields) => fields.iter().try_for_each(|field| self.skip(field.data_type())),
            DataType::Union(fields, _) => fields.iter().try_for_each(|(_, field)| self.skip(field.data_type())),
            DataType::RunEndEncoded(ends, values) => {
                self.skip(ends.data_type())?;
                self.skip(values.data_type())
            }
            _ => Ok(()),
        }
    }

    /// Checks the next buffer, which holds `count` numbers of `width` bytes.
    fn numbers(&mut self, count: u64, width: usize) -> Result<(), CatalogError> {
        if count == 0 {
            return self.buffer(None).map(drop);
        }
        let needed = count.saturating_mul(width as u64);
        match self.buffer(Some(needed))? {
            held if held < needed => Err(self.fault(&format!("has {held} bytes, its rows need {needed}"))),
            held if held % width as u64 != 0 => Err(self.fault(&format!("has {held} bytes of numbers of {width}"))),
            _ => Ok(()),
        }
    }

    /// Checks the next buffer, which needs `needed` bytes (`None` for text, of which there may be any number), and
    /// returns how many it holds.
    fn buffer(&mut self, needed: Option<u64>) -> Result<u64, CatalogError> {
        let buffer = *self.next_buffer()?;
        let start = usize::try_from(buffer.offset()).ok();
        let end =
            start.zip(usize::try_from(buffer.length()).ok()).and_then(|(start, length)| start.checked_add(length));
        let Some((start, end)) = start.zip(end).filter(|(_, end)| *end as u64 <= self.body_length) else {
            let (offset, length) = (buffer.offset(), buffer.length());
            return Err(self.fault(&format!("{length} bytes at {offset}, the batch has {}", self.body_length)));
        };
        // What is not compressed is not copied either; what is compressed begins with its length, -1 for "as it is".
        let bytes = self.body.get(start..end).unwrap_or_default();
        let (Some(expansion), Some((length, compressed))) = (self.codec_expansion, bytes.split_first_chunk()) else {
            return Ok((end - start) as u64);
        };
        let Ok(declared) = u64::try_from(i64::from_le_bytes(*length)) else { return Ok(compressed.len() as u64) };
        // Some writers leave the room in which a buffer grew, which is less than it holds.
        let needed = needed.map_or(u64::MAX, |needed| needed.saturating_mul(2).saturating_add(PADDING));
        let most = needed.min((compressed.len() as u64).saturating_mul(expansion));
        if declared > most {
            return Err(self.fault(&format!("a buffer declares {declared} bytes, it can hold {most}")));
        }
        let what = || place(self.batch_name, &self.column);
        let counted =
            if self.is_vectors { self.budget.take_vectors(declared, what) } else { self.budget.take(declared, what) };
        counted.map(|()| declared)
    }

    fn node(&mut self) -> Result<&'a FieldNode, CatalogError> {
        self.nodes.next().ok_or_else(|| self.fault("the batch has fewer columns than the schema"))
    }

    fn next_buffer(&mut self) -> Result<&'a arrow_ipc::Buffer, CatalogError> {
        self.buffers.next().ok_or_else(|| self.fault("the batch has fewer buffers than its columns need"))
    }

    /// How many buffers of text a column of views has.
    fn variadic_count(&mut self) -> Result<i64, CatalogError> {
        let count = self.variadic_counts.as_mut().and_then(Iterator::next);
        count.ok_or_else(|| self.fault("the batch does not say how many buffers of text it has"))
    }

    fn unknown(&self, kind: &DataType) -> CatalogError {
        self.fault(&format!("is {}, which is not supported: leave it out, or write another type", type_name(kind)))
    }

    fn fault(&self, message: &str) -> CatalogError {
        invalid(format!("{}: {message}", place(self.batch_name, &self.column)))
    }
}

fn place(batch_name: &str, column: &str) -> String {
    if column.is_empty() { batch_name.to_owned() } else { format!("{batch_name}, column {column}") }
}
