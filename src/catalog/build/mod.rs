//! From a source to an artifact: read the products, embed what has no vector yet, write the file.
//!
//! Vectors that were paid for are kept in a journal beside the output until the artifact is whole, so that a build
//! that was stopped or throttled goes on where it was.

mod csv;
mod journal;

use std::fs::Permissions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use nearline_search::Kernel;

use super::names::Names;
use super::{Catalog, CatalogError, Rows, artifact};
use crate::backoff::Backoff;
use crate::embed::{EmbedError, Embedder, Model};
use crate::under_way::UnderWay;
use journal::Journal;

pub use csv::{Product, read_csv};

/// Texts that wait for the embedder at once: enough to fill the calls of a model that takes many texts.
const TEXTS_IN_FLIGHT: usize = 1_024;
/// Times that the embedder is asked for one text, which tries for seconds by itself: about two minutes of throttling.
const ATTEMPTS: u32 = 6;
/// Pauses between them.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(4), Duration::from_secs(64));

/// Embeds what has no vector yet and writes the artifact to `output`, replacing it only when all is well.
/// `progress` is called with the number of products that have a vector.
///
/// # Errors
/// A fault that outlasted every attempt (what was embedded until then is kept and used by the next build), or
/// whatever breaks the artifact's contract.
pub async fn build(
    products: Vec<Product>,
    model: &Model,
    embedder: &Embedder,
    output: &Path,
    progress: impl Fn(usize),
) -> Result<(), CatalogError> {
    let dimension = model.dimension();
    let ids = Names::unique(products.iter().map(|product| product.product_id.as_str()));
    if let Err((row, first)) = ids {
        return Err(CatalogError::repeated(&products[row].product_id, row, first));
    }
    let given = products.iter().map(|product| product.embedding.clone()).collect::<Vec<_>>();
    if let Some(row) = given.iter().position(|vector| vector.as_ref().is_some_and(|vector| vector.len() != dimension)) {
        let length = given[row].as_ref().map_or(0, Vec::len);
        let message = format!("row {row}, column embedding: has {length} numbers, the dimension is {dimension}");
        return Err(CatalogError::Invalid(message));
    }
    let mut journal = Journal::open(output, model.id(), dimension)?;
    let mut vectors = given;
    for (vector, product) in vectors.iter_mut().zip(&products) {
        if vector.is_none() {
            *vector = journal.get(&product.text);
        }
    }
    let mut done = vectors.iter().flatten().count();
    progress(done);
    let missing: Vec<usize> = (0..vectors.len()).filter(|&row| vectors[row].is_none()).collect();
    let texts = &products;
    let mut embedded = stream::iter(missing)
        .map(|row| async move {
            let Product { product_id, text, .. } = &texts[row];
            let vector = embed_patiently(embedder, text).await;
            vector.map(|vector| (row, vector)).map_err(|error| match error {
                EmbedError::Fault(fault) => fault.context(&format!("row {row}, product `{product_id}`")).into(),
                EmbedError::Refused(_) => CatalogError::Invalid(format!("row {row}, product `{product_id}`: {error}")),
            })
        })
        .buffer_unordered(TEXTS_IN_FLIGHT);
    while let Some((row, vector)) = embedded.try_next().await? {
        journal.put(&products[row].text, &vector)?;
        vectors[row] = Some(vector);
        done += 1;
        progress(done);
    }
    drop(embedded);
    let mut rows = Rows { dimension, ..Rows::default() };
    for (product, vector) in products.into_iter().zip(vectors) {
        rows.product_ids.push(product.product_id);
        rows.categories.push(product.category);
        rows.titles.push(product.title);
        rows.vectors.extend(vector.unwrap_or_default());
    }
    write(rows, model.id(), output)?;
    journal.remove()
}

/// Writes beside the output first, and checks: what cannot be loaded must not replace what can.
fn write(rows: Rows, model_id: &str, output: &Path) -> Result<(), CatalogError> {
    let file_error = |source| CatalogError::File { path: output.to_owned(), source };
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Temporary files are for their owner alone unless something else is asked for; the umask takes from it.
    let mut file =
        tempfile::Builder::new().permissions(Permissions::from_mode(0o666)).tempfile_in(folder).map_err(file_error)?;
    artifact::write(BufWriter::new(file.as_file_mut()), &rows, model_id)?.flush().map_err(file_error)?;
    Catalog::new(rows, String::new(), None, Kernel::fastest())?;
    file.as_file().sync_all().map_err(file_error)?;
    file.persist(output).map_err(|error| file_error(error.error))?;
    Ok(())
}

async fn embed_patiently(embedder: &Embedder, text: &str) -> Result<Vec<f32>, EmbedError> {
    let mut failures = 0;
    loop {
        match embedder.embed(text, &UnderWay::default()).await {
            Ok(embedding) => return Ok(embedding.vector.clone()),
            Err(EmbedError::Fault(fault)) if fault.is_transient() && failures + 1 < ATTEMPTS => {
                failures += 1;
                tracing::debug!(%fault, failures, "an embedding is asked for again");
                BACKOFF.sleep(failures).await;
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalog_has_the_mode_of_any_new_file() {
        let folder = tempfile::tempdir().unwrap();
        let (output, other) = (folder.path().join("catalog.arrow"), folder.path().join("other"));
        let row = ["a".to_owned()].to_vec();
        let rows =
            Rows { product_ids: row.clone(), categories: row, titles: vec![None], vectors: vec![1.0], dimension: 1 };
        write(rows, "", &output).unwrap();
        std::fs::File::create(&other).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode();
        assert_eq!(mode(&output), mode(&other));
    }
}
