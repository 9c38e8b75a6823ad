//! A catalog in memory, ready to be searched.
//!
//! Rows stay in artifact order everywhere: that order breaks ties. What updates changed since lies beside the artifact's
//! rows, which all catalogs share that are made of them.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use nearline_search::{Available, Index, IndexError, Numbers, RowSet};

use super::attributes::Attributes;
use super::changes::{self, Below, Changes, Misfit, Overlay, Update};
use super::error::CatalogError;
use super::layered::{CatalogAttributes, RowFilter};
use super::location::CatalogGuard;
use super::names::{Column, Names};
use super::nearest;
use super::rows::Rows;
use super::table::Table;
use crate::embed::Model;

/// Products and their vectors, ready to be searched.
#[derive(Debug)]
pub struct Catalog {
    version: String,
    base: Arc<Base>,
    /// `None`: it is the artifact.
    overlay: Option<Overlay>,
    bytes_read: u64,
}

/// The products of an artifact.
#[derive(Debug)]
pub(super) struct Base {
    model_id: Option<String>,
    products: Names,
    categories: Names,
    titles: Option<Column>,
    attributes: Attributes,
    index: Index,
    rows_by_category: Vec<u32>,
}

impl Catalog {
    /// Takes the rows of an artifact over, checking what the contract promises.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`], naming row and column (rows count from 0).
    pub fn new(rows: Rows, version: String, model_id: Option<String>, kernel: Available) -> Result<Self, CatalogError> {
        let build = |numbers, dimension, categories| {
            Index::build_from(numbers, dimension, categories, kernel, None).map(|(index, _)| index)
        };
        Self::of(Table::of(rows)?, version, model_id, build)
    }

