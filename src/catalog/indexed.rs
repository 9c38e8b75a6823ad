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
mod tests {
    use nearline_search::Kernel;

    use super::*;

    fn rows() -> Rows {
        Rows {
            product_ids: ["a", "b", "c"].map(String::from).to_vec(),
            categories: ["tea", "mugs", "tea"].map(String::from).to_vec(),
            titles: vec![Some("Assam".into()), None, Some("Sencha".into())],
            vectors: vec![1.0, 0.0, 0.0, 1.0, 0.6, 0.8],
            dimension: 2,
            ..Rows::default()
        }
    }

    #[test]
    fn rows_and_categories_are_found_by_name_and_number() {
        let catalog = Catalog::new(rows(), "v".into(), None, Kernel::fastest()).unwrap();
        assert_eq!((catalog.row("c"), catalog.row("d")), (Some(2), None));
        assert_eq!((catalog.category("mugs"), catalog.category_name(0)), (Some(1), "tea"));
        assert_eq!((catalog.title(0), catalog.title(1)), (Some("Assam"), None));
        assert_eq!(catalog.rows_by_category(), [2, 1]);
    }

    #[test]
    fn faults_name_row_and_column() {
        let check = |change: fn(&mut Rows), part: &str| {
            let mut rows = rows();
            change(&mut rows);
            let message = Catalog::new(rows, "v".into(), None, Kernel::fastest()).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        };
        check(|rows| rows.product_ids[2] = "a".into(), "row 2, column product_id: `a` is already used in row 0");
        check(|rows| rows.vectors[3] = f32::NAN, "row 1");
        check(|rows| rows.vectors[0] = 0.0, "row 0");
    }

    #[test]
    fn a_guard_names_both_sides_and_ignores_region_prefixes() {
        let catalog = Catalog::new(rows(), "v".into(), Some("eu.cohere.embed-v4:0".into()), Kernel::fastest()).unwrap();
        let guard = |model: &str, dimension| CatalogGuard {
            model_id: Some(model.into()),
            dimension,
            ..CatalogGuard::default()
        };
        assert!(catalog.check(&guard("us.cohere.embed-v4:0", Some(2))).is_ok());
        let message = catalog.check(&guard("amazon.titan-embed-text-v2:0", None)).unwrap_err().to_string();
        assert!(message.contains("`amazon.titan-embed-text-v2:0`") && message.contains("`eu.cohere.embed-v4:0`"));
        let message = catalog.check(&guard("cohere.embed-v4:0", Some(256))).unwrap_err().to_string();
        assert!(message.starts_with("NEARLINE_EMBEDDING_DIMENSION is `256`, but the catalog has `2`"), "{message}");
    }

    #[test]
    fn the_model_that_is_set_is_called_instead_of_another_regions_profile_of_it() {
        let rows = Rows { vectors: vec![1.0; 3 * 256], dimension: 256, ..rows() };
        let catalog = Catalog::new(rows, "v".into(), Some("eu.cohere.embed-v4:0".into()), Kernel::fastest()).unwrap();
        let called = |guard: &CatalogGuard| catalog.query_model(guard).unwrap().unwrap().id().to_owned();
        assert_eq!(called(&CatalogGuard::default()), "eu.cohere.embed-v4:0");
        let guard = CatalogGuard { model_id: Some("us.cohere.embed-v4:0".into()), ..CatalogGuard::default() };
        assert_eq!(called(&guard), "us.cohere.embed-v4:0");
    }

    #[test]
    fn the_family_says_which_model_an_application_profile_is_of() {
        const PROFILE: &str = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123";
        const TITAN: &str = "amazon.titan-embed-text-v2:0";
        let catalog = |model: Option<&str>| {
            let rows = Rows { vectors: vec![1.0; 3 * 256], dimension: 256, ..rows() };
            Catalog::new(rows, "v".into(), model.map(str::to_owned), Kernel::fastest()).unwrap()
        };
        let guard = |model: Option<&str>, family: Option<&str>| CatalogGuard {
            model_id: model.map(str::to_owned),
            model_family: family.map(str::to_owned),
            dimension: None,
        };
        let called = |own, model, family| {
            let model = catalog(Some(own)).query_model(&guard(model, family)).map_err(|error| error.to_string())?;
            Ok::<_, String>(model.unwrap().called().to_owned())
        };
        // The catalog names the profile, or the model; the worker calls the one or the other.
        assert_eq!(called(PROFILE, None, Some(TITAN)).unwrap(), PROFILE);
        assert_eq!(called(TITAN, Some(PROFILE), Some(TITAN)).unwrap(), PROFILE);
        assert_eq!(called(PROFILE, Some(TITAN), Some(TITAN)).unwrap(), TITAN);
        for (own, model) in [(PROFILE, None), (PROFILE, Some(TITAN))] {
            let message = called(own, model, None).unwrap_err();
            assert!(message.contains("set NEARLINE_EMBEDDING_MODEL_FAMILY"), "{message}");
        }
        let message = called("cohere.embed-v4:0", Some(PROFILE), Some(TITAN)).unwrap_err();
        assert!(message.starts_with("NEARLINE_EMBEDDING_MODEL_FAMILY is `amazon.titan"), "{message}");
        let message = catalog(None).check(&guard(None, Some(TITAN))).unwrap_err().to_string();
        assert!(message.contains("the catalog has `no model`"), "{message}");
    }
}
