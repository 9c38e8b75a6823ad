//! Rows as readers find them, and who takes them.

use super::product::{Product, RowFault};
use crate::catalog::CatalogError;

/// Where a row is: the number of its file, and its line (from 1) or, in a table without lines, its row (from 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub(super) shard: u32,
    pub(super) number: u64,
}

/// A row that was found.
pub struct Found<'a> {
    /// Its product, or what is wrong with it.
    pub product: Result<Product, Vec<RowFault>>,
    /// The row as it was written, for those who mend it.
    pub what: &'a dyn Fn() -> String,
}

/// Takes rows in order.
pub(super) type Each<'a> = dyn FnMut(Place, Found<'_>) -> Result<(), CatalogError> + 'a;

/// Where readers hand their rows to.
pub(super) struct Sink<'a> {
    pub(super) shard: u32,
    pub(super) notes: &'a mut Vec<String>,
    pub(super) each: &'a mut Each<'a>,
}

impl Sink<'_> {
    pub(super) fn take(&mut self, number: u64, found: Found<'_>) -> Result<(), CatalogError> {
        (self.each)(Place { shard: self.shard, number }, found)
    }

    pub(super) fn note(&mut self, note: &str) {
        if !self.notes.iter().any(|known| known == note) {
            self.notes.push(note.to_owned());
        }
    }
}
