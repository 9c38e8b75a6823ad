//! Publishing: check, upload, point; and back to a version that was published before.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use nearline_search::Codes;
use tempfile::TempDir;
use time::OffsetDateTime;

use super::artifact::{self, Loaded};
use super::candidate::{Candidate, Share};
use super::change::{ChangeError, Seen, entry_name};
use super::error::CatalogError;
use super::indexed::Catalog;
use super::indexes;
use super::indexing::Indexing;
use super::load;
use super::location::{CatalogGuard, S3Prefix};
use super::pointer::{IndexRef, Pointer};
use super::publishing::Publishing;
use super::store::{CatalogStore, Current, artifact_name, catalog};
use super::upload::{Content, Told, Uploaded, upload};
use super::vectors::Vectors;
use super::{room, size};
use crate::compute::Priority;
use crate::embed::base_id;

/// A catalog that loads, and whose model can be called.
#[derive(Debug)]
pub struct Checked {
    pointer: Pointer,
    /// The artifact and its packed indexes, each under its key and with its SHA-256.
    objects: Vec<(String, String, Content)>,
    /// Where its indexes are until they are uploaded.
    _folder: Option<TempDir>,
}

impl Checked {
    /// What the pointer will say.
    pub fn pointer(&self) -> &Pointer {
        &self.pointer
    }
}

/// How a catalog is published.
#[derive(Clone, Copy)]
pub struct Publication<'a> {
    /// As a candidate for this share of the jobs; otherwise it becomes current.
    pub share: Option<Share>,
    /// Also if workers may refuse it.
    pub force: bool,
    /// When.
    pub now: OffsetDateTime,
    /// Told of the upload.
    pub told: Told<'a>,
}

