//! A published catalog, served: its artifact and updates, as far as they are not in memory already.

use std::sync::Arc;

use super::fetch::{misfit, read, update_bytes};
use super::update::Update;
use crate::catalog::artifacts::Artifacts;
use crate::catalog::error::CatalogError;
use crate::catalog::indexed::{Base, Catalog};
use crate::catalog::load::run_long;
use crate::catalog::location::S3Prefix;
use crate::catalog::pointer::Pointer;
use crate::catalog::store::CatalogStore;
use crate::compute::Priority;

/// What a changed row takes beside what it takes in its vector: strings and numbers.
const ROW_BYTES: u64 = 300;

/// Memory that the updates of a pointer take beside its artifact, in bytes: their vectors, once more to be searched, and
/// codes.
pub(in crate::catalog) fn memory_of_updates(pointer: &Pointer) -> u64 {
    let rows: u64 = pointer.updates.iter().map(|update| update.rows + update.deleted).sum();
    rows * (pointer.dimension * 10 + ROW_BYTES)
}

impl<A: Artifacts> CatalogStore<A> {
    /// The catalog of an artifact that is in memory and the updates of its pointer, if it has any; of these only what is new
    /// is read. `bytes_read` were read of the artifact.
    ///
    /// # Errors
    /// An update is not there, is broken, or does not fit.
    pub(in crate::catalog) async fn with_updates(
        &self,
        base: Arc<Base>,
        prefix: &S3Prefix,
        pointer: Pointer,
        mut bytes_read: u64,
        priority: Priority,
    ) -> Result<Catalog, CatalogError> {
        if pointer.updates.is_empty() {
            return Ok(Catalog::of_base(base, pointer.version).having_read(bytes_read));
        }
        let mut updates: Vec<Arc<Update>> = Vec::with_capacity(pointer.updates.len());
        for update in &pointer.updates {
            if let Some(known) = self.alive.update(&update.sha256) {
                updates.push(known);
                continue;
            }
            let bytes = update_bytes(&self.artifacts, prefix, update).await?;
            bytes_read += bytes.len() as u64;
            let (key, of) = (update.key.clone(), Arc::clone(&base));
            let read = run_long(&self.indexing.compute, priority, move || read(&key, &bytes, &*of)).await?;
            self.alive.keep_update(&update.sha256, &read);
            updates.push(read);
        }
        let apply = move || {
            let catalog = Catalog::updated(base, updates, pointer.version.clone());
            catalog.map_err(|what| misfit(&pointer, what))
        };
        Ok(run_long(&self.indexing.compute, priority, apply).await?.having_read(bytes_read))
    }
}
