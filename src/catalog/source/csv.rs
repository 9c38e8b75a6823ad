//! Products from lines of cells: `,` `;` tab or `|` between them, quotes as in RFC 4180.
//!
//! A row that a quote swallows would be lost in silence. So each quoted cell with line ends is looked at: where its
//! quotes cannot be meant so, its row is a fault, and reading resumes in the line after the quote.

use std::borrow::Cow;
use std::io::Read;

use ::csv::ByteRecord;

use super::attributes::Value;
use super::columns::Mapping;
use super::dialect::{Dialect, Marks};
use super::found::{Found, Sink};
use super::known::{fold, known_among};
use super::layout::{Layout, Slot};
use super::product::{Cells, FaultKind, RowFault, product};
use super::quotes::{self, Suspect, Why, lines};
use super::records::{RECORD_MAX_BYTES, Record, Records};
use super::shard::Shard;
use crate::catalog::CatalogError;
use crate::catalog::kind::MARK;

/// What may separate cells, in the order in which they are tried.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Bytes in which the header must end.
const HEADER_MAX_BYTES: usize = 1 << 20;

const BEHIND_BLANK: &str = "a blank stands before a quote, which therefore is none: remove the blank (--quote none: \
                            quotes are plain characters)";

/// Reads the products of a file, handing each to `sink` with its line.
pub(super) fn read(
    shard: &Shard,
    mapping: &Mapping,
    dialect: Dialect,
    sink: &mut Sink<'_>,
) -> Result<(), CatalogError> {
    let head = shard.head(HEADER_MAX_BYTES)?;
    let header = Header::find(&head, dialect);
    let marks = dialect.marks(header.delimiter);
    let mut records = Records::new(shard, marks, header.start, header.first_line);
    let Some(first) = records.next()? else { return Err(CatalogError::Invalid("it has no header".to_owned())) };
    let mut layout = mapping.layout(names(&first, marks, dialect)?.iter().copied())?;
    layout.require()?;
    sink.attributes.register(&mut layout, Some(&shard.name), &|_| None)?;
    for note in &layout.notes {
        sink.note(note);
    }
    let mut rows = Rows { layout: &layout, marks, dialect, amid_line: None };
    while let Some(record) = records.next()? {
        if let Some(at) = rows.take(&record, sink)? {
            records.go_on_at(at);
        }
    }
    Ok(())
}

/// The names of the columns, without empty ones behind them: some programs end each line by a separator.
fn names<'a>(header: &Record<'a>, marks: Marks, dialect: Dialect) -> Result<Vec<&'a str>, CatalogError> {
    let invalid = |what: &str| CatalogError::Invalid(format!("its header {what}"));
    let names = header.cells.iter().map(|name| std::str::from_utf8(name).map_err(|_| invalid(NOT_UTF8)));
    let mut names = names.collect::<Result<Vec<&str>, _>>()?;
    let suspect = quotes::suspect(header.bytes, marks, names.len(), true);
    if let Some(Suspect { why: Why::BehindBlank, .. }) = suspect {
        return Err(invalid(&format!("has a cell that cannot be read: {BEHIND_BLANK}")));
    }
    let is_lost = names.iter().any(|name| name.trim().contains(['\n', '\r'])) && !dialect.trusts_quotes();
    if is_lost || header.is_cut || suspect.is_some() {
        let what = "has a quote that does not close in its cell, which takes rows for the name of a column: close it; \
                    if quotes are plain characters, --quote none says so, and --quote '\"' that all are meant";
        return Err(invalid(what));
    }
    while names.len() > 1 && names.last().is_some_and(|name| name.trim().is_empty()) {
        names.pop();
    }
    Ok(names)
}

/// Takes records as rows.
struct Rows<'a> {
    layout: &'a Layout,
    marks: Marks,
    dialect: Dialect,
    /// A line whose beginning was a fault and whose rest is to be passed over.
    amid_line: Option<u64>,
}

