//! `current.json`: which catalog of a prefix is current.
//!
//! Format 1 names an artifact; format 2 also lists updates that are applied to it in order. Workers that know only
//! format 1 refuse format 2 and keep serving. Fields that are not known are ignored.

use nearline_contract::clip;
use nearline_contract::hash::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::artifact;
use super::error::CatalogError;
use super::indexed::Catalog;
use super::location::ObjectName;

/// `format_version` of a pointer without updates.
const FORMAT: u32 = 1;
/// `format_version` of a pointer with updates.
const FORMAT_WITH_UPDATES: u32 = 2;
/// Longest account of an object that is no pointer, in characters.
const MESSAGE_MAX_CHARS: usize = 200;

/// Which catalog is current.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointer {
    /// Version of this format: 1, or 2 with updates.
    pub format_version: u32,
    /// [`version`] of the artifact and its updates.
    pub version: String,
    /// Key of the artifact in the bucket.
    pub key: String,
    /// Lower-case hex SHA-256 of the artifact.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
    /// Products that are served.
    pub rows: u64,
    /// Length of their vectors.
    pub dimension: u64,
    /// Their embedding model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_id: Option<String>,
    /// What is applied to the artifact, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub updates: Vec<UpdateRef>,
    /// Packed indexes of the artifact: derived data, which a worker may do without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<IndexRef>,
    /// The version that was current before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// When this version became current, as ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<String>,
}

/// An update of a catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateRef {
    /// Key in the bucket.
    pub key: String,
    /// Lower-case hex SHA-256.
    pub sha256: String,
    /// Length.
    pub bytes: u64,
    /// Products that it adds or replaces.
    pub rows: u64,
    /// Products that it deletes.
    pub deleted: u64,
}

/// A packed index of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexRef {
    /// Version of the engine's format.
    pub format: u32,
    /// How its codes are packed.
    pub coding: String,
    /// Key in the bucket.
    pub key: String,
    /// Lower-case hex SHA-256.
    pub sha256: String,
    /// Length.
    pub bytes: u64,
}

