//! Where artifacts are kept: a file, or an S3 prefix with a pointer to the current one.
//!
//! `PREFIX/catalogs/<version>.arrow` never changes once written; `PREFIX/current.json` is written last, so that a
//! reader sees the old catalog or the whole new one. What is loaded is checked against the pointer's SHA-256.

use std::fs::File;
use std::io::{BufReader, Cursor};
use std::path::Path;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::primitives::ByteStream;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Catalog, CatalogError, Indexing, artifact};
use crate::aws;
use crate::config::{CatalogLocation, S3Prefix};
use crate::embed::Model;
use nearline_contract::hash::hex;

/// Name of the pointer below the prefix.
const POINTER: &str = "current.json";
/// `format_version` of the pointer.
const POINTER_FORMAT: u32 = 1;

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
    fn new(catalog: &Catalog, key: String, sha256: String, bytes: u64) -> Self {
        Self {
            format_version: POINTER_FORMAT,
            version: catalog.version().to_owned(),
            key,
            sha256,
            bytes,
            rows: catalog.rows() as u64,
            dimension: catalog.dimension() as u64,
            model_id: catalog.model_id().map(str::to_owned),
        }
    }
}

/// Reads and publishes catalogs.
#[derive(Debug, Clone)]
pub struct CatalogStore {
    s3: Client,
    indexing: Indexing,
}

impl CatalogStore {
    /// A store that reaches S3 through `s3`, and indexes what it loads.
    pub fn new(s3: Client, indexing: Indexing) -> Self {
        Self { s3, indexing }
    }

    /// Loads the current catalog of a location.
    ///
    /// # Errors
    /// [`CatalogError`]: nothing there, not what the pointer promises, or not valid.
    pub async fn load(&self, location: &CatalogLocation) -> Result<Catalog, CatalogError> {
        match location {
            CatalogLocation::File(path) => load_file(path, &self.indexing).await,
            CatalogLocation::S3(prefix) => {
                let pointer = self.pointer(prefix).await?;
                self.load_version(prefix, &pointer).await
            }
        }
    }

    /// The version that a location points to now.
    ///
    /// # Errors
    /// As [`CatalogStore::load`]; a file is read whole to tell its version.
    pub async fn current_version(&self, location: &CatalogLocation) -> Result<String, CatalogError> {
        match location {
            CatalogLocation::File(path) => Ok(artifact::version(&file_sha256(path).await?).to_owned()),
            CatalogLocation::S3(prefix) => Ok(self.pointer(prefix).await?.version),
        }
    }

    /// Reads the pointer of a prefix.
    ///
    /// # Errors
    /// [`CatalogError::NotPublished`] if there is none.
    pub async fn pointer(&self, prefix: &S3Prefix) -> Result<Pointer, CatalogError> {
        let key = prefix.key(POINTER);
        let what = format!("s3://{}/{key}", prefix.bucket);
        let Some(body) = self.get(&prefix.bucket, &key).await? else {
            return Err(CatalogError::NotPublished(prefix.to_string()));
        };
        let pointer: Pointer = serde_json::from_slice(&body)
            .map_err(|error| CatalogError::Corrupt { what: what.clone(), fault: error.to_string() })?;
        if pointer.format_version != POINTER_FORMAT {
            let fault = format!("format_version {}, this release reads {POINTER_FORMAT}", pointer.format_version);
            return Err(CatalogError::Corrupt { what, fault });
        }
        Ok(pointer)
    }

    async fn load_version(&self, prefix: &S3Prefix, pointer: &Pointer) -> Result<Catalog, CatalogError> {
        let what = format!("s3://{}/{}", prefix.bucket, pointer.key);
        let corrupt = |fault: String| CatalogError::Corrupt { what: what.clone(), fault };
        let Some(body) = self.get(&prefix.bucket, &pointer.key).await? else {
            return Err(corrupt("the object does not exist".into()));
        };
        let expected = pointer.sha256.clone();
        let indexing = self.indexing.clone();
        let catalog = blocking(move || {
            let sha256 = hex(&Sha256::digest(&body));
            if sha256 != expected {
                return Ok(Err(format!("its SHA-256 is {sha256}, expected {expected}")));
            }
            catalog(artifact::read(Cursor::new(body))?, artifact::version(&sha256), &indexing).map(Ok)
        })
        .await?
        .map_err(corrupt)?;
        Ok(catalog)
    }

    /// Checks an artifact, uploads it unless it is there, and points to it.
    ///
    /// # Errors
    /// [`CatalogError`]; the pointer is only written when all else is done.
    pub async fn publish(&self, path: &Path, prefix: &S3Prefix) -> Result<Pointer, CatalogError> {
        let (sha256, catalog) = read_file(path, &self.indexing).await?;
        if let Some(model_id) = catalog.model_id() {
            Model::new(model_id, catalog.dimension())?;
        }
        let key = prefix.key(&format!("catalogs/{}.arrow", catalog.version()));
        let file_error = |source| CatalogError::File { path: path.to_owned(), source };
        let bytes = std::fs::metadata(path).map_err(file_error)?.len();
        if !self.exists(&prefix.bucket, &key, bytes).await? {
            let body = ByteStream::from_path(path).await.map_err(|error| file_error(std::io::Error::other(error)))?;
            let put = self.s3.put_object().bucket(&prefix.bucket).key(&key).body(body);
            let doing = format!("S3 PutObject s3://{}/{key}", prefix.bucket);
            // The SDK counts the upload into the read timeout, and a catalog takes longer than an answer may.
            let timeouts = TimeoutConfig::builder().disable_read_timeout().build();
            let patient = aws_sdk_s3::config::Builder::default().timeout_config(timeouts);
            put.customize()
                .config_override(patient)
                .send()
                .await
                .map_err(|error| aws::classify(&error).context(&doing))?;
        }
        let pointer = Pointer::new(&catalog, key, sha256, bytes);
        self.point(prefix, &pointer).await?;
        Ok(pointer)
    }

