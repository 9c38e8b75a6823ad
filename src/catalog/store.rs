//! Loads and publishes catalogs: a file, or an S3 prefix with a pointer to the current one.
//!
//! `PREFIX/catalogs/<version>.arrow` never changes once written; `PREFIX/current.json` is written last, so that a
//! reader sees the old catalog or the whole new one. What is served is what was hashed: bytes are read once.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use nearline_search::{Available, Codes};

use super::artifact::{self, Loaded};
use super::artifacts::Artifacts;
use super::error::CatalogError;
use super::indexed::Catalog;
use super::indexes;
use super::indexing::Indexing;
use super::load::{self, run_long};
use super::location::{CatalogGuard, CatalogLocation, ObjectName, S3Prefix};
use super::pointer::Pointer;
use super::{room, size};
use crate::compute::Priority;

/// Name of the pointer below a prefix.
const POINTER: &str = "current.json";

/// The object that says which catalog of a prefix is current.
pub fn pointer_name(prefix: &S3Prefix) -> ObjectName {
    prefix.object(POINTER)
}

/// What a location holds now, not read further than to know it again.
#[derive(Debug, Clone)]
pub enum Current {
    /// What the pointer of a prefix names.
    Published {
        /// The prefix.
        prefix: S3Prefix,
        /// Its pointer.
        pointer: Pointer,
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

/// Reads and publishes catalogs.
#[derive(Debug, Clone)]
pub struct CatalogStore<A> {
    artifacts: A,
    indexing: Indexing,
}

impl<A: Artifacts> CatalogStore<A> {
    /// A store that indexes what it loads.
    pub fn new(artifacts: A, indexing: Indexing) -> Self {
        Self { artifacts, indexing }
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
                Ok(Current::Published { prefix: prefix.clone(), pointer: self.pointer(prefix).await? })
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
            Current::Published { pointer, .. } => size::to_load(pointer, &self.indexing.vectors),
            Current::File { path, .. } => std::fs::metadata(path).map_or(0, |file| size::to_load_file(file.len())),
        };
        room::check(needed, room::left(self.indexing.function_memory))?;
        match current {
            Current::File { path, .. } => load::file(&path, &self.indexing, Priority::Background).await,
            Current::Published { prefix, pointer } => self.load_published(&prefix, pointer, Priority::Background).await,
        }
    }

    async fn load_published(
        &self,
        prefix: &S3Prefix,
        pointer: Pointer,
        priority: Priority,
    ) -> Result<Catalog, CatalogError> {
        if !pointer.updates.is_empty() {
            let (version, updates) = (&pointer.version, pointer.updates.len());
            let why = format!("version {version} has {updates} updates, which this release does not apply");
            return Err(CatalogError::Invalid(why));
        }
        let name = ObjectName { bucket: prefix.bucket.clone(), key: pointer.key.clone() };
        load::published(&self.artifacts, &self.indexing, name, pointer, priority).await
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

    /// Checks an artifact, uploads it unless it is there, and points to it. `model_family` says which model it is of,
    /// if its own name of it does not.
    ///
    /// # Errors
    /// [`CatalogError`]; the pointer is only written when all else is done.
    pub async fn publish(
        &self,
        artifact: Loaded,
        prefix: &S3Prefix,
        model_family: Option<&str>,
    ) -> Result<Pointer, CatalogError> {
        let bytes = artifact.bytes.clone();
        let (catalog, sha256) = catalog(artifact, self.indexing.kernel)?;
        let family = model_family.filter(|_| catalog.model_id().is_some()).map(str::to_owned);
        catalog.query_model(&CatalogGuard { model_family: family, ..CatalogGuard::default() })?;
        let (name, length) = (prefix.object(&artifact_name(catalog.version())), bytes.len() as u64);
        if self.artifacts.length(&name).await? != Some(length) {
            self.artifacts.put(&name, bytes).await?;
        }
        let mut pointer = Pointer::new(&catalog, &name, sha256, length);
        for codes in Codes::ALL {
            let Some((index, bytes)) = indexes::pack(&catalog, &pointer.sha256, prefix, codes) else { break };
            let name = ObjectName { bucket: prefix.bucket.clone(), key: index.key.clone() };
            if self.artifacts.length(&name).await? != Some(index.bytes) {
                self.artifacts.put(&name, bytes).await?;
            }
            pointer.indexes.push(index);
        }
        self.point(prefix, pointer).await
    }

    /// Points to a version that was published before, after reading it whole.
    ///
    /// # Errors
    /// [`CatalogError`]: it is not there, or its bytes are not those of its name.
    pub async fn rollback(&self, prefix: &S3Prefix, version: &str) -> Result<Pointer, CatalogError> {
        let name = prefix.object(&artifact_name(version));
        let Some(bytes) = self.artifacts.get(&name).await? else { return Err(CatalogError::Missing(name)) };
        let length = bytes.len() as u64;
        let (catalog, sha256) = catalog(Loaded::new(bytes)?, self.indexing.kernel)?;
        if catalog.version() != version {
            let why = "its content is of another version than its name".to_owned();
            return Err(CatalogError::Corrupt { what: name.to_string(), why });
        }
        self.point(prefix, Pointer::new(&catalog, &name, sha256, length)).await
    }

    async fn point(&self, prefix: &S3Prefix, pointer: Pointer) -> Result<Pointer, CatalogError> {
        let body = serde_json::to_vec_pretty(&pointer).map_err(|error| CatalogError::Invalid(error.to_string()))?;
        self.artifacts.put(&pointer_name(prefix), body.into()).await?;
        Ok(pointer)
    }
}

fn artifact_name(version: &str) -> String {
    format!("catalogs/{version}.arrow")
}

/// Loads an artifact from disk, when nothing else can go on.
///
/// # Errors
/// [`CatalogError`].
pub async fn load_file(path: &Path, indexing: &Indexing) -> Result<Catalog, CatalogError> {
    load::file(path, indexing, Priority::Foreground).await
}

/// Loads an artifact that is in memory, as one from elsewhere is loaded.
///
/// # Errors
/// [`CatalogError`].
pub fn load_bytes(bytes: &Bytes, indexing: &Indexing) -> Result<Catalog, CatalogError> {
    load::memory(bytes, indexing)
}

/// The catalog of an artifact, whose bytes go before it is indexed; and its SHA-256.
fn catalog(loaded: Loaded, kernel: Available) -> Result<(Catalog, String), CatalogError> {
    let Loaded { bytes, sha256, artifact } = loaded;
    drop(bytes);
    let version = artifact::version(&sha256).to_owned();
    Ok((Catalog::new(artifact.rows, version, artifact.model_id, kernel)?, sha256))
}
