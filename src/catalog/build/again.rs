//! A source once more, after it has been looked at: the same rows, or it has changed.

use std::io::Write;

use tokio::task::JoinHandle;

use super::journal::TextHash;
use crate::catalog::CatalogError;
use crate::catalog::artifact::{Row, Writer};
use crate::catalog::source::{Found, Place, Product, Source, Survey};

/// Waits for who reads the source once more.
pub(super) async fn read_to_the_end<T>(reader: JoinHandle<Result<T, CatalogError>>) -> Result<T, CatalogError> {
    let read = reader.await;
    read.unwrap_or_else(|error| Err(CatalogError::Invalid(format!("reading it again failed: {error}"))))
}

/// Reads the source once more, and hands the rows that become products on with their numbers, until `send` is `false`.
pub(super) fn read_again(
    source: &Source,
    survey: &Survey,
    send: &mut dyn FnMut(usize, Product) -> bool,
) -> Result<(), CatalogError> {
    let changed = || CatalogError::Invalid("the source changed while it was being read: build again".to_owned());
    let (mut number, mut left_out, mut row) = (0, 0, 0);
    source.read(&mut |_place: Place, found: Found<'_>| {
        let is_taken = survey.takes(number, &mut left_out);
        number += 1;
        if !is_taken {
            return Ok(());
        }
        let product = found.product.ok().filter(|product| survey.is_same(row, product)).ok_or_else(changed)?;
        // Nobody waits for more once a build has failed.
        if !send(row, product) {
            return Err(CatalogError::Invalid("the build ended".to_owned()));
        }
        row += 1;
        Ok(())
    })?;
    if row as u64 == survey.rows { Ok(()) } else { Err(changed()) }
}

/// Writes all rows of a source whose rows all bring vectors.
pub(super) fn write_again<W: Write>(
    source: &Source,
    survey: &Survey,
    writer: &mut Writer<W>,
) -> Result<(), CatalogError> {
    let mut failed = None;
    let read = read_again(source, survey, &mut |_, product| {
        let vector = product.embedding.as_deref().unwrap_or_default();
        let values = survey.values(&product);
        let written = values.and_then(|values| writer.push_with(&row(&product, vector, None), &values));
        failed = written.err();
        failed.is_none()
    });
    failed.map_or(read, Err)
}

/// A product as a row of the artifact.
pub(super) fn row<'a>(product: &'a Product, vector: &'a [f32], text_sha256: Option<TextHash>) -> Row<'a> {
    Row {
        product_id: &product.product_id,
        category: &product.category,
        title: product.title.as_deref(),
        vector,
        text_sha256,
    }
}
