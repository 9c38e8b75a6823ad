//! Loads catalogs: a file, or an S3 prefix with a pointer to the current one.
//!
//! `PREFIX/catalogs/<version>.arrow` never changes once written; `PREFIX/current.json` is written last, so that a
//! reader sees the old catalog or the whole new one. What is served is what was hashed: bytes are read once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use nearline_search::Available;

use super::artifact::{self, Loaded};
use super::artifacts::Artifacts;
use super::candidate::Candidate;
use super::changes::Alive;
use super::error::CatalogError;
use super::indexed::Catalog;
use super::indexes;
use super::indexing::Indexing;
use super::load::{self, run_long};
use super::location::{CatalogLocation, ObjectName, S3Prefix};
use super::pointer::Pointer;
use super::upload::Cut;
use super::{room, size};
use crate::compute::Priority;

/// Name of the pointer below a prefix.
const POINTER: &str = "current.json";

/// The object that says which catalog of a prefix is current.
pub fn pointer_name(prefix: &S3Prefix) -> ObjectName {
    prefix.object(POINTER)
}

/// The object that says which catalog of a prefix is tried out.
pub fn candidate_name(prefix: &S3Prefix) -> ObjectName {
    prefix.object("candidate.json")
}

/// What a location holds now, not read further than to know it again.
#[derive(Debug, Clone)]
pub enum Current {
    /// What the pointer of a prefix names.
    Published {
        /// The prefix.
        prefix: S3Prefix,
        /// Its pointer.
        pointer: Box<Pointer>,
    },
    /// A file.
    File {
        /// Its path.
        path: PathBuf,
        /// SHA-256 of its content.
        sha256: String,
    },
}

impl Current {
    /// Its version.
    pub fn version(&self) -> &str {
        match self {
            Self::Published { pointer, .. } => &pointer.version,
            Self::File { sha256, .. } => artifact::version(sha256),
        }
    }
}

/// Reads catalogs; publishes them where artifacts can be published.
#[derive(Debug, Clone)]
pub struct CatalogStore<A> {
    pub(super) artifacts: A,
    pub(super) indexing: Indexing,
    /// How large files are uploaded.
    pub(super) cut: Cut,
    /// What is in memory of the catalogs that it loaded.
    pub(super) alive: Arc<Alive>,
}

impl<A: Artifacts> CatalogStore<A> {
    /// A store that indexes what it loads.
    pub fn new(artifacts: A, indexing: Indexing) -> Self {
        Self { artifacts, indexing, cut: Cut::OF_S3, alive: Arc::default() }
    }

    /// Loads the current catalog of a location, when nothing else can go on.
    ///
    /// # Errors
    /// [`CatalogError`]: nothing there, not what the pointer promises, or not valid.
    pub async fn load(&self, location: &CatalogLocation) -> Result<Catalog, CatalogError> {
        match location {
            CatalogLocation::File(path) => load_file(path, &self.indexing).await,
            CatalogLocation::S3(prefix) => {
                let pointer = self.pointer(prefix).await?;
                self.load_published(prefix, pointer, Priority::Foreground).await
            }
        }
    }

    /// What a location holds now.
    ///
    /// # Errors
    /// As [`CatalogStore::load`]; a file is read to its end.
    pub async fn current(&self, location: &CatalogLocation) -> Result<Current, CatalogError> {
        match location {
            CatalogLocation::S3(prefix) => {
                Ok(Current::Published { prefix: prefix.clone(), pointer: Box::new(self.pointer(prefix).await?) })
            }
            CatalogLocation::File(path) => {
                let path = path.clone();
                let hash = move || {
                    let sha256 = artifact::sha256(artifact::open(&path)?);
                    let sha256 = sha256.map_err(|source| CatalogError::File { path: path.clone(), source })?;
                    Ok(Current::File { path, sha256 })
                };
                run_long(&self.indexing.compute, Priority::Background, hash).await
            }
        }
    }

