//! What people read of a source that has been looked at, and what programs read.

use std::collections::BTreeMap;

use nearline_contract::clip;
use serde::Serialize;

use crate::catalog::source::{FaultKind, Listed, Source, Survey};
use crate::cli::output::{CliError, counted};
use crate::cli::progress::Progress;

/// Rows between two looks at the clock.
const PROGRESS_ROWS: u64 = 1_000;
/// Look-alike categories that are named.
const ALIKE_SHOWN_MAX: usize = 10;
/// Categories that people are shown; `--json` has all.
const CATEGORIES_SHOWN_MAX: usize = 1_000;

/// Says what somebody should know although it is not a fault.
pub(super) fn warn(source: &Source, survey: &Survey) {
    for note in &survey.notes {
        eprintln!("warning: {note}");
    }
    for names in survey.alike.iter().take(ALIKE_SHOWN_MAX) {
        let more = names.len().saturating_sub(ALIKE_SHOWN_MAX);
        let names: Vec<String> = names
            .iter()
            .take(ALIKE_SHOWN_MAX)
            .map(|(name, rows)| format!("{name:?} ({})", counted(*rows, "row")))
            .collect();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        eprintln!("warning: these categories look alike but are distinct: {}{more}", names.join(", "));
    }
    if survey.alike.len() > ALIKE_SHOWN_MAX {
        eprintln!("warning: and {} more groups of categories that look alike", survey.alike.len() - ALIKE_SHOWN_MAX);
    }
    list("note", "identical row", "left out: each product counts once", &survey.identical, source);
    list("warning", "text", "longer than the model accepts: cut at the end", &survey.long, source);
}

/// Lists what is wrong, the first of it.
pub(super) fn faults(source: &Source, survey: &Survey) {
    for (place, what) in &survey.faults.first {
        eprintln!("{}: {what}", source.describe(*place));
    }
    let more = survey.faults.more();
    if more > 0 {
        eprintln!("and {more} more");
    }
}

/// Shows how many rows were read.
pub(super) fn show(progress: &Progress, rows: u64) {
    if rows.is_multiple_of(PROGRESS_ROWS) {
        progress.set(rows as usize);
    }
}

/// What is wrong, in a line.
pub(super) fn refused(survey: &Survey, consequence: &str) -> CliError {
    if let Some(broken) = &survey.broken {
        return CliError::Other(broken.to_string());
    }
    let (rows, are) = (survey.faulty_rows, if survey.faulty_rows == 1 { " is" } else { "s are" });
    CliError::Other(format!("{rows} row{are} not valid ({}){consequence}", counts(&survey.kinds)))
}

fn list(grade: &str, what: &str, because: &str, listed: &Listed, source: &Source) {
    if listed.count == 0 {
        return;
    }
    eprintln!("{grade}: {}, {because}", counted(listed.count, what));
    for (place, what) in &listed.first {
        eprintln!("  {}: {what}", source.describe(*place));
    }
    let more = listed.more();
    if more > 0 {
        eprintln!("  and {more} more");
    }
}

/// How many faults of each kind, in words.
pub(super) fn counts(kinds: &BTreeMap<FaultKind, u64>) -> String {
    let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    kinds.join(", ")
}

/// What there is, for people.
pub(super) fn summary(survey: &Survey) -> String {
    let with_vector = survey.rows - survey.without_vector;
    let dimension = survey.dimension.map_or(String::new(), |dimension| format!(" of {dimension} numbers"));
    let mut lines = vec![
        format!("products       {}", survey.rows),
        format!("with a vector  {with_vector}{dimension}"),
        format!("to be embedded {}", survey.without_vector),
        format!("not valid      {}", survey.faulty_rows),
        format!("categories     {}", survey.categories().count()),
    ];
    let attributes: Vec<String> =
        attributes(survey).map(|(name, kind, rows)| format!("  {rows:>9}  {} ({kind})", clip(name))).collect();
    if !attributes.is_empty() {
        lines.insert(4, format!("attributes     {}", attributes.len()));
        lines.splice(5..5, attributes);
    }
    lines.extend(categories(survey.categories()));
    lines.join("\n")
}

/// Name, kind and rows of each attribute that is kept.
fn attributes(survey: &Survey) -> impl Iterator<Item = (&str, &'static str, u64)> {
    survey.attributes.iter().filter_map(|found| Some((found.name.as_str(), found.kind()?, found.rows)))
}

/// A line for each category and its rows, as many as people read.
pub(super) fn categories<'a>(all: impl Iterator<Item = (&'a str, u64)>) -> Vec<String> {
    let (mut lines, mut more) = (Vec::new(), 0);
    for (name, rows) in all {
        if lines.len() < CATEGORIES_SHOWN_MAX {
            lines.push(format!("  {rows:>9}  {}", clip(name)));
        } else {
            more += 1;
        }
    }
    if more > 0 {
        lines.push(format!("  and {more} more: --json lists all"));
    }
    lines
}

/// What `check --json` prints.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    rows: u64,
    rows_without_vector: u64,
    dimension: Option<usize>,
    faulty_rows: u64,
    faults_by_kind: BTreeMap<&'static str, u64>,
    /// The first 20 of each.
    faults: Vec<Line>,
    identical_rows: u64,
    identical: Vec<Line>,
    long_texts: u64,
    long: Vec<Line>,
    look_alike_categories: Vec<Vec<Category<'a>>>,
    notes: &'a [String],
    /// Why nothing was read from there on.
    broken: Option<String>,
    attributes: Vec<Attribute<'a>>,
    categories: Vec<Category<'a>>,
}

#[derive(Serialize)]
struct Line {
    place: String,
    message: String,
}

#[derive(Serialize)]
struct Attribute<'a> {
    name: &'a str,
    r#type: &'static str,
    rows: u64,
}

#[derive(Serialize)]
struct Category<'a> {
    name: &'a str,
    rows: u64,
}

impl<'a> Report<'a> {
    pub(super) fn new(source: &Source, survey: &'a Survey) -> Self {
        let lines = |listed: &Listed| {
            let line = |(place, message): &(_, String)| Line {
                place: source.describe(*place).to_string(),
                message: message.clone(),
            };
            listed.first.iter().map(line).collect()
        };
        Self {
            rows: survey.rows,
            rows_without_vector: survey.without_vector,
            dimension: survey.dimension,
            faulty_rows: survey.faulty_rows,
            faults_by_kind: survey.kinds.iter().map(|(kind, &count)| (kind.as_str(), count)).collect(),
            faults: lines(&survey.faults),
            identical_rows: survey.identical.count,
            identical: lines(&survey.identical),
            long_texts: survey.long.count,
            long: lines(&survey.long),
            look_alike_categories: survey
                .alike
                .iter()
                .map(|names| names.iter().map(|(name, rows)| Category { name, rows: *rows }).collect())
                .collect(),
            notes: &survey.notes,
            broken: survey.broken.as_ref().map(ToString::to_string),
            attributes: attributes(survey).map(|(name, r#type, rows)| Attribute { name, r#type, rows }).collect(),
            categories: survey.categories().map(|(name, rows)| Category { name, rows }).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_shown_so_many_categories_and_no_long_names() {
        let names: Vec<String> = (0..1_200).map(|number| format!("{number}{}", "x".repeat(5_000))).collect();
        let lines = categories(names.iter().map(|name| (name.as_str(), 7)));
        assert_eq!((lines.len(), lines[1_000].as_str()), (1_001, "  and 200 more: --json lists all"));
        assert!(lines[0].len() < 200 && lines[0].starts_with("          7  0xxx"), "{}", lines[0]);
    }
}
