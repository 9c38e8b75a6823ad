//! Packed indexes beside an artifact: derived data, so that workers need not pack what somebody packed already.
//!
//! `PREFIX/indexes/<artifact version>-<format>-<coding>.index` is of one artifact, and the same bytes whoever packs it. A worker
//! takes the one that its kernel can search; what is missing, unknown or damaged costs it the time to pack, no more.

use std::io::{self, Write};

use nearline_contract::hash::hex;
use nearline_search::{Available, Codes, STORED_FORMAT, StoredIndex};
use sha2::{Digest, Sha256};

use super::artifact::{self, Source};
use super::error::CatalogError;
use super::indexed::Catalog;
use super::location::S3Prefix;
use super::pointer::{IndexRef, Pointer};

/// Bytes that are read and hashed together.
const PIECE_BYTES: usize = 1 << 20;

/// Packs the rows of an artifact, whose SHA-256 is known, for all kernels with these codes, and writes the index to `sink`:
/// what the pointer says of it. `None`: it has so few rows that they are not packed.
///
/// # Errors
/// Those of writing.
pub fn pack(
    catalog: &Catalog,
    sha256: &str,
    prefix: &S3Prefix,
    codes: Codes,
    sink: &mut impl Write,
) -> io::Result<Option<IndexRef>> {
    let Some(stored) = catalog.index().stored(codes, digest(sha256)) else { return Ok(None) };
    let mut hasher = Sha256::new();
    stored.write(|piece| {
        hasher.update(piece);
        sink.write_all(piece)
    })?;
    let version = artifact::version(sha256);
    let key = prefix.object(&format!("indexes/{version}-{STORED_FORMAT}-{}.index", codes.name())).key;
    Ok(Some(IndexRef {
        format: STORED_FORMAT,
        coding: codes.name().to_owned(),
        key,
        sha256: hex(&hasher.finalize()),
        bytes: stored.len(),
    }))
}

/// The index that a kernel can search.
pub(super) fn of_kernel(pointer: &Pointer, kernel: Available) -> Option<&IndexRef> {
    let coding = kernel.kernel().codes().name();
    pointer.indexes.iter().find(|index| index.format == STORED_FORMAT && index.coding == coding)
}

/// Reads an index of so many rows, and checks its hash. The error says why there is none.
pub(super) fn read(
    source: &mut impl Source,
    reference: &IndexRef,
    rows: usize,
    dimension: usize,
    kernel: Available,
) -> Result<StoredIndex, String> {
    let mut hasher = Sha256::new();
    let mut left = reference.bytes;
    let fill = |bytes: &mut [u8]| {
        left = left.checked_sub(bytes.len() as u64).ok_or("it is shorter than its rows need")?;
        for piece in bytes.chunks_mut(PIECE_BYTES) {
            source.fill(piece).map_err(|error: CatalogError| error.to_string())?;
            hasher.update(piece);
        }
        Ok::<_, String>(())
    };
    let read = StoredIndex::read(rows, dimension, kernel.kernel().codes(), fill)?;
    let stored = read.map_err(|unfit| unfit.to_string())?;
    let found = hex(&hasher.finalize());
    match (left, found == reference.sha256) {
        (0, true) => Ok(stored),
        (0, false) => Err(format!("its SHA-256 is {found}, expected {}", reference.sha256)),
        (left, _) => Err(format!("it has {left} bytes more than its rows need")),
    }
}

/// The bytes of a SHA-256; what is no hexadecimal digit counts as 0.
pub(super) fn digest(sha256: &str) -> [u8; 32] {
    let digits = sha256.as_bytes();
    let digit = |at: usize| digits.get(at).and_then(|&digit| char::from(digit).to_digit(16)).unwrap_or(0) as u8;
    std::array::from_fn(|at| digit(2 * at) << 4 | digit(2 * at + 1))
}
