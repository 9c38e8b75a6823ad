//! One file of a source: what it is, whatever its name says, and its bytes, unpacked.

use std::fs::File;
use std::io::{BufReader, Read};
use std::os::unix::fs::FileExt;

use super::gzip::Gzip;
use crate::catalog::CatalogError;
use crate::catalog::kind::{HEAD_BYTES, Kind};

/// An unpacked file.
#[derive(Debug)]
pub struct Shard {
    /// How messages call it.
    pub(super) name: String,
    pub(super) file: File,
    pub(super) length: u64,
    pub(super) kind: Kind,
}

impl Shard {
    /// Takes a file over. What is packed by gzip or zstd is unpacked beside it, into a temporary file without a name.
    ///
    /// # Errors
    /// It cannot be read or unpacked, or is of a kind that holds no products.
    pub fn new(name: String, file: File) -> Result<Self, CatalogError> {
        let failed = |what: String| CatalogError::Source { name: name.clone(), what };
        let unread = |error: std::io::Error| failed(format!("it cannot be read: {error}"));
        let mut file = file;
        for _ in 0..2 {
            let length = file.metadata().map_err(unread)?.len();
            let kind = Kind::of(&head(&file).map_err(unread)?);
            if matches!(kind, Kind::Other(..)) {
                return Err(failed(format!("this is {kind}: {}", kind.cure())));
            }
            let Some(packed) = packed(kind, &file).map_err(unread)? else {
                return Ok(Self { name, file, length, kind });
            };
            file = unpack(packed).map_err(|error| failed(format!("it cannot be unpacked as {kind}: {error}")))?;
        }
        Err(failed("it is packed twice: unpack it".to_owned()))
    }

    /// What [`new`](Self::new) would find in a file, by the beginning of it; `None`: there is nothing in it.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(super) fn look(name: &str, file: &File) -> Result<Option<Kind>, CatalogError> {
        let failed = |what: String| CatalogError::Source { name: name.to_owned(), what };
        let unread = |error: std::io::Error| failed(format!("it cannot be read: {error}"));
        let mut head = head(file).map_err(unread)?;
        let outer = Kind::of(&head);
        if let Some(packed) = packed(outer, file).map_err(unread)? {
            head = Vec::new();
            let read = packed.take(HEAD_BYTES as u64).read_to_end(&mut head);
            read.map_err(|error| failed(format!("it cannot be unpacked as {outer}: {error}")))?;
        }
        match Kind::of(&head) {
            _ if head.is_empty() => Ok(None),
            Kind::Gzip | Kind::Zstandard => Err(failed("it is packed twice: unpack it".to_owned())),
            kind @ Kind::Other(..) => Err(failed(format!("this is {kind}: {}", kind.cure()))),
            kind => Ok(Some(kind)),
        }
    }

    /// The same file once more.
    ///
    /// # Errors
    /// The process has too many files open.
    pub(super) fn again(&self) -> Result<Self, CatalogError> {
        let file = self.file.try_clone().map_err(|error| CatalogError::Source {
            name: self.name.clone(),
            what: format!("it cannot be read: {error}"),
        })?;
        Ok(Self { name: self.name.clone(), file, length: self.length, kind: self.kind })
    }

    /// The first bytes, at most so many.
    pub(super) fn head(&self, most: usize) -> Result<Vec<u8>, CatalogError> {
        let mut head = Vec::new();
        let read = self.reader(0).take(most as u64).read_to_end(&mut head);
        read.map_err(|error| CatalogError::Invalid(format!("it cannot be read: {error}")))?;
        Ok(head)
    }

    /// The bytes from `start` on; readers do not disturb each other.
    pub(super) fn reader(&self, start: u64) -> ReadAt<'_> {
        ReadAt { file: &self.file, at: start }
    }
}

/// A reader with a position of its own.
pub(super) struct ReadAt<'a> {
    file: &'a File,
    at: u64,
}

impl Read for ReadAt<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read_at(bytes, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// The first bytes of a file, but for blanks that fill them.
fn head(file: &File) -> std::io::Result<Vec<u8>> {
    let mut at = 0;
    loop {
        let mut head = Vec::new();
        ReadAt { file, at }.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
        if head.len() < HEAD_BYTES || !head.trim_ascii().is_empty() {
            return Ok(head);
        }
        at += HEAD_BYTES as u64;
    }
}

/// What unpacks a file; `None`: it is not packed.
fn packed(kind: Kind, file: &File) -> std::io::Result<Option<Box<dyn Read + '_>>> {
    let bytes = ReadAt { file, at: 0 };
    Ok(match kind {
        Kind::Gzip => Some(Box::new(Gzip::new(BufReader::new(bytes)))),
        Kind::Zstandard => Some(Box::new(zstd::Decoder::new(bytes)?)),
        _ => None,
    })
}

fn unpack(mut packed: impl Read) -> std::io::Result<File> {
    let mut file = tempfile::tempfile()?;
    std::io::copy(&mut packed, &mut file)?;
    Ok(file)
}