impl Rows<'_> {
    /// Hands a record on. Returns at which of its bytes reading must resume, if not after it.
    fn take(&mut self, record: &Record<'_>, sink: &mut Sink<'_>) -> Result<Option<usize>, CatalogError> {
        let Record { line, cells, bytes, is_cut } = *record;
        if self.amid_line.take() == Some(line) {
            return Ok(Some(self.behind_line(record, 0)));
        }
        // Files with a mark each, one behind the other.
        if bytes.starts_with(MARK) {
            return Ok(Some(MARK.len()));
        }
        let width = self.layout.width();
        if let Some(suspect) = quotes::suspect(bytes, self.marks, width, self.dialect.trusts_quotes()) {
            return self.refuse(record, &suspect, sink);
        }
        if is_cut {
            let fault = RowFault::of_row(format!("is a line of more than {RECORD_MAX_BYTES} bytes"));
            sink.take(line, Found { product: Err(vec![fault]), what: &|| shortened(bytes) })?;
            return Ok(Some(self.behind_line(record, 0)));
        }
        let is_empty = |cell: &[u8]| cell.trim_ascii().is_empty();
        if cells.iter().all(is_empty) {
            return Ok(None);
        }
        if self.is_header(cells) {
            sink.note("lines that repeat the header are skipped");
            return Ok(None);
        }
        let found = if cells.len() < width || !cells.iter().skip(width).all(is_empty) {
            Err(vec![RowFault::of_row(format!(
                "has {} cells, the header {width}: quote a cell that holds the separator `{}`{}",
                cells.len(),
                shown(self.marks.delimiter),
                if self.has_blank_before_quote(cells) { ", without a blank before the quote" } else { "" }
            ))])
        } else {
            product(self.layout, &Row { record: cells })
        };
        sink.take(line, Found { product: found, what: &|| text_of(bytes) })?;
        Ok(None)
    }

    /// Reports what is wrong with the quotes of a record, and where reading resumes.
    fn refuse(
        &mut self,
        record: &Record<'_>,
        suspect: &Suspect,
        sink: &mut Sink<'_>,
    ) -> Result<Option<usize>, CatalogError> {
        let Record { bytes, is_cut, .. } = *record;
        let name = self.layout.cell_name(suspect.cell);
        let line = |at: usize| record.line + lines(&bytes[..at]).count() as u64 - 1;
        let (opened, behind) = (line(suspect.at), self.behind_line(record, suspect.at));
        let mut take = |line: u64, what: String, text: &[u8]| {
            let fault = RowFault::new(FaultKind::Unreadable, name, what);
            sink.take(line, Found { product: Err(vec![fault]), what: &|| shortened(text) })
        };
        let cure = "close it, or write a quote within a quoted cell twice (--quote none: quotes are plain characters)";
        let s = |count: usize| if count == 1 { "" } else { "s" };
        let what = match &suspect.why {
            Why::BehindBlank => BEHIND_BLANK.to_owned(),
            Why::Open if is_cut => format!("a quote opens here and does not close in {RECORD_MAX_BYTES} bytes: {cure}"),
            Why::Open => format!("a quote opens here and never closes: {cure}"),
            Why::Followed(0) => {
                let escaped = bytes[suspect.at..].windows(2).any(|pair| pair == b"\\\"");
                let escape = if escaped { ", or say --escape '\\'" } else { "" };
                format!("its quote closes before the cell ends: write a quote within a quoted cell twice{escape}")
            }
            Why::Followed(count) => {
                format!("a quote opens here, swallows {count} line{}, and closes within a cell: {cure}", s(*count))
            }
            Why::Rows { lines: alike, of } => {
                let look = if alike.len() == 1 { "looks like a row" } else { "look like rows" };
                let what = format!(
                    "a quote opens here and swallows {of} line{}, of which {} {look}: close it; if the cell is meant so, \
                     --quote '\"' says that all quotes are",
                    s(*of),
                    alike.len(),
                );
                take(opened, what, bytes)?;
                // Each is left out with the cell, so each counts.
                for &at in alike {
                    let end = at + lines(&bytes[at..]).nth(1).unwrap_or(bytes.len() - at);
                    let what = format!("looks like a row, but is within the quoted cell that opens in line {opened}");
                    take(line(at), what, &bytes[at..end])?;
                }
                return Ok(is_cut.then(|| self.behind_line(record, bytes.len())));
            }
        };
        take(opened, what, &bytes[..behind])?;
        Ok(Some(behind))
    }

    /// Where the line ends that has the byte at `at`.
    fn behind_line(&mut self, record: &Record<'_>, at: usize) -> usize {
        let next = lines(&record.bytes[at..]).nth(1);
        let is_cut = next.is_none() && record.is_cut;
        self.amid_line = is_cut.then(|| record.line + lines(record.bytes).count() as u64 - 1);
        next.map_or(record.bytes.len(), |next| at + next)
    }

    fn is_header(&self, cells: &ByteRecord) -> bool {
        let names = || (0..self.layout.width()).map(|column| fold(self.layout.name(column)));
        let is_named = |(cell, name): (&[u8], String)| std::str::from_utf8(cell).is_ok_and(|cell| fold(cell) == name);
        cells.len() >= self.layout.width() && cells.iter().zip(names()).all(is_named)
    }

    fn has_blank_before_quote(&self, cells: &ByteRecord) -> bool {
        let is_one =
            |cell: &[u8]| cell.first() == Some(&b' ') && cell.trim_ascii_start().first().copied() == self.marks.quote;
        self.marks.quote.is_some() && cells.iter().any(is_one)
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
    fn find(head: &[u8], dialect: Dialect) -> Self {
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
                let marks = dialect.marks(delimiter);
                let mut reader = marks.builder().from_reader(head[start..].take(HEADER_MAX_BYTES as u64));
                let mut record = ByteRecord::new();
                let read = reader.read_byte_record(&mut record).unwrap_or_default();
                let names = record.iter().filter_map(|name| std::str::from_utf8(name).ok());
                if read { (known_among(names), record.len()) } else { (0, 0) }
            };
            // The first of those that are equally good.
            DELIMITERS.into_iter().rev().max_by_key(|&delimiter| known(delimiter)).unwrap_or(b',')
        };
        Self { start: start as u64, first_line, delimiter: dialect.delimiter.or(named).unwrap_or_else(sniffed) }
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

    fn value(&self, slot: &Slot) -> Result<Option<Value>, String> {
        let text = self.text(slot.column)?;
        let Some(text) = text.as_deref().map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
        let value = Value::Cell(text.to_owned());
        slot.kind.map_or(Ok(Some(value.clone())), |kind| kind.take(value))
    }
}

/// Bytes of a faulty row that are kept.
const SHOWN_MAX_BYTES: usize = 1 << 16;

/// The text of a row, or the beginning of one that is very long because something is wrong with it.
fn shortened(record: &[u8]) -> String {
    match record.get(..SHOWN_MAX_BYTES) {
        Some(beginning) => format!("{}...", String::from_utf8_lossy(beginning)),
        None => text_of(record),
    }
}

fn text_of(record: &[u8]) -> String {
    String::from_utf8_lossy(record).trim_end_matches(['\r', '\n']).to_owned()
}

fn shown(delimiter: u8) -> String {
    if delimiter == b'\t' { "tab".to_owned() } else { char::from(delimiter).into() }
}
