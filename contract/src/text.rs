//! What the bytes of a file are: text, or something that is named for what it is.
//!
//! A file of another kind is told by how it begins, so that its owner reads "this is an Excel workbook" and not about
//a wrong byte. It does no I/O, and looks at the form alone: what the text says is for others to read.

use std::fmt;

use crate::kind::{Cure, HEAD_BYTES, Kind, UNKNOWN};

/// Bytes that are not UTF-8 text: what they are instead, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotText {
    /// A text in another encoding.
    #[error("this is {0}: save it as UTF-8")]
    Encoding(Kind),
    /// A compressed file.
    #[error("this is {0}: unpack it first")]
    Compressed(Kind),
    /// A file of another format.
    #[error("this is {0}, not text")]
    Format(Kind),
    /// Text up to a byte that UTF-8 does not have.
    #[error("line {line} is not UTF-8 text (byte {byte:#04x}): save the file as UTF-8")]
    Byte {
        /// Counted from 1.
        line: usize,
        /// The first that does not fit.
        byte: u8,
    },
    /// Text with a NUL, which no text has.
    #[error("line {line} has a NUL byte: this is not a text file, or a damaged one")]
    Nul {
        /// Counted from 1.
        line: usize,
    },
}

/// The text of a file, without the byte order mark that some editors put in front.
///
/// # Errors
/// [`NotText`], named for what it is.
pub fn decode(bytes: &[u8]) -> Result<&str, NotText> {
    match Kind::of(&bytes[..bytes.len().min(HEAD_BYTES)]) {
        kind @ Kind::Other(_, Cure::Encode) => return Err(NotText::Encoding(kind)),
        kind @ (Kind::Gzip | Kind::Zstandard | Kind::Other(_, Cure::Unpack)) => return Err(NotText::Compressed(kind)),
        kind @ (Kind::ArrowFile | Kind::ArrowStream | Kind::Parquet) => return Err(NotText::Format(kind)),
        // Of a text that is of no use its reader says more.
        kind @ Kind::Other(name, _)
            if name != UNKNOWN && (bytes.contains(&0) || std::str::from_utf8(bytes).is_err()) =>
        {
            return Err(NotText::Format(kind));
        }
        Kind::Json | Kind::Text | Kind::Other(..) => {}
    }
    let line = |end: usize| bytes[..end].split(|&byte| byte == b'\n').count();
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        NotText::Byte { line: line(at), byte: bytes.get(at).copied().unwrap_or_default() }
    })?;
    if let Some(at) = text.find('\0') {
        return Err(NotText::Nul { line: line(at) });
    }
    Ok(text.trim_start_matches('\u{feff}'))
}

/// A character that SQS does not take in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forbidden(pub char);

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "U+{:04X}", u32::from(self.0))
    }
}

/// The first character that SQS refuses, and the whole message with it. JSON may have each of them as an escape.
pub fn forbidden(text: &str) -> Option<Forbidden> {
    let is_allowed = |character| matches!(character, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    text.chars().find(|&character| !is_allowed(character)).map(Forbidden)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, mark: bool, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        let mark = mark.then_some(0xfeff);
        mark.into_iter().chain(text.encode_utf16()).flat_map(bytes).collect()
    }

    #[test]
    fn a_byte_order_mark_is_dropped() {
        assert_eq!(decode(b"\xef\xbb\xbf{}"), Ok("{}"));
        assert_eq!(decode(b""), Ok(""));
        assert_eq!(decode("{\"query\":\"Größe 😀\"}".as_bytes()), Ok("{\"query\":\"Größe 😀\"}"));
    }

    #[test]
    fn utf_16_is_named_with_and_without_a_mark() {
        let text = "{\"request_id\":\"u1\",\"query\":\"Lautsprecher größer\"}\n";
        for mark in [true, false] {
            for bytes in [utf16(text, mark, u16::to_le_bytes), utf16(text, mark, u16::to_be_bytes)] {
                let error = decode(&bytes).unwrap_err();
                assert_eq!(error.to_string(), "this is UTF-16 text: save it as UTF-8");
            }
        }
        let wide: Vec<u8> = text.chars().flat_map(|character| u32::from(character).to_le_bytes()).collect();
        assert_eq!(decode(&wide).unwrap_err().to_string(), "this is UTF-32 text: save it as UTF-8");
    }

    #[test]
    fn other_files_are_named_for_what_they_are() {
        for (bytes, named) in [
            (&b"\x1f\x8b\x08\x00\x00"[..], "this is gzip: unpack it first"),
            (b"\x28\xb5\x2f\xfd\x04", "this is zstd: unpack it first"),
            (b"PK\x03\x04\x14\x00", "a zip archive"),
            (b"PAR1\x15\x04\x15\x00\xff", "Parquet, not text"),
            (b"ARROW1\x00\x00\xff\xff", "an Arrow IPC file"),
            (b"\xff\xff\xff\xff\x10\x00", "an Arrow IPC stream"),
            (b"\x93NUMPY\x01\x00", "a NumPy array"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Excel workbook"),
        ] {
            let message = decode(bytes).unwrap_err().to_string();
            assert!(message.contains(named), "{message}");
        }
        assert_eq!(decode(b"PAR1,x\n"), Ok("PAR1,x\n"), "a text may begin with these letters");
        assert_eq!(decode(b"{}\n{\"query\":\"gr\xfc\xdf\"}"), Err(NotText::Byte { line: 2, byte: 0xfc }));
        assert_eq!(decode(b"{}\n{}\n\0\0\0"), Err(NotText::Nul { line: 3 }));
    }

    #[test]
    fn what_sqs_refuses_is_found() {
        assert_eq!(forbidden("a\t\n\r ~\u{80}\u{d7ff}\u{e000}\u{fffd}\u{10000}\u{1ffff}😀"), None);
        for character in ['\0', '\u{1}', '\u{b}', '\u{1f}', '\u{fffe}', '\u{ffff}'] {
            assert_eq!(forbidden(&format!("a{character}b")), Some(Forbidden(character)));
        }
        assert_eq!(Forbidden('\u{ffff}').to_string(), "U+FFFF");
    }
}