impl<A: Publishing> CatalogStore<A> {
    /// Checks an artifact in memory: it loads, and its model is supported. `model_family` says which model it is of, if
    /// its own name of it does not. `packs`: its packed indexes go with it.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub fn check(
        &self,
        artifact: Loaded,
        prefix: &S3Prefix,
        model_family: Option<&str>,
        packs: bool,
    ) -> Result<Checked, CatalogError> {
        let content = Content::Bytes(artifact.bytes.clone());
        let (catalog, sha256) = catalog(artifact, self.indexing.kernel)?;
        let pack = |catalog: &Catalog, sha256: &str, codes: Codes| {
            let mut bytes = Vec::new();
            let index = indexes::pack(catalog, sha256, prefix, codes, &mut bytes);
            let index = index.map_err(|error| CatalogError::Invalid(error.to_string()))?;
            Ok(index.map(|index| (index, Content::Bytes(bytes.into()))))
        };
        checked(&catalog, sha256, content, prefix, model_family, packs.then_some(&pack))
    }

    /// As [`check`](Self::check), for a file, which is not held in memory; nor are its indexes, and its vectors only if there
    /// is room for them.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn check_file(
        &self,
        path: &Path,
        prefix: &S3Prefix,
        model_family: Option<&str>,
        packs: bool,
    ) -> Result<Checked, CatalogError> {
        let length = artifact::open(path)?.metadata().map(|file| file.len());
        let length = length.map_err(|source| CatalogError::File { path: path.to_owned(), source })?;
        let has_room = room::left(self.indexing.function_memory).is_none_or(|left| size::to_pack_file(length) <= left);
        let vectors = if has_room { self.indexing.vectors.clone() } else { Vectors::Mapped(std::env::temp_dir()) };
        let indexing = Indexing { vectors, ..self.indexing.clone() };
        let (catalog, sha256) = load::file(path, &indexing, Priority::Foreground).await?;
        let folder = TempDir::new().map_err(|source| CatalogError::File { path: std::env::temp_dir(), source })?;
        let pack = |catalog: &Catalog, sha256: &str, codes: Codes| {
            let path = folder.path().join(codes.name());
            let packed = File::create(&path).and_then(|file| {
                let mut sink = BufWriter::with_capacity(1 << 20, file);
                let index = indexes::pack(catalog, sha256, prefix, codes, &mut sink)?;
                sink.flush().map(|()| index)
            });
            let index = packed.map_err(|source| CatalogError::File { path: path.clone(), source })?;
            Ok(index.map(|index| {
                let length = index.bytes;
                (index, Content::File(path, length))
            }))
        };
        let content = Content::File(path.to_owned(), length);
        let checked = checked(&catalog, sha256, content, prefix, model_family, packs.then_some(&pack))?;
        Ok(Checked { _folder: Some(folder), ..checked })
    }

    /// Checks an artifact in memory and makes it current now, whatever is current.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn publish(
        &self,
        artifact: Loaded,
        prefix: &S3Prefix,
        model_family: Option<&str>,
    ) -> Result<Pointer, ChangeError> {
        let checked = self.check(artifact, prefix, model_family, true)?;
        let publication = Publication { share: None, force: true, now: OffsetDateTime::now_utc(), told: &|_| {} };
        self.publish_checked(&checked, prefix, &publication).await
    }

    /// Uploads what was checked, unless it is there, and points to it.
    ///
    /// # Errors
    /// [`ChangeError`]; the pointer is only written when all else is done.
    pub async fn publish_checked(
        &self,
        checked: &Checked,
        prefix: &S3Prefix,
        publication: &Publication<'_>,
    ) -> Result<Pointer, ChangeError> {
        let Publication { share, force, now, told } = *publication;
        let current = self.seen_current(prefix).await?;
        let candidate = match share {
            Some(_) => Some(self.seen_candidate(prefix).await?),
            None => None,
        };
        if !force && share.is_none() {
            fits(prefix, &current, &checked.pointer)?;
        }
        self.bring(checked, prefix, told).await?;
        let pointer = Self::dated(checked.pointer.clone(), current.pointer.as_ref(), now);
        if share.is_none()
            && let Some(current) = &current.pointer
            && current.version == pointer.version
        {
            return Ok(current.clone());
        }
        self.claim(prefix, &pointer).await?;
        // Nobody deletes it from now on; but somebody may have since it was found.
        self.bring(checked, prefix, told).await?;
        match (share, candidate) {
            (Some(share), Some(seen)) => {
                let candidate = Candidate { pointer: pointer.clone(), share };
                self.point(prefix, &seen, &candidate).await?;
            }
            _ => self.point(prefix, &current, &pointer).await?,
        }
        Ok(pointer)
    }

    /// Uploads what is not there yet.
    pub(super) async fn bring(&self, checked: &Checked, prefix: &S3Prefix, told: Told<'_>) -> Result<(), CatalogError> {
        let mut missing = Vec::new();
        for (key, sha256, content) in &checked.objects {
            let name = prefix.object_at(key);
            if self.artifacts.length(&name).await? != Some(content.length()) {
                missing.push((name, sha256, content));
            }
        }
        let total = missing.iter().map(|(_, _, content)| content.length()).sum();
        let mut before = Uploaded { total, done: 0, now: 0 };
        for (name, sha256, content) in missing {
            told(before);
            let so_far = |uploaded: Uploaded| {
                told(Uploaded { total, done: before.done + uploaded.done, now: before.now + uploaded.now });
            };
            upload(&self.artifacts, &name, content, sha256, self.cut, &so_far).await?;
            before.done += content.length();
            before.now += content.length();
        }
        Ok(())
    }

    /// Points to a version that was published before; without one, to what was current before. Its objects are looked at,
    /// not read, unless an older release published it, which wrote no entry.
    ///
    /// # Errors
    /// [`ChangeError`]: it is not there, or not what its entry promises.
    pub async fn rollback(
        &self,
        prefix: &S3Prefix,
        version: Option<&str>,
        now: OffsetDateTime,
    ) -> Result<Pointer, ChangeError> {
        let current = self.seen_current(prefix).await?;
        let previous = current.pointer.as_ref().and_then(|pointer| pointer.previous.as_deref());
        let version = version.or(previous).ok_or_else(|| ChangeError::NoPrevious(prefix.clone()))?;
        let pointer = self.published(prefix, version).await?;
        self.check_objects(prefix, &pointer).await?;
        let pointer = Self::dated(pointer, current.pointer.as_ref(), now);
        self.claim(prefix, &pointer).await?;
        self.check_objects(prefix, &pointer).await?;
        self.point(prefix, &current, &pointer).await?;
        Ok(pointer)
    }

    /// Loads a version that was published, whether it serves or not.
    ///
    /// # Errors
    /// [`CatalogError`], as for what is current.
    pub async fn load_version(&self, prefix: &S3Prefix, version: &str) -> Result<Catalog, CatalogError> {
        let pointer = self.published(prefix, version).await?;
        self.load_current(Current::Published { prefix: prefix.clone(), pointer: Box::new(pointer) }).await
    }

    /// What was published as a version.
    async fn published(&self, prefix: &S3Prefix, version: &str) -> Result<Pointer, CatalogError> {
        let entry = entry_name(prefix, version);
        if let Some(body) = self.artifacts.get(&entry).await? {
            let pointer = Pointer::parse(&entry, &body)?;
            if pointer.version == version {
                return Ok(pointer);
            }
            let why = format!("it is of version {}", pointer.version);
            return Err(CatalogError::Corrupt { what: entry.to_string(), why });
        }
        let name = prefix.object(&artifact_name(version));
        let Some(bytes) = self.artifacts.get(&name).await? else { return Err(CatalogError::Missing(name)) };
        let length = bytes.len() as u64;
        let (catalog, sha256) = catalog(Loaded::new(bytes)?, self.indexing.kernel)?;
        if artifact::version(&sha256) != version {
            let why = "its content does not match the version in its name".to_owned();
            return Err(CatalogError::Corrupt { what: name.to_string(), why });
        }
        Ok(Pointer::new(&catalog, &name, sha256, length))
    }

    /// Makes the candidate current.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn promote(&self, prefix: &S3Prefix, now: OffsetDateTime) -> Result<Pointer, ChangeError> {
        let seen = self.seen_candidate(prefix).await?;
        let candidate = candidate(prefix, &seen)?.pointer.clone();
        let current = self.seen_current(prefix).await?;
        let pointer = match &current.pointer {
            // A run before this one was stopped after its first half.
            Some(current) if current.version == candidate.version => current.clone(),
            _ => {
                self.check_objects(prefix, &candidate).await?;
                let pointer = Self::dated(candidate, current.pointer.as_ref(), now);
                self.claim(prefix, &pointer).await?;
                self.check_objects(prefix, &pointer).await?;
                self.point(prefix, &current, &pointer).await?;
                pointer
            }
        };
        // Another candidate may be there by now: it stays.
        self.artifacts.delete_if(&seen.name, seen.tag.as_deref().unwrap_or_default()).await?;
        Ok(pointer)
    }

    /// Ends the candidate; which it was.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn drop_candidate(&self, prefix: &S3Prefix) -> Result<String, ChangeError> {
        let seen = self.seen_candidate(prefix).await?;
        let what = match &seen.unreadable {
            Some(_) => "that cannot be read".to_owned(),
            None => candidate(prefix, &seen)?.pointer.version.clone(),
        };
        if self.artifacts.delete_if(&seen.name, seen.tag.as_deref().unwrap_or_default()).await? {
            return Ok(what);
        }
        let now = self.seen_candidate(prefix).await?;
        let by = now.pointer.map_or("another one".to_owned(), |now| format!("version {}", now.pointer.version));
        Err(ChangeError::Overtaken { prefix: prefix.to_string(), name: seen.name, by })
    }
}

