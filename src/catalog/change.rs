//! How what a prefix serves changes, so that two who change it at once cannot spoil it, nor one who is killed.
//!
//! - Objects come first, `versions/<version>.json` second, `current.json` (or `candidate.json`) last, by a condition on
//!   what was read at the start: of two publishers one wins, and the other is told. A kill before the last write leaves
//!   objects and an entry that nobody points to.
//! - Who points to a version writes its entry first, then reads the mark of a prune (`prune.json`), then looks whether all
//!   objects are there. Who prunes writes the mark first, then reads the entries. Whichever order these come in, one of
//!   the two sees the other: the publisher gives way, or the prune keeps the objects.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::candidate::Candidate;
use super::error::CatalogError;
use super::location::{ObjectName, S3Prefix};
use super::pointer::Pointer;
use super::publishing::{Condition, Publishing, Tagged};
use super::store::{CatalogStore, candidate_name, pointer_name};
use crate::clock::iso8601;
use crate::fault::Fault;

/// Times that a write is tried which somebody else's came in the way of, without changing anything.
const TRIES: usize = 3;

/// Why what a prefix serves was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Something is wrong with a catalog, or a service.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// Somebody else was faster.
    #[error(
        "{name} was changed meanwhile, to {by}: nothing was changed here; see `nearline catalog versions --to {prefix}`, \
         and run this again if it is still to be"
    )]
    Overtaken {
        /// The prefix.
        prefix: String,
        /// The pointer.
        name: ObjectName,
        /// What it says now.
        by: String,
    },
    /// Workers that were told which catalog to take would refuse this one.
    #[error(
        "{prefix} serves version {version} of {current}, and this catalog is of {new}: workers that are set to the former \
         refuse it. Try it out with --candidate --share 5%, or publish it with --force"
    )]
    Differs {
        /// The prefix.
        prefix: String,
        /// What is current.
        version: String,
        /// Its model and dimension.
        current: String,
        /// Those of the new catalog.
        new: String,
    },
    /// What it needs is being deleted.
    #[error(
        "{key} is being deleted by `nearline catalog prune`, begun at {began_at}: wait until it is done; if it was \
         stopped, run it again"
    )]
    BeingPruned {
        /// The object.
        key: String,
        /// When the prune began.
        began_at: String,
    },
    /// There is no candidate.
    #[error("{0} has no candidate: `nearline catalog publish FILE --to {0} --candidate --share 5%` makes one")]
    NoCandidate(S3Prefix),
    /// It is not known what was current before.
    #[error("{0} does not say what was current before: name a version that `nearline catalog versions --to {0}` lists")]
    NoPrevious(S3Prefix),
    /// Another prune is at work.
    #[error("another prune began at {began_at}: if it was stopped, this one can start {minutes} minutes after that")]
    OtherPrune {
        /// When it began.
        began_at: String,
        /// How long it counts.
        minutes: i64,
    },
    /// It takes too long to be safe.
    #[error("the prune has taken more than {minutes} minutes and was stopped before deleting everything: run it again")]
    TooLong {
        /// How long it may take.
        minutes: i64,
    },
}

impl From<Fault> for ChangeError {
    fn from(fault: Fault) -> Self {
        Self::Catalog(fault.into())
    }
}

/// A pointer as it was read.
#[derive(Debug)]
pub struct Seen<P> {
    pub(super) name: ObjectName,
    /// What it says; `None`: there is none, or it cannot be read.
    pub pointer: Option<P>,
    /// Why it cannot be read.
    pub unreadable: Option<CatalogError>,
    pub(super) tag: Option<String>,
}

impl<P> Seen<P> {
    pub(super) fn condition(&self) -> Condition {
        self.tag.clone().map_or(Condition::Absent, Condition::Tag)
    }
}

/// What a prune that is at work deletes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// As ISO 8601.
    pub(super) began_at: String,
    pub(super) keys: Vec<String>,
}

/// The mark of a prune.
pub(super) fn mark_name(prefix: &S3Prefix) -> ObjectName {
    prefix.object("prune.json")
}

/// The entry of a version.
pub(super) fn entry_name(prefix: &S3Prefix, version: &str) -> ObjectName {
    prefix.object(&format!("versions/{version}.json"))
}

pub(super) fn body(value: &impl Serialize) -> Result<Bytes, CatalogError> {
    let body = serde_json::to_vec_pretty(value).map_err(|error| CatalogError::Invalid(error.to_string()))?;
    Ok(body.into())
}

impl<A: Publishing> CatalogStore<A> {
    async fn seen<P>(
        &self,
        name: ObjectName,
        parse: impl Fn(&ObjectName, &[u8]) -> Result<P, CatalogError>,
    ) -> Result<Seen<P>, Fault> {
        let Some(Tagged { body, tag }) = self.artifacts.get_tagged(&name).await? else {
            return Ok(Seen { name, pointer: None, unreadable: None, tag: None });
        };
        Ok(match parse(&name, &body) {
            Ok(pointer) => Seen { name, pointer: Some(pointer), unreadable: None, tag: Some(tag) },
            Err(error) => Seen { name, pointer: None, unreadable: Some(error), tag: Some(tag) },
        })
    }

