//! What a file is, by its first bytes: its name says little.
//!
//! Besides what can be read it knows what people have instead, so that a message names the thing and what to do. Formats
//that begin with letters are recognised by later bytes that no text has.

use std::fmt;

/// Bytes at the beginning that tell what a file is.
pub const HEAD_BYTES: usize = 4_096;

/// UTF-8's byte order mark.
pub const MARK: &[u8] = b"\xef\xbb\xbf";

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Also Feather, version 2.
    ArrowFile,
    /// The same without a list of its batches.
    ArrowStream,
    /// Columns in row groups.
    Parquet,
    /// Objects one after the other, or one array of them.
    Json,
    /// Packed.
    Gzip,
    /// Packed.
    Zstandard,
    /// Lines of cells, perhaps.
    Text,
    /// Nothing that is read: its name, and what to do.
    Other(&'static str, Cure),
}

/// What to do with a file that is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cure {
    /// It is text in another encoding.
    Encode,
    /// It is packed.
    Unpack,
    /// It is a table in another format.
    Convert,
    /// It has vectors alone.
    AddColumns,
    /// It is an answer that went wrong.
    FetchAgain,
    /// Something else.
    Do(&'static str),
}

impl fmt::Display for Cure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Encode => "save it as UTF-8",
            Self::Unpack => "unpack it first; gzip and zstd are read as they are",
            Self::Convert => "write it as Parquet, CSV or JSON Lines",
            Self::AddColumns => {
                "a catalog needs product_id and category beside each vector: write them as columns of a Parquet file"
            }
            Self::FetchAgain => "this may be an error page that was saved under the file's name: fetch the file again",
            Self::Do(what) => what,
        })
    }
}

/// What has bytes that no text has and begins with no known ones.
pub(crate) const UNKNOWN: &str = "binary data of an unknown kind";

const EMPTY: Cure = Cure::Do("nothing was written to it");
const SHEET: Cure = Cure::Do("save the sheet as CSV UTF-8");
const ITEMS: Cure = Cure::Do("export the table as DynamoDB JSON");

/// How files that are not text begin.
const BINARY: [(&[u8], Kind); 31] = [
    (b"ARROW1", Kind::ArrowFile),
    (b"\xff\xff\xff\xff", Kind::ArrowStream),
    (b"PAR1", Kind::Parquet),
    (b"\x1f\x8b", Kind::Gzip),
    (b"\x28\xb5\x2f\xfd", Kind::Zstandard),
    (b"\xd0\xcf\x11\xe0", Kind::Other("an old Excel workbook (.xls)", SHEET)),
    (b"FEA1", Kind::Other("Feather, version 1", Cure::Do("write version 2, which is an Arrow IPC file"))),
    (b"PARE", Kind::Other("Parquet with an encrypted footer", Cure::Do("write it without encryption"))),
    (b"\x93NUMPY", Kind::Other("a NumPy array", Cure::AddColumns)),
    (b"\x89HDF", Kind::Other("HDF5", Cure::Convert)),
    (b"ORC", Kind::Other("ORC", Cure::Convert)),
    (b"Obj\x01", Kind::Other("Avro", Cure::Convert)),
    (b"SQLite format 3\0", Kind::Other("an SQLite database", Cure::Do("export the table as CSV or Parquet"))),
    (b"\xe0\x01\0\xea", Kind::Other("Amazon Ion", ITEMS)),
    (b"BZh", Kind::Other("bzip2", Cure::Unpack)),
    (b"\xfd7zXZ\0", Kind::Other("xz", Cure::Unpack)),
    (b"7z\xbc\xaf\x27\x1c", Kind::Other("a 7z archive", Cure::Unpack)),
    (b"\x04\x22\x4d\x18", Kind::Other("LZ4", Cure::Unpack)),
    (b"\xff\x06\0\0sNaPpY", Kind::Other("framed Snappy", Cure::Unpack)),
    (b"%PDF", Kind::Other("a PDF document", Cure::Do("export the table behind it as CSV"))),
    (b"\x80\x02", Kind::Other("a Python pickle", Cure::Convert)),
    (b"\x80\x03", Kind::Other("a Python pickle", Cure::Convert)),
    (b"\x80\x04", Kind::Other("a Python pickle", Cure::Convert)),
    (b"\x80\x05", Kind::Other("a Python pickle", Cure::Convert)),
    (b"\x89PNG", Kind::Other("an image", Cure::Convert)),
    (b"\xff\xd8\xff", Kind::Other("an image", Cure::Convert)),
    (b"GIF8", Kind::Other("an image", Cure::Convert)),
    (b"\xff\xfe\0\0", Kind::Other("UTF-32 text", Cure::Encode)),
    (b"\0\0\xfe\xff", Kind::Other("UTF-32 text", Cure::Encode)),
    (b"\xff\xfe", Kind::Other("UTF-16 text", Cure::Encode)),
    (b"\xfe\xff", Kind::Other("UTF-16 text", Cure::Encode)),
];

/// How texts begin that are not read.
const TEXTS: [(&[u8], Kind); 7] = [
    (b"$ion_1_0", Kind::Other("Amazon Ion", ITEMS)),
    (b"<?xml", Kind::Other("XML", Cure::Convert)),
    (b"<!DOCTYPE html", Kind::Other("an HTML page", Cure::FetchAgain)),
    (b"<!doctype html", Kind::Other("an HTML page", Cure::FetchAgain)),
    (b"<html", Kind::Other("an HTML page", Cure::FetchAgain)),
    (b"<Error>", Kind::Other("an error message in XML", Cure::FetchAgain)),
    (b"version https://git-lfs", Kind::Other("a Git LFS pointer", Cure::Do("run git lfs pull"))),
];

