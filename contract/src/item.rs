//! A record as a DynamoDB item, read. Only with the feature `dynamodb`; it reads what it is given and makes no call.
//!
//! The worker, the command line and the client all read items here. Unknown attributes are skipped; known ones must have
//the right type.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Number;

use crate::error::clip;
use crate::limits::RECORD_FORMAT_VERSION;
use crate::record::{Attribute, Group, Match, RecordError, ResultRecord, Status};

/// An item, or a map inside it.
pub type Item = HashMap<String, AttributeValue>;

/// Why an item is not a record that this release reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotARecord {
    /// A newer worker wrote it, in a format that is another one.
    #[error("format_version is {0}, this release reads {RECORD_FORMAT_VERSION}")]
    NewerFormat(u32),
    /// An attribute is missing, or has another type or value than a record's has.
    #[error("{name} is not {expected}")]
    Attribute {
        /// Which: an attribute of the item, or of a map in it.
        name: String,
        /// What it should be.
        expected: &'static str,
    },
}

impl ResultRecord {
    /// The record of an item.
    ///
    /// `results` stay where they are: if `results_uri` is set, they are in S3.
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use aws_sdk_dynamodb::types::AttributeValue;
    /// use nearline_contract::{ResultRecord, Status};
    ///
    /// let text = |text: &str| AttributeValue::S(text.to_owned());
    /// let item = HashMap::from([
    ///     ("request_id".to_owned(), text("storefront-7f3a91")),
    ///     ("format_version".to_owned(), AttributeValue::N("1".to_owned())),
    ///     ("status".to_owned(), text("SUCCEEDED")),
    ///     ("results".to_owned(), AttributeValue::L(vec![])),
    ///     ("catalog_version".to_owned(), text("964b92876286973e")),
    ///     ("job_sha256".to_owned(), text("ad9154a8")),
    ///     ("created_at".to_owned(), text("2026-11-23T11:41:57.440Z")),
    ///     ("expires_at".to_owned(), AttributeValue::N("1796038917".to_owned())),
    /// ]);
    /// let record = ResultRecord::from_item(&item)?;
    /// assert_eq!((record.status, record.expires_at), (Status::Succeeded, 1_796_038_917));
    /// # Ok::<(), nearline_contract::item::NotARecord>(())
    /// ```
    ///
    /// # Errors
    /// [`NotARecord`]: which attribute is not as it should be.
    pub fn from_item(item: &Item) -> Result<Self, NotARecord> {
        let format_version = number_of(item, "format_version")?;
        if format_version > RECORD_FORMAT_VERSION {
            return Err(NotARecord::NewerFormat(format_version));
        }
        Ok(Self {
            request_id: text_of(item, "request_id")?,
            format_version,
            status: match text_of(item, "status")?.as_str() {
                "SUCCEEDED" => Status::Succeeded,
                "REJECTED" => Status::Rejected,
                _ => return Err(other("status", "SUCCEEDED or REJECTED")),
            },
            results: list_of(item, "results")?.map(|groups| groups.iter().map(group).collect()).transpose()?,
            results_uri: optional_text(item, "results_uri"),
            error: item.get("error").and_then(|error| error.as_m().ok()).map(error).transpose()?,
            catalog_version: text_of(item, "catalog_version")?,
            model_id: optional_text(item, "model_id"),
            job_sha256: text_of(item, "job_sha256")?,
            created_at: text_of(item, "created_at")?,
            expires_at: number_of(item, "expires_at")?,
            metadata: item.get("metadata").and_then(|map| map.as_m().ok()).map(texts).unwrap_or_default(),
            query_truncated: flag(item, "query_truncated"),
        })
    }
}

fn error(error: &Item) -> Result<RecordError, NotARecord> {
    Ok(RecordError {
        code: text_of(error, "code")?.into(),
        message: text_of(error, "message")?,
        retryable: flag(error, "retryable"),
    })
}

fn group(value: &AttributeValue) -> Result<Group, NotARecord> {
    let map = value.as_m().map_err(|_| other("a group", "a map"))?;
    let matches = list_of(map, "matches")?.ok_or_else(|| other("matches", "a list"))?;
    Ok(Group {
        category: optional_text(map, "category"),
        matches: matches.iter().map(found).collect::<Result<_, _>>()?,
    })
}

fn found(value: &AttributeValue) -> Result<Match, NotARecord> {
    let map = value.as_m().map_err(|_| other("a match", "a map"))?;
    Ok(Match {
        product_id: text_of(map, "product_id")?,
        score: number_of(map, "score").and_then(finite)?,
        category: optional_text(map, "category"),
        title: optional_text(map, "title"),
        attributes: match map.get("attributes") {
            Some(AttributeValue::M(map)) => attributes(map)?,
            _ => BTreeMap::new(),
        },
    })
}

/// DynamoDB has only finite numbers; `NaN` and what is beyond an f32 would become a null in JSON.
fn finite(score: f32) -> Result<f32, NotARecord> {
    if score.is_finite() { Ok(score) } else { Err(other("score", "a finite number")) }
}

fn attributes(map: &Item) -> Result<BTreeMap<String, Attribute>, NotARecord> {
    const EXPECTED: &str = "text, a number or a boolean, nor a list of one of these";
    let read =
        |(name, value): (&String, _)| Ok((name.clone(), attribute(value).ok_or_else(|| other(&clip(name), EXPECTED))?));
    map.iter().map(read).collect()
}

