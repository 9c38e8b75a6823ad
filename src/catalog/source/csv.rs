//! Products from lines of cells: `,` `;` tab or `|` between them, quotes as in RFC 4180.
//!
//! The csv crate splits cells. What it lets pass is looked at here, in the bytes of each record: a quote that does not
//! close takes the rest of a file as one cell, and line numbers are wrong for some line ends.

use std::borrow::Cow;
use std::io::{BufReader, Read};

use ::csv::{ByteRecord, ReaderBuilder};
use memchr::{memchr, memchr_iter};

use super::columns::{Layout, Mapping};
use super::found::{Found, Sink};
use super::known::known_among;
use super::product::{Cells, FaultKind, RowFault, product};
use super::quotes::{self, Quote};
use super::raw::Raw;
use super::shard::Shard;
use crate::catalog::CatalogError;
use crate::catalog::kind::MARK;

/// What may separate cells, in the order in which they are tried.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Bytes in which the header must end.
const HEADER_MAX_BYTES: usize = 1 << 20;

/// Reads the products of a file, handing each to `sink` with its line.
pub(super) fn read(
    shard: &Shard,
    mapping: &Mapping,
    delimiter: Option<u8>,
    sink: &mut Sink<'_>,
) -> Result<(), CatalogError> {
    let head = shard.head(HEADER_MAX_BYTES)?;
    let header = Header::find(&head, delimiter);
    let mut reader = ReaderBuilder::new()
        .delimiter(header.delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(BufReader::new(shard.reader(header.start)));
    let mut raw = Raw::new(shard.reader(header.start), header.first_line);
    let unreadable = |error: ::csv::Error| CatalogError::Invalid(format!("not readable as CSV: {error}"));
    let mut record = ByteRecord::new();
    if !reader.read_byte_record(&mut record).map_err(unreadable)? {
        return Err(CatalogError::Invalid("it has no header".to_owned()));
    }
    let mut names = Vec::with_capacity(record.len());
    for name in &record {
        names.push(std::str::from_utf8(name).map_err(|_| CatalogError::Invalid(format!("its header {NOT_UTF8}")))?);
    }
    let layout = mapping.layout(names.iter().copied())?;
    layout.require()?;
    for note in &layout.notes {
        sink.note(note);
    }
    let cells = names.len();
    let mut start = reader.position().byte();
    loop {
        let more = reader.read_byte_record(&mut record).map_err(unreadable)?;
        if !more {
            return Ok(());
        }
        let end = reader.position().byte();
        let (line, bytes) = raw.record(start, end)?;
        start = end;
        let fault =
            if memchr(b'"', bytes).is_some() { check_quotes(bytes, header.delimiter, line, &layout)? } else { None };
        if record.iter().all(|cell| cell.trim_ascii().is_empty()) {
            continue;
        }
        let found = match fault {
            Some(fault) => Err(vec![fault]),
            None if record.len() != cells => Err(vec![RowFault::of_row(format!(
                "has {} cells, the header {cells}: quote a cell that holds the separator `{}`",
                record.len(),
                shown(header.delimiter)
            ))]),
            None => product(&layout, &Row { record: &record }),
        };
        sink.take(line, Found { product: found, what: &|| text_of(bytes) })?;
    }
}

const NOT_UTF8: &str = "is not UTF-8; if it is Windows-1252 or Latin-1, save it as UTF-8";

/// The header of a file: where it begins, and what separates its cells.
struct Header {
    start: u64,
    first_line: u64,
    delimiter: u8,
}

impl Header {
    fn find(head: &[u8], delimiter: Option<u8>) -> Self {
        let mut start = if head.starts_with(MARK) { MARK.len() } else { 0 };
        let mut first_line = 1;
        let line = |start: usize| {
            let rest = &head[start..];
            let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len());
            &rest[..end]
        };
        let mut named = None;
        // Excel's own way to name the separator.
        if let [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', separator] = line(start) {
            named = Some(*separator);
            start += 5;
            start += usize::from(head[start..].starts_with(b"\r\n"));
            start = (start + 1).min(head.len());
            first_line = 2;
        }
        let sniffed = || {
            let known = |delimiter: u8| {
                let mut reader = ReaderBuilder::new()
                    .delimiter(delimiter)
                    .has_headers(false)
                    .flexible(true)
                    .from_reader(head[start..].take(HEADER_MAX_BYTES as u64));
                let mut record = ByteRecord::new();
                let read = reader.read_byte_record(&mut record).unwrap_or_default();
                let names = record.iter().filter_map(|name| std::str::from_utf8(name).ok());
                if read { (known_among(names), record.len()) } else { (0, 0) }
            };
            // The first of those that are equally good.
            DELIMITERS.into_iter().rev().max_by_key(|&delimiter| known(delimiter)).unwrap_or(b',')
        };
        Self { start: start as u64, first_line, delimiter: delimiter.or(named).unwrap_or_else(sniffed) }
    }
}

struct Row<'a> {
    record: &'a ByteRecord,
}

impl Cells for Row<'_> {
    fn text(&self, column: usize) -> Result<Option<Cow<'_, str>>, String> {
        let Some(cell) = self.record.get(column) else { return Ok(None) };
        std::str::from_utf8(cell).map(|cell| Some(cell.into())).map_err(|_| NOT_UTF8.to_owned())
    }

    fn vector(&self, column: usize) -> Result<Option<Vec<f32>>, String> {
        match self.text(column)? {
            Some(text) => super::numbers::from_text(&text),
            None => Ok(None),
        }
    }
}

/// Finds quotes that cannot be meant as they are.
///
/// # Errors
/// One that does not close, or that swallows what looks like rows: from there on nothing can be told apart.
fn check_quotes(record: &[u8], delimiter: u8, line: u64, layout: &Layout) -> Result<Option<RowFault>, CatalogError> {
    let separators = layout.width() - 1;
    for Quote { cell, line: offset, inner, is_closed, is_followed } in quotes::find(record, delimiter) {
        let (name, line) = (layout.cell_name(cell), line + offset);
        let broken = |what: String| {
            let cure = "close it, or write a quote within a quoted cell twice (text of several lines that look like rows: \
                        as JSON Lines or Parquet); nothing behind it was looked at";
            Err(CatalogError::Invalid(format!("line {line}, column {name}: a quote opens here {what}: {cure}")))
        };
        if !is_closed {
            return broken("and never closes".to_owned());
        }
        let lines = memchr_iter(b'\n', inner).count();
        if lines == 0 {
            if is_followed {
                let what = "its quote closes before the cell ends: write a quote within a quoted cell twice";
                return Ok(Some(RowFault::new(FaultKind::Unreadable, name, what)));
            }
            continue;
        }
        // The cell's first line belongs to its own row.
        let whole = inner.split(|&byte| byte == b'\n').skip(1);
        let looks_like_row = |text: &[u8]| separators > 0 && quotes::separators(text, delimiter) == separators;
        let alike = whole.take(lines - usize::from(!is_followed)).filter(|line| looks_like_row(line)).count();
        if alike > 0 || is_followed {
            let s = if lines > 1 { "s" } else { "" };
            return broken(format!("and swallows {lines} line{s}, of which {alike} look like rows"));
        }
    }
    Ok(None)
}

fn text_of(record: &[u8]) -> String {
    String::from_utf8_lossy(record).trim_end_matches(['\r', '\n']).to_owned()
}

fn shown(delimiter: u8) -> String {
    if delimiter == b'\t' { "tab".to_owned() } else { char::from(delimiter).into() }
}
