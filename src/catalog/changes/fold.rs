//! `catalog compact`: an artifact with its updates becomes one artifact, which answers the same.
//!
//! Updates that are published meanwhile stay: they have the same effect on the new artifact ([`compact`](super::compact)
//! says why), so the new pointer lists them after it.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::task::spawn_blocking;

use super::compact::compact;
use super::fetch::{artifact_to, misfit, read, update_bytes};
use super::history::Changes;
use super::known::Artifact;
use crate::catalog::change::{ChangeError, Seen};
use crate::catalog::error::CatalogError;
use crate::catalog::location::S3Prefix;
use crate::catalog::pointer::Pointer;
use crate::catalog::publish::Checked;
use crate::catalog::publishing::Publishing;
use crate::catalog::store::CatalogStore;
use crate::catalog::upload::Told;

/// Times that the pointer is written, as updates may come faster than it is.
const TRIES: usize = 10;

/// What was compacted.
#[derive(Debug)]
pub struct Compacted {
    /// What is current now.
    pub pointer: Pointer,
    /// Updates that are in the new artifact.
    pub folded: usize,
    /// Updates that came meanwhile, and are listed after it.
    pub kept: usize,
}

impl<A: Publishing> CatalogStore<A> {
    /// Makes one artifact of what is current and its updates, and points to it; `None`: it has none. The new file is built
    /// on this machine first.
    ///
    /// # Errors
    /// [`ChangeError::Overtaken`] if another catalog became current meanwhile.
    pub async fn compact(
        &self,
        prefix: &S3Prefix,
        model_family: Option<&str>,
        now: OffsetDateTime,
        told: Told<'_>,
    ) -> Result<Option<Compacted>, ChangeError> {
        let mut seen = self.seen_current(prefix).await?;
        if let Some(error) = seen.unreadable.take() {
            return Err(error.into());
        }
        let Some(before) = seen.pointer.clone() else { return Err(CatalogError::NotPublished(prefix.clone()).into()) };
        if before.updates.is_empty() {
            return Ok(None);
        }
        let folder = TempDir::new().map_err(|source| CatalogError::File { path: std::env::temp_dir(), source })?;
        let checked = self.folded(prefix, &before, folder.path(), model_family).await?;
        let folded = before.updates.len();
        for attempt in 1..=TRIES {
            let current = match &seen.pointer {
                Some(current) if current.sha256 == before.sha256 && current.updates.starts_with(&before.updates) => {
                    current.clone()
                }
                _ => return Err(overtaken(prefix, &seen)),
            };
            let rest = current.updates[folded..].to_vec();
            let kept = rest.len();
            let pointer = checked.pointer().with_updates(rest, current.rows);
            let pointer = Self::dated(pointer, Some(&current), now);
            self.bring(&checked, prefix, told).await?;
            self.claim(prefix, &pointer).await?;
            self.bring(&checked, prefix, told).await?;
            self.check_objects(prefix, &pointer).await?;
            match self.point(prefix, &seen, &pointer).await {
                Err(ChangeError::Overtaken { .. }) if attempt < TRIES => seen = self.seen_current(prefix).await?,
                result => return result.map(|()| Some(Compacted { pointer, folded, kept })),
            }
        }
        Ok(None)
    }

    /// The artifact of a pointer and its updates, built in a folder.
    async fn folded(
        &self,
        prefix: &S3Prefix,
        pointer: &Pointer,
        folder: &Path,
        model_family: Option<&str>,
    ) -> Result<Checked, CatalogError> {
        let (old, new) = (folder.join("old.arrow"), folder.join("new.arrow"));
        artifact_to(&self.artifacts, prefix, pointer, &old).await?;
        let mut bytes = Vec::new();
        for update in &pointer.updates {
            bytes.push((update.key.clone(), update_bytes(&self.artifacts, prefix, update).await?));
        }
        let pointer = pointer.clone();
        let rows = pointer.rows;
        let built = spawn_blocking(move || {
            let base = Artifact::read(&old)?;
            let updates: Result<Vec<_>, _> = bytes.iter().map(|(key, bytes)| read(key, bytes, &base)).collect();
            let updates = updates?;
            let changes = Changes::of(&base, base.rows(), &updates).map_err(|what| misfit(&pointer, what))?;
            drop(base);
            let file_error = |source| CatalogError::File { path: new.clone(), source };
            let sink = BufWriter::with_capacity(1 << 20, File::create(&new).map_err(file_error)?);
            let sink = compact(&old, &changes, &updates, sink)?;
            sink.into_inner().map_err(|error| file_error(error.into_error()))?;
            Ok::<_, CatalogError>(new)
        });
        let built = built.await.unwrap_or_else(|error| Err(CatalogError::Invalid(error.to_string())));
        let checked = self.check_file(&built?, prefix, model_family, true).await?;
        if checked.pointer().rows == rows {
            return Ok(checked);
        }
        let why = format!("it lists {rows} products, and its artifact and updates have {}", checked.pointer().rows);
        Err(CatalogError::Corrupt { what: "the pointer".to_owned(), why })
    }
}

/// Another catalog became current.
fn overtaken(prefix: &S3Prefix, seen: &Seen<Pointer>) -> ChangeError {
    let by = seen.pointer.as_ref().map_or_else(
        || "something that this release cannot read".to_owned(),
        |pointer| format!("version {}", pointer.version),
    );
    ChangeError::Overtaken { prefix: prefix.to_string(), name: seen.name.clone(), by }
}
