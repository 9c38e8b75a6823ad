//! Deletes old versions, and what nothing names any more.
//!
//! What is current, what was before it, the candidate, the newest versions, and all that is younger than a day stay. A
//! mark is written first, entries go next, then the objects that nothing names which is there by then, and the mark last:
//! whenever it is killed, what is left is whole versions, and objects without a name, which the next prune finds. A mark
//! that was left counts for some minutes, more than a prune may take. How it meets a publisher: see [`super::change`].

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use time::{Duration, OffsetDateTime};
use tokio::time::Instant;

use super::change::{ChangeError, Mark, body, entry_name, mark_name};
use super::location::S3Prefix;
use super::publishing::{Condition, Publishing, Upload};
use super::store::CatalogStore;
use super::versions::{Holding, Version, known};
use crate::clock::iso8601;

/// What is younger stays: it may be somebody's who is about to point to it.
const YOUNG: Duration = Duration::DAY;
/// Longest that a prune takes.
const LONGEST: Duration = Duration::minutes(10);
/// How long a mark counts that was left.
const MARK_COUNTS: Duration = Duration::minutes(15);
/// Objects that are deleted at once.
const DELETES_AT_ONCE: usize = 16;

/// What a prune deletes.
#[derive(Debug, Default)]
pub struct Pruning {
    /// Versions.
    pub versions: Vec<Version>,
    /// Keys of objects, with their lengths.
    pub objects: Vec<(String, u64)>,
    /// Uploads that were given up.
    pub uploads: Vec<Upload>,
    /// Versions that stay.
    pub kept: usize,
    /// When a prune began that is at work, or was stopped.
    pub begun: Option<String>,
}

impl Pruning {
    /// Whether there is nothing to delete.
    pub fn is_empty(&self) -> bool {
        // A mark that was left keeps publishers from what it names.
        self.versions.is_empty() && self.objects.is_empty() && self.uploads.is_empty() && self.begun.is_none()
    }

    /// Bytes of all objects.
    pub fn bytes(&self) -> u64 {
        self.objects.iter().map(|(_, bytes)| bytes).sum()
    }

    fn of(holding: Holding, keep: usize, now: OffsetDateTime) -> Self {
        let is_young = |time: OffsetDateTime| now - time < YOUNG;
        let current = holding.current.pointer.as_ref();
        let previous = current.and_then(|pointer| pointer.previous.as_deref());
        let candidate = holding.candidate.pointer.as_ref().map(|candidate| candidate.pointer.version.as_str());
        let serving = [current.map(|pointer| pointer.version.as_str()), previous, candidate];
        let stays = |place: usize, version: &Version| {
            place < keep || is_young(version.modified) || serving.contains(&Some(version.version.as_str()))
        };
        let stays: Vec<bool> =
            holding.versions.iter().enumerate().map(|(place, version)| stays(place, version)).collect();
        let kept = holding.versions.iter().zip(&stays).filter(|(_, stays)| **stays).map(|(version, _)| version);
        let mut named = holding.named(kept.clone());
        // Of an artifact without entry the key says which version it is.
        let without: BTreeSet<&str> =
            kept.clone().filter(|it| it.pointer.is_none()).map(|it| it.version.as_str()).collect();
        let is_kept = |key: &str| without.iter().any(|version| key.ends_with(&format!("/{version}.arrow")));
        named.extend(holding.objects.iter().map(|it| &it.name.key).filter(|key| is_kept(key)).cloned());
        let objects = holding.objects.iter().filter(|it| !named.contains(&it.name.key) && !is_young(it.modified));
        let objects = objects.map(|object| (object.name.key.clone(), object.bytes)).collect();
        let kept = kept.count();
        let mut stays = stays.into_iter();
        let versions = holding.versions.into_iter().filter(|_| !stays.next().unwrap_or(true)).collect();
        let uploads = holding.uploads.into_iter().filter(|upload| !is_young(upload.began)).collect();
        Self { versions, objects, uploads, kept, begun: None }
    }
}

impl<A: Publishing> CatalogStore<A> {
    /// What a prune that keeps so many versions would delete.
    ///
    /// # Errors
    /// [`ChangeError`]: nothing is current, something cannot be read, or a fault of the service.
    pub async fn to_prune(&self, prefix: &S3Prefix, keep: usize, now: OffsetDateTime) -> Result<Pruning, ChangeError> {
        let holding = self.holding(prefix).await?;
        known(prefix, &holding)?;
        let begun = self.mark(prefix).await?.map(|(mark, _)| mark.began_at);
        Ok(Pruning { begun, ..Pruning::of(holding, keep, now) })
    }

    /// Deletes it, apart from what somebody has pointed to since; how many objects were deleted.
    ///
    /// # Errors
    /// [`ChangeError`]; run it again then.
    pub async fn prune(
        &self,
        prefix: &S3Prefix,
        pruning: &Pruning,
        now: OffsetDateTime,
        told: &(dyn Fn(usize) + Sync),
    ) -> Result<usize, ChangeError> {
        let began = Instant::now();
        let mark = self.write_mark(prefix, pruning, now).await?;
        for version in &pruning.versions {
            let Some(tag) = &version.tag else { continue };
            // One that was published again since has another tag, and stays.
            self.artifacts.delete_if(&entry_name(prefix, &version.version), tag).await?;
        }
        let holding = self.holding(prefix).await?;
        known(prefix, &holding)?;
        let named = holding.named(holding.versions.iter());
        let keys = pruning.objects.iter().map(|(key, _)| key).filter(|key| !named.contains(*key));
        let delete = |key: &String| {
            let name = prefix.object_at(key);
            async move {
                if Duration::try_from(began.elapsed()).is_ok_and(|took| took > LONGEST) {
                    return Err(ChangeError::TooLong { minutes: LONGEST.whole_minutes() });
                }
                Ok(self.artifacts.delete(&name).await?)
            }
        };
        let mut deleting = std::pin::pin!(stream::iter(keys).map(delete).buffer_unordered(DELETES_AT_ONCE));
        let mut deleted = 0;
        while let Some(()) = deleting.try_next().await? {
            deleted += 1;
            told(deleted);
        }
        for upload in &pruning.uploads {
            self.artifacts.abort(upload).await?;
        }
        if let Some((found, tag)) = self.mark(prefix).await?
            && found == mark
        {
            self.artifacts.delete_if(&mark_name(prefix), &tag).await?;
        }
        Ok(deleted)
    }

    /// Says what is going to be deleted, to publishers and other prunes.
    async fn write_mark(&self, prefix: &S3Prefix, pruning: &Pruning, now: OffsetDateTime) -> Result<Mark, ChangeError> {
        let keys = pruning.objects.iter().map(|(key, _)| key.clone()).collect();
        let mark = Mark { began_at: iso8601(now), keys };
        let counts_from = iso8601(now - MARK_COUNTS);
        let condition = match self.mark(prefix).await? {
            None => Condition::Absent,
            Some((found, tag)) if found.began_at < counts_from => Condition::Tag(tag),
            Some((found, _)) => {
                return Err(ChangeError::OtherPrune { began_at: found.began_at, minutes: MARK_COUNTS.whole_minutes() });
            }
        };
        let name = mark_name(prefix);
        if !self.artifacts.put_if(&name, body(&mark)?, &condition).await?
            && self.mark(prefix).await?.map(|(found, _)| found) != Some(mark.clone())
        {
            return Err(ChangeError::OtherPrune { began_at: iso8601(now), minutes: MARK_COUNTS.whole_minutes() });
        }
        Ok(mark)
    }
}