impl Kind {
    /// What begins so. `head`: the first [`HEAD_BYTES`] of a file, or all of it.
    pub fn of(head: &[u8]) -> Self {
        let head = &head[..head.len().min(HEAD_BYTES)];
        let begins =
            |list: &[(&[u8], Self)]| list.iter().find(|(start, _)| head.starts_with(start)).map(|(_, kind)| *kind);
        if head.is_empty() {
            return Self::Other("empty", EMPTY);
        }
        if !is_text(head) {
            return match head {
                [b'P', b'K', 3, 4, ..] => zipped(head),
                // A frame that is to be passed over comes before those of the file.
                [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstandard,
                _ => begins(&BINARY).or_else(|| amid(head)).unwrap_or_else(|| unknown(head)),
            };
        }
        if let Some(kind) = begins(&TEXTS) {
            return kind;
        }
        match head.strip_prefix(MARK).unwrap_or(head).trim_ascii_start() {
            [] => Self::Other("empty but for blanks", EMPTY),
            [b'{' | b'[', ..] => Self::Json,
            _ => Self::Text,
        }
    }

    /// Whether products can be read from it.
    pub fn may_have_products(self) -> bool {
        !matches!(self, Self::Other(..))
    }

    /// What to do with what is not read.
    pub fn cure(self) -> impl fmt::Display {
        if let Self::Other(_, cure) = self { cure } else { Cure::Do("") }
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

/// Whether the beginning of a file may be that of a text, in UTF-8 or in another encoding of single bytes.
fn is_text(head: &[u8]) -> bool {
    let is_binary = |byte: &u8| matches!(byte, 0..=8 | 14..=26 | 28..=31);
    if head.iter().any(is_binary) {
        return false;
    }
    match std::str::from_utf8(head) {
        Ok(_) => true,
        // The last character may be cut.
        Err(error) if error.error_len().is_none() => true,
        // Of Windows-1252 and the like it is said where it is read, but for what is known to be something else.
        Err(_) => !BINARY.iter().any(|(start, _)| head.starts_with(start)),
    }
}

/// What is told by bytes amid the first ones.
fn amid(head: &[u8]) -> Option<Kind> {
    if head.get(8..12) == Some(b"DUCK") {
        let cure = Cure::Do("export the table: COPY products TO 'products.parquet'");
        return Some(Kind::Other("a DuckDB database", cure));
    }
    (head.get(257..262) == Some(b"ustar")).then_some(Kind::Other("a tar archive", Cure::Unpack))
}

/// Text in another encoding, a text with a stray control character, or nothing that is known.
fn unknown(head: &[u8]) -> Kind {
    match encoding(head) {
        Some(name) => Kind::Other(name, Cure::Encode),
        None if head.contains(&0) => Kind::Other(UNKNOWN, Cure::Convert),
        None => match head.strip_prefix(MARK).unwrap_or(head).trim_ascii_start() {
            [b'{' | b'[', ..] => Kind::Json,
            _ => Kind::Text,
        },
    }
}

fn zipped(head: &[u8]) -> Kind {
    let names = |name: &[u8]| head.windows(name.len()).any(|window| window == name);
    if names(b"[Content_Types]") || names(b"xl/") || names(b"docProps") {
        Kind::Other("an Excel workbook", SHEET)
    } else if names(b".npy") {
        Kind::Other("NumPy arrays (.npz)", Cure::AddColumns)
    } else {
        Kind::Other("a zip archive", Cure::Unpack)
    }
}

/// UTF-16 and UTF-32, by their mark or by where the zero bytes of an ASCII first character are.
fn encoding(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [1..=0x7f, 0, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] | [0, 0, 0, 1..=0x7f, ..] => {
            Some("UTF-32 text")
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [1..=0x7f, 0] | [0, 1..=0x7f] => Some("UTF-16 text"),
        // What follows may be any letter, but a text begins with a brace, a bracket or a word.
        [1..=0x7f, 0, low, high, ..] if (*low, *high) != (0, 0) && is_utf16(bytes, 1) => Some("UTF-16 text"),
        [0, 1..=0x7f, high, low, ..] if (*low, *high) != (0, 0) && is_utf16(bytes, 0) => Some("UTF-16 text"),
        _ => None,
    }
}

/// Whether at least half of the first characters have the zero byte of ASCII at `at`, as JSON and CSV have.
fn is_utf16(bytes: &[u8], at: usize) -> bool {
    let pairs = bytes.chunks_exact(2).take(64);
    let (count, ascii) =
        pairs.fold((0, 0), |(count, ascii), pair| (count + 1, ascii + usize::from(pair[at] == 0 && pair[1 - at] != 0)));
    ascii * 2 >= count
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
            (b"\x50\x2a\x4d\x18\x04\0\0\0abcd\x28\xb5\x2f\xfd", "zstd"),
            (b"BZh91AY&SY\xff", "bzip2"),
            (b"ORC\x11\x0a", "ORC"),
            (b"PARENT_ID,category", "text"),
            (b"ORCHID,category", "text"),
            (b"BZh,category", "text"),
            (b"PAR1,category", "text"),
            (b"ARROW1;category", "text"),
            (b"FEA1\ncategory", "text"),
            (b"caf\xe9,category", "text"),
            (b"a,b\n\x01,c", "text"),
        ] {
            assert_eq!(Kind::of(head).to_string(), name);
        }
    }
}
