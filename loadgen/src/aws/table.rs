//! The records: items of the table, and results that stand in S3 because they are too large for one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnConsumedCapacity};
use aws_sdk_s3::operation::get_object::GetObjectError;
use futures_util::future::join_all;
use nearline_contract::hash::hex;
use nearline_contract::{Attribute, Group, Match};
use serde_json::Number;
use sha2::{Digest as _, Sha256};

use super::{AccessError, explain};
use crate::requests::Meter;
use crate::verify::{Detail, Found, LookupError, Record, Records, Results};

/// The key of the results table.
const KEY: &str = "request_id";
/// What is asked of an item whose record is wanted without its results.
const IDENTITY: &str = "#key, #status, job_sha256, #error.code, created_at";
const WHOLE: &str = "#key, #status, job_sha256, #error.code, created_at, catalog_version, results, results_uri";

type Item = HashMap<String, AttributeValue>;

/// The table of the records.
#[derive(Debug, Clone)]
pub(crate) struct DynamoTable {
    dynamodb: aws_sdk_dynamodb::Client,
    s3: aws_sdk_s3::Client,
    name: String,
    meter: Arc<Meter>,
}

impl DynamoTable {
    /// The table `name`, if its records can be read.
    pub(crate) async fn open(config: &SdkConfig, name: &str, meter: Arc<Meter>) -> Result<Self, AccessError> {
        let (dynamodb, s3) = (aws_sdk_dynamodb::Client::new(config), aws_sdk_s3::Client::new(config));
        let table = Self { dynamodb, s3, name: name.to_owned(), meter };
        // A look-up as the run makes them asks for the same permission, and shows whether the key has the right name.
        match table.lookup(&["load".to_owned()], Detail::Whole).await {
            Ok(_) => Ok(table),
            Err(LookupError(cause)) => {
                Err(AccessError { kind: "table", name: table.name, cause, setting: "NEARLINE_RESULTS_TABLE" })
            }
        }
    }

    /// The results that a record points to; an error if they cannot be read now.
    async fn spilled(&self, uri: &str) -> Result<Results, String> {
        let broken = |reason: String| Ok(Results::Broken(format!("results_uri {uri}: {reason}")));
        let Some((bucket, key)) = uri.strip_prefix("s3://").and_then(|rest| rest.split_once('/')) else {
            return broken("not an S3 URI".to_owned());
        };
        self.meter.object_read();
        let object = match self.s3.get_object().bucket(bucket).key(key).send().await {
            Ok(object) => object,
            Err(error) if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) => {
                return broken("there is no such object".to_owned());
            }
            Err(error) => return Err(format!("{uri}: {}", explain(&error))),
        };
        let body = object.body.collect().await.map_err(|error| format!("{uri}: {error}"))?.to_vec();
        if !key.ends_with(&format!("{}.json", hex(&Sha256::digest(&body)))) {
            return broken("its content is not what its name says".to_owned());
        }
        match serde_json::from_slice(&body) {
            Ok(groups) => Ok(Results::Groups(groups)),
            Err(error) => broken(error.to_string()),
        }
    }
}

impl Records for DynamoTable {
    async fn lookup(&self, ids: &[String], detail: Detail) -> Result<Found, LookupError> {
        let key = |id: &String| [(KEY.to_owned(), AttributeValue::S(id.clone()))].into();
        let keys = KeysAndAttributes::builder()
            .set_keys(Some(ids.iter().map(key).collect()))
            .consistent_read(true)
            .projection_expression(if detail == Detail::Whole { WHOLE } else { IDENTITY })
            .expression_attribute_names("#key", KEY)
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#error", "error")
            .build()
            .expect("keys are set");
        self.meter.looked_up(ids.len());
        let request = self.dynamodb.batch_get_item().request_items(&self.name, keys);
        let answer = request.return_consumed_capacity(ReturnConsumedCapacity::Total).send().await;
        let answer = answer.map_err(|error| LookupError(explain(&error)))?;
        let consumed = answer.consumed_capacity().iter().filter_map(|capacity| capacity.capacity_units).sum::<f64>();
        self.meter.read_units(if consumed > 0.0 { consumed } else { ids.len() as f64 });

        let unprocessed = answer.unprocessed_keys.into_iter().filter_map(|mut tables| tables.remove(&self.name));
        let unprocessed = unprocessed.flat_map(|left| left.keys).filter_map(|mut key| match key.remove(KEY) {
            Some(AttributeValue::S(id)) => Some(id),
            _ => None,
        });
        let mut found = Found { unprocessed: unprocessed.collect(), ..Found::default() };
        let items = answer.responses.into_iter().filter_map(|mut tables| tables.remove(&self.name)).flatten();
        let mut spilled = Vec::new();
        for item in items {
            let Some(id) = text(&item, KEY) else { continue };
            if let Some(uri) = text(&item, "results_uri") {
                spilled.push((id.clone(), uri));
            }
            found.records.insert(id, record(&item));
        }
        let results = join_all(spilled.iter().map(|(_, uri)| self.spilled(uri))).await;
        for ((id, _), results) in spilled.into_iter().zip(results) {
            match results {
                Ok(results) => {
                    found.records.entry(id).and_modify(|record| record.results = results);
                }
                // As if it had not been looked up: it is asked for again.
                Err(reason) => {
                    found.records.remove(&id);
                    found.unprocessed.push(id);
                    found.reason = Some(reason);
                }
            }
        }
        Ok(found)
    }
}

fn text(item: &Item, name: &str) -> Option<String> {
    item.get(name).and_then(|value| value.as_s().ok()).cloned()
}

