//! The result record: one for each `request_id`, as readers see it in JSON.
//!
//! In DynamoDB an item has the same attributes; a spilled record has `results_uri` instead of `results`.
//! Scores are 32-bit floats written as the shortest decimal that reads back to the same bits.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Number;

use crate::error::{ErrorCode, JobError};

/// The answer to one job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "nearline result record")]
pub struct ResultRecord {
    /// The job's `request_id`.
    pub request_id: String,
    /// Version of this format: 1.
    pub format_version: u32,
    /// Whether the job was answered.
    pub status: Status,
    /// Groups in the catalog's category order, each with its matches, best first. Present when the status is
    /// `SUCCEEDED`, except in an item whose results were spilled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub results: Option<Vec<Group>>,
    /// Where the results stand if they are too large for an item: `s3://BUCKET/results/<sha256>.json`, whose content is
    /// the JSON array of groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub results_uri: Option<String>,
    /// Why the job was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RecordError>,
    /// First 16 hex digits of the SHA-256 of the catalog that answered.
    pub catalog_version: String,
    /// Embedding model of that catalog; absent if it names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_id: Option<String>,
    /// Hex SHA-256 of the RFC 8785 canonical form of the job as received.
    pub job_sha256: String,
    /// ISO 8601, UTC.
    pub created_at: String,
    /// Seconds since the epoch after which the record no longer counts.
    pub expires_at: i64,
    /// The job's metadata.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Whether the embedding model cut the query's end off.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub query_truncated: bool,
}

/// Whether a job was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// With results.
    Succeeded,
    /// With an error.
    Rejected,
}

impl Status {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "SUCCEEDED",
            Self::Rejected => "REJECTED",
        }
    }
}

/// The matches of one category, or of all together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    /// Absent with `group_by: none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Best first; ties in catalog order. May be empty.
    pub matches: Vec<Match>,
}

/// One product that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Match {
    /// Its id in the catalog.
    pub product_id: String,
    /// Cosine of the query's vector and the product's.
    pub score: f32,
    /// Its category; only with `group_by: none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Its title, if the job asked for it and the catalog has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Those of its attributes that the job asked for and the product has.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Attribute>,
}

/// The value of an attribute. An empty list reads as one of numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Attribute {
    Boolean(bool),
    Number(Number),
    Text(String),
    Numbers(Vec<Number>),
    Texts(Vec<String>),
}

/// Why a job was rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecordError {
    /// For programs.
    #[schemars(with = "ErrorCode")]
    pub code: RecordCode,
    /// For people.
    pub message: String,
    /// Whether another catalog could answer the same job.
    pub retryable: bool,
}

impl From<JobError> for RecordError {
    fn from(error: JobError) -> Self {
        Self { code: error.code.into(), retryable: error.code.retryable(), message: error.message }
    }
}

/// A code as a record has it. Codes are added within a version, so a reader can meet one that it does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RecordCode {
    /// One of this release.
    Known(ErrorCode),
    /// One that a newer worker wrote: `retryable` says all there is to know.
    Newer(String),
}

impl RecordCode {
    /// The name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(code) => code.as_str(),
            Self::Newer(name) => name,
        }
    }
}

impl From<ErrorCode> for RecordCode {
    fn from(code: ErrorCode) -> Self {
        Self::Known(code)
    }
}

impl From<String> for RecordCode {
    fn from(name: String) -> Self {
        name.parse().map_or(Self::Newer(name), Self::Known)
    }
}

impl PartialEq<ErrorCode> for RecordCode {
    fn eq(&self, code: &ErrorCode) -> bool {
        *self == Self::Known(*code)
    }
}

impl fmt::Display for RecordCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_is_not_known_is_read_and_written_as_it_is() {
        let text = r#"{"code":"quota_of_tenant","message":"m","retryable":true}"#;
        let error: RecordError = serde_json::from_str(text).unwrap();
        assert_eq!(error.code, RecordCode::Newer("quota_of_tenant".into()));
        assert_eq!(serde_json::to_string(&error).unwrap(), text);
        let known: RecordCode = serde_json::from_str(r#""expired""#).unwrap();
        assert_eq!(known, ErrorCode::Expired);
    }

    #[test]
    fn scores_are_written_short_and_read_back_to_the_same_bits() {
        for bits in [0x3f4c_cccd_u32, 0x3f80_0001, 0x0000_0001, 0x3e99_999a, 0xbf7f_ffff] {
            let score = f32::from_bits(bits);
            let found =
                Match { product_id: "p".into(), score, category: None, title: None, attributes: BTreeMap::new() };
            let text = serde_json::to_string(&found).unwrap();
            assert_eq!(serde_json::from_str::<Match>(&text).unwrap().score.to_bits(), bits, "{text}");
        }
        let text = serde_json::to_string(&Match {
            product_id: "p".into(),
            score: 0.8,
            category: None,
            title: None,
            attributes: BTreeMap::new(),
        });
        assert_eq!(text.unwrap(), r#"{"product_id":"p","score":0.8}"#);
    }
}
