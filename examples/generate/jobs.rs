//! The jobs: plain queries, every option and every fault that a producer can cause, each with what must become of it.
//!
//! A job is kept as the JSON text that follows its `request_id`, because faulty ones have no type, and because the bytes
//! shall be chosen here rather than by a serialiser.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use devstack::lexical;
use nearline_contract::{GroupBy, SearchJob, Target, receive};
use serde::Serialize;

use crate::catalog::{Catalog, Product};
use crate::filter::passes;
use crate::{GenerateError, SplitMix64};

const JOBS: usize = 200;
/// Numbers in a vector: the default of `NEARLINE_EMBEDDING_DIMENSION`.
const DIMENSION: usize = 384;
/// One plain query a line.
const QUERIES: &str = include_str!("queries.txt");
/// One query a line: a name for the `request_id`, a colon, and the fields.
const QUERIES_WITH_OPTIONS: &str = include_str!("queries_with_options.txt");

/// What some of the jobs above and below ask for as well, one a line: the name of a job, a colon, and fields.
const FILTERS: &str = include_str!("filters.txt");
/// The job whose filter no product passes.
const PASSED_BY_NOTHING: &str = "doorbell-camera";

/// Words that a producer has embedded itself.
const PHRASES: [&str; 12] = [
    "portable bluetooth speaker",
    "phone case",
    "gaming laptop",
    "travel tripod",
    "frying pan",
    "dining table",
    "pendant lamp",
    "garden bench",
    "cordless drill",
    "wooden train set",
    "hiking boots",
    "merino socks",
];

