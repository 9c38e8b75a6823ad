//! `nearline catalog inspect`: what is in a catalog, and what it takes.

use nearline_contract::clip;
use serde::Serialize;

use super::report;
use crate::catalog::{AttributeSummary, Catalog};
use crate::cli::output::{CliError, json, plain, print};

/// The version of products that are read as they are.
const NO_VERSION: &str = "none: no artifact; `nearline catalog build` makes one";

/// What `inspect --json` prints.
#[derive(Serialize)]
struct Inspection<'a> {
    version: &'a str,
    rows: usize,
    dimension: usize,
    model_id: Option<&'a str>,
    memory_bytes: usize,
    categories: Vec<Category<'a>>,
    attributes: Vec<AttributeSummary<'a>>,
}

#[derive(Serialize)]
struct Category<'a> {
    name: &'a str,
    rows: u32,
}

impl<'a> Inspection<'a> {
    fn new(catalog: &'a Catalog) -> Self {
        let category = |(number, &rows): (usize, &u32)| Category { name: catalog.category_name(number as u32), rows };
        Self {
            version: catalog.version(),
            rows: catalog.rows(),
            dimension: catalog.dimension(),
            model_id: catalog.model_id(),
            memory_bytes: catalog.memory_bytes(),
            categories: catalog.rows_by_category().iter().enumerate().map(category).collect(),
            attributes: catalog.attributes().summaries(),
        }
    }
}

/// Prints what is in a catalog.
pub(super) fn show(catalog: &Catalog, as_json: bool) -> Result<(), CliError> {
    let inspection = Inspection::new(catalog);
    if as_json {
        return print(&json(&inspection)?);
    }
    let mut lines = vec![
        format!("version     {}", if inspection.version.is_empty() { NO_VERSION } else { inspection.version }),
        format!("products    {}", inspection.rows),
        format!("dimension   {}", inspection.dimension),
        format!("model       {}", inspection.model_id.unwrap_or("none: vector and product_id jobs only")),
        format!("memory      {:.1} MiB", inspection.memory_bytes as f64 / f64::from(1 << 20)),
        format!("categories  {}", inspection.categories.len()),
    ];
    let categories = inspection.categories.iter();
    lines.extend(report::categories(categories.map(|category| (category.name, u64::from(category.rows)))));
    lines.push(format!("attributes  {}", inspection.attributes.len()));
    lines.extend(inspection.attributes.iter().map(attribute));
    print(&lines.join("\n"))
}

/// An attribute in a line.
fn attribute(summary: &AttributeSummary<'_>) -> String {
    let examples: Vec<String> = summary.examples.iter().map(|value| clip(&plain(value))).collect();
    format!(
        "  {:>9}  {} ({}), {} without, {} different, {:.1} MiB: {}",
        summary.rows,
        clip(summary.name),
        summary.kind,
        summary.nulls,
        summary.distinct,
        summary.bytes as f64 / f64::from(1 << 20),
        examples.join(", ")
    )
}
