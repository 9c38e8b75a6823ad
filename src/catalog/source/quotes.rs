//! Where quoted cells of a record open and close.

use memchr::memchr_iter;

/// A cell that begins with a quote.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Quote<'a> {
    /// Number of the cell in the record.
    pub(super) cell: usize,
    /// Lines of the record before the one in which it opens.
    pub(super) line: u64,
    /// The bytes between the quotes.
    pub(super) inner: &'a [u8],
    pub(super) is_closed: bool,
    /// Whether more than blanks follows the closing quote within the cell.
    pub(super) is_followed: bool,
}

/// The quoted cells of a record, in order.
pub(super) fn find(record: &[u8], delimiter: u8) -> Vec<Quote<'_>> {
    let (mut quotes, mut at, mut cell, mut line) = (Vec::new(), 0, 0, 0);
    while at < record.len() {
        if record[at] == b'"' {
            let start = at + 1;
            let mut end = start;
            let is_closed = loop {
                match record.get(end) {
                    None => break false,
                    Some(b'"') if record.get(end + 1) == Some(&b'"') => end += 2,
                    Some(b'"') => break true,
                    Some(_) => end += 1,
                }
            };
            let inner = &record[start..end.min(record.len())];
            let after = (end + 1).min(record.len());
            let rest = &record[after..];
            let rest = &rest[..rest.iter().position(|&byte| ends_cell(byte, delimiter)).unwrap_or(rest.len())];
            let is_followed = !rest.trim_ascii().is_empty();
            quotes.push(Quote { cell, line, inner, is_closed, is_followed });
            line += memchr_iter(b'\n', inner).count() as u64;
            at = after + rest.len();
        }
        while at < record.len() && record[at] != delimiter {
            line += u64::from(record[at] == b'\n');
            at += 1;
        }
        at += 1;
        cell += 1;
    }
    quotes
}

/// Separators in a line, but for those within its own quoted cells.
pub(super) fn separators(line: &[u8], delimiter: u8) -> usize {
    let mut is_quoted = false;
    let mut count = 0;
    for &byte in line {
        is_quoted ^= byte == b'"';
        count += usize::from(byte == delimiter && !is_quoted);
    }
    count
}

fn ends_cell(byte: u8, delimiter: u8) -> bool {
    byte == delimiter || matches!(byte, b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_cells_are_found_with_their_lines() {
        let found = find(b"a,\"x\"\"y\nz\",\"w\" ,b\"c,\"end\" more\r\n", b',');
        let expected = [
            Quote { cell: 1, line: 0, inner: b"x\"\"y\nz", is_closed: true, is_followed: false },
            Quote { cell: 2, line: 1, inner: b"w", is_closed: true, is_followed: false },
            Quote { cell: 4, line: 1, inner: b"end", is_closed: true, is_followed: true },
        ];
        assert_eq!(found, expected);
        let open = find(b"a;\"b\n;c", b';');
        assert_eq!(open, [Quote { cell: 1, line: 0, inner: b"b\n;c", is_closed: false, is_followed: false }]);
    }
}
