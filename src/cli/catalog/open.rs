//! A catalog to look at or to search here and now: an artifact, or products that bring their vectors.

use std::path::Path;

use crate::aws::{S3Artifacts, Sdk};
use crate::catalog::source::{Dialect, Mapping, Source, open};
use crate::catalog::store::load_file;
use crate::catalog::{Catalog, CatalogStore, Indexing, artifact};
use crate::cli::output::CliError;
use crate::compute::Compute;

/// Catalogs in S3.
pub(super) async fn store() -> Result<CatalogStore<S3Artifacts>, CliError> {
    Ok(CatalogStore::new(Sdk::load_usable().await?.artifacts(), indexing()?))
}

/// With all processors, while more is read.
pub(super) fn indexing() -> Result<Indexing, CliError> {
    Ok(Indexing { compute: Compute::threads(None)?, ..Indexing::default() })
}

/// The catalog of a file or folder. What has not the form of an artifact is read as a source: it has no version, and names
/// no model. What is wrong with an artifact is never passed over by reading it otherwise.
pub(in crate::cli) async fn open_catalog(path: &Path, indexing: &Indexing) -> Result<Catalog, CliError> {
    if !path.is_dir() && artifact::is_artifact(path)? {
        return Ok(load_file(path, indexing).await?);
    }
    let mapping = Mapping::new(&[], None, true).map_err(CliError::Other)?;
    let source = Source::new(open(path)?, mapping, Dialect::default());
    Ok(Catalog::new(source.rows()?, String::new(), None, indexing.kernel)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Rows;

    #[tokio::test]
    async fn a_fault_of_an_artifact_is_said_and_not_passed_over_by_reading_it_as_a_source() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog");
        // As a source it would be one product, which is there twice.
        let mut rows = Rows {
            product_ids: vec!["a".to_owned(); 2],
            categories: vec!["c".to_owned(); 2],
            titles: vec![None; 2],
            vectors: vec![1.0; 4],
            dimension: 2,
            ..Rows::default()
        };
        std::fs::write(&path, artifact::write(Vec::new(), &rows, "").unwrap()).unwrap();
        let error = open_catalog(&path, &Indexing::default()).await.unwrap_err().to_string();
        assert!(error.contains("the catalog is not valid: row 1, column product_id"), "{error}");
        rows.product_ids[1] = "b".to_owned();
        std::fs::write(&path, artifact::write(Vec::new(), &rows, "").unwrap()).unwrap();
        assert!(!open_catalog(&path, &Indexing::default()).await.unwrap().version().is_empty());
        std::fs::write(&path, "product_id,category,embedding\na,c,\"[1, 2]\"\n").unwrap();
        let read = open_catalog(&path, &Indexing::default()).await.unwrap();
        assert_eq!((read.version(), read.rows()), ("", 1));
    }
}
