//! Where a catalog is, and what it must be.

use std::path::PathBuf;
use std::str::FromStr;

/// Where a catalog is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CatalogLocation {
    /// An artifact on disk.
    File(PathBuf),
    /// A prefix with a `current.json`.
    S3(S3Prefix),
}

/// `s3://BUCKET/PREFIX`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Prefix {
    /// Bucket name.
    pub bucket: String,
    /// Key prefix without slashes at its ends; may be empty.
    pub prefix: String,
}

/// Model and dimension that were set explicitly: a catalog that differs is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CatalogGuard {
    /// Model id, compared without its region prefix; it is the one that is called.
    pub model_id: Option<String>,
    /// Which model that is, and the catalog's, where a name does not say so itself.
    pub model_family: Option<String>,
    /// Length of the vectors.
    pub dimension: Option<usize>,
}

impl S3Prefix {
    /// The object `name` below the prefix.
    pub fn object(&self, name: &str) -> ObjectName {
        let key = if self.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", self.prefix) };
        ObjectName { bucket: self.bucket.clone(), key }
    }

    /// The object with this whole key, as pointers name them, in the bucket of the prefix.
    pub fn object_at(&self, key: &str) -> ObjectName {
        ObjectName { bucket: self.bucket.clone(), key: key.to_owned() }
    }
}

/// An object in a bucket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectName {
    /// Bucket name.
    pub bucket: String,
    /// Its key.
    pub key: String,
}

impl std::fmt::Display for ObjectName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

impl std::fmt::Display for S3Prefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}

impl FromStr for S3Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("s3://").ok_or_else(|| format!("must be s3://BUCKET/PREFIX, was `{text}`"))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(format!("must be s3://BUCKET/PREFIX, was `{text}`"));
        }
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.trim_matches('/').to_owned() })
    }
}

impl FromStr for ObjectName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
        match parts.filter(|(bucket, _)| !bucket.is_empty()) {
            Some((bucket, key)) => Ok(Self { bucket: bucket.to_owned(), key: key.to_owned() }),
            None => Err(format!("must be s3://BUCKET/KEY, was `{text}`")),
        }
    }
}

impl FromStr for CatalogLocation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains("://") { text.parse().map(Self::S3) } else { Ok(Self::File(PathBuf::from(text))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_has_no_slashes_at_its_ends() {
        let prefix: S3Prefix = "s3://b/p/".parse().unwrap();
        assert_eq!(prefix.to_string(), "s3://b/p");
        assert_eq!(prefix.object("current.json").to_string(), "s3://b/p/current.json");
        assert_eq!("s3://b".parse::<S3Prefix>().unwrap().object("x").key, "x");
        assert!("gs://b".parse::<CatalogLocation>().unwrap_err().contains("must be s3://"));
    }
}