    /// Loads what [`current`](Self::current) found, beside what goes on. A file may hold something else by now: the
    /// catalog is of what was read.
    ///
    /// # Errors
    /// As [`CatalogStore::load`].
    pub async fn load_current(&self, current: Current) -> Result<Catalog, CatalogError> {
        let needed = match &current {
            Current::Published { pointer, .. } => {
                let is_there = self.alive.base(&pointer.sha256).is_some();
                let artifact = if is_there { 0 } else { size::to_load(pointer, &self.indexing.vectors) };
                artifact + size::of_updates(pointer)
            }
            Current::File { path, .. } => std::fs::metadata(path).map_or(0, |file| size::to_load_file(file.len())),
        };
        room::check(needed, room::left(self.indexing.function_memory))?;
        match current {
            Current::File { path, .. } => Ok(load::file(&path, &self.indexing, Priority::Background).await?.0),
            Current::Published { prefix, pointer } => {
                self.load_published(&prefix, *pointer, Priority::Background).await
            }
        }
    }

    async fn load_published(
        &self,
        prefix: &S3Prefix,
        pointer: Pointer,
        priority: Priority,
    ) -> Result<Catalog, CatalogError> {
        if let Some(base) = self.alive.base(&pointer.sha256) {
            return self.with_updates(base, prefix, pointer, 0, priority).await;
        }
        let name = prefix.object_at(&pointer.key);
        let packed = indexes::of_kernel(&pointer, self.indexing.kernel).map_or(0, |index| index.bytes);
        let bytes_read = pointer.bytes + packed;
        let catalog = load::published(&self.artifacts, &self.indexing, name, pointer.clone(), priority).await?;
        self.alive.keep_base(&pointer.sha256, catalog.base());
        self.with_updates(Arc::clone(catalog.base()), prefix, pointer, bytes_read, priority).await
    }

    /// Reads the candidate of a prefix; `None` if there is none.
    ///
    /// # Errors
    /// [`CatalogError::Corrupt`] if it is not one, or a fault of the service.
    pub async fn candidate(&self, prefix: &S3Prefix) -> Result<Option<Candidate>, CatalogError> {
        let name = candidate_name(prefix);
        self.artifacts.get(&name).await?.map(|body| Candidate::parse(&name, &body)).transpose()
    }

    /// Reads the pointer of a prefix.
    ///
    /// # Errors
    /// [`CatalogError::NotPublished`] if there is none.
    pub async fn pointer(&self, prefix: &S3Prefix) -> Result<Pointer, CatalogError> {
        let name = pointer_name(prefix);
        match self.artifacts.get(&name).await? {
            Some(body) => Pointer::parse(&name, &body),
            None => Err(CatalogError::NotPublished(prefix.clone())),
        }
    }
}

/// The object of an artifact below its prefix.
pub(super) fn artifact_name(version: &str) -> String {
    format!("catalogs/{version}.arrow")
}

/// Loads an artifact from disk, when nothing else can go on.
///
/// # Errors
/// [`CatalogError`].
pub async fn load_file(path: &Path, indexing: &Indexing) -> Result<Catalog, CatalogError> {
    Ok(load::file(path, indexing, Priority::Foreground).await?.0)
}

/// Loads an artifact that is in memory, as one from elsewhere is loaded.
///
/// # Errors
/// [`CatalogError`].
pub fn load_bytes(bytes: &Bytes, indexing: &Indexing) -> Result<Catalog, CatalogError> {
    load::memory(bytes, indexing)
}

/// The catalog of an artifact, whose bytes go before it is indexed; and its SHA-256.
pub(super) fn catalog(loaded: Loaded, kernel: Available) -> Result<(Catalog, String), CatalogError> {
    let Loaded { bytes, sha256, artifact } = loaded;
    drop(bytes);
    let version = artifact::version(&sha256).to_owned();
    Ok((Catalog::new(artifact.rows, version, artifact.model_id, kernel)?, sha256))
}
