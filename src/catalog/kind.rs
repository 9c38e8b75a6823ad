//! What a file is, by its first bytes: its name says little.
//!
//! Besides what can be read it knows what people have instead, so that a message names the thing and what to do.

use std::fmt;

/// Bytes at the beginning that tell what a file is.
pub(super) const HEAD_BYTES: usize = 4_096;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Also Feather, version 2.
    ArrowFile,
    ArrowStream,
    Parquet,
    /// Objects one after the other, or one array of them.
    Json,
    Gzip,
    Zstandard,
    /// Lines of cells, perhaps.
    Text,
    /// Nothing that is read: its name, and what to do.
    Other(&'static str, &'static str),
}

const AS_PARQUET: &str = "write it as Parquet, CSV or JSON Lines";
const AS_UTF8: &str = "save it as UTF-8";
const UNPACK: &str = "unpack it first; gzip and zstd are read as they are";
const EMBEDDED_IN_ROWS: &str =
    "a catalog needs product_id and category beside each vector: write them as columns of a Parquet file";
const SAVED_PAGE: &str = "this may be an error page that was saved under the file's name: fetch the file again";

/// How files begin that are not read.
const OTHERS: &[(&[u8], &str, &str)] = &[
    (b"\xff\xfe\0\0", "UTF-32 text", AS_UTF8),
    (b"\xff\xfe", "UTF-16 text", AS_UTF8),
    (b"\xfe\xff", "UTF-16 text", AS_UTF8),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls)", "save the sheet as CSV UTF-8"),
    (b"FEA1", "Feather, version 1", "write version 2, which is an Arrow IPC file"),
    (b"PARE", "Parquet with an encrypted footer", "write it without encryption"),
    (b"\x93NUMPY", "a NumPy array", EMBEDDED_IN_ROWS),
    (b"\x89HDF", "HDF5", AS_PARQUET),
    (b"ORC", "ORC", AS_PARQUET),
    (b"Obj\x01", "Avro", AS_PARQUET),
    (b"SQLite format 3\0", "an SQLite database", "export the table as CSV or Parquet"),
    (b"\xe0\x01\0\xea", "Amazon Ion", "export the table as DynamoDB JSON"),
    (b"$ion_1_0", "Amazon Ion", "export the table as DynamoDB JSON"),
    (b"BZh", "bzip2", UNPACK),
    (b"\xfd7zXZ\0", "xz", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"\x04\x22\x4d\x18", "LZ4", UNPACK),
    (b"\xff\x06\0\0sNaPpY", "framed Snappy", UNPACK),
    (b"%PDF", "a PDF document", "export the table behind it as CSV"),
    (b"\x80\x04", "a Python pickle", AS_PARQUET),
    (b"\x80\x05", "a Python pickle", AS_PARQUET),
    (b"<?xml", "XML", AS_PARQUET),
    (b"<!DOCTYPE html", "an HTML page", SAVED_PAGE),
    (b"<!doctype html", "an HTML page", SAVED_PAGE),
    (b"<html", "an HTML page", SAVED_PAGE),
    (b"<Error>", "an error message in XML", SAVED_PAGE),
    (b"version https://git-lfs", "a Git LFS pointer", "run git lfs pull"),
];

/// UTF-8's byte order mark.
pub(super) const MARK: &[u8] = b"\xef\xbb\xbf";

