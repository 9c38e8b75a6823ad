//! How large a record is as an item, known without making the item.
//!
//! By the rules of DynamoDB's documentation: names and values in UTF-8 bytes, 3 bytes for a list or map and 1 for each
//! of its elements, about half a byte for a digit.

use nearline_contract::{Group, Match, ResultRecord};

/// Largest item that keeps its results: an item may have 400 KB, and the rest leaves room for later attributes.
pub const INLINE_MAX_BYTES: usize = 350 * 1024;

/// Bytes of a record as an item.
pub fn record_bytes(record: &ResultRecord) -> usize {
    let text = |name: &str, value: &str| name.len() + value.len();
    let optional = |name: &str, value: Option<&String>| value.map_or(0, |value| text(name, value));
    let error = record.error.as_ref().map_or(0, |error| {
        let strings = element(text("code", error.code.as_str())) + element(text("message", &error.message));
        "error".len() + 3 + strings + element("retryable".len() + 1)
    });
    let metadata = record.metadata.iter().map(|(key, value)| element(text(key, value))).sum::<usize>();
    text("request_id", &record.request_id)
        + text("status", record.status.as_str())
        + text("catalog_version", &record.catalog_version)
        + text("job_sha256", &record.job_sha256)
        + text("created_at", &record.created_at)
        + number("format_version", record.format_version)
        + number("expires_at", record.expires_at)
        + optional("results_uri", record.results_uri.as_ref())
        + optional("model_id", record.model_id.as_ref())
        + error
        + if record.metadata.is_empty() { 0 } else { "metadata".len() + 3 + metadata }
        + if record.query_truncated { "query_truncated".len() + 1 } else { 0 }
        + record.results.as_deref().map_or(0, results)
}

fn results(groups: &[Group]) -> usize {
    let text = |name: &str, value: Option<&String>| value.map_or(0, |value| element(name.len() + value.len()));
    let found = |found: &Match| {
        let names = text("category", found.category.as_ref()) + text("title", found.title.as_ref());
        3 + text("product_id", Some(&found.product_id)) + element(number("score", found.score)) + names
    };
    let group = |group: &Group| {
        let matches = 3 + group.matches.iter().map(|one| element(found(one))).sum::<usize>();
        3 + text("category", group.category.as_ref()) + element("matches".len() + matches)
    };
    "results".len() + 3 + groups.iter().map(|one| element(group(one))).sum::<usize>()
}

/// A list or map takes one byte for each of its elements.
fn element(bytes: usize) -> usize {
    1 + bytes
}

fn number(name: &str, value: impl std::fmt::Display) -> usize {
    name.len() + value.to_string().len().div_ceil(2) + 2
}
