use time::OffsetDateTime;

use super::*;
use crate::Filter;
use crate::filter::{Comparison, Condition, Test};
use crate::job::{GroupBy, JobMessage, Target};

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
        "filter": {"price": {"$lt": 50}}, "return": ["title", "brand", "title", "brand"], "metadata": {"tenant": "de-shop"}, "not_after": "2026-11-23T12:00:00Z", "version": 1}"#);
    assert_eq!(job.target, Target::Query("wireless headphones".into()));
    assert_eq!(job.top_k, 7);
    assert_eq!(job.categories, Some(vec!["audio".into(), "phones".into()]));
    assert_eq!(job.group_by, GroupBy::None);
    assert_eq!(job.min_score, Some(0.2));
    assert_eq!(job.exclude, ["sku-9"]);
    let test = Test::Compare(Comparison::Less, 50.into());
    let path = "filter.price.$lt".to_owned();
    assert_eq!(job.filter, Some(Filter::Condition(Condition { attribute: "price".into(), test, path })));
    assert!(job.return_title);
    assert_eq!(job.return_attributes, ["brand"]);
    assert_eq!(job.metadata["tenant"], "de-shop");
    assert_eq!(job.not_after.map(OffsetDateTime::unix_timestamp), Some(1_795_435_200));
}

#[test]
fn null_is_absent() {
    let body = r#"{"request_id":"r","query":"x","vector":null,"product_id":null,"top_k":null,"categories":null,
        "group_by":null,"min_score":null,"exclude":null,"filter":null,"return":null,"metadata":null,"not_after":null,"version":null}"#;
    assert_eq!(job(body), job(r#"{"request_id":"r","query":"x"}"#));
    assert_eq!(job(body).top_k, 5);
}

#[test]
fn a_body_without_a_usable_request_id_has_no_record() {
    for (body, code, part) in [
        ("{", ErrorCode::InvalidJson, "not a JSON job"),
        ("[1]", ErrorCode::InvalidJson, "must be a JSON object"),
        ("7", ErrorCode::InvalidJson, "must be a JSON object"),
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
fn no_more_of_an_unknown_field_is_compared_than_is_quoted() {
    let head = "z".repeat(64); // like no name
    let message = |tail: &str| refusal(&format!(r#"{{"request_id":"r","{head}{tail}":1}}"#)).1;
    for name in ["query", "top_k", "metadata", "exclude"] {
        assert_eq!(message(&name.repeat(100)), message("z"));
    }
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
    check(r#""query":"x","group_by":"brand""#, OutOfRange, "group_by must be \"category\" or \"none\", was \"brand\"");
    check(r#""query":"x","return":"title""#, OutOfRange, "return must be an array of strings, was a string");
    let many: Vec<String> = (0..101).map(|number| format!("\"{number}\"")).collect();
    let many = format!(r#""query":"x","return":[{}]"#, many.join(","));
    check(&many, OutOfRange, "return may name at most 100 columns, got more");
    check(
        r#""query":"x","not_after":"tomorrow""#,
        OutOfRange,
        "not_after must be an RFC 3339 time such as 2026-11-23T12:00:00Z, was \"tomorrow\"",
    );
    check(r#""query":"x","version":0"#, OutOfRange, "version must be a whole number from 1, was 0");
    check(r#""query":"x","metadata":{"a":1}"#, OutOfRange, "metadata must be an object of strings, `a` was a number");
    check(r#""query":"x","metadata":{"a":"1","":"2"}"#, OutOfRange, "metadata must not have an empty key");
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
fn a_min_score_that_every_score_reaches_is_none() {
    let received = |min_score: &str| {
        receive(&format!(r#"{{"request_id":"r","query":"x","min_score":{min_score}}}"#)).expect("has a request_id")
    };
    for least in ["-1", "-1.0", "-1e0", "-0.99999999999"] {
        assert_eq!(received(least).job.unwrap().min_score, None, "{least}");
    }
    assert_eq!(received("-0.9999").job.unwrap().min_score, Some(-0.9999));
    assert_ne!(received("-1").sha256, received("null").sha256, "the hash is of the job as received");
}

#[test]
fn vector_numbers_round_once() {
    // Through f64 this decimal would land on the tie and round to even, one step too low.
    let decimal = "1.00000005960464477540";
    let Target::Vector(vector) = job(&format!(r#"{{"request_id":"r","vector":[{decimal},1e-46, 3]}}"#)).target else {
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
fn metadata_that_is_not_valid_is_not_copied_to_the_record() {
    for metadata in [r#"{"":"x","tenant":"a"}"#, r#"{"tenant":1}"#, "[]"] {
        let received = receive(&format!(r#"{{"request_id":"r","query":"x","metadata":{metadata}}}"#)).unwrap();
        assert!(matches!(received.job, Err(Refusal::Invalid(_))), "{metadata}");
        assert_eq!(received.metadata, BTreeMap::new(), "{metadata}");
    }
}

#[test]
fn what_a_producer_serializes_is_received_as_the_same_job() {
    let message = JobMessage {
        request_id: "r-1".into(),
        vector: Some(vec![0.1, -2.5e-8, 3.0]),
        top_k: Some(9),
        min_score: Some(0.3),
        filter: Some(serde_json::json!({"brand": {"$in": ["a"]}})),
        return_columns: Some(vec!["title".into(), "brand".into()]),
        ..JobMessage::default()
    };
    let job = job(&serde_json::to_string(&message).unwrap());
    assert_eq!(job.target, Target::Vector(vec![0.1, -2.5e-8, 3.0]));
    assert_eq!((job.top_k, job.min_score, job.return_title), (9, Some(0.3), true));
    assert_eq!(job.return_attributes, ["brand"]);
    assert!(job.filter.is_some());
}

#[test]
fn a_filter_is_part_of_the_job_and_an_empty_one_is_none() {
    let received = |filter: &str| receive(&format!(r#"{{"request_id":"r","query":"x","filter":{filter}}}"#)).unwrap();
    assert_eq!(received("{}").job.unwrap().filter, None);
    assert_eq!(received("null").job.unwrap().filter, None);
    assert_ne!(received(r#"{"a":1}"#).sha256, received(r#"{"a":2}"#).sha256);
    assert_eq!(received(r#"{"a":1,"b":2}"#).sha256, received(r#"{"b":2,"a":1}"#).sha256);
    check(r#""query":"x","filter":"brand""#, ErrorCode::InvalidFilter, "filter: must be an object, was a string");
}
