//! `current.json`: which catalog of a prefix is current.

use serde::{Deserialize, Serialize};

use super::artifact;
use super::error::CatalogError;
use super::indexed::Catalog;
use super::location::ObjectName;

/// `format_version` of the pointer.
const FORMAT: u32 = 1;

/// Which catalog is current.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointer {
    /// Version of this format: 1.
    pub format_version: u32,
    /// First 16 hex digits of `sha256`.
    pub version: String,
    /// Key of the artifact in the bucket.
    pub key: String,
    /// Lower-case hex SHA-256 of the artifact.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
    /// Its products.
    pub rows: u64,
    /// Length of its vectors.
    pub dimension: u64,
    /// Its embedding model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_id: Option<String>,
}

impl Pointer {
    pub(super) fn new(catalog: &Catalog, artifact: &ObjectName, sha256: String, bytes: u64) -> Self {
        Self {
            format_version: FORMAT,
            version: catalog.version().to_owned(),
            key: artifact.key.clone(),
            sha256,
            bytes,
            rows: catalog.rows() as u64,
            dimension: catalog.dimension() as u64,
            model_id: catalog.model_id().map(str::to_owned),
        }
    }

    /// Reads the object `name`.
    ///
    /// # Errors
    /// [`CatalogError::Corrupt`]: not a pointer of this format, or its version is not that of its SHA-256.
    pub(super) fn parse(name: &ObjectName, body: &[u8]) -> Result<Self, CatalogError> {
        let corrupt = |why: String| CatalogError::Corrupt { what: name.to_string(), why };
        let pointer: Self = serde_json::from_slice(body).map_err(|error| corrupt(error.to_string()))?;
        if pointer.format_version != FORMAT {
            let why = format!("format_version {}, this release reads {FORMAT}", pointer.format_version);
            return Err(corrupt(why));
        }
        if pointer.version != artifact::version(&pointer.sha256) {
            let why = format!("version {} is not the start of sha256 {}", pointer.version, pointer.sha256);
            return Err(corrupt(why));
        }
        Ok(pointer)
    }
}
