//! Vectors of an older artifact, by the hashes of their texts.

use std::path::Path;

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;

use super::journal::TextHash;
use crate::catalog::CatalogError;
use crate::catalog::artifact::{MODEL_ID, TEXT_SHA256, open};
use crate::catalog::ipc::{Blob, Reader, invalid};
use crate::embed::{Model, base_id};

/// The vectors that an artifact has of texts, which the same model made.
///
/// # Errors
/// It is no artifact, has no hashes of texts, or is of another model or dimension.
pub(super) fn vectors(
    path: &Path,
    model: &Model,
) -> Result<impl Iterator<Item = Result<(TextHash, Vec<f32>), CatalogError>>, CatalogError> {
    let refused = |what: String| CatalogError::Source { name: path.display().to_string(), what };
    let file = open(path)?;
    let length = file.metadata().map_err(|source| CatalogError::File { path: path.to_owned(), source })?.len();
    let mut reader = Reader::open(Blob::File(file, length)).map_err(|error| refused(error.to_string()))?;
    let schema = reader.schema();
    let named = schema.metadata().get(MODEL_ID).map_or("", String::as_str);
    if base_id(named) != base_id(model.id()) {
        let named = if named.is_empty() { "an unnamed model".to_owned() } else { format!("model `{named}`") };
        return Err(refused(format!("its vectors come from {named}, this build's from `{}`", model.id())));
    }
    let Ok(hashes) = schema.index_of(TEXT_SHA256) else {
        return Err(refused(format!(
            "it has no column {TEXT_SHA256}: an earlier release built it, or its vectors came with its rows"
        )));
    };
    let embedding = schema.index_of("embedding").map_err(|error| refused(error.to_string()))?;
    reader.project([embedding.min(hashes), embedding.max(hashes)].to_vec());
    let dimension = model.dimension();
    let batches = std::iter::from_fn(move || reader.next_batch().transpose());
    Ok(batches.flat_map(move |batch| match batch.and_then(|batch| rows(&batch, dimension)) {
        Ok(rows) => rows.into_iter().map(Ok).collect::<Vec<_>>(),
        Err(error) => vec![Err(error)],
    }))
}

fn rows(batch: &arrow_array::RecordBatch, dimension: usize) -> Result<Vec<(TextHash, Vec<f32>)>, CatalogError> {
    let hashes = batch.column_by_name(TEXT_SHA256).and_then(|column| column.as_fixed_size_binary_opt());
    let lists = batch.column_by_name("embedding").and_then(|column| column.as_fixed_size_list_opt());
    let (Some(hashes), Some(lists)) = (hashes, lists) else {
        return Err(invalid("the older catalog is not a catalog artifact: its columns have other types"));
    };
    if lists.value_length() as usize != dimension {
        let found = lists.value_length();
        return Err(invalid(format!("the older catalog has dimension {found}, this build has {dimension}")));
    }
    let numbers =
        lists.values().as_primitive_opt::<Float32Type>().ok_or_else(|| invalid("its vectors are not floats"))?;
    let rows = hashes.iter().zip(numbers.values().chunks_exact(dimension)).enumerate();
    let known = rows.filter(|(row, _)| lists.is_valid(*row));
    Ok(known.filter_map(|(_, (hash, vector))| Some((hash?.try_into().ok()?, vector.to_vec()))).collect())
}
