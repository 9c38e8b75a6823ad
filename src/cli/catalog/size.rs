//! `nearline catalog size`: what a catalog would take.

use serde::Serialize;

use crate::catalog::size::{Needed, Shape, Size};
use crate::cli::output::{CliError, json, print};

#[derive(clap::Args)]
pub(in crate::cli) struct SizeArgs {
    /// Products
    #[arg(long)]
    rows: u64,
    /// Length of the vectors
    #[arg(long)]
    dimension: u64,
    /// Categories
    #[arg(long, default_value_t = 20)]
    categories: u64,
    /// Bytes of a product id
    #[arg(long, default_value_t = 16, value_name = "BYTES")]
    product_id: u64,
    /// Bytes of a title
    #[arg(long, default_value_t = 60, value_name = "BYTES")]
    title: u64,
    /// Bytes of all attributes of a product
    #[arg(long, default_value_t = 0, value_name = "BYTES")]
    attributes: u64,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// What `size --json` prints.
#[derive(Serialize)]
struct Answer {
    rows: u64,
    dimension: u64,
    #[serde(flatten)]
    size: Size,
}

/// The most that is reckoned with, so that no product of numbers overflows.
const ROWS_MAX: u64 = u32::MAX as u64;
const NUMBER_MAX: u64 = 1 << 24;

pub(super) fn show(args: &SizeArgs) -> Result<(), CliError> {
    let SizeArgs { rows, dimension, categories, product_id, title, attributes, json: as_json } = *args;
    if !(1..=ROWS_MAX).contains(&rows) || !(1..=NUMBER_MAX).contains(&dimension) {
        return Err(CliError::Usage(format!(
            "--rows must be 1 to {ROWS_MAX}, --dimension 1 to {NUMBER_MAX}: are {rows} and {dimension}"
        )));
    }
    let least = |bytes: u64| bytes.min(NUMBER_MAX);
    let shape = Shape {
        rows,
        dimension,
        categories: categories.min(rows),
        id_bytes: least(product_id),
        title_bytes: least(title),
        attribute_bytes: least(attributes),
    };
    let size = shape.size();
    if as_json {
        return print(&json(&Answer { rows, dimension, size })?);
    }
    let gib = |bytes: u64| format!("{:.2} GiB", bytes as f64 / f64::from(1 << 30));
    let or_none = |size: Option<u64>, unit: &str| size.map_or("none".to_owned(), |size| format!("{size} {unit}"));
    let needed = |needed: Needed| {
        let (standard, managed) = (or_none(needed.lambda_mb, "MB"), or_none(needed.lambda_managed_gb, "GB"));
        format!("{}; Lambda: standard {standard}, managed instances {managed}", gib(needed.bytes))
    };
    let lines = [
        format!("in memory    {}", gib(size.memory_bytes)),
        format!("file         {}", gib(size.artifact_bytes)),
        format!("index        {} for each coding", gib(size.index_bytes)),
        format!("alone        {}", needed(size.alone)),
        format!("refreshing   {}", needed(size.refreshing)),
        "with NEARLINE_CATALOG_VECTORS=mapped, and a local disk for the rest:".to_owned(),
        format!("alone        {}", needed(size.alone_mapped)),
        format!("refreshing   {}", needed(size.refreshing_mapped)),
    ];
    print(&lines.join("\n"))
}
