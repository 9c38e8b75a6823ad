//! How large a record is as an item, known without making the item.
//!
//! By the rules of DynamoDB's documentation: names and values in UTF-8 bytes, 3 bytes for a list or map and 1 for each
//! of its elements, about half a byte for a digit.

use nearline_contract::{Attribute, Group, Match, ResultRecord};

/// Largest item that keeps its results: an item may have 400 KB, and the rest leaves room for later attributes.
pub const INLINE_MAX_BYTES: usize = 350 * 1024;

/// More than the longest decimal of an f32 takes that has no exponent.
const SCORE_MAX_BYTES: usize = 64;

/// Whether a record keeps its results. Nearly all do by far, which is seen without writing a number.
pub(super) fn is_inline(record: &ResultRecord) -> bool {
    at_most(record) <= INLINE_MAX_BYTES || record_bytes(record) <= INLINE_MAX_BYTES
}

/// No less than [`record_bytes`].
fn at_most(record: &ResultRecord) -> usize {
    bytes(record, |_| "score".len() + SCORE_MAX_BYTES)
}

/// Bytes of a record as an item.
pub fn record_bytes(record: &ResultRecord) -> usize {
    bytes(record, |score| number("score", score))
}

/// `score` is what a score takes, its name included.
fn bytes(record: &ResultRecord, score: impl Fn(f32) -> usize) -> usize {
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
        + record.results.as_deref().map_or(0, |groups| results(groups, &score))
}

fn results(groups: &[Group], score: &impl Fn(f32) -> usize) -> usize {
    let text = |name: &str, value: Option<&String>| value.map_or(0, |value| element(name.len() + value.len()));
    let found = |found: &Match| {
        let names = text("category", found.category.as_ref()) + text("title", found.title.as_ref());
        let attributes = found.attributes.iter().map(|(name, value)| element(name.len() + attribute(value)));
        let attributes = attributes.sum::<usize>();
        let attributes = if attributes > 0 { element("attributes".len() + 3 + attributes) } else { 0 };
        3 + text("product_id", Some(&found.product_id)) + element(score(found.score)) + names + attributes
    };
    let group = |group: &Group| {
        let matches = 3 + group.matches.iter().map(|one| element(found(one))).sum::<usize>();
        3 + text("category", group.category.as_ref()) + element("matches".len() + matches)
    };
    "results".len() + 3 + groups.iter().map(|one| element(group(one))).sum::<usize>()
}

fn attribute(value: &Attribute) -> usize {
    match value {
        Attribute::Boolean(_) => 1,
        Attribute::Number(value) => number("", value),
        Attribute::Text(text) => text.len(),
        Attribute::Numbers(values) => 3 + values.iter().map(|value| element(number("", value))).sum::<usize>(),
        Attribute::Texts(texts) => 3 + texts.iter().map(|text| element(text.len())).sum::<usize>(),
    }
}

/// A list or map takes one byte for each of its elements.
fn element(bytes: usize) -> usize {
    1 + bytes
}

fn number(name: &str, value: impl std::fmt::Display) -> usize {
    name.len() + value.to_string().len().div_ceil(2) + 2
}

#[cfg(test)]
mod tests {
    use nearline_contract::Status;

    use super::*;

    #[test]
    fn no_score_takes_more_than_is_assumed() {
        for score in [f32::MIN_POSITIVE, -f32::from_bits(1), f32::MAX, f32::MIN, 0.1, -1.0 / 3.0] {
            let matches =
                vec![Match { product_id: "p".into(), score, category: None, title: None, attributes: [].into() }];
            let record = ResultRecord {
                request_id: "r".into(),
                format_version: 1,
                status: Status::Succeeded,
                results: Some(vec![Group { category: None, matches }]),
                results_uri: None,
                error: None,
                catalog_version: "v".into(),
                model_id: None,
                job_sha256: "00".into(),
                created_at: "2026-11-23T12:00:00.000Z".into(),
                expires_at: 1,
                metadata: [].into(),
                query_truncated: false,
            };
            assert!(record_bytes(&record) <= at_most(&record), "{score}");
        }
    }
}
