//! The bytes of records and the lines on which they begin, as a file is read from front to back.

use std::io::{BufReader, Read};

use crate::catalog::CatalogError;

/// Bytes of a file, a record at a time.
pub(super) struct Raw<R> {
    reader: BufReader<R>,
    bytes: Vec<u8>,
    /// Where `bytes` begins.
    start: u64,
    line: u64,
    /// Whether the byte before was a carriage return, which a line feed belongs to.
    after_return: bool,
}

impl<R: Read> Raw<R> {
    /// `start`: where in the file the reader begins; `line`: the number of that line.
    pub(super) fn new(reader: R, start: u64, line: u64) -> Self {
        Self { reader: BufReader::new(reader), bytes: Vec::new(), start, line, after_return: false }
    }

    /// The bytes from `start` to `end` without empty lines before them, where these begin, and in which line. Records come
    /// in order; one may begin within the one before.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn record(&mut self, start: u64, end: u64) -> Result<(u64, u64, &[u8]), CatalogError> {
        let missing = usize::try_from(end.saturating_sub(self.start + self.bytes.len() as u64)).unwrap_or(usize::MAX);
        let read = (&mut self.reader).take(missing as u64).read_to_end(&mut self.bytes);
        read.map_err(|error| CatalogError::Invalid(format!("it cannot be read: {error}")))?;
        let skipped = usize::try_from(start.saturating_sub(self.start)).unwrap_or(usize::MAX).min(self.bytes.len());
        let blank = self.bytes[skipped..].iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
        self.pass(skipped + blank);
        let length = usize::try_from(end.saturating_sub(self.start)).unwrap_or(usize::MAX).min(self.bytes.len());
        Ok((self.start, self.line, &self.bytes[..length]))
    }

    fn pass(&mut self, count: usize) {
        for byte in self.bytes.drain(..count) {
            self.line += u64::from(byte == b'\r' || (byte == b'\n' && !self.after_return));
            self.after_return = byte == b'\r';
        }
        self.start += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_have_their_lines_whatever_ends_them() {
        for end in ["\n", "\r\n", "\r"] {
            let file = ["head", "", "\"a", "b\"", "", "", "c"].map(|line| format!("{line}{end}")).concat();
            let mut raw = Raw::new(file.as_bytes(), 0, 1);
            let mut begin = 0;
            // As the csv crate says where they end: of CRLF the line feed may come with the next one.
            for (record, line) in [("head", 1), ("\"a", 3), ("c", 7)] {
                let at = file.find(record).unwrap();
                let stop = at + if record == "\"a" { 4 + end.len() } else { record.len() } + 1;
                let (_, found, bytes) = raw.record(begin, stop as u64).unwrap();
                assert_eq!(found, line, "{end:?}");
                assert!(bytes.starts_with(record.as_bytes()));
                begin = stop as u64;
            }
        }
    }
}
