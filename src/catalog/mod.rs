//! The catalog: what is searched, in memory once.
//!
//! [`artifact`] reads and writes the Arrow file, [`build`] makes one from a source, [`store`] publishes and loads it,
//! [`refresh`] watches for a newer one. Rows stay in artifact order everywhere: that order breaks ties.

pub mod artifact;
pub mod build;
mod names;
pub mod refresh;
pub mod store;

use std::path::PathBuf;
use std::sync::Arc;

use ndarray::Array2;
use nearline_search::{Index, IndexError, Kernel};
use rayon::ThreadPool;

use crate::config::CatalogGuard;
use crate::embed::{ModelError, base_id};
use crate::fault::Fault;
use names::{Column, Names};

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

/// How catalogs are made searchable.
#[derive(Debug, Clone)]
pub struct Indexing {
    /// What scans them; must be one that the processor has.
    pub kernel: Kernel,
    /// The threads that index them; `None` for one a processor.
    pub pool: Option<Arc<ThreadPool>>,
}

impl Default for Indexing {
    fn default() -> Self {
        Self { kernel: Kernel::fastest(), pool: None }
    }
}

/// The columns of an artifact, row by row.
#[derive(Debug, Default)]
pub struct Rows {
    /// Unique, not empty.
    pub product_ids: Vec<String>,
    /// Not empty.
    pub categories: Vec<String>,
    /// As many as rows.
    pub titles: Vec<Option<String>>,
    /// Rows x dimension, row-major.
    pub vectors: Vec<f32>,
    /// Length of a vector.
    pub dimension: usize,
}

/// Why there is no catalog.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The file cannot be read or written.
    #[error("{}: {source}", .path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The content breaks the artifact's contract; the message names row and column.
    #[error("the catalog is not valid: {0}")]
    Invalid(String),
    /// An object is not what its pointer or name promises.
    #[error("{what} is not what it should be: {fault}")]
    Corrupt {
        /// The object.
        what: String,
        /// The difference.
        fault: String,
    },
    /// Nothing is published under the prefix.
    #[error("no catalog is published at {0}: run `nearline catalog publish FILE.arrow --to {0}`")]
    NotPublished(String),
    /// The model or dimension that was set explicitly is not the catalog's.
    #[error("{setting} is `{wanted}`, but the catalog has `{found}`: unset it, or publish a catalog that matches")]
    Guard {
        /// Environment variable.
        setting: &'static str,
        /// Its value.
        wanted: String,
        /// The catalog's.
        found: String,
    },
    /// The model that it names cannot be called.
    #[error("the catalog's {0} (a catalog without {model} serves vector and product_id jobs)", model = artifact::MODEL_ID)]
    Model(#[from] ModelError),
    /// The processor cannot run the kernel that was asked for; nothing is wrong with the catalog.
    #[error(transparent)]
    Kernel(IndexError),
    /// A service failed.
    #[error(transparent)]
    Service(#[from] Fault),
}

impl CatalogError {
    fn repeated(product_id: &str, row: usize, first: u32) -> Self {
        Self::Invalid(format!("row {row}, column product_id: `{product_id}` stands in row {first} already"))
    }
}

impl Catalog {
    /// Takes the rows of an artifact over, checking what the contract promises.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`], naming row and column (rows count from 0); [`CatalogError::Kernel`].
    pub fn new(
        rows: Rows,
        version: String,
        model_id: Option<String>,
        indexing: &Indexing,
    ) -> Result<Self, CatalogError> {
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
        let build = || Index::build_with(vectors, category_of_row, indexing.kernel);
        let index = match &indexing.pool {
            Some(pool) => pool.install(build),
            None => build(),
        };
        let index = index.map_err(index_fault)?;
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

/// The index knows rows and columns of a matrix; people know the columns of the artifact.
fn index_fault(error: IndexError) -> CatalogError {
    match error {
        IndexError::KernelUnavailable { .. } => CatalogError::Kernel(error),
        IndexError::TooManyRows { .. }
        | IndexError::NoRows
        | IndexError::ZeroDimension
        | IndexError::LengthMismatch { .. }
        | IndexError::CategoriesNotDense { .. }
        | IndexError::NotFinite { .. }
        | IndexError::ZeroRow { .. } => CatalogError::Invalid(format!("column embedding: {error}")),
    }
}

#[cfg(test)]
mod tests {
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
        let catalog = Catalog::new(rows(), "v".into(), None, &Indexing::default()).unwrap();
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
            let message = Catalog::new(rows, "v".into(), None, &Indexing::default()).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        };
        check(|rows| rows.product_ids[2] = "a".into(), "row 2, column product_id: `a` stands in row 0 already");
        check(|rows| rows.vectors[3] = f32::NAN, "row 1");
        check(|rows| rows.vectors[0] = 0.0, "row 0");
    }

    #[test]
    fn a_kernel_that_the_processor_lacks_is_not_the_catalogs_fault() {
        for kernel in Kernel::ALL {
            let indexing = Indexing { kernel, pool: None };
            match Catalog::new(rows(), "v".into(), None, &indexing) {
                Ok(catalog) => assert_eq!(catalog.index().kernel(), kernel.name()),
                Err(CatalogError::Kernel(error)) => {
                    assert!(!kernel.is_available());
                    assert_eq!(error, IndexError::KernelUnavailable { kernel });
                }
                Err(error) => panic!("{kernel}: {error}"),
            }
        }
    }

    #[test]
    fn a_guard_names_both_sides_and_ignores_region_prefixes() {
        let catalog =
            Catalog::new(rows(), "v".into(), Some("eu.cohere.embed-v4:0".into()), &Indexing::default()).unwrap();
        let guard = |model: &str, dimension| CatalogGuard { model_id: Some(model.into()), dimension };
        assert!(catalog.check(&guard("us.cohere.embed-v4:0", Some(2))).is_ok());
        let message = catalog.check(&guard("amazon.titan-embed-text-v2:0", None)).unwrap_err().to_string();
        assert!(message.contains("`amazon.titan-embed-text-v2:0`") && message.contains("`eu.cohere.embed-v4:0`"));
        let message = catalog.check(&guard("cohere.embed-v4:0", Some(256))).unwrap_err().to_string();
        assert!(message.starts_with("NEARLINE_EMBEDDING_DIMENSION is `256`, but the catalog has `2`"), "{message}");
    }
}
