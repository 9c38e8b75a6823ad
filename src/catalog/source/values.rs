//! Cuts JSON into values without reading what they say: lines, values one after the other, or elements of an array.
//!
//! So what is wrong with one of them is a fault of that one, and only the largest is in memory.

use std::io::{BufRead, BufReader, Read};

use memchr::memchr2;

use crate::catalog::CatalogError;
use crate::catalog::kind::MARK;

/// Longest value: a brace or bracket that does not close would take the rest of the file into memory.
pub(super) const VALUE_MAX_BYTES: usize = 16 << 20;

/// How values stand in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Lines,
    Sequence,
    Array,
    /// An array on each line: no objects.
    ArrayLines,
}

impl Form {
    /// By the first bytes of a file, which are all of it unless there are more than `VALUE_MAX_BYTES`.
    pub(super) fn of(head: &[u8]) -> Self {
        let head = head.strip_prefix(MARK).unwrap_or(head).trim_ascii_start();
        let mut lines = head.splitn(2, |&byte| byte == b'\n');
        let (first, rest) = (lines.next().unwrap_or_default().trim_ascii(), lines.next());
        let behind = rest.unwrap_or_default().trim_ascii_start().first();
        let end = end_of(first);
        match head.first() {
            Some(b'[') if end == Some(first.len()) && behind == Some(&b'[') => Self::ArrayLines,
            Some(b'[') => Self::Array,
            _ => match end {
                Some(end) if first[end..].trim_ascii_start().first() == Some(&b'{') => Self::Sequence,
                // Spread over lines, an object is not followed by a brace that opens.
                None if behind != Some(&b'{') && (rest.is_some() || head.len() < VALUE_MAX_BYTES / 2) => Self::Sequence,
                _ => Self::Lines,
            },
        }
    }
}

/// Where the object or array ends with which these bytes begin.
fn end_of(bytes: &[u8]) -> Option<usize> {
    let mut scan = Scan::default();
    scan.end(bytes)
}

/// How deep a value is read that may come in pieces.
#[derive(Debug, Default)]
struct Scan {
    depth: u32,
    is_string: bool,
    is_escaped: bool,
}

impl Scan {
    /// Where the value ends, if it does in this piece: behind its last brace, bracket or quote, or before what separates
    /// it from the next.
    fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if std::mem::take(&mut self.is_escaped) {
                at += 1;
                continue;
            }
            if self.is_string {
                at += memchr2(b'"', b'\\', &bytes[at..])?;
                self.is_escaped = bytes[at] == b'\\';
                self.is_string = self.is_escaped;
                if !self.is_string && self.depth == 0 {
                    return Some(at + 1);
                }
            } else {
                match byte {
                    b'"' => self.is_string = true,
                    b'{' | b'[' => self.depth += 1,
                    b'}' | b']' if self.depth > 1 => self.depth -= 1,
                    b'}' | b']' => return Some(at + usize::from(self.depth == 1)),
                    b',' | b' ' | b'\t' | b'\n' | b'\r' if self.depth == 0 => return Some(at),
                    _ => {}
                }
            }
            at += 1;
        }
        None
    }
}

/// A value, as it is written.
pub(super) struct Value<'a> {
    /// The line in which it begins.
    pub(super) line: u64,
    pub(super) bytes: &'a [u8],
    /// Whether it is longer than [`VALUE_MAX_BYTES`], and this is how it begins.
    pub(super) is_cut: bool,
}

/// The values of a file.
pub(super) struct Values<R> {
    reader: BufReader<R>,
    form: Form,
    line: u64,
    bytes: Vec<u8>,
    /// Whether the bracket of an array was read.
    is_within: bool,
}

impl<R: Read> Values<R> {
    /// `reader` begins behind a mark.
    pub(super) fn new(reader: R, form: Form) -> Self {
        Self { reader: BufReader::with_capacity(1 << 16, reader), form, line: 1, bytes: Vec::new(), is_within: false }
    }