    /// What is current, to be changed if it is still so.
    ///
    /// # Errors
    /// A fault of the service.
    pub async fn seen_current(&self, prefix: &S3Prefix) -> Result<Seen<Pointer>, Fault> {
        self.seen(pointer_name(prefix), Pointer::parse).await
    }

    /// The candidate, to be changed if it is still so.
    ///
    /// # Errors
    /// A fault of the service.
    pub async fn seen_candidate(&self, prefix: &S3Prefix) -> Result<Seen<Candidate>, Fault> {
        self.seen(candidate_name(prefix), Candidate::parse).await
    }

    /// The pointer as it is to be written: what was current before, and when.
    pub(super) fn dated(pointer: Pointer, current: Option<&Pointer>, now: OffsetDateTime) -> Pointer {
        let before = match current {
            Some(current) if current.version == pointer.version => current.previous.clone(),
            current => current.map(|current| current.version.clone()),
        };
        Pointer { previous: before, published_at: Some(iso8601(now)), ..pointer }
    }

    /// Writes the entry of a version that is to be pointed to, which keeps its objects from being deleted.
    ///
    /// # Errors
    /// [`ChangeError::BeingPruned`] if one of them is.
    pub(super) async fn claim(&self, prefix: &S3Prefix, pointer: &Pointer) -> Result<(), ChangeError> {
        self.artifacts.put(&entry_name(prefix, &pointer.version), body(pointer)?).await?;
        let Some(mark) = self.mark(prefix).await? else { return Ok(()) };
        let Mark { began_at, keys } = mark.0;
        match pointer.keys().find(|key| keys.iter().any(|marked| marked == key)) {
            Some(key) => Err(ChangeError::BeingPruned { key: key.to_owned(), began_at }),
            None => Ok(()),
        }
    }

    /// The mark of a prune that is at work, or was stopped; with its tag.
    pub(super) async fn mark(&self, prefix: &S3Prefix) -> Result<Option<(Mark, String)>, CatalogError> {
        let name = mark_name(prefix);
        let Some(Tagged { body, tag }) = self.artifacts.get_tagged(&name).await? else { return Ok(None) };
        let mark = serde_json::from_slice(&body);
        let corrupt =
            |error: serde_json::Error| CatalogError::Corrupt { what: name.to_string(), why: error.to_string() };
        Ok(Some((mark.map_err(corrupt)?, tag)))
    }

    /// Writes a pointer if it is still what was seen.
    ///
    /// # Errors
    /// [`ChangeError::Overtaken`] if it is not.
    pub(super) async fn point<P>(
        &self,
        prefix: &S3Prefix,
        seen: &Seen<P>,
        pointer: &(impl Serialize + Sync),
    ) -> Result<(), ChangeError> {
        let new = body(pointer)?;
        for _ in 0..TRIES {
            if self.artifacts.put_if(&seen.name, new.clone(), &seen.condition()).await? {
                return Ok(());
            }
            let found = self.artifacts.get_tagged(&seen.name).await?;
            match found {
                // The write was ours: its answer was lost, and it was tried again.
                Some(found) if found.body == new => return Ok(()),
                found if found.as_ref().map(|found| &found.tag) == seen.tag.as_ref() => {}
                found => return Err(overtaken(prefix, &seen.name, found.as_ref())),
            }
        }
        Err(overtaken(prefix, &seen.name, None))
    }

    /// Whether all objects of a pointer are there, by their lengths: they never change once written.
    ///
    /// # Errors
    /// [`CatalogError::Missing`], or [`CatalogError::Corrupt`] for another length.
    pub(super) async fn check_objects(&self, prefix: &S3Prefix, pointer: &Pointer) -> Result<(), CatalogError> {
        for (key, bytes) in pointer.objects() {
            let name = prefix.object_at(key);
            match self.artifacts.length(&name).await? {
                Some(found) if found == bytes => {}
                Some(found) => {
                    let why = format!("it has {found} bytes, expected {bytes}");
                    return Err(CatalogError::Corrupt { what: name.to_string(), why });
                }
                None => return Err(CatalogError::Missing(name)),
            }
        }
        Ok(())
    }
}

fn overtaken(prefix: &S3Prefix, name: &ObjectName, found: Option<&Tagged>) -> ChangeError {
    let by = match found {
        Some(found) => match Pointer::parse(name, &found.body) {
            Ok(Pointer { version, published_at: Some(at), .. }) => format!("version {version} at {at}"),
            Ok(pointer) => format!("version {}", pointer.version),
            Err(_) => "something that this release cannot read".to_owned(),
        },
        None => "nothing: it was deleted".to_owned(),
    };
    ChangeError::Overtaken { prefix: prefix.to_string(), name: name.clone(), by }
}

#[cfg(test)]
mod tests;
