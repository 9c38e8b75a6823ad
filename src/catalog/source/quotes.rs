//! Cells of a record by their position in its bytes, and quotes that cannot be meant as they are.
//!
//! The csv crate splits cells. It lets a quote pass that does not close and takes the rows behind it for one cell, so
//! the bytes of a record with quotes are looked at here once more.

use memchr::memchr3;

use super::dialect::Marks;

/// A cell in the bytes of a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cell {
    /// Where it begins.
    start: usize,
    /// Where the separator or line end behind it is.
    end: usize,
    /// If it begins with a quote: where that closes, or the end of the record.
    closes: Option<usize>,
}

/// The cells of one record, the first in these bytes.
struct Cells<'a> {
    bytes: &'a [u8],
    marks: Marks,
    /// Where the next one begins; `None`: there is none.
    next: Option<usize>,
}

impl<'a> Cells<'a> {
    fn new(bytes: &'a [u8], marks: Marks) -> Self {
        Self { bytes, marks, next: Some(0) }
    }
}

impl Iterator for Cells<'_> {
    type Item = Cell;

    fn next(&mut self) -> Option<Cell> {
        let (start, bytes) = (self.next?, self.bytes);
        let (mut at, mut closes) = (start, None);
        if self.marks.quote.is_some() && bytes.get(start).copied() == self.marks.quote {
            let quote = bytes[start];
            at += 1;
            while let Some(&byte) = bytes.get(at) {
                if byte == quote && bytes.get(at + 1) != Some(&quote) {
                    break;
                }
                at += if byte == quote || Some(byte) == self.marks.escape { 2 } else { 1 };
            }
            at = at.min(bytes.len());
            closes = Some(at);
            at = (at + 1).min(bytes.len());
        }
        let end = memchr3(self.marks.delimiter, b'\n', b'\r', &bytes[at..]).map_or(bytes.len(), |length| at + length);
        self.next = (bytes.get(end) == Some(&self.marks.delimiter)).then_some(end + 1);
        Some(Cell { start, end, closes })
    }
}

/// Why the quotes of a record cannot be meant as they are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Suspect {
    /// Number of the cell.
    pub(super) cell: usize,
    /// Where its quote opens.
    pub(super) at: usize,
    pub(super) why: Why,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// A quote does not close.
    Open,
    /// More than blanks follows where a quote closes, so many lines after it opened.
    Followed(usize),
    /// Of the lines of a cell but for the first, these look like rows: where they begin. `of`: how many there are.
    Rows { lines: Vec<usize>, of: usize },
    /// Blanks precede a quote, which therefore is not one.
    BehindBlank,
}

/// The first quote of a record that cannot be meant as it is, for a header of `width` cells. `trusts`: what is enclosed
/// is meant, whatever it looks like.
pub(super) fn suspect(record: &[u8], marks: Marks, width: usize, trusts: bool) -> Option<Suspect> {
    let quote = marks.quote?;
    for (cell, Cell { start: at, end, closes }) in Cells::new(record, marks).enumerate() {
        let found = |why| Some(Suspect { cell, at, why });
        let Some(closes) = closes else {
            let text = &record[at..end];
            let trimmed = text.trim_ascii();
            if trimmed.len() > 1 && text[0] != quote && trimmed.starts_with(&[quote]) && trimmed.ends_with(&[quote]) {
                return found(Why::BehindBlank);
            }
            continue;
        };
        if closes == record.len() {
            return found(Why::Open);
        }
        let lines: Vec<usize> = lines(&record[at..closes]).skip(1).map(|line| at + line).collect();
        if !record[closes + 1..end].trim_ascii().is_empty() {
            return found(Why::Followed(lines.len()));
        }
        // A quote that closes right behind a separator looks like one that opens.
        let last = (record[closes - 1] == marks.delimiter).then(|| lines.last().copied()).flatten();
        let of = lines.len();
        let is_alike = |&line: &usize| last == Some(line) || is_row(&record[line..], marks, width);
        let lines: Vec<usize> = lines.into_iter().filter(is_alike).collect();
        if !trusts && !lines.is_empty() {
            return found(Why::Rows { lines, of });
        }
    }
    None
}