/// Packs a catalog, whose SHA-256 is given: what the pointer says of the index, and where its bytes are.
type Pack<'a> = &'a dyn Fn(&Catalog, &str, Codes) -> Result<Option<(IndexRef, Content)>, CatalogError>;

/// What is uploaded of a catalog that loads, and what its pointer will say.
fn checked(
    catalog: &Catalog,
    sha256: String,
    content: Content,
    prefix: &S3Prefix,
    model_family: Option<&str>,
    pack: Option<Pack<'_>>,
) -> Result<Checked, CatalogError> {
    let family = model_family.filter(|_| catalog.model_id().is_some()).map(str::to_owned);
    catalog.query_model(&CatalogGuard { model_family: family, ..CatalogGuard::default() })?;
    let name = prefix.object(&artifact_name(catalog.version()));
    let mut pointer = Pointer::new(catalog, &name, sha256, content.length());
    let mut objects = vec![(name.key, pointer.sha256.clone(), content)];
    if let Some(pack) = pack {
        for codes in Codes::ALL {
            let Some((index, content)) = pack(catalog, &pointer.sha256, codes)? else { break };
            objects.push((index.key.clone(), index.sha256.clone(), content));
            pointer.indexes.push(index);
        }
    }
    Ok(Checked { pointer, objects, _folder: None })
}

fn candidate<'a>(prefix: &S3Prefix, seen: &'a Seen<Candidate>) -> Result<&'a Candidate, ChangeError> {
    seen.pointer.as_ref().ok_or_else(|| match &seen.unreadable {
        Some(error) => CatalogError::Corrupt { what: seen.name.to_string(), why: error.to_string() }.into(),
        None => ChangeError::NoCandidate(prefix.clone()),
    })
}

/// Whether workers that serve what is current would take a new catalog, whatever they are set to.
fn fits(prefix: &S3Prefix, current: &Seen<Pointer>, new: &Pointer) -> Result<(), ChangeError> {
    // One that cannot be read serves no worker that starts: it is replaced.
    let Some(current) = &current.pointer else { return Ok(()) };
    let model = |pointer: &Pointer| pointer.model_id.as_deref().map(|id| base_id(id).to_owned());
    if model(current) == model(new) && current.dimension == new.dimension {
        return Ok(());
    }
    let words = |pointer: &Pointer| {
        let model = pointer.model_id.as_deref().map_or("no model".to_owned(), |id| format!("`{id}`"));
        format!("{model} in {} dimensions", pointer.dimension)
    };
    let (version, current, new) = (current.version.clone(), words(current), words(new));
    Err(ChangeError::Differs { prefix: prefix.to_string(), version, current, new })
}