/// Jobs that a record refuses, with the code.
const REJECTED: [(&str, &str, &str); 10] = [
    ("misspelt-field", r#""query": "desk lamp", "topk": 5"#, "unknown_field"),
    (
        "price-as-text",
        r#""query": "desk lamp", "filter": {"$or": [{"brand": "Glimt"}, {"price": {"$lt": "50"}}]}"#,
        "invalid_filter",
    ),
    ("nothing-to-search-for", r#""top_k": 5, "categories": ["audio"]"#, "missing_field"),
    ("query-and-product", r#""query": "headphones", "product_id": "audio-0001""#, "conflicting_fields"),
    ("top-k-zero", r#""query": "garden chair", "top_k": 0"#, "out_of_range"),
    ("misspelt-attribute", r#""query": "garden chair", "filter": {"prise": {"$lt": 50}}"#, "unknown_attribute"),
    ("min-score-above-one", r#""query": "garden chair", "min_score": 1.5"#, "out_of_range"),
    ("unknown-category", r#""query": "novel", "categories": ["books"]"#, "unknown_category"),
    ("unknown-product", r#""product_id": "audio-9999""#, "unknown_product"),
    ("too-late", r#""query": "advent calendar", "not_after": "2020-12-01T00:00:00Z""#, "expired"),
];

#[derive(Clone, Copy)]
enum Expected {
    Succeeded,
    Rejected(&'static str),
    DeadLettered(&'static str),
}

struct Job {
    /// What stands in the `request_id` after the number.
    name: String,
    /// JSON: the fields after `request_id`.
    fields: String,
    expected: Expected,
}

/// The content of `jobs.jsonl` and of `expected.json`.
pub(crate) struct Jobs {
    pub(crate) lines: String,
    pub(crate) expected: String,
}

pub(crate) fn generate(catalog: &Catalog, random: &mut SplitMix64) -> Result<Jobs, GenerateError> {
    let mut jobs = plain_queries(random);
    let with_options = QUERIES_WITH_OPTIONS.lines().filter_map(|line| line.split_once(": "));
    jobs.extend(with_options.map(|(name, fields)| succeeded(name, fields)));
    jobs.extend(with_exclusions(catalog)?);
    jobs.extend(PHRASES.iter().enumerate().map(|(index, phrase)| vector(index, phrase)));
    jobs.extend(similar_products(catalog));
    add_filters(&mut jobs)?;
    jobs.extend(rejected());
    // Mixed, as jobs of many producers would be: a batch then holds all kinds.
    random.shuffle(&mut jobs);

    let mut report = Report::default();
    let mut lines = String::new();
    let mut reused_id = None;
    for (index, job) in jobs.iter().enumerate() {
        let request_id = format!("demo-{:03}-{}", index + 1, job.name);
        let line = line(&request_id, &job.fields);
        report.add_filtered(&request_id, job, &line, catalog)?;
        report.add(&mut lines, &line, job.expected);
        if matches!(job.expected, Expected::Succeeded) {
            reused_id.get_or_insert(request_id);
        }
    }
    let reused_id = reused_id.expect("most jobs succeed");
    let broken = r#"{"request_id": "demo-198-cut-off", "query": "wireless headph"#;
    report.add(&mut lines, broken, Expected::DeadLettered("invalid_json"));
    let no_id = line("demo-199-größe", r#""query": "running shoes""#);
    report.add(&mut lines, &no_id, Expected::DeadLettered("invalid_request_id"));
    // Succeeds as well if it arrives first, so that the counts do not depend on the order of arrival.
    let conflict = line(&reused_id, r#""query": "another job under an id that is taken""#);
    report.add(&mut lines, &conflict, Expected::DeadLettered("request_id_conflict"));

    if report.jobs != JOBS {
        return Err(GenerateError::JobCount { wanted: JOBS, got: report.jobs });
    }
    let expected = serde_json::to_string_pretty(&report).expect("has string keys and integers alone") + "\n";
    Ok(Jobs { lines, expected })
}

fn line(request_id: &str, fields: &str) -> String {
    format!(r#"{{"request_id": "{request_id}", {fields}}}"#)
}

/// What must become of the jobs, however they are ordered and batched.
#[derive(Default, Serialize)]
struct Report {
    jobs: usize,
    records: usize,
    succeeded: usize,
    rejected: BTreeMap<&'static str, usize>,
    dead_lettered: BTreeMap<&'static str, usize>,
    /// Matches in all groups of each job with a filter and no least score.
    filtered: BTreeMap<String, usize>,
}

impl Report {
    /// How many products a job finds that has a filter, if that does not depend on their scores.
    fn add_filtered(
        &mut self,
        request_id: &str,
        job: &Job,
        line: &str,
        catalog: &Catalog,
    ) -> Result<(), GenerateError> {
        let failed = |reason: String| GenerateError::Job { request_id: request_id.to_owned(), reason };
        let received = receive(line).map_err(|error| failed(error.to_string()))?;
        if !matches!(job.expected, Expected::Succeeded) {
            return Ok(());
        }
        let search = received.job.map_err(|refusal| failed(format!("{refusal:?}")))?;
        let Some(found) = products_found(&search, catalog) else { return Ok(()) };
        if (found == 0) != (job.name == PASSED_BY_NOTHING) {
            return Err(failed(format!("{found} products pass its filter")));
        }
        if search.min_score.is_none() {
            self.filtered.insert(request_id.to_owned(), found);
        }
        Ok(())
    }

    fn add(&mut self, lines: &mut String, line: &str, expected: Expected) {
        lines.push_str(line);
        lines.push('\n');
        self.jobs += 1;
        match expected {
            Expected::Succeeded => self.succeeded += 1,
            Expected::Rejected(code) => *self.rejected.entry(code).or_default() += 1,
            Expected::DeadLettered(code) => *self.dead_lettered.entry(code).or_default() += 1,
        }
        self.records = self.succeeded + self.rejected.values().sum::<usize>();
    }
}

fn succeeded(name: impl Into<String>, fields: impl Into<String>) -> Job {
    Job { name: name.into(), fields: fields.into(), expected: Expected::Succeeded }
}

/// How many products are among the matches of a job with a filter, whatever they score.
fn products_found(job: &SearchJob, catalog: &Catalog) -> Option<usize> {
    let filter = job.filter.as_ref()?;
    let mut groups: BTreeMap<&str, usize> = BTreeMap::new();
    for product in &catalog.products {
        let asked = job.categories.as_ref().is_none_or(|names| names.contains(&product.category));
        let excluded = job.exclude.contains(&product.id) || job.target == Target::ProductId(product.id.clone());
        if asked && !excluded && passes(filter, &product.attributes()) {
            let group = if job.group_by == GroupBy::None { "all" } else { &product.category };
            *groups.entry(group).or_default() += 1;
        }
    }
    Some(groups.into_values().map(|passing| passing.min(usize::from(job.top_k))).sum())
}

/// Gives jobs the filter that is meant for them; what they return as well is instead of what they returned.
fn add_filters(jobs: &mut [Job]) -> Result<(), GenerateError> {
    const TITLE_ALONE: &str = r#", "return": ["title"]"#;
    for line in FILTERS.lines() {
        let (name, fields) = line.split_once(": ").unwrap_or((line, ""));
        let no_such_job = || GenerateError::NoSuchJob(name.to_owned());
        let mut named = jobs.iter_mut().filter(|job| job.name == name);
        let job = named.next().filter(|job| !job.fields.contains("\"filter\"")).ok_or_else(no_such_job)?;
        if fields.contains("\"return\"") {
            job.fields = job.fields.replace(TITLE_ALONE, "");
        }
        let _ = write!(job.fields, ", {fields}"); // writing to a String cannot fail
        if named.next().is_some() {
            return Err(no_such_job());
        }
    }
    Ok(())
}

fn plain_queries(random: &mut SplitMix64) -> Vec<Job> {
    let job = |query: &str| {
        let mut fields = format!(r#""query": {}"#, serde_json::Value::from(query));
        if let Some(top_k) = random.choose(&[None, None, None, Some(1), Some(3), Some(5), Some(10), Some(20), Some(50)])
        {
            let _ = write!(fields, r#", "top_k": {top_k}"#); // writing to a String cannot fail
        }
        if random.below(100) < 40 {
            fields.push_str(r#", "group_by": "none""#);
        }
        if random.below(100) < 85 {
            fields.push_str(r#", "return": ["title"]"#);
        }
        succeeded(slug(query), fields)
    };
    QUERIES.lines().map(job).collect()
}

/// The first words of a query in the characters that an id may have.
fn slug(query: &str) -> String {
    let words = query.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.take(4).map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}

/// What a shopper owns already shall not be offered again.
fn with_exclusions(catalog: &Catalog) -> Result<[Job; 3], GenerateError> {
    let job = |query: &str, owned, count, options: &str| -> Result<Job, GenerateError> {
        let exclude = catalog.titled(owned, count)?.join(r#"", ""#);
        let fields = format!(r#""query": "{query}", "exclude": ["{exclude}"], {options}, "return": ["title"]"#);
        Ok(succeeded(format!("exclude-{}", slug(query)), fields))
    };
    Ok([
        job("espresso machine", "Espresso Machine", 3, r#""categories": ["kitchen"]"#)?,
        job("board game", "Board Game", 2, r#""group_by": "none", "top_k": 10"#)?,
        job("action camera", "Action Camera", 1, r#""categories": ["cameras", "outdoor"], "top_k": 3"#)?,
    ])
}

fn vector(index: usize, phrase: &str) -> Job {
    let options = match index % 4 {
        0 => r#""top_k": 5, "return": ["title"]"#,
        1 => r#""group_by": "none", "top_k": 10, "return": ["title"]"#,
        2 => r#""min_score": 0.2, "return": ["title"]"#,
        _ => r#""group_by": "none", "top_k": 3"#,
    };
    let vector = numbers(&lexical::embed(phrase, DIMENSION));
    succeeded(format!("vector-{}", slug(phrase)), format!(r#""vector": [{vector}], {options}"#))
}

/// Each number as the shortest decimal that reads back as the same f32, which is what Rust prints.
fn numbers(vector: &[f32]) -> String {
    vector.iter().map(f32::to_string).collect::<Vec<_>>().join(",")
}

/// Similar items to the first product of each category but the last, which is left in peace.
fn similar_products(catalog: &Catalog) -> Vec<Job> {
    let mut first: BTreeMap<&str, &Product> = BTreeMap::new();
    for product in &catalog.products {
        first.entry(&product.category).or_insert(product);
    }
    let job = |(index, Product { id, category, .. }): (usize, &Product)| {
        let options = match index % 3 {
            0 => format!(r#""categories": ["{category}"], "top_k": 5, "return": ["title"]"#),
            1 => r#""group_by": "none", "top_k": 10, "return": ["title"]"#.to_owned(),
            _ => r#""top_k": 2, "min_score": 0.15, "return": ["title"]"#.to_owned(),
        };
        succeeded(format!("like-{id}"), format!(r#""product_id": "{id}", {options}"#))
    };
    first.into_values().take(15).enumerate().map(job).collect()
}

fn rejected() -> Vec<Job> {
    let job = |name: &str, fields: String, code| Job { name: name.into(), fields, expected: Expected::Rejected(code) };
    let mut jobs: Vec<Job> = REJECTED.iter().map(|&(name, fields, code)| job(name, fields.into(), code)).collect();
    jobs.push(job("vector-too-short", r#""vector": [0.25, -0.5, 0.75]"#.into(), "dimension_mismatch"));
    jobs.push(job("vector-of-zeros", format!(r#""vector": [{}]"#, numbers(&[0.0; DIMENSION])), "invalid_vector"));
    jobs
}