/// The version of an artifact with updates, by their SHA-256s as lower-case hex: the first 16 digits of the artifact's,
/// or with updates, those of the SHA-256 over all of them in order.
pub fn version<'a>(artifact: &str, updates: impl IntoIterator<Item = &'a str>) -> String {
    let mut updates = updates.into_iter().peekable();
    if updates.peek().is_none() {
        return artifact::version(artifact).to_owned();
    }
    let all = updates.fold(Sha256::new_with_prefix(artifact), Digest::chain_update);
    artifact::version(&hex(&all.finalize())).to_owned()
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
            updates: Vec::new(),
            indexes: Vec::new(),
            previous: None,
            published_at: None,
        }
    }

    /// The same artifact with these updates, and so many products.
    pub(super) fn with_updates(&self, updates: Vec<UpdateRef>, rows: u64) -> Self {
        let version = version(&self.sha256, updates.iter().map(|update| update.sha256.as_str()));
        let format_version = if updates.is_empty() { FORMAT } else { FORMAT_WITH_UPDATES };
        Self { format_version, version, rows, updates, ..self.clone() }
    }

    /// Reads the object `name`.
    ///
    /// # Errors
    /// [`CatalogError::Corrupt`]: not a pointer of a format that this release reads, something without a SHA-256, or a
    /// version that is not that of the artifact and its updates.
    pub(super) fn parse(name: &ObjectName, body: &[u8]) -> Result<Self, CatalogError> {
        let corrupt = |why: String| CatalogError::Corrupt { what: name.to_string(), why };
        // What is wrong may quote the object, which can be of any length.
        let unreadable =
            |error: serde_json::Error| corrupt(error.to_string().chars().take(MESSAGE_MAX_CHARS).collect());
        let pointer: Self = serde_json::from_slice(body).map_err(unreadable)?;
        match (pointer.format_version, pointer.updates.len()) {
            (FORMAT, 0) | (FORMAT_WITH_UPDATES, 1..) => {}
            (FORMAT, updates) => {
                return Err(corrupt(format!("format_version {FORMAT} knows no updates, but it lists {updates}")));
            }
            (FORMAT_WITH_UPDATES, 0) => {
                return Err(corrupt(format!("format_version {FORMAT_WITH_UPDATES}, but it lists no updates")));
            }
            (format, _) => {
                let why = format!("format_version {format}, this release reads {FORMAT} and {FORMAT_WITH_UPDATES}");
                return Err(corrupt(why));
            }
        }
        for sha256 in pointer.sha256s() {
            if sha256.len() != 64 || !sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
                return Err(corrupt(format!("sha256 `{}` is not 64 lower-case hex digits", clip(sha256))));
            }
        }
        let expected = version(&pointer.sha256, pointer.updates.iter().map(|update| update.sha256.as_str()));
        if pointer.version != expected {
            let found = clip(&pointer.version);
            let why = if pointer.updates.is_empty() {
                format!("version {found} is not the start of sha256 {}", pointer.sha256)
            } else {
                format!("version {found} is not {expected}, that of its artifact and updates")
            };
            return Err(corrupt(why));
        }
        Ok(pointer)
    }

    /// What is served: keys and lengths of the artifact and its updates.
    pub fn objects(&self) -> impl Iterator<Item = (&str, u64)> {
        let updates = self.updates.iter().map(|update| (update.key.as_str(), update.bytes));
        std::iter::once((self.key.as_str(), self.bytes)).chain(updates)
    }

    /// Keys of all objects that it names.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.objects().map(|(key, _)| key).chain(self.indexes.iter().map(|index| index.key.as_str()))
    }

    /// SHA-256s of all that it names.
    fn sha256s(&self) -> impl Iterator<Item = &str> {
        let updates = self.updates.iter().map(|update| update.sha256.as_str());
        let indexes = self.indexes.iter().map(|index| index.sha256.as_str());
        std::iter::once(self.sha256.as_str()).chain(updates).chain(indexes)
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

    fn with_updates(format_version: u32, version: &str, updates: &[char]) -> Result<Pointer, CatalogError> {
        let name = ObjectName { bucket: "b".into(), key: "current.json".into() };
        let sha256 = |digit: char| digit.to_string().repeat(64);
        let update =
            |&digit| serde_json::json!({"key": "u", "sha256": sha256(digit), "bytes": 1, "rows": 2, "deleted": 3});
        let updates: Vec<_> = updates.iter().map(update).collect();
        let body = serde_json::json!({"format_version": format_version, "version": version, "key": "k",
            "sha256": sha256('a'), "bytes": 1, "rows": 1, "dimension": 1, "updates": updates, "unknown": 1});
        Pointer::parse(&name, body.to_string().as_bytes())
    }

    #[test]
    fn the_version_is_that_of_the_artifact_and_its_updates_in_order() {
        let sha256 = |digit: &str| digit.repeat(64);
        // Python: sha256(('a' * 64 + 'b' * 64 + 'c' * 64).encode()).hexdigest()[:16]
        assert_eq!(version(&sha256("a"), []), "aaaaaaaaaaaaaaaa");
        let (b, c) = (sha256("b"), sha256("c"));
        assert_eq!(version(&sha256("a"), [b.as_str(), &c]), "b20dd8bdd812e185");
        assert_eq!(version(&sha256("a"), [c.as_str(), &b]), "3417cfc6eec955c5");
        let pointer = with_updates(2, "b20dd8bdd812e185", &['b', 'c']).unwrap();
        assert_eq!((pointer.updates[1].rows, pointer.updates[1].deleted), (2, 3));
        let other = with_updates(2, "3417cfc6eec955c5", &['b', 'c']).unwrap_err().to_string();
        assert!(other.contains("is not b20dd8bdd812e185, that of its artifact and updates"), "{other}");
    }

    #[test]
    fn a_format_says_whether_there_are_updates() {
        let wrong = |format_version, updates: &[char]| {
            with_updates(format_version, "aaaaaaaaaaaaaaaa", updates).unwrap_err().to_string()
        };
        assert!(with_updates(1, "aaaaaaaaaaaaaaaa", &[]).is_ok());
        assert!(wrong(1, &['b']).contains("format_version 1 knows no updates, but it lists 1"));
        assert!(wrong(2, &[]).contains("format_version 2, but it lists no updates"));
        assert!(wrong(3, &['b']).contains("format_version 3, this release reads 1 and 2"));
        assert!(wrong(2, &['B']).contains("is not 64 lower-case hex digits"));
    }

    #[test]
    fn a_pointer_without_what_is_optional_is_written_as_before() {
        let pointer = with_updates(1, "aaaaaaaaaaaaaaaa", &[]).unwrap();
        let written = serde_json::to_value(&pointer).unwrap();
        let fields: Vec<&String> = written.as_object().unwrap().keys().collect();
        assert_eq!(fields, ["bytes", "dimension", "format_version", "key", "rows", "sha256", "version"]);
    }
}
