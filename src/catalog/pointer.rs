//! `current.json`: which catalog of a prefix is current.

use nearline_contract::clip;
use serde::{Deserialize, Serialize};

use super::artifact;
use super::error::CatalogError;
use super::indexed::Catalog;
use super::location::ObjectName;

/// `format_version` of the pointer.
const FORMAT: u32 = 1;
/// Longest account of an object that is no pointer, in characters.
const MESSAGE_MAX_CHARS: usize = 200;

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
    /// [`CatalogError::Corrupt`]: not a pointer of this format, no SHA-256, or a version that is not the start of it.
    pub(super) fn parse(name: &ObjectName, body: &[u8]) -> Result<Self, CatalogError> {
        let corrupt = |why: String| CatalogError::Corrupt { what: name.to_string(), why };
        // What is wrong may quote the object, which can be of any length.
        let unreadable =
            |error: serde_json::Error| corrupt(error.to_string().chars().take(MESSAGE_MAX_CHARS).collect());
        let pointer: Self = serde_json::from_slice(body).map_err(unreadable)?;
        if pointer.format_version != FORMAT {
            let why = format!("format_version {}, this release reads {FORMAT}", pointer.format_version);
            return Err(corrupt(why));
        }
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if pointer.sha256.len() != 64 || !pointer.sha256.bytes().all(is_digit) {
            return Err(corrupt(format!("sha256 `{}` is not 64 lower-case hex digits", clip(&pointer.sha256))));
        }
        if pointer.version != artifact::version(&pointer.sha256) {
            let version = clip(&pointer.version);
            let why = format!("version {version} is not the start of sha256 {}", pointer.sha256);
            return Err(corrupt(why));
        }
        Ok(pointer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sha256_that_is_none_is_refused() {
        let name = ObjectName { bucket: "b".into(), key: "current.json".into() };
        let parse = |sha256: &str| {
            let version: String = sha256.chars().take(16).collect();
            let body = serde_json::json!({"format_version": 1, "version": version, "key": "k", "sha256": sha256,
                "bytes": 1, "rows": 1, "dimension": 1});
            Pointer::parse(&name, body.to_string().as_bytes())
        };
        assert!(parse(&"0123456789abcdef".repeat(4)).is_ok());
        // In the last one the sixteenth byte is inside of a character.
        for sha256 in ["", "0123456789abcdef", &"0123456789ABCDEF".repeat(4), &format!("a{}a", "é".repeat(31))] {
            let message = parse(sha256).unwrap_err().to_string();
            assert!(message.contains("is not 64 lower-case hex digits"), "{message}");
        }
    }
}