fn record(item: &Item) -> Record {
    let error = item.get("error").and_then(|value| value.as_m().ok());
    Record {
        status: text(item, "status"),
        job_sha256: text(item, "job_sha256"),
        error_code: error.and_then(|error| text(error, "code")),
        catalog_version: text(item, "catalog_version"),
        created_at: text(item, "created_at"),
        results: item.get("results").map_or(Results::Absent, |results| {
            groups(results).map_or_else(|reason| Results::Broken(format!("results: {reason}")), Results::Groups)
        }),
    }
}

fn groups(value: &AttributeValue) -> Result<Vec<Group>, &'static str> {
    let groups = value.as_l().map_err(|_| "not a list")?;
    groups.iter().map(group).collect()
}

fn group(value: &AttributeValue) -> Result<Group, &'static str> {
    let group = value.as_m().map_err(|_| "a group is not a map")?;
    let matches =
        group.get("matches").and_then(|matches| matches.as_l().ok()).ok_or("a group has no list of matches")?;
    Ok(Group { category: text(group, "category"), matches: matches.iter().map(found).collect::<Result<_, _>>()? })
}

fn found(value: &AttributeValue) -> Result<Match, &'static str> {
    let found = value.as_m().map_err(|_| "a match is not a map")?;
    let score = found.get("score").and_then(|score| score.as_n().ok()).and_then(|score| score.parse().ok());
    Ok(Match {
        product_id: text(found, "product_id").ok_or("a match has no product_id")?,
        score: score.ok_or("a match has no score")?,
        category: text(found, "category"),
        title: text(found, "title"),
        attributes: found.get("attributes").map_or(Some(BTreeMap::new()), attributes).ok_or(BAD_ATTRIBUTES)?,
    })
}

const BAD_ATTRIBUTES: &str = "the attributes of a match are not a map of strings, numbers, booleans and lists of them";

fn attributes(value: &AttributeValue) -> Option<BTreeMap<String, Attribute>> {
    value.as_m().ok()?.iter().map(|(name, value)| Some((name.clone(), attribute(value)?))).collect()
}

fn attribute(value: &AttributeValue) -> Option<Attribute> {
    let number = |value: &AttributeValue| value.as_n().ok()?.parse::<Number>().ok();
    match value {
        AttributeValue::Bool(value) => Some(Attribute::Boolean(*value)),
        AttributeValue::N(_) => number(value).map(Attribute::Number),
        AttributeValue::S(text) => Some(Attribute::Text(text.clone())),
        AttributeValue::L(elements) => {
            let numbers = elements.iter().map(number).collect::<Option<_>>().map(Attribute::Numbers);
            let text = |value: &AttributeValue| value.as_s().ok().cloned();
            numbers.or_else(|| elements.iter().map(text).collect::<Option<_>>().map(Attribute::Texts))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(text: &str) -> AttributeValue {
        AttributeValue::S(text.into())
    }

    fn map<const N: usize>(entries: [(&str, AttributeValue); N]) -> AttributeValue {
        AttributeValue::M(entries.map(|(name, value)| (name.to_owned(), value)).into())
    }

    fn item(results: AttributeValue) -> Item {
        let AttributeValue::M(item) = map([
            ("request_id", s("r")),
            ("status", s("SUCCEEDED")),
            ("job_sha256", s("abc")),
            ("error", map([("code", s("expired"))])),
            ("catalog_version", s("v1")),
            ("created_at", s("2026-11-27T12:00:00Z")),
            ("results", results),
        ]) else {
            unreachable!("map makes a map")
        };
        item
    }

    fn attributes() -> AttributeValue {
        let n = |number: &str| AttributeValue::N(number.into());
        map([
            ("brand", s("Havn")),
            ("price", n("49.9")),
            ("sku", n("9007199254740993")),
            ("in_stock", AttributeValue::Bool(true)),
            ("tags", AttributeValue::L(vec![s("new"), s("sale")])),
            ("sizes", AttributeValue::L(vec![n("1"), n("2.5")])),
        ])
    }

    fn one_match(score: AttributeValue) -> AttributeValue {
        let found =
            map([("product_id", s("p")), ("score", score), ("title", s("Assam")), ("attributes", attributes())]);
        AttributeValue::L(vec![map([("category", s("tea")), ("matches", AttributeValue::L(vec![found]))])])
    }

    #[test]
    fn an_item_is_read_into_what_is_checked() {
        let read = record(&item(one_match(AttributeValue::N("0.25".into()))));
        let attributes = serde_json::json!({"brand": "Havn", "price": 49.9, "sku": 9_007_199_254_740_993_i64,
            "in_stock": true, "tags": ["new", "sale"], "sizes": [1, 2.5]});
        let found = Match {
            product_id: "p".into(),
            score: 0.25,
            category: None,
            title: Some("Assam".into()),
            attributes: serde_json::from_value(attributes).unwrap(),
        };
        assert_eq!(read.results, Results::Groups(vec![Group { category: Some("tea".into()), matches: vec![found] }]));
        assert_eq!((read.status.as_deref(), read.error_code.as_deref()), (Some("SUCCEEDED"), Some("expired")));
        assert_eq!(
            (read.catalog_version.as_deref(), read.created_at.as_deref()),
            (Some("v1"), Some("2026-11-27T12:00:00Z"))
        );
    }

    #[test]
    fn results_of_another_shape_are_broken_and_say_why() {
        for (results, reason) in [
            (s("none"), "results: not a list"),
            (AttributeValue::L(vec![s("x")]), "results: a group is not a map"),
            (AttributeValue::L(vec![map([])]), "results: a group has no list of matches"),
            (one_match(s("0.25")), "results: a match has no score"),
        ] {
            assert_eq!(record(&item(results)).results, Results::Broken(reason.into()));
        }
        assert_eq!(record(&Item::new()), Record::default());
    }
}
