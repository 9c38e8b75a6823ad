//! A file read once: what is hashed, checked and published are the same bytes.

use std::io::Read;

use bytes::Bytes;
use nearline_contract::hash::hex;
use sha2::{Digest, Sha256};

use super::format::Artifact;
use super::read::read_bytes;
use crate::catalog::CatalogError;

/// An artifact and the bytes that it was read from.
#[derive(Debug)]
pub struct Loaded {
    /// The file.
    pub bytes: Bytes,
    /// Of the bytes, as lower-case hex.
    pub sha256: String,
    /// What they hold.
    pub artifact: Artifact,
}

impl Loaded {
    /// Reads an artifact that is in memory, and keeps the bytes.
    ///
    /// # Errors
    /// As [`read_bytes`].
    pub fn new(bytes: Bytes) -> Result<Self, CatalogError> {
        let sha256 = hex(&Sha256::digest(&bytes));
        Self::hashed(bytes, sha256)
    }

    /// As [`new`](Self::new), of bytes whose SHA-256 is known.
    ///
    /// # Errors
    /// As [`read_bytes`].
    pub fn hashed(bytes: Bytes, sha256: String) -> Result<Self, CatalogError> {
        let artifact = read_bytes(&bytes)?;
        Ok(Self { bytes, sha256, artifact })
    }
}

/// SHA-256 of an artifact's bytes, as lower-case hex.
///
/// # Errors
/// Those of reading.
pub fn sha256(mut source: impl Read) -> std::io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match source.read(&mut buffer)? {
            0 => return Ok(hex(&hasher.finalize())),
            length => hasher.update(&buffer[..length]),
        }
    }
}