    /// The catalog of columns; `index` makes their vectors and categories searchable.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(super) fn of(
        table: Table,
        version: String,
        model_id: Option<String>,
        index: impl FnOnce(Numbers, usize, Vec<u32>) -> Result<Index, IndexError>,
    ) -> Result<Self, CatalogError> {
        let Table { products, categories, category_of, titles, vectors, dimension, attributes } = table;
        let count = products.len();
        let mut rows_by_category = vec![0; categories.len()];
        for &category in &category_of {
            rows_by_category[category as usize] += 1;
        }
        let index = index(vectors, dimension, category_of);
        let index = index.map_err(|error| CatalogError::Invalid(format!("column embedding: {error}")))?;
        let attributes = attributes.of_rows(count);
        let base = Base { model_id, products, categories, titles, attributes, index, rows_by_category };
        Ok(Self { version, base: Arc::new(base), overlay: None, bytes_read: 0 })
    }

    /// The catalog of an artifact that is in memory.
    pub(super) fn of_base(base: Arc<Base>, version: String) -> Self {
        Self { version, base, overlay: None, bytes_read: 0 }
    }

    /// The catalog of an artifact and its updates, in order.
    ///
    /// # Errors
    /// An update that does not fit.
    pub(super) fn updated(base: Arc<Base>, updates: Vec<Arc<Update>>, version: String) -> Result<Self, Misfit> {
        let changes = Changes::of(&*base, base.index.rows(), &updates)?;
        let below = Below {
            index: &base.index,
            categories: &base.categories,
            rows_by_category: &base.rows_by_category,
            attributes: &base.attributes,
        };
        let last = updates.len().saturating_sub(1);
        let overlay = Overlay::new(below, changes, updates);
        let overlay = overlay.map_err(|error| Misfit { update: last, what: error.to_string() })?;
        Ok(Self { version, base, overlay: Some(overlay), bytes_read: 0 })
    }

    /// The same catalog, for which so many bytes were read.
    #[must_use]
    pub(super) fn having_read(self, bytes_read: u64) -> Self {
        Self { bytes_read, ..self }
    }

    /// Bytes that were read for it: not those of what was in memory already.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// The artifact's part of it.
    pub(super) fn base(&self) -> &Arc<Base> {
        &self.base
    }

    /// Updates that it has beside its artifact.
    pub(super) fn updates(&self) -> &[Arc<Update>] {
        self.overlay.as_ref().map_or(&[], Overlay::updates)
    }

    /// How many updates it has beside its artifact.
    pub fn update_count(&self) -> usize {
        self.updates().len()
    }

    /// Rows that are not its artifact's.
    pub fn changed_rows(&self) -> usize {
        self.overlay.as_ref().map_or(0, Overlay::rows)
    }

    /// First 16 hex digits of the artifact's SHA-256, or of that over it and its updates.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Embedding model of its vectors.
    pub fn model_id(&self) -> Option<&str> {
        self.base.model_id.as_deref()
    }

    /// What is searched.
    pub fn index(&self) -> &Index {
        self.overlay.as_ref().map_or(&self.base.index, Overlay::index)
    }

    /// Number of products.
    pub fn rows(&self) -> usize {
        self.index().live_rows()
    }

    /// Length of the vectors.
    pub fn dimension(&self) -> usize {
        self.base.index.dimension()
    }

    /// The row of a product.
    pub fn row(&self, product_id: &str) -> Option<u32> {
        let row = self.base.products.find(product_id);
        self.overlay.as_ref().map_or(row, |overlay| overlay.row(product_id, row))
    }

    /// The product of a row.
    pub fn product_id(&self, row: u32) -> &str {
        match self.changed(row) {
            Some((overlay, number)) => overlay.product_id(number),
            None => self.base.products.get(row),
        }
    }

    /// The title of a row, if it has one.
    pub fn title(&self, row: u32) -> Option<&str> {
        match self.changed(row) {
            Some((overlay, number)) => overlay.title(number),
            None => self.base.titles.as_ref().map(|titles| titles.get(row)).filter(|title| !title.is_empty()),
        }
    }

    /// What a row is that is not the artifact's.
    fn changed(&self, row: u32) -> Option<(&Overlay, u32)> {
        let overlay = self.overlay.as_ref()?;
        Some((overlay, overlay.number(row)?))
    }

    fn categories(&self) -> &Names {
        self.overlay.as_ref().map_or(&self.base.categories, Overlay::categories)
    }

    /// The number of a category.
    pub fn category(&self, name: &str) -> Option<u32> {
        self.categories().find(name)
    }

    /// The category that was probably meant by a name that the catalog does not have.
    pub fn nearest_category(&self, name: &str) -> Option<&str> {
        nearest::among(name, self.categories())
    }

    /// The product that was probably meant by an id that the catalog does not have.
    pub fn nearest_product(&self, product_id: &str) -> Option<&str> {
        nearest::variant(product_id, |spelling| self.row(spelling)).map(|row| self.product_id(row))
    }

    /// The name of a category.
    pub fn category_name(&self, category: u32) -> &str {
        self.categories().get(category)
    }

    /// What filters look at, and matches carry.
    pub fn attributes(&self) -> CatalogAttributes<'_> {
        CatalogAttributes { base: &self.base.attributes, overlay: self.overlay.as_ref() }
    }

    /// The rows that pass a filter of this catalog; any if `cancelled` becomes true before it is done.
    pub fn row_set(&self, filter: &RowFilter, cancelled: &AtomicBool) -> RowSet {
        self.index().row_set(&self.attributes().passing(filter, cancelled))
    }

    /// Number of products in each category, in the order of first appearance.
    pub fn rows_by_category(&self) -> &[u32] {
        self.overlay.as_ref().map_or(&self.base.rows_by_category, Overlay::rows_by_category)
    }

    /// Bytes that the catalog keeps in memory.
    pub fn memory_bytes(&self) -> usize {
        let Base { index, products, categories, attributes, titles, .. } = &*self.base;
        index.memory_bytes()
            + products.memory_bytes()
            + categories.memory_bytes()
            + attributes.memory_bytes()
            + titles.as_ref().map_or(0, Column::memory_bytes)
            + self.overlay.as_ref().map_or(0, Overlay::memory_bytes)
    }

    /// The model that embeds the queries of this catalog, `None` if it names none: its own id, or the one that was set,
    /// which may name another profile of the same model.
    ///
    /// # Errors
    /// [`CatalogError::Guard`] as [`check`](Self::check), or [`CatalogError::Model`]: not supported, or not in its
    /// dimension.
    pub fn query_model(&self, guard: &CatalogGuard) -> Result<Option<Model>, CatalogError> {
        guard.query_model(self.model_id(), self.dimension())
    }

    /// Checks the catalog against what was set explicitly.
    ///
    /// # Errors
    /// As [`CatalogGuard::check`].
    pub fn check(&self, guard: &CatalogGuard) -> Result<(), CatalogError> {
        guard.check(self.model_id(), self.dimension())
    }
}

impl changes::Base for Base {
    fn dimension(&self) -> usize {
        self.index.dimension()
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

#[cfg(test)]
mod tests;
