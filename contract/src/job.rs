//! The search job: the message as producers write it, and as a worker has understood it.
//!
//! [`JobMessage`] is what is sent. `receive` makes a [`SearchJob`] of it, the only way to one.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::filter::Filter;

/// A search job as it stands in the body of an SQS message, for producers and for the JSON Schema.
///
/// Exactly one of `query`, `vector` and `product_id` is given. A field that is null counts as absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "nearline search job", extend("oneOf" = [
    {"required": ["query"], "properties": {"query": {"not": {"type": "null"}}}},
    {"required": ["vector"], "properties": {"vector": {"not": {"type": "null"}}}},
    {"required": ["product_id"], "properties": {"product_id": {"not": {"type": "null"}}}},
]))]
pub struct JobMessage {
    /// Key of the record. One id is one job: a replay changes nothing, another job under the same id is refused.
    #[schemars(regex(pattern = "^[!-~]{1,128}$"))]
    pub request_id: String,
    /// Text to embed and search for; a text longer than the embedding model takes is cut at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8192))]
    pub query: Option<String>,
    /// Vector to search for: as many finite numbers as the catalog has dimensions, not all zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub vector: Option<Vec<f32>>,
    /// Product whose similar items are wanted; it never matches itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub product_id: Option<String>,
    /// Most matches in each group. Default 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub top_k: Option<u16>,
    /// Categories to search. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub categories: Option<Vec<String>>,
    /// `category` (default): `top_k` matches for each category. `none`: over all of them together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_by: Option<GroupBy>,
    /// Least score of a match, inclusive.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1, max = 1))]
    pub min_score: Option<f32>,
    /// Product ids that must not match; unknown ones are ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exclude: Option<Vec<String>>,
    /// Which products may match, by their attributes; `{}` does not filter. The answer is that of a search among those
    /// that pass, however few they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Filter>")]
    pub filter: Option<serde_json::Value>,
    /// What to copy into each match: `title`, and attributes of the catalog.
    #[serde(rename = "return", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub return_columns: Option<Vec<String>>,
    /// Strings to copy to the record, at most 1,024 bytes of keys and values together; no key is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("propertyNames" = {"minLength": 1}))]
    pub metadata: Option<BTreeMap<String, String>>,
    /// RFC 3339 time after which the job is answered `expired` instead of being searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub not_after: Option<String>,
    /// Version of this format. Default 1; a worker leaves a higher one than it knows to a newer worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub version: Option<u32>,
}

/// How matches are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupBy {
    /// `top_k` matches for each category.
    #[default]
    Category,
    /// `top_k` matches over all categories together.
    None,
}

/// What `return` calls the title; any other name is an attribute's.
pub const TITLE: &str = "title";

/// What to search for.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// A text to embed, 1 to 8,192 characters, not blank.
    Query(String),
    /// A vector: finite, not all zero; each number rounded once from its decimal text.
    Vector(Vec<f32>),
    /// The vector of this product.
    ProductId(String),
}

/// A job that keeps every rule that needs no catalog.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchJob {
    /// 1-128 visible ASCII characters.
    pub request_id: String,
    /// What to search for.
    pub target: Target,
    /// 1 to 1,000.
    pub top_k: u16,
    /// Distinct names, in order of first mention; `None` = all.
    pub categories: Option<Vec<String>>,
    /// How matches are grouped.
    pub group_by: GroupBy,
    /// Least score, above -1 and at most 1. A job's -1 is `None`, like no bound: every score reaches it.
    pub min_score: Option<f32>,
    /// Product ids that must not match.
    pub exclude: Vec<String>,
    /// Which products may match; never one that asks for nothing.
    pub filter: Option<Filter>,
    /// Whether matches carry titles.
    pub return_title: bool,
    /// Attributes that matches carry, each once.
    pub return_attributes: Vec<String>,
    /// Copied to the record.
    pub metadata: BTreeMap<String, String>,
    /// When the answer stops being of use.
    pub not_after: Option<OffsetDateTime>,
}
