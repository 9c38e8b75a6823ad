//! Products as people have them: which files, of which kind, and what each row says.
//!
//! `folder` finds the files, `tree` which of them are read, `shard` what each one is; `csv`, `json` and `columnar` read
//! them, `columns` says which columns are meant, `attributes` which others are kept, `quotes` whether those of a row
//! can be, and `product` what a row must have. `survey` looks at all rows before anything is paid for.

mod arrow;
mod attributes;
mod columnar;
mod columns;
mod csv;
mod dialect;
mod dynamodb;
mod folder;
mod found;
mod gzip;
mod json;
mod kinds;
mod known;
mod layout;
mod numbers;
mod objects;
mod parquet_file;
mod part;
mod product;
mod quotes;
mod raw;
mod records;
mod shard;
mod survey;
mod template;
#[cfg(test)]
mod tests;
mod tree;
mod values;
mod whole;

use std::collections::BTreeSet;
use std::fmt;

pub use attributes::{Attribute, Kind as AttributeKind, Number, Value, Wanted};
pub use columns::Mapping;
pub use dialect::{Dialect, Quoting};
pub use folder::{open, reads_below};
pub use found::{Found, Place};
pub use kinds::Expected;
pub use part::Parts;
pub use product::{Change, FaultKind, Product, RowFault};
pub use shard::Shard;
pub use survey::{Listed, Survey};
pub use tree::Tree;

use super::CatalogError;
use super::kind::Kind;
use attributes::{Entry, Registry};
use found::{Each, Sink};
use product::bounded;

/// Products in files.
#[derive(Debug)]
pub struct Source {
    parts: Parts,
    mapping: Mapping,
    dialect: Dialect,
}

/// What reading found out beside rows.
#[derive(Debug)]
pub struct Besides {
    /// What somebody should know of files and columns that are not read.
    pub notes: Vec<String>,
    attributes: Vec<Entry>,
}

impl Source {
    /// Products in these files, one file after the other.
    pub fn new(parts: impl Into<Parts>, mapping: Mapping, dialect: Dialect) -> Self {
        Self { parts: parts.into(), mapping, dialect }
    }

    /// Reads all rows, handing each to `each`; returns what else was found out.
    ///
    /// # Errors
    /// That of `each`, or what makes a file unreadable from there on.
    pub fn read(&self, each: &mut Each<'_>) -> Result<Besides, CatalogError> {
        let (mut notes, mut keys) = (self.parts.notes.clone(), BTreeSet::new());
        let mut attributes = Registry::new(self.mapping.attributes());
        for (number, part) in self.parts.files.iter().enumerate() {
            let shard = &part.open()?;
            let mut sink = Sink {
                shard: number as u32,
                notes: &mut notes,
                keys: &mut keys,
                attributes: &mut attributes,
                each: &mut *each,
            };
            let read = match shard.kind {
                Kind::Text => csv::read(shard, &self.mapping, self.dialect, &mut sink),
                Kind::Json => json::read(shard, &self.mapping, &mut sink),
                Kind::Parquet => columnar::read_parquet(shard, &self.mapping, &mut sink),
                Kind::ArrowFile | Kind::ArrowStream => columnar::read_ipc(shard, &self.mapping, &mut sink),
                Kind::Gzip | Kind::Zstandard | Kind::Other(..) => Ok(()),
            };
            read.map_err(|error| match error {
                CatalogError::Invalid(what) => CatalogError::Source { name: shard.name.clone(), what: bounded(what) },
                error => error,
            })?;
        }
        // A table without a column that was named is an error; an object may lack it, but not all of them.
        if !keys.is_empty() && self.parts.files.iter().all(|part| part.kind == Kind::Json) {
            self.mapping.check_seen(&keys)?;
        }
        attributes.check()?;
        Ok(Besides { notes, attributes: attributes.entries })
    }

    /// The same products as an update of a catalog with these attributes.
    #[must_use]
    pub(in crate::catalog) fn of_update(self, attributes: Wanted) -> Self {
        Self { mapping: self.mapping.of_update(attributes), ..self }
    }

    /// Whether products have attributes.
    pub(in crate::catalog) fn has_attributes(&self) -> bool {
        !self.mapping.attributes().is_empty()
    }

    /// A place in words: `line 3`, with the file if there are several.
    pub fn describe(&self, place: Place) -> impl fmt::Display {
        let part = &self.parts.files[place.shard as usize];
        let unit = match part.kind {
            Kind::Text | Kind::Json => "line",
            _ => "row",
        };
        let file = if self.parts.files.len() > 1 { format!("{} ", part.name) } else { String::new() };
        format!("{file}{unit} {}", place.number)
    }
}
