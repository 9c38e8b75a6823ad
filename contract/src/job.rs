//! The search job: the message as producers write it, and as a worker has understood it.
//!
//! [`receive`] is the only way from a body to a [`SearchJob`], and checks every rule that can be checked without a
//! catalog. It distinguishes a body that no record can answer (an `Err`) from a job that gets a rejected record.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

use crate::error::{ErrorCode, JobError};
use crate::fields::Fields;
use crate::hash;
use crate::limits::{JOB_VERSION, REQUEST_ID_MAX_CHARS, TOP_K_DEFAULT};

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
    /// Catalog columns to copy into each match.
    #[serde(rename = "return", skip_serializing_if = "Option::is_none")]
    pub return_columns: Option<Vec<Column>>,
    /// Strings to copy to the record, at most 1,024 bytes of keys and values together.
    #[serde(skip_serializing_if = "Option::is_none")]
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

/// A catalog column that a match can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    /// The product's title.
    Title,
}

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
    /// Least score, -1 to 1.
    pub min_score: Option<f32>,
    /// Product ids that must not match.
    pub exclude: Vec<String>,
    /// Whether matches carry titles.
    pub return_title: bool,
    /// Copied to the record.
    pub metadata: BTreeMap<String, String>,
    /// When the answer stops being of use.
    pub not_after: Option<OffsetDateTime>,
}

/// A message whose record can be written, whatever the job in it is worth.
#[derive(Debug, Clone, PartialEq)]
pub struct ReceivedJob {
    /// Key of the record.
    pub request_id: String,
    /// Identity of the job, see [`hash::job_sha256`].
    pub sha256: String,
    /// Metadata for the record; empty if the job's own is not valid.
    pub metadata: BTreeMap<String, String>,
    /// The job, or why it cannot be run.
    pub job: Result<SearchJob, Refusal>,
}

/// Why a received job is not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The job breaks a rule: its record says which.
    Invalid(JobError),
    /// A `version` above [`JOB_VERSION`]: left on the queue for a newer worker.
    NewerVersion(u64),
}

/// Reads the body of a message.
///
/// # Errors
/// [`ErrorCode::InvalidJson`] or [`ErrorCode::InvalidRequestId`]: no record can be written for such a body.
pub fn receive(body: &str) -> Result<ReceivedJob, JobError> {
    let invalid_json = |error: serde_json::Error| {
        JobError::new(ErrorCode::InvalidJson, format!("the message is not a JSON job: {error}"))
    };
    let value = hash::parse_unique(body).map_err(invalid_json)?;
    let Value::Object(object) = &value else {
        return Err(JobError::new(ErrorCode::InvalidJson, "the message must be a JSON object"));
    };
    let request_id = request_id(object.get("request_id"))?;
    let sha256 = hash::job_sha256(&value).map_err(invalid_json)?;
    let fields = Fields::new(object, body);
    let metadata = fields.metadata().unwrap_or_default();
    let job = match fields.version() {
        Ok(version) if version > JOB_VERSION => Err(Refusal::NewerVersion(version)),
        Ok(_) => read_job(request_id.clone(), &fields).map_err(Refusal::Invalid),
        Err(error) => Err(Refusal::Invalid(error)),
    };
    Ok(ReceivedJob { request_id, sha256, metadata, job })
}

fn request_id(value: Option<&Value>) -> Result<String, JobError> {
    let invalid = |was: &str| {
        let message = format!("request_id must be 1 to {REQUEST_ID_MAX_CHARS} visible ASCII characters, {was}");
        JobError::new(ErrorCode::InvalidRequestId, message)
    };
    match value {
        None | Some(Value::Null) => Err(invalid("was missing")),
        Some(Value::String(id)) if id.is_empty() => Err(invalid("was empty")),
        Some(Value::String(id)) if !id.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Err(invalid("had a space, a control character or a non-ASCII character"))
        }
        Some(Value::String(id)) if id.len() > REQUEST_ID_MAX_CHARS => Err(invalid(&format!("had {}", id.len()))),
        Some(Value::String(id)) => Ok(id.clone()),
        Some(_) => Err(invalid("was not a string")),
    }
}

