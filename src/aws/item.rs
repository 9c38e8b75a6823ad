//! A record as a DynamoDB item; `nearline_contract::item` reads it back. Notes, which are the worker's alone, both ways.
//!
//! What is absent has no attribute. Scores are written as the shortest decimal that reads back to the same bits.

use aws_sdk_dynamodb::types::AttributeValue;
use nearline_contract::item::{Item, number_of, optional_text};
use nearline_contract::{Attribute, ErrorCode, Group, JobError, Match, RecordError, ResultRecord};

use crate::results::GivenUp;

/// The item of a record.
pub(super) fn from_record(record: &ResultRecord) -> Item {
    let mut item = Item::new();
    let mut put = |name: &str, value| item.insert(name.to_owned(), value);
    put("request_id", text(&record.request_id));
    put("format_version", number(record.format_version));
    put("status", text(record.status.as_str()));
    put("catalog_version", text(&record.catalog_version));
    put("job_sha256", text(&record.job_sha256));
    put("created_at", text(&record.created_at));
    put("expires_at", number(record.expires_at));
    if let Some(uri) = &record.results_uri {
        put("results_uri", text(uri));
    }
    if let Some(error) = &record.error {
        put("error", error_map(error));
    }
    if let Some(model_id) = &record.model_id {
        put("model_id", text(model_id));
    }
    if !record.metadata.is_empty() {
        let metadata = record.metadata.iter().map(|(key, value)| (key.clone(), text(value)));
        put("metadata", AttributeValue::M(metadata.collect()));
    }
    if record.query_truncated {
        put("query_truncated", AttributeValue::Bool(true));
    }
    if let Some(results) = &record.results {
        put("results", AttributeValue::L(results.iter().map(group).collect()));
    }
    item
}

fn error_map(error: &RecordError) -> AttributeValue {
    let error = [
        ("code".to_owned(), text(error.code.as_str())),
        ("message".to_owned(), text(&error.message)),
        ("retryable".to_owned(), AttributeValue::Bool(error.retryable)),
    ];
    AttributeValue::M(error.into())
}

