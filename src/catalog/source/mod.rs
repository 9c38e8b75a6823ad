//! Products as people have them: which files, of which kind, and what each row says.
//!
//! `folder` finds the files, `shard` what each one is; `csv`, `json` and `columnar` read them, `columns` says which
//! columns are meant and `product` what a row must have. `survey` looks at all rows before anything is paid for.

mod arrow;
mod columnar;
mod columns;
mod csv;
mod dynamodb;
mod folder;
mod found;
mod json;
mod known;
mod numbers;
mod objects;
mod product;
mod quotes;
mod raw;
mod shard;
mod survey;
mod template;
#[cfg(test)]
mod tests;
mod whole;

use std::fmt;

pub use columns::Mapping;
pub use folder::open;
pub use found::{Found, Place};
pub use product::{FaultKind, Product, RowFault};
pub use shard::Shard;
pub use survey::{Listed, Survey};

use super::CatalogError;
use super::kind::Kind;
use found::{Each, Sink};

/// Products in files.
#[derive(Debug)]
pub struct Source {
    shards: Vec<Shard>,
    mapping: Mapping,
    delimiter: Option<u8>,
}

impl Source {
    /// Products in these files, one file after the other.
    pub fn new(shards: Vec<Shard>, mapping: Mapping, delimiter: Option<u8>) -> Self {
        Self { shards, mapping, delimiter }
    }

    /// Reads all rows, handing each to `each`; returns what somebody should know of columns that are not read.
    ///
    /// # Errors
    /// That of `each`, or what makes a file unreadable from there on.
    pub fn read(&self, each: &mut Each<'_>) -> Result<Vec<String>, CatalogError> {
        let mut notes = Vec::new();
        for (number, shard) in self.shards.iter().enumerate() {
            let mut sink = Sink { shard: number as u32, notes: &mut notes, each: &mut *each };
            let read = match shard.kind {
                Kind::Text => csv::read(shard, &self.mapping, self.delimiter, &mut sink),
                Kind::Json => json::read(shard, &self.mapping, &mut sink),
                Kind::Parquet => columnar::read_parquet(shard, &self.mapping, &mut sink),
                Kind::ArrowFile | Kind::ArrowStream => columnar::read_ipc(shard, &self.mapping, &mut sink),
                Kind::Gzip | Kind::Zstandard | Kind::Other(..) => Ok(()),
            };
            read.map_err(|error| match error {
                CatalogError::Invalid(what) => CatalogError::Source { name: shard.name.clone(), what },
                error => error,
            })?;
        }
        Ok(notes)
    }

    /// A place in words: `line 3`, with the file if there are several.
    pub fn describe(&self, place: Place) -> impl fmt::Display {
        let shard = &self.shards[place.shard as usize];
        let unit = match shard.kind {
            Kind::Text | Kind::Json => "line",
            _ => "row",
        };
        let file = if self.shards.len() > 1 { format!("{} ", shard.name) } else { String::new() };
        format!("{file}{unit} {}", place.number)
    }
}
