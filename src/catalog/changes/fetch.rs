//! Updates and artifacts from where they are kept: what is read is what its pointer names.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use nearline_contract::hash::hex;
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

use super::base::Base;
use super::history::Misfit;
use super::update::Update;
use crate::catalog::artifact::Source;
use crate::catalog::artifacts::Artifacts;
use crate::catalog::download::{Download, Pieces};
use crate::catalog::error::CatalogError;
use crate::catalog::location::{ObjectName, S3Prefix};
use crate::catalog::pointer::{Pointer, UpdateRef};

/// Bytes that are hashed and written at once.
const BUFFER_BYTES: usize = 1 << 20;

/// The bytes of an update.
///
/// # Errors
/// They are not there, or others than the pointer names.
pub(in crate::catalog) async fn update_bytes<A: Artifacts>(
    artifacts: &A,
    prefix: &S3Prefix,
    update: &UpdateRef,
) -> Result<Bytes, CatalogError> {
    let name = prefix.object_at(&update.key);
    let bytes = artifacts.get(&name).await?.ok_or_else(|| CatalogError::Missing(name.clone()))?;
    check(&name, &hex(&Sha256::digest(&bytes)), &update.sha256)?;
    Ok(bytes)
}

/// Reads an update, which must be of this artifact.
///
/// # Errors
/// [`CatalogError::Update`].
pub(in crate::catalog) fn read(key: &str, bytes: &Bytes, base: &impl Base) -> Result<Arc<Update>, CatalogError> {
    let name = || key.to_owned();
    match Update::read(bytes, base) {
        Ok(update) => Ok(Arc::new(update)),
        Err(CatalogError::Invalid(what)) => Err(CatalogError::Update { name: name(), what }),
        Err(error) => Err(error),
    }
}

/// Which update of a pointer does not fit, and why.
pub(in crate::catalog) fn misfit(pointer: &Pointer, misfit: Misfit) -> CatalogError {
    let name = pointer.updates.get(misfit.update).map_or_else(|| "that is new".to_owned(), |update| update.key.clone());
    CatalogError::Update { name, what: misfit.what }
}

/// Writes the artifact of a pointer to a file.
///
/// # Errors
/// It is not there, or another than the pointer names.
pub(super) async fn artifact_to<A: Artifacts>(
    artifacts: &A,
    prefix: &S3Prefix,
    pointer: &Pointer,
    path: &Path,
) -> Result<(), CatalogError> {
    let name = prefix.object_at(&pointer.key);
    let download = Download::begin(artifacts, &name, pointer.bytes).await?;
    let (to, mut pieces) = Pieces::new();
    let (path, length) = (path.to_owned(), pointer.bytes);
    let writing = spawn_blocking(move || {
        let file_error = |source| CatalogError::File { path: path.clone(), source };
        let mut file = File::create(&path).map_err(file_error)?;
        let (mut hasher, mut buffer, mut left) = (Sha256::new(), vec![0; BUFFER_BYTES], length);
        while left > 0 {
            let piece = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            pieces.fill(&mut buffer[..piece])?;
            hasher.update(&buffer[..piece]);
            file.write_all(&buffer[..piece]).map_err(file_error)?;
            left -= piece as u64;
        }
        Ok(hex(&hasher.finalize()))
    });
    let (written, ()) = tokio::join!(writing, download.feed(to));
    let found = written.unwrap_or_else(|error| Err(CatalogError::Invalid(error.to_string())))?;
    check(&name, &found, &pointer.sha256)
}

fn check(name: &ObjectName, found: &str, sha256: &str) -> Result<(), CatalogError> {
    if found == sha256 {
        return Ok(());
    }
    Err(CatalogError::Corrupt { what: name.to_string(), why: format!("its SHA-256 is {found}, expected {sha256}") })
}