impl Kind {
    /// What begins so. `head`: the first [`HEAD_BYTES`] of a file, or all of it.
    pub(super) fn of(head: &[u8]) -> Self {
        let head = &head[..head.len().min(HEAD_BYTES)];
        if head.is_empty() {
            return Self::Other("empty", "nothing was written to it");
        }
        match head {
            [b'A', b'R', b'R', b'O', b'W', b'1', ..] => return Self::ArrowFile,
            [0xff, 0xff, 0xff, 0xff, ..] => return Self::ArrowStream,
            [b'P', b'A', b'R', b'1', ..] => return Self::Parquet,
            [0x1f, 0x8b, ..] => return Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => return Self::Zstandard,
            [b'P', b'K', 3, 4, ..] => return zipped(head),
            _ => {}
        }
        if let Some((_, name, cure)) = OTHERS.iter().find(|(start, ..)| head.starts_with(start)) {
            return Self::Other(name, cure);
        }
        if head.get(8..12) == Some(b"DUCK") {
            return Self::Other("a DuckDB database", "export the table: COPY products TO 'products.parquet'");
        }
        if head.get(257..262) == Some(b"ustar") {
            return Self::Other("a tar archive", UNPACK);
        }
        let text = head.strip_prefix(MARK).unwrap_or(head);
        if text.contains(&0) {
            return if is_utf16(text) {
                Self::Other("UTF-16 text", AS_UTF8)
            } else {
                Self::Other("binary data of an unknown kind", AS_PARQUET)
            };
        }
        match text.trim_ascii_start() {
            [] => Self::Other("empty but for blanks", "nothing was written to it"),
            [b'{' | b'[', ..] => Self::Json,
            _ => Self::Text,
        }
    }

    /// Whether products can be read from it.
    pub(super) fn may_have_products(self) -> bool {
        !matches!(self, Self::Other(..))
    }

    /// What to do with what is not read.
    pub(super) fn cure(self) -> &'static str {
        if let Self::Other(_, cure) = self { cure } else { "" }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ArrowFile => "an Arrow IPC file",
            Self::ArrowStream => "an Arrow IPC stream",
            Self::Parquet => "Parquet",
            Self::Json => "JSON",
            Self::Gzip => "gzip",
            Self::Zstandard => "zstd",
            Self::Text => "text",
            Self::Other(name, _) => name,
        })
    }
}

/// Whether every second byte is zero, as in UTF-16 of Latin letters.
fn is_utf16(text: &[u8]) -> bool {
    let zeros = |first: usize| text.iter().skip(first).step_by(2).filter(|&&byte| byte == 0).count();
    let pairs = text.len() / 2;
    zeros(0).max(zeros(1)) * 4 > pairs * 3
}

fn zipped(head: &[u8]) -> Kind {
    let names = |name: &[u8]| head.windows(name.len()).any(|window| window == name);
    if names(b"[Content_Types]") || names(b"xl/") || names(b"docProps") {
        Kind::Other("an Excel workbook", "save the sheet as CSV UTF-8")
    } else if names(b".npy") {
        Kind::Other("NumPy arrays (.npz)", EMBEDDED_IN_ROWS)
    } else {
        Kind::Other("a zip archive", UNPACK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_first_bytes() {
        let utf16: Vec<u8> = "product_id,category".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (head, name) in [
            (&b"ARROW1\0\0"[..], "an Arrow IPC file"),
            (b"\xff\xff\xff\xff\x10\0\0\0", "an Arrow IPC stream"),
            (b"PAR1\x15", "Parquet"),
            (b"\xef\xbb\xbf  [{", "JSON"),
            (b"\n{\"a\":1}", "JSON"),
            (b"product_id;text", "text"),
            (b"\x1f\x8b\x08", "gzip"),
            (b"", "empty"),
            (b" \r\n", "empty but for blanks"),
            (b"\xff\xfep\0r\0", "UTF-16 text"),
            (&utf16, "UTF-16 text"),
            (b"PK\x03\x04....[Content_Types].xml", "an Excel workbook"),
            (b"PK\x03\x04....ids.npy", "NumPy arrays (.npz)"),
            (b"PK\x03\x04....products.csv", "a zip archive"),
            (b"\x93NUMPY\x01\0", "a NumPy array"),
            (b"abc\0\0\0def", "binary data of an unknown kind"),
        ] {
            assert_eq!(Kind::of(head).to_string(), name);
        }
    }
}
