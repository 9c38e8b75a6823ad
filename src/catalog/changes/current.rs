//! A published catalog that is to be changed: what it is made of, without its vectors.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use super::base::Base;
use super::compare::{Compared, compare, source_of};
use super::digests::Digests;
use super::fetch::{misfit, read, update_bytes};
use super::known::{Artifact, Known};
use super::products::{VectorPlaces, products};
use super::update::{TextHash, Update};
use crate::catalog::change::{ChangeError, Seen};
use crate::catalog::error::CatalogError;
use crate::catalog::location::{CatalogGuard, S3Prefix};
use crate::catalog::pointer::Pointer;
use crate::catalog::publishing::Publishing;
use crate::catalog::source::Source;
use crate::catalog::store::CatalogStore;

/// What was fetched of a catalog, and what was embedded for it: kept for another try.
#[derive(Debug, Default)]
pub struct Fetched {
    artifact: Option<(String, Arc<Artifact>, Arc<Vectors>)>,
    updates: HashMap<String, Arc<Update>>,
    pub(super) vectors: HashMap<TextHash, Vec<f32>>,
}

/// What is known of an artifact's vectors.
#[derive(Debug, Clone)]
struct Vectors {
    places: VectorPlaces,
    digests: Digests,
}

/// What is current at a prefix, to be changed if it still is then.
#[derive(Debug)]
pub struct UpdateBase {
    pub(super) seen: Seen<Pointer>,
    pub(super) pointer: Pointer,
    pub(super) artifact: Arc<Artifact>,
    vectors: Arc<Vectors>,
    pub(super) updates: Vec<Arc<Update>>,
}

impl<A: Publishing> CatalogStore<A> {
    /// Fetches what is current at a prefix, as far as it was not before.
    ///
    /// # Errors
    /// Nothing is published there, or it is broken.
    pub async fn fetch_current(&self, prefix: &S3Prefix, fetched: &mut Fetched) -> Result<UpdateBase, ChangeError> {
        let mut seen = self.seen_current(prefix).await?;
        if let Some(error) = seen.unreadable.take() {
            return Err(error.into());
        }
        let Some(pointer) = seen.pointer.clone() else { return Err(CatalogError::NotPublished(prefix.clone()).into()) };
        let (artifact, vectors) = match &fetched.artifact {
            Some((sha256, artifact, vectors)) if *sha256 == pointer.sha256 => {
                (Arc::clone(artifact), Arc::clone(vectors))
            }
            _ => {
                let (artifact, digests, places) = products(&self.artifacts, prefix, &pointer).await?;
                let (artifact, vectors) = (Arc::new(artifact), Arc::new(Vectors { places, digests }));
                fetched.artifact = Some((pointer.sha256.clone(), Arc::clone(&artifact), Arc::clone(&vectors)));
                (artifact, vectors)
            }
        };
        let mut updates = Vec::with_capacity(pointer.updates.len());
        for update in &pointer.updates {
            let known = if let Some(known) = fetched.updates.get(&update.sha256) {
                Arc::clone(known)
            } else {
                let bytes = update_bytes(&self.artifacts, prefix, update).await?;
                let read = read(&update.key, &bytes, &*artifact)?;
                fetched.updates.insert(update.sha256.clone(), Arc::clone(&read));
                read
            };
            updates.push(known);
        }
        Ok(UpdateBase { seen, pointer, artifact, vectors, updates })
    }

    /// Fetches the vectors that rows of the artifact have, so that those of a source can be compared with them.
    ///
    /// # Errors
    /// The artifact is not there any more, or another.
    pub async fn fetch_vectors(
        &self,
        prefix: &S3Prefix,
        current: UpdateBase,
        rows: &BTreeSet<u32>,
        fetched: &mut Fetched,
    ) -> Result<UpdateBase, ChangeError> {
        let (pointer, dimension) = (&current.pointer, current.artifact.dimension());
        let mut vectors = Vectors::clone(&current.vectors);
        vectors.places.read(&self.artifacts, prefix, pointer, dimension, rows, &mut vectors.digests).await?;
        let vectors = Arc::new(vectors);
        fetched.artifact = Some((pointer.sha256.clone(), Arc::clone(&current.artifact), Arc::clone(&vectors)));
        Ok(UpdateBase { vectors, ..current })
    }
}

impl UpdateBase {
    /// What is current.
    pub fn pointer(&self) -> &Pointer {
        &self.pointer
    }

    /// Whether it is known which texts its vectors are of.
    pub fn knows_texts(&self) -> bool {
        self.artifact.has_hashes
    }

    /// A source as what changes this catalog.
    #[must_use]
    pub fn source(&self, source: Source) -> Source {
        source_of(source, &self.artifact.attributes().fields())
    }

    /// Compares a source, if there is one, and products that are to be deleted with it. Rows that are not valid go to
    /// `rejects`. Blocks.
    ///
    /// # Errors
    /// These cannot be written; a product that is to be deleted is in the source. What is wrong with rows is in the survey.
    pub fn compare(
        &self,
        source: Option<&Source>,
        delete: &BTreeSet<String>,
        chars_max: Option<usize>,
        rejects: Option<&Path>,
        progress: &dyn Fn(u64),
    ) -> Result<Compared, CatalogError> {
        let known = Known::new(&self.artifact, &self.vectors.digests, &self.updates)
            .map_err(|what| misfit(&self.pointer, what))?;
        compare(source, delete, &known, chars_max, progress, rejects)
    }

    /// The model that embeds texts for it: its own, or another profile of it.
    ///
    /// # Errors
    /// As [`Catalog::query_model`](crate::catalog::Catalog::query_model).
    pub fn model(&self, guard: &CatalogGuard) -> Result<Option<crate::embed::Model>, CatalogError> {
        guard.query_model(self.artifact.model_id(), self.artifact.dimension())
    }
}