    /// The next one; `None`: there are no more.
    ///
    /// # Errors
    /// The file cannot be read, or where values begin and end cannot be told.
    pub(super) fn next(&mut self) -> Result<Option<Value<'_>>, CatalogError> {
        match self.form {
            Form::Lines => self.next_line(),
            Form::Sequence => match self.next_byte()? {
                Some(_) => self.value().map(Some),
                None => Ok(None),
            },
            Form::Array => self.next_element(),
            Form::ArrayLines => Err(CatalogError::Invalid(
                "each line is an array: write one object for each product, with the names of the columns".to_owned(),
            )),
        }
    }

    fn next_line(&mut self) -> Result<Option<Value<'_>>, CatalogError> {
        loop {
            self.bytes.clear();
            let read = (&mut self.reader).take(VALUE_MAX_BYTES as u64).read_until(b'\n', &mut self.bytes);
            if read.map_err(|error| unreadable(&error))? == 0 {
                return Ok(None);
            }
            let line = self.line;
            self.line += 1;
            let is_cut = self.bytes.len() == VALUE_MAX_BYTES && !self.bytes.ends_with(b"\n");
            if is_cut {
                self.reader.skip_until(b'\n').map_err(|error| unreadable(&error))?;
            }
            if is_cut || !self.bytes.trim_ascii().is_empty() {
                return Ok(Some(Value { line, bytes: self.bytes.trim_ascii(), is_cut }));
            }
        }
    }

    fn next_element(&mut self) -> Result<Option<Value<'_>>, CatalogError> {
        let first = self.next_byte()?;
        match (first, self.is_within) {
            (Some(b'['), false) | (Some(b','), true) => self.reader.consume(1),
            (Some(b']'), true) => {}
            (None, _) => return Err(self.invalid("the array does not end: the file may have been cut short")),
            (Some(byte), _) => {
                let what = format!("a comma was expected between two products, not `{}`", byte.escape_ascii());
                return Err(self.invalid(&what));
            }
        }
        self.is_within = true;
        if self.next_byte()? != Some(b']') {
            return self.value().map(Some);
        }
        self.reader.consume(1);
        match self.next_byte()? {
            None => Ok(None),
            Some(_) => {
                Err(self.invalid("something follows the array: write one array of all products, or one object a line"))
            }
        }
    }

    fn value(&mut self) -> Result<Value<'_>, CatalogError> {
        let (line, mut scan) = (self.line, Scan::default());
        self.bytes.clear();
        loop {
            let piece = self.reader.fill_buf().map_err(|error| unreadable(&error))?;
            let is_end = piece.is_empty();
            let end = scan.end(piece);
            let length = end.unwrap_or(piece.len());
            self.bytes.extend_from_slice(&piece[..length]);
            self.reader.consume(length);
            if end.is_some() || is_end && scan.depth == 0 {
                break;
            }
            if is_end || self.bytes.len() > VALUE_MAX_BYTES {
                let what = if is_end { "in this file" } else { "within 16 MiB" };
                return Err(
                    self.invalid(&format!("a value begins here and does not end {what}: a brace or quote is missing"))
                );
            }
        }
        if self.bytes.is_empty() {
            return Err(self.invalid("a value was expected, not a bracket or comma"));
        }
        self.line += memchr::memchr_iter(b'\n', &self.bytes).count() as u64;
        Ok(Value { line, bytes: &self.bytes, is_cut: false })
    }

    /// The next byte that is not blank, without consuming it.
    fn next_byte(&mut self) -> Result<Option<u8>, CatalogError> {
        loop {
            let piece = self.reader.fill_buf().map_err(|error| unreadable(&error))?;
            if piece.is_empty() {
                return Ok(None);
            }
            let blanks = piece.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let next = piece.get(blanks).copied();
            self.line += memchr::memchr_iter(b'\n', &piece[..blanks]).count() as u64;
            self.reader.consume(blanks);
            if next.is_some() {
                return Ok(next);
            }
        }
    }

    fn invalid(&self, what: &str) -> CatalogError {
        CatalogError::Invalid(format!("not readable as JSON from line {} on: {what}", self.line))
    }
}

fn unreadable(error: &std::io::Error) -> CatalogError {
    CatalogError::Invalid(format!("it cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    #[test]
    fn the_form_is_told_also_where_the_first_value_is_wrong() {
        for (head, form) in [
            ("{\"a\":1}\n{\"a\":2}", Form::Lines),
            ("{\"a\":NaN}\n{\"a\":2}", Form::Lines),
            ("{\"a\":\"x}\n{\"a\":2}", Form::Lines),
            ("{\"a\":1} x\n", Form::Lines),
            ("{\"a\":1}{\"a\":2}", Form::Sequence),
            ("{\"a\":1}\r{\"a\":2}\r", Form::Sequence),
            ("{\n \"a\":1}\n{\n \"a\":2}", Form::Sequence),
            ("[{\"a\":1},\n{\"a\":2}]", Form::Array),
            ("\u{feff}\n [1]\n", Form::Array),
            ("[1, 2]\n[3, 4]\n", Form::ArrayLines),
        ] {
            assert_eq!(Form::of(head.as_bytes()), form, "{head}");
        }
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            any::<i32>().prop_map(Into::into),
            any::<bool>().prop_map(Into::into),
            "[a\"\\\\{}\\[\\],\n]{0,8}".prop_map(Into::into),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                proptest::collection::btree_map("[a\"\\\\{}]{0,3}", inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// As serde_json cuts them, however many bytes come at once.
        #[test]
        fn values_are_cut_where_they_end(values in proptest::collection::vec(json(), 1..6), pretty in any::<bool>()) {
            let write = |value: &serde_json::Value| if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
            let texts: Vec<String> = values.iter().map(|value| write(value).unwrap()).collect();
            for (form, text) in [(Form::Sequence, texts.join("\n")), (Form::Array, format!("[ {}\n]\n", texts.join(" ,\n")))] {
                let mut cut = Values::new(text.as_bytes(), form);
                cut.reader = BufReader::with_capacity(3, text.as_bytes());
                let mut line = 1;
                for text in &texts {
                    let value = cut.next().unwrap().unwrap();
                    prop_assert_eq!(std::str::from_utf8(value.bytes).unwrap(), text);
                    prop_assert_eq!(value.line, line);
                    line += 1 + text.matches('\n').count() as u64;
                    serde_json::from_slice::<&RawValue>(value.bytes).unwrap();
                }
                prop_assert!(cut.next().unwrap().is_none());
            }
        }
    }
}
