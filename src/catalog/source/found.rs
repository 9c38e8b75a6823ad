//! Rows as readers find them, and who takes them.

use std::collections::BTreeSet;

use super::attributes::Registry;
use super::known::fold;
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
    /// The row as it was written, for whoever fixes it.
    pub what: &'a dyn Fn() -> String,
}

/// Notes of one source.
const NOTES_MAX: usize = 50;
/// Different keys that are kept of objects; none of those that were named is sought among more.
pub(super) const KEYS_MAX: usize = 10_000;

/// Takes rows in order.
pub(super) type Each<'a> = dyn FnMut(Place, Found<'_>) -> Result<(), CatalogError> + 'a;

/// Where readers hand their rows to.
pub(super) struct Sink<'a> {
    pub(super) shard: u32,
    pub(super) notes: &'a mut Vec<String>,
    /// Keys of objects, without case and outer blanks.
    pub(super) keys: &'a mut BTreeSet<String>,
    pub(super) attributes: &'a mut Registry,
    pub(super) each: &'a mut Each<'a>,
}

impl Sink<'_> {
    pub(super) fn take(&mut self, number: u64, found: Found<'_>) -> Result<(), CatalogError> {
        (self.each)(Place { shard: self.shard, number }, found)
    }

    /// Says something of the source, once; after [`NOTES_MAX`] nothing new.
    pub(super) fn note(&mut self, note: &str) {
        if self.notes.len() < NOTES_MAX && !self.notes.iter().any(|known| known == note) {
            self.notes.push(note.to_owned());
        }
    }

    /// Keeps the keys of an object, as long as they are few.
    pub(super) fn saw<'k>(&mut self, keys: impl Iterator<Item = &'k str>) {
        for key in keys {
            if self.keys.len() < KEYS_MAX {
                self.keys.insert(fold(key));
            }
        }
    }
}
