//! One file of a source: what it is, whatever its name says, and its bytes, unpacked.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

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
        let (mut file, mut length) = (file, 0);
        for _ in 0..2 {
            length = file.metadata().map_err(unread)?.len();
            let mut head = vec![0; HEAD_BYTES.min(usize::try_from(length).unwrap_or(HEAD_BYTES))];
            file.read_exact_at(&mut head, 0).map_err(unread)?;
            let kind = Kind::of(&head);
            let packed: Box<dyn Read> = match kind {
                Kind::Gzip => {
                    file.seek(SeekFrom::Start(0)).map_err(unread)?;
                    Box::new(flate2::read::MultiGzDecoder::new(BufReader::new(file)))
                }
                Kind::Zstandard => {
                    file.seek(SeekFrom::Start(0)).map_err(unread)?;
                    Box::new(zstd::Decoder::new(file).map_err(unread)?)
                }
                Kind::Other(..) => return Err(failed(format!("this is {kind}: {}", kind.cure()))),
                kind => return Ok(Self { name, file, length, kind }),
            };
            file = unpack(packed).map_err(|error| failed(format!("it cannot be unpacked as {kind}: {error}")))?;
        }
        Err(failed(format!("it is packed twice ({length} bytes): unpack it")))
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

fn unpack(mut packed: impl Read) -> std::io::Result<File> {
    let mut file = tempfile::tempfile()?;
    std::io::copy(&mut packed, &mut file)?;
    Ok(file)
}
