//! The bytes of an IPC file, in memory or on disk.

use std::fs::File;
use std::io::ErrorKind;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use arrow_buffer::{Buffer, MutableBuffer};
use memchr::memmem;

use super::invalid;
use crate::catalog::CatalogError;

/// Bytes that are looked through at once.
const PIECE_BYTES: u64 = 64 << 10;

/// Bytes that are read in pieces.
#[derive(Debug)]
pub(in crate::catalog) enum Blob {
    /// Pieces share this memory.
    Memory(Buffer),
    /// Pieces are read from a regular file of this length.
    File(File, u64),
    /// Some pieces of a file of this length, by where they begin; the rest is read elsewhere.
    Pieces(Vec<(u64, Buffer)>, u64),
}

impl Blob {
    pub(in crate::catalog) fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(_, length) | Self::Pieces(_, length) => *length,
        }
    }

    /// A piece that lies within the blob.
    ///
    /// # Errors
    /// The file cannot be read, or has become shorter.
    pub(in crate::catalog) fn read(&self, piece: Range<u64>) -> Result<Buffer, CatalogError> {
        match self {
            Self::Memory(bytes) => {
                Ok(bytes.slice_with_length(piece.start as usize, (piece.end - piece.start) as usize))
            }
            Self::File(file, _) => {
                let mut bytes = MutableBuffer::from_len_zeroed((piece.end - piece.start) as usize);
                file.read_exact_at(&mut bytes, piece.start).map_err(|error| match error.kind() {
                    ErrorKind::UnexpectedEof => invalid("the file became shorter while it was read"),
                    _ => invalid(format!("it cannot be read: {error}")),
                })?;
                Ok(bytes.into())
            }
            Self::Pieces(pieces, _) => {
                let within =
                    |(start, bytes): &&(u64, Buffer)| *start <= piece.start && piece.end <= start + bytes.len() as u64;
                let (start, bytes) = pieces.iter().find(within).ok_or_else(|| {
                    invalid(format!("its parts are not where the footer says: bytes {} to {}", piece.start, piece.end))
                })?;
                Ok(bytes.slice_with_length((piece.start - start) as usize, (piece.end - piece.start) as usize))
            }
        }
    }

    /// Whether the pieces that are known hold something else than `bytes`, which lie at `at`.
    pub(in crate::catalog) fn contradicts(&self, at: u64, bytes: &[u8]) -> bool {
        let Self::Pieces(pieces, _) = self else { return false };
        let end = at + bytes.len() as u64;
        pieces.iter().any(|(start, piece)| {
            let (from, to) = (at.max(*start), end.min(start + piece.len() as u64));
            from < to
                && bytes[(from - at) as usize..(to - at) as usize]
                    != piece[(from - start) as usize..(to - start) as usize]
        })
    }

    /// Whether a piece within the blob holds some bytes.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(in crate::catalog) fn holds(&self, piece: Range<u64>, wanted: &[u8]) -> Result<bool, CatalogError> {
        let mut at = piece.start;
        while at < piece.end {
            let end = piece.end.min(at + PIECE_BYTES);
            if memmem::find(&self.read(at..end)?, wanted).is_some() {
                return Ok(true);
            }
            // The next piece begins with what may be the beginning of them.
            at = if end < piece.end { end - (wanted.len() as u64 - 1) } else { end };
        }
        Ok(false)
    }

    /// Whether there are only zeros from a place on, as in what was padded.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(super) fn is_zero(&self, mut at: u64) -> Result<bool, CatalogError> {
        while at < self.len() {
            let end = self.len().min(at + PIECE_BYTES);
            if self.read(at..end)?.iter().any(|&byte| byte != 0) {
                return Ok(false);
            }
            at = end;
        }
        Ok(true)
    }
}