/// Whether the first record of these bytes has as many cells as the header, or more that are empty.
fn is_row(bytes: &[u8], marks: Marks, width: usize) -> bool {
    let mut cells = Cells::new(bytes, marks);
    let is_blank = |text: &[u8]| text.trim_ascii().is_empty();
    let is_empty = |Cell { start, end, closes }: Cell| match closes {
        Some(closes) => is_blank(&bytes[start + 1..closes]) && is_blank(&bytes[(closes + 1).min(end)..end]),
        None => is_blank(&bytes[start..end]),
    };
    width > 1 && cells.by_ref().take(width).count() == width && cells.all(is_empty)
}

/// Where each line begins. A carriage return, a line feed, or both end one.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let ends = memchr::memchr2_iter(b'\n', b'\r', bytes);
    std::iter::once(0).chain(ends.filter(|&end| !bytes[end..].starts_with(b"\r\n")).map(|end| end + 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MARKS: Marks = Marks { delimiter: b',', quote: Some(b'"'), escape: None };

    fn why(record: &str) -> Option<(usize, Why)> {
        suspect(record.as_bytes(), MARKS, 3, false).map(|suspect| (suspect.cell, suspect.why))
    }

    #[test]
    fn a_quote_that_cannot_be_meant_is_found_whatever_ends_lines() {
        assert_eq!(why("1,k,\"A mug\n2,k,x"), Some((2, Why::Open)));
        assert_eq!(why("1,k,\"A mug\n2,k,\"x\"\n"), Some((2, Why::Followed(1))));
        assert_eq!(why("1,\"27\" screen\",x\n"), Some((1, Why::Followed(0))));
        assert_eq!(why("1, \"k\",x\n"), Some((1, Why::BehindBlank)));
        for end in ["\n", "\r", "\r\n"] {
            let record = |text: &str| text.replace('\n', end);
            let second = 10 + end.len();
            let rows = |lines: Vec<usize>, of| Some((2, Why::Rows { lines, of }));
            assert_eq!(why(&record("1,k,\"A mug\n2,k,A ruler of 12\"\n")), rows(vec![second], 1));
            assert_eq!(why(&record("1,k,\"A mug\n2,k,x,,\nplain\"\n")), rows(vec![second], 2));
            assert_eq!(why(&record("1,k,\"A mug\n2,\"\n")), rows(vec![second], 1), "it looks like one that opens");
            assert_eq!(why(&record("1,\"k\n2\",\"A mug, blue\nof stone\n\" \n")), None);
        }
    }

    #[test]
    fn where_quotes_are_trusted_lines_may_look_like_rows() {
        let record = b"1,k,\"A mug\n2,k,x\"\n";
        assert!(suspect(record, MARKS, 3, false).is_some());
        assert_eq!(suspect(record, MARKS, 3, true), None);
        let escaped = b"1,k,\"A \\\"big\\\" mug\"\n";
        assert!(suspect(escaped, MARKS, 3, true).is_some());
        assert_eq!(suspect(escaped, Marks { escape: Some(b'\\'), ..MARKS }, 3, false), None);
    }

    proptest! {
        #[test]
        fn cells_are_those_of_the_csv_crate(text in "[a,\"\\\\\n\r ]{1,24}", escapes in any::<bool>()) {
            let marks = Marks { escape: escapes.then_some(b'\\'), ..MARKS };
            let text = text.trim_start_matches(['\n', '\r']);
            let mut record = ::csv::ByteRecord::new();
            if marks.builder().from_reader(text.as_bytes()).read_byte_record(&mut record).unwrap() {
                prop_assert_eq!(Cells::new(text.as_bytes(), marks).count(), record.len());
            }
        }
    }
}
