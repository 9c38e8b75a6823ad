//! A catalog to look at or to search here and now: an artifact, or products that bring their vectors.

use std::path::Path;

use crate::catalog::source::{Mapping, Source, open};
use crate::catalog::store::load_file;
use crate::catalog::{Catalog, CatalogError, Indexing};
use crate::cli::output::CliError;

/// The catalog of a file or folder. What is no artifact has no version, and names no model.
pub(in crate::cli) async fn open_catalog(path: &Path, indexing: &Indexing) -> Result<Catalog, CliError> {
    let artifact = if path.is_dir() { None } else { Some(load_file(path, indexing).await) };
    match artifact {
        Some(Ok(catalog)) => return Ok(catalog),
        Some(Err(CatalogError::Invalid(_))) | None => {}
        Some(Err(error)) => return Err(error.into()),
    }
    let mapping = Mapping::new(&[], None, true).map_err(CliError::Other)?;
    let source = Source::new(open(path)?, mapping, None);
    let rows = source.rows();
    match (rows, artifact) {
        (Ok(rows), _) => Ok(Catalog::new(rows, String::new(), None, indexing.kernel)?),
        // What is wrong with both is said of the artifact that it was meant to be.
        (Err(_), Some(Err(error))) if path.extension().is_some_and(|extension| extension == "arrow") => {
            Err(error.into())
        }
        (Err(error), _) => Err(error.into()),
    }
}
