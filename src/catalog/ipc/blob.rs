//! The bytes of an IPC file, in memory or on disk.

use std::fs::File;
use std::io::ErrorKind;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use arrow_buffer::{Buffer, MutableBuffer};

use super::invalid;
use crate::catalog::CatalogError;

/// Bytes that are read in pieces.
#[derive(Debug)]
pub(in crate::catalog) enum Blob {
    /// Pieces share this memory.
    Memory(Buffer),
    /// Pieces are read from a regular file of this length.
    File(File, u64),
}

impl Blob {
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(_, length) => *length,
        }
    }

    /// A piece that lies within the blob.
    ///
    /// # Errors
    /// The file cannot be read, or has become shorter.
    pub(super) fn read(&self, piece: Range<u64>) -> Result<Buffer, CatalogError> {
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
        }
    }
}
