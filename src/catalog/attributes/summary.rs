//! What is in the attributes of a catalog, for people.

use std::collections::BTreeSet;

use nearline_contract::Attribute;
use serde::Serialize;

use super::column::AttributeKind;
use super::table::Attributes;

/// Values that are shown.
const EXAMPLES_MAX: usize = 3;
/// Rows that examples are looked for in.
const LOOKED_AT_MAX: usize = 10_000;

/// What is in one attribute.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AttributeSummary<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What JSON value it is compared with.
    pub compares_with: &'static str,
    /// Products that have it.
    pub rows: u64,
    /// Products that do not.
    pub nulls: u64,
    /// Different values.
    pub distinct: u64,
    /// What it takes in memory.
    pub bytes: u64,
    /// Some of its values.
    pub examples: Vec<Attribute>,
}

impl Attributes {
    /// What is in each of them. Looks at all rows.
    pub fn summaries(&self) -> Vec<AttributeSummary<'_>> {
        (0..self.columns.len()).map(|number| self.summary(number)).collect()
    }

    /// The same summaries of columns with these names.
    pub(in crate::catalog) fn named_as<'a>(
        &'a self,
        summaries: Vec<AttributeSummary<'_>>,
    ) -> Vec<AttributeSummary<'a>> {
        let named = |(number, summary): (u32, AttributeSummary<'_>)| {
            let AttributeSummary { name: _, kind, compares_with, rows, nulls, distinct, bytes, examples } = summary;
            AttributeSummary {
                name: self.names.get(number),
                kind,
                compares_with,
                rows,
                nulls,
                distinct,
                bytes,
                examples,
            }
        };
        (0..).zip(summaries).map(named).collect()
    }

    fn summary(&self, number: usize) -> AttributeSummary<'_> {
        let column = &self.columns[number];
        let kind: AttributeKind = column.kind();
        let rows = (0..self.rows).filter(|&row| column.has(row)).count() as u64;
        let written = |value: &Attribute| serde_json::to_string(value).unwrap_or_default();
        let values = || (0..self.rows).filter_map(|row| column.get(row));
        let mut seen = BTreeSet::new();
        let examples =
            values().take(LOOKED_AT_MAX).filter(|value| seen.insert(written(value))).take(EXAMPLES_MAX).collect();
        let distinct: hashbrown::HashSet<String> = values().map(|value| written(&value)).collect();
        AttributeSummary {
            name: self.names.get(number as u32),
            kind: kind.as_str(),
            compares_with: kind.compares_with(),
            rows,
            nulls: self.rows as u64 - rows,
            distinct: distinct.len() as u64,
            bytes: column.memory_bytes() as u64,
            examples,
        }
    }
}
