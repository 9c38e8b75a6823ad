//! What a prefix holds: the versions that were published, which of them serve, and all objects.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use time::OffsetDateTime;

use super::candidate::Candidate;
use super::change::{ChangeError, Seen};
use super::error::CatalogError;
use super::location::S3Prefix;
use super::pointer::Pointer;
use super::publishing::{Listed, Publishing, Tagged, Upload};
use super::store::CatalogStore;
use crate::clock::iso8601;
use crate::fault::{Cause, Fault};

/// Entries that are read at once.
const READS_AT_ONCE: usize = 16;
/// Folders of objects that pointers name.
const FOLDERS: [&str; 3] = ["catalogs/", "updates/", "indexes/"];

/// A version.
#[derive(Debug, Clone)]
pub struct Version {
    /// Its name.
    pub version: String,
    /// When it became current or a candidate, as ISO 8601.
    pub published_at: String,
    /// What was published; `None`: an older release published it, which wrote no entry.
    pub pointer: Option<Pointer>,
    /// Bytes of its artifact and updates.
    pub bytes: u64,
    /// Whether all of these are there.
    pub is_complete: bool,
    /// When its entry was written, or its artifact if it has none.
    pub(super) modified: OffsetDateTime,
    /// The entry's tag.
    pub(super) tag: Option<String>,
}

/// What a prefix holds.
#[derive(Debug)]
pub struct Holding {
    /// What is current.
    pub current: Seen<Pointer>,
    /// What is tried out.
    pub candidate: Seen<Candidate>,
    /// All versions, newest first.
    pub versions: Vec<Version>,
    /// Artifacts, updates and indexes.
    pub objects: Vec<Listed>,
    /// Uploads that are not complete.
    pub uploads: Vec<Upload>,
}

impl Holding {
    /// Keys of the objects that what serves names, and these versions.
    pub(super) fn named<'a>(&'a self, versions: impl Iterator<Item = &'a Version>) -> BTreeSet<String> {
        let serving = self.current.pointer.iter().chain(self.candidate.pointer.iter().map(|it| &it.pointer));
        let pointers = serving.chain(versions.filter_map(|version| version.pointer.as_ref()));
        pointers.flat_map(|pointer| pointer.keys().map(str::to_owned)).collect()
    }
}

impl<A: Publishing> CatalogStore<A> {
    /// What a prefix holds.
    ///
    /// # Errors
    /// [`ChangeError`]: an entry cannot be read, or a fault of the service.
    pub async fn holding(&self, prefix: &S3Prefix) -> Result<Holding, ChangeError> {
        let (current, candidate) = (self.seen_current(prefix).await?, self.seen_candidate(prefix).await?);
        let mut objects = Vec::new();
        for folder in FOLDERS {
            objects.extend(self.artifacts.list(&prefix.object(folder)).await?);
        }
        let uploads = match self.artifacts.uploads(&prefix.object("")).await {
            Err(fault) if fault.cause == Cause::AccessDenied => Vec::new(),
            uploads => uploads?,
        };
        let mut versions = self.entries(prefix, &objects).await?;
        let holding = |versions| Holding { current, candidate, versions, objects, uploads };
        versions.sort_by(|a, b| b.published_at.cmp(&a.published_at).then_with(|| a.version.cmp(&b.version)));
        Ok(holding(versions))
    }

    async fn entries(&self, prefix: &S3Prefix, objects: &[Listed]) -> Result<Vec<Version>, ChangeError> {
        let lengths: BTreeMap<&str, u64> =
            objects.iter().map(|object| (object.name.key.as_str(), object.bytes)).collect();
        let entries = self.artifacts.list(&prefix.object("versions/")).await?;
        let read = stream::iter(entries.iter().map(|entry| self.entry(entry, &lengths)));
        let read = read.buffer_unordered(READS_AT_ONCE).try_filter_map(|version| async move { Ok(version) });
        let mut versions: Vec<Version> = read.try_collect().await?;
        let named: BTreeSet<String> = versions
            .iter()
            .filter_map(|version| version.pointer.as_ref())
            .flat_map(|pointer| pointer.keys().map(str::to_owned))
            .collect();
        let artifacts = objects.iter().filter(|object| !named.contains(&object.name.key));
        versions.extend(artifacts.filter_map(|object| without_entry(prefix, object)));
        Ok(versions)
    }

    /// `None`: it was deleted since it was listed.
    async fn entry(&self, entry: &Listed, lengths: &BTreeMap<&str, u64>) -> Result<Option<Version>, ChangeError> {
        let found: Result<_, Fault> = self.artifacts.get_tagged(&entry.name).await;
        let Some(Tagged { body, tag }) = found? else { return Ok(None) };
        let pointer = Pointer::parse(&entry.name, &body)?;
        let is_there = |(key, bytes): (&str, u64)| lengths.get(key) == Some(&bytes);
        let is_complete = pointer.objects().all(is_there);
        let bytes = pointer.objects().map(|(_, bytes)| bytes).sum();
        let published_at = pointer.published_at.clone().unwrap_or_else(|| iso8601(entry.modified));
        Ok(Some(Version {
            version: pointer.version.clone(),
            published_at,
            bytes,
            is_complete,
            pointer: Some(pointer),
            modified: entry.modified,
            tag: Some(tag),
        }))
    }
}

/// The version of an artifact that no entry names.
fn without_entry(prefix: &S3Prefix, object: &Listed) -> Option<Version> {
    let version = object.name.key.strip_prefix(&prefix.object("catalogs/").key)?.strip_suffix(".arrow")?;
    Some(Version {
        version: version.to_owned(),
        published_at: iso8601(object.modified),
        pointer: None,
        bytes: object.bytes,
        is_complete: true,
        modified: object.modified,
        tag: None,
    })
}

/// What is current must be known to say what is not.
pub(super) fn known(prefix: &S3Prefix, holding: &Holding) -> Result<(), CatalogError> {
    let unreadable = holding.current.unreadable.as_ref().or(holding.candidate.unreadable.as_ref());
    match (unreadable, &holding.current.pointer) {
        (Some(error), _) => Err(CatalogError::Invalid(format!("nothing is deleted while it cannot be read: {error}"))),
        (None, None) => Err(CatalogError::NotPublished(prefix.clone())),
        (None, Some(_)) => Ok(()),
    }
}
