//! Sources as people have them: each kind, read to the same products.

mod damage;
mod folders;
mod quoted;
mod tables;
mod text;

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }
}

type Rows = Vec<(String, Result<Product, String>)>;

fn read_with(path: &Path, mapping: Mapping) -> Result<(Rows, Vec<String>), String> {
    read_as(path, mapping, Dialect::default())
}

fn read_as(path: &Path, mapping: Mapping, dialect: Dialect) -> Result<(Rows, Vec<String>), String> {
    let source = Source::new(open(path).map_err(|error| error.to_string())?, mapping, dialect);
    let mut rows = Vec::new();
    let notes = source.read(&mut |place, found: Found<'_>| {
        let fault = |faults: Vec<RowFault>| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        rows.push((source.describe(place).to_string(), found.product.map_err(fault)));
        Ok(())
    });
    notes.map(|besides| (rows, besides.notes)).map_err(|error| error.to_string())
}

fn read(path: &Path) -> Result<Rows, String> {
    read_with(path, Mapping::default()).map(|(rows, _)| rows)
}

/// What a file of this content reads as; its name says nothing.
fn rows(content: impl AsRef<[u8]>) -> Result<Rows, String> {
    let folder = Folder::new();
    let path = folder.put("products", content);
    read(&path).map_err(|error| error.replace(&format!("{}: ", path.display()), ""))
}

/// What a CSV file reads as, and what is said besides.
fn csv_as(content: impl AsRef<[u8]>, dialect: Dialect) -> Result<(Rows, Vec<String>), String> {
    let folder = Folder::new();
    let path = folder.put("products", content);
    read_as(&path, Mapping::default(), dialect).map_err(|error| error.replace(&format!("{}: ", path.display()), ""))
}

fn places(rows: &Rows) -> Vec<&str> {
    rows.iter().map(|(place, _)| place.as_str()).collect()
}

fn ids(rows: &Rows) -> Vec<&str> {
    rows.iter().map(|(_, product)| product.as_ref().unwrap().product_id.as_str()).collect()
}

fn fault(content: &str) -> String {
    let rows = rows(content).unwrap();
    let faults: Vec<String> =
        rows.into_iter().filter_map(|(place, row)| Some(format!("{place}: {}", row.err()?))).collect();
    faults.join("\n")
}
