//! The products of a published catalog without their vectors: what `catalog update` compares a source with.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::base::Base;
use super::digests::Digests;
use super::history::{ChangedRow, Changes, Misfit, VectorOf};
use super::stored::{Batch, Described, Stored};
use super::update::{TextHash, Update};
use crate::catalog::CatalogError;
use crate::catalog::attributes::{Attributes, Builders};
use crate::catalog::ipc::invalid;
use crate::catalog::names::Names;

/// The products of an artifact, by row.
#[derive(Debug)]
pub(in crate::catalog) struct Artifact {
    products: Names,
    categories: Names,
    category_of: Vec<u32>,
    titles: Vec<Option<Box<str>>>,
    attributes: Attributes,
    text_hashes: Vec<Option<TextHash>>,
    dimension: usize,
    model_id: Option<String>,
    pub(in crate::catalog) has_hashes: bool,
}

/// An artifact of which not everything was read.
pub(super) struct Draft {
    artifact: Artifact,
    attributes: Builders,
}

/// An artifact with its updates.
#[derive(Debug)]
pub(in crate::catalog) struct Known<'a> {
    pub(in crate::catalog) artifact: &'a Artifact,
    digests: &'a Digests,
    updates: &'a [Arc<Update>],
    changed: HashMap<&'a str, ChangedRow>,
    changes: Changes,
}

/// A product of the catalog.
#[derive(Debug)]
pub(in crate::catalog) struct KnownProduct<'a> {
    pub(in crate::catalog) category: &'a str,
    pub(in crate::catalog) title: Option<&'a str>,
    /// Where its attributes are.
    pub(in crate::catalog) attributes: (&'a Attributes, u32),
    /// Of the text that its vector was made of, if that is known.
    pub(in crate::catalog) text_sha256: Option<TextHash>,
    /// Of its vector; or the row of the artifact whose vector it is, if that was not read.
    pub(in crate::catalog) digest: Result<u64, u32>,
}

impl Base for Artifact {
    fn dimension(&self) -> usize {
        self.dimension
    }

    fn model_id(&self) -> Option<&str> {
        self.model_id.as_deref()
    }

    fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    fn find(&self, product_id: &str) -> Option<u32> {
        self.products.find(product_id)
    }
}

impl Artifact {
    /// Reads the products of an artifact on disk.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub(in crate::catalog) fn read(path: &Path) -> Result<Self, CatalogError> {
        Self::with_vectors(path, |_, _, _| ())
    }

    /// As [`read`](Self::read); `take` is given the number of the first of some rows, and dimension and numbers of their
    /// vectors.
    ///
    /// # Errors
    /// As those of `read`.
    pub(super) fn with_vectors(path: &Path, mut take: impl FnMut(usize, usize, &[f32])) -> Result<Self, CatalogError> {
        let mut stored = Stored::open(path)?;
        let mut draft = Draft::new(&stored.described)?;
        while let Some(batch) = stored.next_batch()? {
            take(draft.rows(), stored.described.dimension, batch.vectors()?);
            draft.append(&batch, &mut stored.described)?;
        }
        Ok(draft.finish())
    }

    pub(in crate::catalog) fn rows(&self) -> usize {
        self.category_of.len()
    }
}

impl Draft {
    pub(super) fn new(described: &Described) -> Result<Self, CatalogError> {
        let artifact = Artifact {
            products: Names::default(),
            categories: Names::default(),
            category_of: Vec::new(),
            titles: Vec::new(),
            attributes: Attributes::default(),
            text_hashes: Vec::new(),
            dimension: described.dimension,
            model_id: described.model_id().map(str::to_owned),
            has_hashes: described.has_hashes(),
        };
        Ok(Self { artifact, attributes: described.builders()? })
    }

    pub(super) fn rows(&self) -> usize {
        self.artifact.rows()
    }

    /// Takes the products of a batch.
    ///
    /// # Errors
    /// One has no name, or that of another; an attribute cannot be kept.
    pub(super) fn append(&mut self, batch: &Batch, described: &mut Described) -> Result<(), CatalogError> {
        let artifact = &mut self.artifact;
        described.append(batch, &mut self.attributes)?;
        let (ids, categories) = (batch.texts("product_id")?, batch.texts("category")?);
        for (row, (id, category)) in ids.into_iter().zip(categories).enumerate() {
            let number = artifact.category_of.len();
            let named = id.zip(category);
            let (id, category) = named.ok_or_else(|| invalid(format!("row {number}: has no name")))?;
            let found = artifact.products.insert(id);
            if found as usize != number {
                return Err(CatalogError::repeated(id, number, found));
            }
            artifact.category_of.push(artifact.categories.insert(category));
            artifact.text_hashes.push(batch.text_sha256(row));
        }
        artifact.titles.extend(batch.texts("title")?.into_iter().map(|title| title.map(Box::from)));
        Ok(())
    }

    pub(super) fn finish(self) -> Artifact {
        let rows = self.rows();
        Artifact { attributes: self.attributes.finish().of_rows(rows), ..self.artifact }
    }
}

impl<'a> Known<'a> {
    /// An artifact, those of its vectors that were read, and its updates.
    ///
    /// # Errors
    /// An update that cannot be applied.
    pub(in crate::catalog) fn new(
        artifact: &'a Artifact,
        digests: &'a Digests,
        updates: &'a [Arc<Update>],
    ) -> Result<Self, Misfit> {
        let changes = Changes::of(artifact, artifact.rows(), updates)?;
        let named = |row: &ChangedRow| (updates[row.update].product_id(row.row), *row);
        let changed = changes.rows.iter().map(named).collect();
        Ok(Self { artifact, digests, updates, changed, changes })
    }

    /// By which vectors are compared.
    pub(in crate::catalog) fn digest(&self, vector: &[f32]) -> u64 {
        self.digests.digest(vector)
    }

    /// How many products there are.
    pub(in crate::catalog) fn rows(&self) -> usize {
        self.artifact.rows() - self.changes.dead.len() + self.changes.rows.len()
    }

    /// A product, if it is there.
    pub(in crate::catalog) fn get(&self, product_id: &str) -> Option<KnownProduct<'_>> {
        if let Some(row) = self.changed.get(product_id) {
            return self.of_update(row);
        }
        let row = self.artifact.find(product_id)?;
        let is_dead = self.changes.dead.binary_search(&row).is_ok();
        let (artifact, at) = (self.artifact, row as usize);
        (!is_dead).then(|| KnownProduct {
            category: artifact.categories.get(artifact.category_of[at]),
            title: artifact.titles[at].as_deref(),
            attributes: (&artifact.attributes, row),
            text_sha256: artifact.text_hashes[at],
            digest: self.digests.get(row),
        })
    }

    fn of_update(&self, changed: &ChangedRow) -> Option<KnownProduct<'_>> {
        let update = &self.updates[changed.update];
        let content = update.contents[changed.row as usize].as_ref()?;
        let (text_sha256, digest) = match changed.vector {
            VectorOf::Base(row) => (self.artifact.text_hashes[row as usize], self.digests.get(row)),
            VectorOf::Update { update, row, vector } => {
                let update = &self.updates[update];
                let content = update.contents[row as usize].as_ref();
                let text_sha256 = content.and_then(|content| content.text_sha256);
                (text_sha256, Ok(self.digests.digest(update.vector(vector))))
            }
        };
        Some(KnownProduct {
            category: &content.category,
            title: content.title.as_deref(),
            attributes: (&update.attributes, changed.row),
            text_sha256,
            digest,
        })
    }
}
