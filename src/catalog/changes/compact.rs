//! An artifact and its updates as one artifact: what `catalog compact` publishes, and what base and updates must equal.
//!
//! Rows that were neither replaced nor deleted stay where they are, and a row that keeps its vector keeps its place;
//! rows with new vectors follow in the order of the updates. So further updates find the same products in the same
//! order in the compacted artifact as in this one with its updates, and have the same effect on both.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use super::history::{ChangedRow, Changes, Place, VectorOf};
use super::stored::Stored;
use super::update::{TextHash, Update};
use crate::catalog::CatalogError;
use crate::catalog::artifact::{Row, Writer};
use crate::catalog::ipc::invalid;

/// Writes what an artifact and its updates are together.
///
/// # Errors
/// The artifact cannot be read, or the sink written.
pub(in crate::catalog) fn compact<W: Write>(
    artifact: &Path,
    changes: &Changes,
    updates: &[Arc<Update>],
    sink: W,
) -> Result<W, CatalogError> {
    let mut stored = Stored::open(artifact)?;
    let fields = stored.described.builders()?.finish().fields();
    let mut hashes = updates.iter().flat_map(|update| update.contents.iter().flatten());
    let keeps_hashes = stored.described.has_hashes() || hashes.any(|content| content.text_sha256.is_some());
    let model_id = stored.described.model_id().unwrap_or_default().to_owned();
    let mut writer = Writer::with_attributes(sink, stored.described.dimension, &model_id, keeps_hashes, &fields)?;
    let (mut dead, mut rows) = (changes.dead.iter().copied().peekable(), changes.rows.iter().peekable());
    let mut number = 0;
    while let Some(batch) = stored.next_batch()? {
        let mut attributes = stored.described.builders()?;
        stored.described.append(&batch, &mut attributes)?;
        let attributes = attributes.finish();
        let (ids, categories, titles) = (batch.texts("product_id")?, batch.texts("category")?, batch.texts("title")?);
        for (row, vector) in batch.vectors()?.chunks_exact(stored.described.dimension).enumerate() {
            let text_sha256 = batch.text_sha256(row);
            if let Some(changed) = rows.next_if(|changed| changed.place == Place::Base(number)) {
                write_changed(&mut writer, updates, changed, vector, text_sha256)?;
            }
            if dead.next_if_eq(&number).is_none() {
                let named = ids[row].zip(categories[row]);
                let (product_id, category) = named.ok_or_else(|| invalid(format!("row {number}: has no name")))?;
                let row_of = Row { product_id, category, title: titles[row], vector, text_sha256 };
                writer.push_with(&row_of, &attributes.values(row as u32))?;
            }
            number += 1;
        }
    }
    for changed in rows {
        let VectorOf::Update { update, row, vector } = changed.vector else {
            return Err(invalid("the artifact has fewer rows than its updates name"));
        };
        let text_sha256 = updates[update].contents[row as usize].as_ref().and_then(|content| content.text_sha256);
        write_changed(&mut writer, updates, changed, updates[update].vector(vector), text_sha256)?;
    }
    writer.finish()
}

fn write_changed<W: Write>(
    writer: &mut Writer<W>,
    updates: &[Arc<Update>],
    changed: &ChangedRow,
    vector: &[f32],
    text_sha256: Option<TextHash>,
) -> Result<(), CatalogError> {
    let update = &updates[changed.update];
    let Some(content) = &update.contents[changed.row as usize] else { return Ok(()) };
    let row = Row {
        product_id: update.product_id(changed.row),
        category: &content.category,
        title: content.title.as_deref(),
        vector,
        text_sha256,
    };
    writer.push_with(&row, &update.attributes.values(changed.row))
}
