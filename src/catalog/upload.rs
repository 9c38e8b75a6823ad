//! A file's way to S3: in parts, several at once, read from the disk as they go.
//!
//! The file is hashed again while it is read, and the object is made only if the bytes are those that were checked. A
//! part carries its SHA-256; an upload that was stopped goes on with the parts that it has not yet. Memory: as many
//! parts as go at once, and one that is being read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::{TryStreamExt as _, stream};
use nearline_contract::hash::hex;
use sha2::{Digest, Sha256};

use super::artifact;
use super::error::CatalogError;
use super::location::ObjectName;
use super::publishing::{Part, Publishing, Upload};
use crate::fault::{Cause, Fault};

/// What an object is made of.
#[derive(Debug, Clone)]
pub enum Content {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A file of so many bytes.
    File(PathBuf, u64),
}

impl Content {
    /// Its length.
    pub fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, length) => *length,
        }
    }
}

/// How far an upload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uploaded {
    /// Bytes of the whole.
    pub total: u64,
    /// Bytes that are there.
    pub done: u64,
    /// Of these, bytes that this run has uploaded.
    pub now: u64,
}

/// Told of how far an upload is.
pub type Told<'a> = &'a (dyn Fn(Uploaded) + Sync);

/// How an upload is cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    /// Bytes of a part, at least.
    pub(super) part: u64,
    /// Parts of an object, at most.
    pub(super) parts: u64,
}

impl Cut {
    /// S3 takes 10,000 parts of an object, of at least 5 MiB.
    pub(super) const OF_S3: Self = Self { part: 16 << 20, parts: 10_000 };

    /// Length of the parts of an object: the same in each run, so that one goes on where another was stopped.
    fn part_of(self, total: u64) -> u64 {
        self.part.max(total.div_ceil(self.parts).next_multiple_of(self.part / 16))
    }
}

/// Parts on their way at once.
const PARTS_AT_ONCE: usize = 4;

/// Uploads `content`, whose SHA-256 is known, and goes on where an earlier run was stopped.
pub(super) async fn upload<A: Publishing>(
    artifacts: &A,
    name: &ObjectName,
    content: &Content,
    sha256: &str,
    cut: Cut,
    told: Told<'_>,
) -> Result<(), CatalogError> {
    let total = content.length();
    let part = cut.part_of(total);
    let reader = Reader::open(content, part)?;
    if total <= part {
        let (reader, body, _) = reader.next().await?;
        reader.check(sha256)?;
        artifacts.put(name, body).await?;
        told(Uploaded { total, done: total, now: total });
        return Ok(());
    }
    let (upload, stored) = begun(artifacts, name).await?;
    match parts(artifacts, &upload, &stored, reader, sha256, told).await {
        Err(CatalogError::Service(fault)) if fault.cause == Cause::NotFound => {
            // Somebody else who uploads the same file has completed it, or it was given up.
            if artifacts.length(name).await? == Some(total) { Ok(()) } else { Err(fault.into()) }
        }
        result => result,
    }
}

/// The upload to go on with, and its parts by number.
async fn begun<A: Publishing>(artifacts: &A, name: &ObjectName) -> Result<(Upload, BTreeMap<u32, Part>), CatalogError> {
    let uploads = match artifacts.uploads(name).await {
        // Who may only write begins anew.
        Err(fault) if fault.cause == Cause::AccessDenied => Vec::new(),
        uploads => uploads?,
    };
    let newest = uploads.into_iter().filter(|upload| upload.name == *name).max_by_key(|upload| upload.began);
    let Some(upload) = newest else { return Ok((artifacts.begin_upload(name).await?, BTreeMap::new())) };
    match artifacts.parts(&upload).await {
        Ok(parts) => Ok((upload, parts.into_iter().map(|part| (part.number, part)).collect())),
        Err(fault) if fault.cause == Cause::AccessDenied => Ok((artifacts.begin_upload(name).await?, BTreeMap::new())),
        Err(fault) => Err(fault.into()),
    }
}