/// The item of a note that a message was given up.
pub(super) fn from_note(id: &str, note: &GivenUp) -> Item {
    let GivenUp { error, quiet_until, expires_at } = note;
    let attributes = [
        ("request_id", text(id)),
        ("error", error_map(&error.clone().into())),
        ("quiet_until", number(quiet_until)),
        ("expires_at", number(expires_at)),
    ];
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The note of an item. One that somebody has edited still is a note.
pub(super) fn to_note(item: &Item) -> GivenUp {
    let error = item.get("error").and_then(|error| error.as_m().ok());
    let part = |name| error.and_then(|error| optional_text(error, name));
    let code = part("code").and_then(|code| code.parse().ok()).unwrap_or(ErrorCode::AttemptsExhausted);
    let message = part("message").unwrap_or_else(|| "the message was given up".to_owned());
    GivenUp {
        error: JobError::new(code, message),
        quiet_until: number_of(item, "quiet_until").unwrap_or(0),
        expires_at: number_of(item, "expires_at").unwrap_or(i64::MAX),
    }
}

fn group(group: &Group) -> AttributeValue {
    let mut map = Item::from([("matches".to_owned(), AttributeValue::L(group.matches.iter().map(found).collect()))]);
    if let Some(category) = &group.category {
        map.insert("category".into(), text(category));
    }
    AttributeValue::M(map)
}

fn found(found: &Match) -> AttributeValue {
    // `{}` of an f32 is the shortest decimal that reads back to the same bits, and never has an exponent.
    let mut map =
        Item::from([("product_id".to_owned(), text(&found.product_id)), ("score".to_owned(), number(found.score))]);
    if let Some(category) = &found.category {
        map.insert("category".into(), text(category));
    }
    if let Some(title) = &found.title {
        map.insert("title".into(), text(title));
    }
    if !found.attributes.is_empty() {
        let attributes = found.attributes.iter().map(|(name, value)| (name.clone(), attribute(value)));
        map.insert("attributes".into(), AttributeValue::M(attributes.collect()));
    }
    AttributeValue::M(map)
}

fn attribute(value: &Attribute) -> AttributeValue {
    match value {
        Attribute::Boolean(value) => AttributeValue::Bool(*value),
        Attribute::Number(value) => number(value),
        Attribute::Text(value) => text(value),
        Attribute::Numbers(values) => AttributeValue::L(values.iter().map(number).collect()),
        Attribute::Texts(values) => AttributeValue::L(values.iter().map(|value| text(value)).collect()),
    }
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn number(value: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use nearline_contract::Status;
    use serde_json::Number;

    use crate::results::record_bytes;

    fn record() -> ResultRecord {
        ResultRecord {
            request_id: "r".into(),
            format_version: 1,
            status: Status::Succeeded,
            results: Some(vec![
                Group {
                    category: Some("tea".into()),
                    matches: vec![Match {
                        product_id: "p".into(),
                        score: 1e-7,
                        category: None,
                        title: Some("Assam".into()),
                        attributes: [
                            ("organic".to_owned(), Attribute::Boolean(true)),
                            ("price".to_owned(), Attribute::Number(Number::from_f64(4.9).unwrap())),
                            ("grams".to_owned(), Attribute::Number(100.into())),
                            ("brand".to_owned(), Attribute::Text("Ta".into())),
                            ("sizes".to_owned(), Attribute::Numbers(vec![1.into(), (-2).into()])),
                            ("tags".to_owned(), Attribute::Texts(vec!["black".into(), String::new()])),
                            ("none".to_owned(), Attribute::Numbers(vec![])),
                        ]
                        .into(),
                    }],
                },
                Group { category: Some("mugs".into()), matches: vec![] },
            ]),
            results_uri: None,
            error: None,
            catalog_version: "0123456789abcdef".into(),
            model_id: Some("m".into()),
            job_sha256: "00".into(),
            created_at: "2026-11-23T12:00:00Z".into(),
            expires_at: 1_800_000_000,
            metadata: [("tenant".to_owned(), "a".to_owned())].into(),
            query_truncated: true,
        }
    }

    #[test]
    fn a_record_survives_the_way_to_an_item_and_back() {
        assert_eq!(ResultRecord::from_item(&from_record(&record())).unwrap(), record());
        let error = RecordError::from(JobError::new(ErrorCode::UnknownCategory, "unknown category `x`"));
        let rejected =
            ResultRecord { status: Status::Rejected, results: None, error: Some(error), model_id: None, ..record() };
        assert_eq!(ResultRecord::from_item(&from_record(&rejected)).unwrap(), rejected);
    }

    #[test]
    fn a_note_survives_the_way_to_an_item_and_back_and_is_no_record() {
        let error = JobError::new(ErrorCode::AttemptsExhausted, "gave up after 3 attempts");
        let note = GivenUp { error, quiet_until: 1_800_000_000, expires_at: 1_801_000_000 };
        let item = from_note("given up: 1234", &note);
        assert_eq!(to_note(&item), note);
        assert!(ResultRecord::from_item(&item).is_err());
        assert_eq!(to_note(&Item::new()).error.code, ErrorCode::AttemptsExhausted);
    }

    #[test]
    fn scores_are_short_decimals_without_exponent() {
        let item = from_record(&record());
        let matches = item["results"].as_l().unwrap()[0].as_m().unwrap()["matches"].as_l().unwrap();
        assert_eq!(matches[0].as_m().unwrap()["score"].as_n().unwrap(), "0.0000001");
    }

    #[test]
    fn what_is_absent_has_no_attribute() {
        let plain = ResultRecord { metadata: BTreeMap::new(), query_truncated: false, model_id: None, ..record() };
        let item = from_record(&plain);
        for name in ["metadata", "query_truncated", "model_id", "error", "results_uri"] {
            assert!(!item.contains_key(name), "{name}");
        }
    }

    /// By DynamoDB's rules.
    fn bytes(item: &Item) -> usize {
        item.iter().map(|(name, value)| name.len() + value_bytes(value)).sum()
    }

    fn value_bytes(value: &AttributeValue) -> usize {
        match value {
            AttributeValue::S(text) => text.len(),
            AttributeValue::N(digits) => digits.len().div_ceil(2) + 2,
            AttributeValue::M(map) => 3 + map.len() + bytes(map),
            AttributeValue::L(list) => 3 + list.len() + list.iter().map(value_bytes).sum::<usize>(),
            _ => 1,
        }
    }

    #[test]
    fn the_size_of_an_item_is_known_without_building_it() {
        let error = RecordError::from(JobError::new(ErrorCode::UnknownCategory, "unknown category `x`"));
        let rejected = ResultRecord { status: Status::Rejected, results: None, error: Some(error), ..record() };
        let spilled = ResultRecord { results: None, results_uri: Some("s3://b/k".into()), ..record() };
        let plain = ResultRecord { metadata: BTreeMap::new(), query_truncated: false, model_id: None, ..record() };
        for record in [record(), rejected, spilled, plain] {
            assert_eq!(record_bytes(&record), bytes(&from_record(&record)), "{record:?}");
        }
    }
}
