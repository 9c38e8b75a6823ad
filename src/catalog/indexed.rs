//! A catalog in memory, ready to be searched.
//!
//! Rows stay in artifact order everywhere: that order breaks ties.

use std::sync::atomic::AtomicBool;

use nearline_search::{Available, Index, IndexError, Numbers, RowSet};

use super::attributes::{Attributes, RowFilter};
use super::error::CatalogError;
use super::location::CatalogGuard;
use super::names::{Column, Names};
use super::nearest;
use super::rows::Rows;
use super::table::Table;
use crate::embed::{Model, ModelError, base_id, model_id};

/// Products and their vectors, ready to be searched.
#[derive(Debug)]
pub struct Catalog {
    version: String,
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
        Ok(Self { version, model_id, products, categories, titles, attributes, index, rows_by_category })
    }

    /// First 16 hex digits of the artifact's SHA-256.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Embedding model of its vectors.
    pub fn model_id(&self) -> Option<&str> {
        self.model_id.as_deref()
    }

    /// What is searched.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Number of products.
    pub fn rows(&self) -> usize {
        self.index.rows()
    }

    /// Length of the vectors.
    pub fn dimension(&self) -> usize {
        self.index.dimension()
    }

    /// The row of a product.
    pub fn row(&self, product_id: &str) -> Option<u32> {
        self.products.find(product_id)
    }

    /// The product of a row.
    pub fn product_id(&self, row: u32) -> &str {
        self.products.get(row)
    }

    /// The title of a row, if it has one.
    pub fn title(&self, row: u32) -> Option<&str> {
        self.titles.as_ref().map(|titles| titles.get(row)).filter(|title| !title.is_empty())
    }

    /// The number of a category.
    pub fn category(&self, name: &str) -> Option<u32> {
        self.categories.find(name)
    }

    /// The category that was probably meant by a name that the catalog does not have.
    pub fn nearest_category(&self, name: &str) -> Option<&str> {
        nearest::among(name, &self.categories)
    }

    /// The product that was probably meant by an id that the catalog does not have.
    pub fn nearest_product(&self, product_id: &str) -> Option<&str> {
        nearest::variant(product_id, &self.products)
    }

    /// The name of a category.
    pub fn category_name(&self, category: u32) -> &str {
        self.categories.get(category)
    }

    /// What filters look at, and matches carry.
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// The rows that pass a filter of this catalog; any if `cancelled` becomes true before it is done.
    pub fn row_set(&self, filter: &RowFilter, cancelled: &AtomicBool) -> RowSet {
        self.index.row_set(&self.attributes.passing(filter, cancelled))
    }

    /// Number of products in each category, in the order of first appearance.
    pub fn rows_by_category(&self) -> &[u32] {
        &self.rows_by_category
    }

    /// Bytes that the catalog keeps in memory.
    pub fn memory_bytes(&self) -> usize {
        self.index.memory_bytes()
            + self.products.memory_bytes()
            + self.categories.memory_bytes()
            + self.attributes.memory_bytes()
            + self.titles.as_ref().map_or(0, Column::memory_bytes)
    }

    /// The model that embeds the queries of this catalog, `None` if it names none: its own id, or the one that was set,
    /// which may name another profile of the same model.
    ///
    /// # Errors
    /// [`CatalogError::Guard`] as [`check`](Self::check), or [`CatalogError::Model`]: not supported, or not in its
    /// dimension.
    pub fn query_model(&self, guard: &CatalogGuard) -> Result<Option<Model>, CatalogError> {
        self.check(guard)?;
        let Some(own) = self.model_id() else { return Ok(None) };
        let called = guard.model_id.as_deref().unwrap_or(own);
        Ok(Some(Model::new(called, guard.model_family.as_deref(), self.dimension())?))
    }

    /// Checks the catalog against what was set explicitly.
    ///
    /// # Errors
    /// [`CatalogError::Guard`], naming both; [`CatalogError::Model`] if the catalog's name does not say which model it
    /// is, and nobody else does.
    pub fn check(&self, guard: &CatalogGuard) -> Result<(), CatalogError> {
        self.check_model(guard)?;
        match guard.dimension {
            Some(wanted) if wanted != self.dimension() => Err(CatalogError::Guard {
                setting: "NEARLINE_EMBEDDING_DIMENSION",
                wanted: wanted.to_string(),
                found: self.dimension().to_string(),
            }),
            _ => Ok(()),
        }
    }

    fn check_model(&self, guard: &CatalogGuard) -> Result<(), CatalogError> {
        let family = guard.model_family.as_deref();
        let (setting, wanted) = match (family, guard.model_id.as_deref()) {
            (Some(family), _) => ("NEARLINE_EMBEDDING_MODEL_FAMILY", family),
            (None, Some(model)) => ("NEARLINE_EMBEDDING_MODEL", model),
            (None, None) => return Ok(()),
        };
        let refused =
            |found: &str| Err(CatalogError::Guard { setting, wanted: wanted.to_owned(), found: found.to_owned() });
        let Some(own) = self.model_id() else { return refused("no model") };
        match model_id(own, family) {
            Ok(id) if base_id(id) == base_id(wanted) => Ok(()),
            // What would help is the family, not another catalog.
            Err(opaque @ ModelError::Opaque(_)) => Err(opaque.into()),
            _ => refused(own),
        }
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