    /// Points to a version that was published before, after reading it whole.
    ///
    /// # Errors
    /// [`CatalogError`]: it is not there, or its bytes are not those of its name.
    pub async fn rollback(&self, prefix: &S3Prefix, version: &str) -> Result<Pointer, CatalogError> {
        let key = prefix.key(&format!("catalogs/{version}.arrow"));
        let what = format!("s3://{}/{key}", prefix.bucket);
        let corrupt = |fault: &str| CatalogError::Corrupt { what: what.clone(), fault: fault.into() };
        let body = self.get(&prefix.bucket, &key).await?.ok_or_else(|| corrupt("the object does not exist"))?;
        let bytes = body.len() as u64;
        let indexing = self.indexing.clone();
        let (sha256, catalog) = blocking(move || {
            let sha256 = hex(&Sha256::digest(&body));
            let catalog = catalog(artifact::read(Cursor::new(body))?, artifact::version(&sha256), &indexing)?;
            Ok((sha256, catalog))
        })
        .await?;
        if catalog.version() != version {
            return Err(corrupt("its content is of another version than its name"));
        }
        let pointer = Pointer::new(&catalog, key, sha256, bytes);
        self.point(prefix, &pointer).await?;
        Ok(pointer)
    }

    async fn point(&self, prefix: &S3Prefix, pointer: &Pointer) -> Result<(), CatalogError> {
        let key = prefix.key(POINTER);
        let doing = format!("S3 PutObject s3://{}/{key}", prefix.bucket);
        let body = serde_json::to_vec_pretty(pointer).map_err(|error| CatalogError::Invalid(error.to_string()))?;
        let put = self.s3.put_object().bucket(&prefix.bucket).key(key).body(body.into());
        put.content_type("application/json").send().await.map_err(|error| aws::classify(&error).context(&doing))?;
        Ok(())
    }

    async fn exists(&self, bucket: &str, key: &str, bytes: u64) -> Result<bool, CatalogError> {
        match self.s3.head_object().bucket(bucket).key(key).send().await {
            Ok(head) => Ok(head.content_length().and_then(|length| u64::try_from(length).ok()) == Some(bytes)),
            Err(SdkError::ServiceError(error)) if error.err().is_not_found() => Ok(false),
            Err(error) => Err(aws::classify(&error).context(&format!("S3 HeadObject s3://{bucket}/{key}")).into()),
        }
    }

    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, CatalogError> {
        let doing = format!("S3 GetObject s3://{bucket}/{key}");
        match self.s3.get_object().bucket(bucket).key(key).send().await {
            Ok(object) => {
                let body = object.body.collect().await;
                let body = body.map_err(|error| crate::fault::Fault::Retry(error.to_string()).context(&doing))?;
                Ok(Some(body.to_vec()))
            }
            Err(SdkError::ServiceError(error)) if matches!(error.err(), GetObjectError::NoSuchKey(_)) => Ok(None),
            Err(error) => Err(aws::classify(&error).context(&doing).into()),
        }
    }
}

/// Loads an artifact from disk.
///
/// # Errors
/// [`CatalogError`].
pub async fn load_file(path: &Path, indexing: &Indexing) -> Result<Catalog, CatalogError> {
    Ok(read_file(path, indexing).await?.1)
}

/// The SHA-256 of an artifact on disk, and its catalog.
async fn read_file(path: &Path, indexing: &Indexing) -> Result<(String, Catalog), CatalogError> {
    let sha256 = file_sha256(path).await?;
    let (path, indexing) = (path.to_owned(), indexing.clone());
    blocking(move || {
        let file = File::open(&path).map_err(|source| CatalogError::File { path, source })?;
        let catalog = catalog(artifact::read(BufReader::new(file))?, artifact::version(&sha256), &indexing)?;
        Ok((sha256, catalog))
    })
    .await
}

async fn file_sha256(path: &Path) -> Result<String, CatalogError> {
    let path = path.to_owned();
    blocking(move || {
        let sha256 = File::open(&path).and_then(artifact::sha256);
        sha256.map_err(|source| CatalogError::File { path, source })
    })
    .await
}

fn catalog(artifact: artifact::Artifact, version: &str, indexing: &Indexing) -> Result<Catalog, CatalogError> {
    Catalog::new(artifact.rows, version.to_owned(), artifact.model_id, indexing)
}

/// Runs what takes seconds of processor or disk off the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CatalogError> + Send + 'static,
) -> Result<T, CatalogError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        // A malformed file can make the Arrow reader panic: that must not end the one who watches for new catalogs.
        Err(error) => Err(CatalogError::Invalid(format!("reading it failed: {error}"))),
    }
}
