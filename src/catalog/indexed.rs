//! A catalog in memory, ready to be searched.
//!
//! Rows stay in artifact order everywhere: that order breaks ties.

use ndarray::Array2;
use nearline_search::{Available, Index, IndexError};

use super::error::CatalogError;
use super::location::CatalogGuard;
use super::names::{Column, Names};
use super::rows::Rows;
use crate::embed::{Model, base_id};

/// Products and their vectors, ready to be searched.
#[derive(Debug)]
pub struct Catalog {
    version: String,
    model_id: Option<String>,
    products: Names,
    categories: Names,
    titles: Option<Column>,
    index: Index,
    rows_by_category: Vec<u32>,
}

impl Catalog {
    /// Takes the rows of an artifact over, checking what the contract promises.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`], naming row and column (rows count from 0).
    pub fn new(rows: Rows, version: String, model_id: Option<String>, kernel: Available) -> Result<Self, CatalogError> {
        let invalid = |message: String| CatalogError::Invalid(message);
        let count = rows.product_ids.len();
        let products = Names::unique(rows.product_ids.iter().map(String::as_str))
            .map_err(|(row, first)| CatalogError::repeated(&rows.product_ids[row], row, first))?;
        let (categories, category_of_row) = Names::numbered(rows.categories.iter().map(String::as_str));
        let titles = rows
            .titles
            .iter()
            .any(Option::is_some)
            .then(|| Column::collect(rows.titles.iter().map(|title| title.as_deref().unwrap_or_default())));
        let mut rows_by_category = vec![0; categories.len()];
        for &category in &category_of_row {
            rows_by_category[category as usize] += 1;
        }
        let vectors = Array2::from_shape_vec((count, rows.dimension), rows.vectors)
            .map_err(|error| invalid(format!("column embedding: {error}")))?;
        let index = Index::build_with(vectors, category_of_row, kernel);
        let index = index.map_err(|error: IndexError| invalid(format!("column embedding: {error}")))?;
        Ok(Self { version, model_id, products, categories, titles, index, rows_by_category })
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

    /// The name of a category.
    pub fn category_name(&self, category: u32) -> &str {
        self.categories.get(category)
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
            + self.titles.as_ref().map_or(0, Column::memory_bytes)
    }

    /// The model that embeds the queries of this catalog, `None` if it names none: its own id, or the one that was set,
    /// which may name another region's profile of the same model.
    ///
    /// # Errors
    /// [`CatalogError::Guard`] as [`check`](Self::check), or [`CatalogError::Model`]: not supported, or not in its
    /// dimension.
    pub fn query_model(&self, guard: &CatalogGuard) -> Result<Option<Model>, CatalogError> {
        self.check(guard)?;
        let model = self.model_id().map(|id| Model::new(guard.model_id.as_deref().unwrap_or(id), self.dimension()));
        Ok(model.transpose()?)
    }

    /// Checks the catalog against what was set explicitly.
    ///
    /// # Errors
    /// [`CatalogError::Guard`], naming both.
    pub fn check(&self, guard: &CatalogGuard) -> Result<(), CatalogError> {
        if let Some(wanted) = &guard.model_id
            && self.model_id().is_none_or(|found| base_id(found) != base_id(wanted))
        {
            return Err(CatalogError::Guard {
                setting: "NEARLINE_EMBEDDING_MODEL",
                wanted: wanted.clone(),
                found: self.model_id().unwrap_or("no model").to_owned(),
            });
        }
        match guard.dimension {
            Some(wanted) if wanted != self.dimension() => Err(CatalogError::Guard {
                setting: "NEARLINE_EMBEDDING_DIMENSION",
                wanted: wanted.to_string(),
                found: self.dimension().to_string(),
            }),
            _ => Ok(()),
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
        check(|rows| rows.product_ids[2] = "a".into(), "row 2, column product_id: `a` stands in row 0 already");
        check(|rows| rows.vectors[3] = f32::NAN, "row 1");
        check(|rows| rows.vectors[0] = 0.0, "row 0");
    }

    #[test]
    fn a_guard_names_both_sides_and_ignores_region_prefixes() {
        let catalog = Catalog::new(rows(), "v".into(), Some("eu.cohere.embed-v4:0".into()), Kernel::fastest()).unwrap();
        let guard = |model: &str, dimension| CatalogGuard { model_id: Some(model.into()), dimension };
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
        let guard = CatalogGuard { model_id: Some("us.cohere.embed-v4:0".into()), dimension: None };
        assert_eq!(called(&guard), "us.cohere.embed-v4:0");
    }
}