fn read_job(request_id: String, fields: &Fields<'_>) -> Result<SearchJob, JobError> {
    fields.check_names()?;
    Ok(SearchJob {
        request_id,
        target: fields.target()?,
        top_k: fields.top_k()?.unwrap_or(TOP_K_DEFAULT),
        categories: fields.categories()?,
        group_by: fields.group_by()?.unwrap_or_default(),
        min_score: fields.min_score()?,
        exclude: fields.exclude()?.unwrap_or_default(),
        return_title: fields.return_columns()?.contains(&Column::Title),
        metadata: fields.metadata()?,
        not_after: fields.not_after()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(body: &str) -> SearchJob {
        receive(body).expect("has a request_id").job.expect("is valid")
    }

    /// The code and message of a job that is refused or unusable.
    fn refusal(body: &str) -> (ErrorCode, String) {
        let error = match receive(body) {
            Err(error) | Ok(ReceivedJob { job: Err(Refusal::Invalid(error)), .. }) => error,
            Ok(received) => panic!("not refused: {received:?}"),
        };
        (error.code, error.message)
    }

    #[track_caller]
    fn check(fields: &str, code: ErrorCode, message: &str) {
        assert_eq!(refusal(&format!(r#"{{"request_id":"r",{fields}}}"#)), (code, message.to_owned()));
    }

    #[test]
    fn every_field_of_the_contract_is_read() {
        let job = job(r#"{"request_id": "storefront-7f3a91", "query": "wireless headphones", "top_k": 7,
            "categories": ["audio", "phones", "audio"], "group_by": "none", "min_score": 0.2, "exclude": ["sku-9"],
            "return": ["title"], "metadata": {"tenant": "de-shop"}, "not_after": "2026-11-23T12:00:00Z", "version": 1}"#);
        assert_eq!(job.target, Target::Query("wireless headphones".into()));
        assert_eq!(job.top_k, 7);
        assert_eq!(job.categories, Some(vec!["audio".into(), "phones".into()]));
        assert_eq!(job.group_by, GroupBy::None);
        assert_eq!(job.min_score, Some(0.2));
        assert_eq!(job.exclude, ["sku-9"]);
        assert!(job.return_title);
        assert_eq!(job.metadata["tenant"], "de-shop");
        assert_eq!(job.not_after.map(OffsetDateTime::unix_timestamp), Some(1_795_435_200));
    }

    #[test]
    fn null_is_absent() {
        let body = r#"{"request_id":"r","query":"x","vector":null,"product_id":null,"top_k":null,"categories":null,
            "group_by":null,"min_score":null,"exclude":null,"return":null,"metadata":null,"not_after":null,"version":null}"#;
        assert_eq!(job(body), job(r#"{"request_id":"r","query":"x"}"#));
        assert_eq!(job(body).top_k, 5);
    }

    #[test]
    fn a_body_without_a_usable_request_id_has_no_record() {
        for (body, code, part) in [
            ("{", ErrorCode::InvalidJson, "not a JSON job"),
            ("[1]", ErrorCode::InvalidJson, "must be a JSON object"),
            (r#"{"request_id":"a","query":"x","query":"x"}"#, ErrorCode::InvalidJson, "`query` appears twice"),
            (r#"{"request_id":"a","vector":[1e999]}"#, ErrorCode::InvalidJson, "out of range"),
            (r#"{"query":"x"}"#, ErrorCode::InvalidRequestId, "was missing"),
            (r#"{"request_id":""}"#, ErrorCode::InvalidRequestId, "was empty"),
            (r#"{"request_id":7}"#, ErrorCode::InvalidRequestId, "not a string"),
            (r#"{"request_id":"a b"}"#, ErrorCode::InvalidRequestId, "a space"),
            (r#"{"request_id":"é"}"#, ErrorCode::InvalidRequestId, "non-ASCII"),
        ] {
            let (got, message) = refusal(body);
            assert_eq!(got, code, "{body}");
            assert!(message.contains(part), "{message}");
        }
        let longest = "x".repeat(128);
        assert_eq!(job(&format!(r#"{{"request_id":"{longest}","query":"x"}}"#)).request_id, longest);
        assert_eq!(refusal(&format!(r#"{{"request_id":"{longest}x","query":"x"}}"#)).0, ErrorCode::InvalidRequestId);
    }

    #[test]
    fn an_unknown_field_is_named_with_the_nearest_valid_one() {
        check(r#""query":"x","topk":3"#, ErrorCode::UnknownField, "unknown field `topk`, did you mean `top_k`?");
        check(
            r#""query":"x","categorys":[]"#,
            ErrorCode::UnknownField,
            "unknown field `categorys`, did you mean `categories`?",
        );
        check(r#""Query":"x""#, ErrorCode::UnknownField, "unknown field `Query`, did you mean `query`?");
    }

    #[test]
    fn exactly_one_target_is_required() {
        check(r#""top_k":3"#, ErrorCode::MissingField, "one of query, vector and product_id is required");
        check(
            r#""query":"x","product_id":"p""#,
            ErrorCode::ConflictingFields,
            "only one of query, vector and product_id may be given, got query and product_id",
        );
    }

    #[test]
    fn ranges_are_named_with_the_value() {
        use ErrorCode::OutOfRange;
        check(r#""query":"x","top_k":0"#, OutOfRange, "top_k must be 1 to 1000, was 0");
        check(r#""query":"x","top_k":1001"#, OutOfRange, "top_k must be 1 to 1000, was 1001");
        check(r#""query":"x","top_k":2.5"#, OutOfRange, "top_k must be 1 to 1000, was 2.5");
        check(r#""query":"x","top_k":"5""#, OutOfRange, "top_k must be 1 to 1000, was \"5\"");
        check(r#""query":"x","min_score":1.5"#, OutOfRange, "min_score must be -1 to 1, was 1.5");
        check(r#""query":"""#, OutOfRange, "query must be 1 to 8192 characters, was empty");
        check(r#""query":" \n""#, OutOfRange, "query must hold more than white space");
        check(r#""query":["x"]"#, OutOfRange, "query must be a string, was an array");
        check(
            r#""query":"x","categories":[]"#,
            OutOfRange,
            "categories must name at least one category (leave it out for all of them)",
        );
        check(
            r#""query":"x","categories":["a",1]"#,
            OutOfRange,
            "categories must be an array of strings, element 1 was a number",
        );
        check(
            r#""query":"x","group_by":"brand""#,
            OutOfRange,
            "group_by must be \"category\" or \"none\", was \"brand\"",
        );
        check(r#""query":"x","return":["price"]"#, OutOfRange, "return may only list \"title\", got \"price\"");
        check(
            r#""query":"x","not_after":"tomorrow""#,
            OutOfRange,
            "not_after must be an RFC 3339 time such as 2026-11-23T12:00:00Z, was \"tomorrow\"",
        );
        check(r#""query":"x","version":0"#, OutOfRange, "version must be a whole number from 1, was 0");
        check(
            r#""query":"x","metadata":{"a":1}"#,
            OutOfRange,
            "metadata must be an object of strings, `a` was a number",
        );
        let long = "é".repeat(8_193);
        check(&format!(r#""query":"{long}""#), OutOfRange, "query must be 1 to 8192 characters, was 8193");
        let large = "v".repeat(1_024);
        check(
            &format!(r#""query":"x","metadata":{{"k":"{large}"}}"#),
            OutOfRange,
            "metadata must be at most 1024 bytes of keys and values, was 1025",
        );
    }

    #[test]
    fn bounds_are_inclusive() {
        let long = "é".repeat(8_192);
        assert_eq!(job(&format!(r#"{{"request_id":"r","query":"{long}"}}"#)).target, Target::Query(long));
        assert_eq!(job(r#"{"request_id":"r","query":"x","top_k":1000,"min_score":-1}"#).top_k, 1_000);
        assert_eq!(job(r#"{"request_id":"r","query":"x","top_k":5.0}"#).top_k, 5, "5.0 and 5 are the same JSON number");
        let full = "v".repeat(1_023);
        job(&format!(r#"{{"request_id":"r","query":"x","metadata":{{"k":"{full}"}}}}"#));
    }

    #[test]
    fn vector_numbers_round_once() {
        // Through f64 this decimal would land on the tie and round to even, one step too low.
        let decimal = "1.00000005960464477540";
        let Target::Vector(vector) = job(&format!(r#"{{"request_id":"r","vector":[{decimal},1e-46, 3]}}"#)).target
        else {
            panic!("not a vector");
        };
        assert_eq!(vector, [f32::from_bits(0x3f80_0001), 0.0, 3.0]);
    }

    #[test]
    fn a_vector_must_be_finite_and_not_zero() {
        use ErrorCode::InvalidVector;
        check(r#""vector":[1,1e39]"#, InvalidVector, "vector[1] must be a 32-bit float, was 1e39");
        check(r#""vector":[0,0.0,-0.0]"#, InvalidVector, "vector must not be all zero");
        check(r#""vector":[1e-60]"#, InvalidVector, "vector must not be all zero");
        check(r#""vector":[]"#, InvalidVector, "vector must not be empty");
        check(r#""vector":[1,"2"]"#, InvalidVector, "vector[1] must be a 32-bit float, was a string");
        check(r#""vector":"x""#, InvalidVector, "vector must be an array of numbers, was a string");
    }

    #[test]
    fn a_newer_version_is_left_alone_whatever_else_it_has() {
        let received = receive(r#"{"request_id":"r","version":2,"hybrid":true}"#).unwrap();
        assert_eq!(received.job, Err(Refusal::NewerVersion(2)));
    }

    #[test]
    fn a_rejected_job_keeps_its_hash_and_metadata() {
        let received = receive(r#"{"request_id":"r","top_k":0,"query":"x","metadata":{"tenant":"a"}}"#).unwrap();
        assert!(received.job.is_err());
        assert_eq!(received.metadata["tenant"], "a");
        assert_eq!(received.sha256.len(), 64);
    }

    #[test]
    fn what_a_producer_serializes_is_received_as_the_same_job() {
        let message = JobMessage {
            request_id: "r-1".into(),
            vector: Some(vec![0.1, -2.5e-8, 3.0]),
            top_k: Some(9),
            min_score: Some(0.3),
            return_columns: Some(vec![Column::Title]),
            ..JobMessage::default()
        };
        let job = job(&serde_json::to_string(&message).unwrap());
        assert_eq!(job.target, Target::Vector(vec![0.1, -2.5e-8, 3.0]));
        assert_eq!((job.top_k, job.min_score, job.return_title), (9, Some(0.3), true));
    }
}