fn attribute(value: &AttributeValue) -> Option<Attribute> {
    let digits = |value: &AttributeValue| value.as_n().ok().and_then(|digits| digits.parse::<Number>().ok());
    Some(match value {
        AttributeValue::Bool(value) => Attribute::Boolean(*value),
        AttributeValue::S(text) => Attribute::Text(text.clone()),
        AttributeValue::L(items) => match items.iter().map(digits).collect() {
            Some(numbers) => Attribute::Numbers(numbers),
            None => Attribute::Texts(items.iter().map(|item| item.as_s().ok().cloned()).collect::<Option<_>>()?),
        },
        number => Attribute::Number(digits(number)?),
    })
}

/// The strings of a map; what is not one is left out.
fn texts(map: &Item) -> BTreeMap<String, String> {
    map.iter().filter_map(|(key, value)| Some((key.clone(), value.as_s().ok()?.clone()))).collect()
}

/// A string of an item, if it is there and is one.
pub fn optional_text(item: &Item, name: &str) -> Option<String> {
    item.get(name).and_then(|value| value.as_s().ok()).cloned()
}

/// A number of an item.
///
/// # Errors
/// [`NotARecord::Attribute`]: it is missing, invalid, or of another type.
pub fn number_of<T: FromStr>(item: &Item, name: &str) -> Result<T, NotARecord> {
    let number = item.get(name).and_then(|value| value.as_n().ok()).and_then(|number| number.parse().ok());
    number.ok_or_else(|| other(name, "a number"))
}

/// A boolean of an item; false if it is missing.
pub fn flag(item: &Item, name: &str) -> bool {
    item.get(name).and_then(|value| value.as_bool().ok()).copied().unwrap_or_default()
}

fn text_of(item: &Item, name: &str) -> Result<String, NotARecord> {
    optional_text(item, name).ok_or_else(|| other(name, "a string"))
}

fn list_of<'a>(item: &'a Item, name: &str) -> Result<Option<&'a Vec<AttributeValue>>, NotARecord> {
    item.get(name).map(|value| value.as_l().map_err(|_| other(name, "a list"))).transpose()
}

fn other(name: &str, expected: &'static str) -> NotARecord {
    NotARecord::Attribute { name: name.to_owned(), expected }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    fn s(text: &str) -> AttributeValue {
        AttributeValue::S(text.to_owned())
    }

    fn n(digits: &str) -> AttributeValue {
        AttributeValue::N(digits.to_owned())
    }

    fn map<const N: usize>(entries: [(&str, AttributeValue); N]) -> Item {
        entries.map(|(name, value)| (name.to_owned(), value)).into()
    }

    fn item() -> Item {
        map([
            ("request_id", s("r")),
            ("format_version", n("1")),
            ("status", s("SUCCEEDED")),
            ("catalog_version", s("0123456789abcdef")),
            ("job_sha256", s("00")),
            ("created_at", s("2026-11-23T12:00:00.000Z")),
            ("expires_at", n("1800000000")),
        ])
    }

    fn with(name: &str, value: AttributeValue) -> Item {
        let mut item = item();
        item.insert(name.to_owned(), value);
        item
    }

    #[test]
    fn an_item_that_is_no_record_names_the_attribute() {
        let refused = |item: &Item| ResultRecord::from_item(item).unwrap_err().to_string();
        for (name, value, message) in [
            ("format_version", n("2"), "format_version is 2, this release reads 1"),
            ("format_version", s("1"), "format_version is not a number"),
            ("status", s("DONE"), "status is not SUCCEEDED or REJECTED"),
            ("results", s("none"), "results is not a list"),
            ("results", AttributeValue::L(vec![s("x")]), "a group is not a map"),
            ("results", AttributeValue::L(vec![AttributeValue::M(map([]))]), "matches is not a list"),
            ("error", AttributeValue::M(map([("code", s("expired"))])), "message is not a string"),
        ] {
            assert_eq!(refused(&with(name, value)), message);
        }
        let mut without = item();
        without.remove("job_sha256");
        assert_eq!(refused(&without), "job_sha256 is not a string");
    }

    #[test]
    fn a_score_that_no_record_has_is_refused() {
        for score in ["NaN", "inf", "1e39"] {
            let found = AttributeValue::M(map([("product_id", s("p")), ("score", n(score))]));
            assert_eq!(super::found(&found).unwrap_err().to_string(), "score is not a finite number");
        }
    }

    #[test]
    fn what_a_newer_worker_adds_is_passed_over() {
        let record = ResultRecord::from_item(&with("shard", n("7"))).unwrap();
        assert_eq!((record.request_id.as_str(), record.expires_at), ("r", 1_800_000_000));
    }

    #[test]
    fn a_code_that_a_newer_worker_wrote_is_kept_and_says_whether_it_is_retryable() {
        let error = |code| {
            let error = [("code", s(code)), ("message", s("m")), ("retryable", AttributeValue::Bool(true))];
            ResultRecord::from_item(&with("error", AttributeValue::M(map(error)))).unwrap().error.unwrap()
        };
        let newer = error("quota_of_tenant");
        assert_eq!((newer.code.as_str(), newer.retryable), ("quota_of_tenant", true));
        assert_eq!(error("expired").code, ErrorCode::Expired);
    }

    #[test]
    fn whole_numbers_of_64_bits_keep_every_digit() {
        for digits in ["9007199254740993", "18446744073709551615", "-9223372036854775808", "39.9"] {
            let Some(Attribute::Number(number)) = attribute(&n(digits)) else { panic!("{digits} is a number") };
            assert_eq!(number.to_string(), digits);
        }
    }
}