async fn parts<A: Publishing>(
    artifacts: &A,
    upload: &Upload,
    stored: &BTreeMap<u32, Part>,
    reader: Reader,
    sha256: &str,
    told: Told<'_>,
) -> Result<(), CatalogError> {
    let total = reader.total;
    // In order, as the whole is hashed as well; a part's way overlaps the reading of those that follow.
    let read = stream::try_unfold((reader, 1), |(reader, number)| async move {
        if reader.left == 0 {
            reader.check(sha256)?;
            return Ok(None);
        }
        let (reader, body, sha256) = reader.next().await?;
        Ok::<_, CatalogError>(Some(((number, body, sha256), (reader, number + 1))))
    });
    let put = read.map_ok(|(number, body, sha256)| async move {
        let is_stored = |part: &&Part| part.sha256 == sha256 && part.bytes == body.len() as u64;
        match stored.get(&number).filter(is_stored) {
            Some(part) => Ok((part.clone(), false)),
            None => Ok((artifacts.put_part(upload, number, body, &sha256).await?, true)),
        }
    });
    let mut put = std::pin::pin!(put.try_buffer_unordered(PARTS_AT_ONCE));
    let (mut parts, mut done, mut now) = (Vec::new(), 0, 0);
    while let Some((part, is_new)) = put.try_next().await? {
        done += part.bytes;
        now += if is_new { part.bytes } else { 0 };
        told(Uploaded { total, done, now });
        parts.push(part);
    }
    parts.sort_by_key(|part| part.number);
    Ok(artifacts.complete(upload, &parts).await?)
}

/// Reads in parts, and hashes the whole.
struct Reader {
    source: Source,
    total: u64,
    left: u64,
    part: u64,
    hasher: Sha256,
}

enum Source {
    Bytes(Bytes),
    File(PathBuf, File),
}

impl Reader {
    fn open(content: &Content, part: u64) -> Result<Self, CatalogError> {
        let source = match content {
            Content::Bytes(bytes) => Source::Bytes(bytes.clone()),
            Content::File(path, _) => Source::File(path.clone(), artifact::open(path)?),
        };
        let total = content.length();
        Ok(Self { source, total, left: total, part, hasher: Sha256::new() })
    }

    /// The next part with its SHA-256 in base64, and who reads on.
    async fn next(self) -> Result<(Self, Bytes, String), CatalogError> {
        let read = tokio::task::spawn_blocking(move || self.read()).await;
        read.map_err(|error| Fault::new(Cause::Internal, format!("reading a part: {error}")))?
    }

    fn read(mut self) -> Result<(Self, Bytes, String), CatalogError> {
        let length = usize::try_from(self.left.min(self.part)).unwrap_or(usize::MAX);
        let body = match &mut self.source {
            Source::Bytes(bytes) => bytes.split_to(length),
            Source::File(path, file) => {
                let mut body = vec![0; length];
                let read = file.read_exact(&mut body);
                read.map_err(|source| CatalogError::File { path: path.clone(), source })?;
                body.into()
            }
        };
        self.left -= length as u64;
        self.hasher.update(&body);
        let sha256 = BASE64_STANDARD.encode(Sha256::digest(&body));
        Ok((self, body, sha256))
    }

    /// Whether all that was read is what was checked.
    fn check(&self, sha256: &str) -> Result<(), CatalogError> {
        let found = hex(&self.hasher.clone().finalize());
        match &self.source {
            _ if found == sha256 => Ok(()),
            Source::File(path, _) => {
                let why = "it was changed while it was uploaded: nothing was published, publish it again".to_owned();
                Err(CatalogError::Corrupt { what: path.display().to_string(), why })
            }
            Source::Bytes(_) => {
                let why = format!("its SHA-256 is {found}, expected {sha256}");
                Err(CatalogError::Corrupt { what: "the catalog in memory".to_owned(), why })
            }
        }
    }
}
