//! The body of a job, from any producer.

use std::time::{Duration, Instant};

use nearline_contract::{ErrorCode, JobError, JobMessage, ReceivedJob, Refusal, SearchJob, Target, receive};
use serde_json::Value;
use time::format_description::well_known::Rfc3339;

use crate::trial::measured;

/// Allocated in all, for each byte of a body: `{"a":1},` becomes a map with room for eleven entries, several times.
const BYTES_FOR_BYTE: u64 = 256;
/// Longest message of a fault: it becomes a message attribute or a part of a record.
const MESSAGE_BYTES_MAX: usize = 1_000;
const CONTRACT: &str = include_str!("../../docs/contract.md");

pub(crate) fn try_bytes(bytes: &[u8]) {
    let body = String::from_utf8_lossy(bytes);
    let (received, memory) = measured(|| receive(&body));
    let most = BYTES_FOR_BYTE * body.len() as u64 + 32_768;
    assert!(memory.bytes_total < most, "{} bytes for {}", memory.bytes_total, body.len());
    match received {
        Ok(received) => check_received(&received, &body),
        Err(error) => {
            assert!(matches!(error.code, ErrorCode::InvalidJson | ErrorCode::InvalidRequestId), "{error}");
            check_error(&error, "dead letter");
        }
    }
}

fn check_received(received: &ReceivedJob, body: &str) {
    let ReceivedJob { request_id, sha256, metadata, job } = received;
    assert!((1..=128).contains(&request_id.len()) && request_id.bytes().all(|byte| byte.is_ascii_graphic()));
    assert!(sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert!(metadata.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() <= 1_024);
    match job {
        Ok(job) => check_job(job, received, body),
        Err(Refusal::Invalid(error)) => check_error(error, "record"),
        Err(Refusal::NewerVersion(version)) => assert!(*version > 1),
    }
    // The same JSON, written by somebody else: order, spaces, escapes and the spelling of numbers do not count.
    let value: serde_json::Value = serde_json::from_str(body).unwrap();
    let again = receive(&serde_json::to_string_pretty(&value).unwrap()).unwrap();
    assert_eq!((&again.request_id, &again.sha256, &again.metadata), (request_id, sha256, metadata));
    assert_eq!(again.job.is_ok(), job.is_ok(), "{again:?}");
}

/// A job says of itself what it was received as.
fn check_job(job: &SearchJob, received: &ReceivedJob, body: &str) {
    assert_eq!((&job.request_id, &job.metadata), (&received.request_id, &received.metadata));
    assert!((1..=1_000).contains(&job.top_k) && job.min_score.is_none_or(|score| score > -1.0 && score <= 1.0));
    let (mut query, mut vector, mut product_id) = (None, None, None);
    match job.target.clone() {
        Target::Query(text) => query = Some(text),
        Target::Vector(numbers) => {
            assert!(numbers.iter().all(|number| number.is_finite()) && numbers.iter().any(|&number| number != 0.0));
            vector = Some(numbers);
        }
        Target::ProductId(id) => product_id = Some(id),
    }
    let title = job.return_title.then(|| "title".to_owned());
    let returned = title.into_iter().chain(job.return_attributes.iter().cloned());
    let message = JobMessage {
        request_id: job.request_id.clone(),
        query,
        vector,
        product_id,
        top_k: Some(job.top_k),
        categories: job.categories.clone(),
        group_by: Some(job.group_by),
        min_score: job.min_score,
        exclude: Some(job.exclude.clone()),
        filter: job.filter.as_ref().and(serde_json::from_str::<Value>(body).unwrap().get("filter").cloned()),
        return_columns: Some(returned.collect()),
        metadata: Some(job.metadata.clone()),
        not_after: job.not_after.map(|time| time.format(&Rfc3339).unwrap()),
        version: None,
    };
    let again = receive(&serde_json::to_string(&message).unwrap()).unwrap();
    assert_eq!(again.job.as_ref(), Ok(job));
}

fn check_error(error: &JobError, shows_in: &str) {
    let row = CONTRACT.lines().find(|line| line.starts_with(&format!("| `{}` |", error.code)));
    assert!(row.is_some_and(|row| row.contains(&format!("| {shows_in} |"))), "{error}: {row:?}");
    assert!(!error.message.is_empty() && error.message.len() <= MESSAGE_BYTES_MAX, "{error}");
}

/// Bodies of about `length` bytes, each long in another way.
fn long_bodies(length: usize) -> Vec<(&'static str, String)> {
    let job = |rest: &str| format!(r#"{{"request_id":"r","query":"boots",{rest}}}"#);
    let list = |item: &dyn Fn(usize) -> String| {
        let width = item(1_000).len() + 1;
        (0..length / width).map(item).collect::<Vec<_>>().join(",")
    };
    let vector = |number: &str| format!(r#"{{"request_id":"r","vector":[{}]}}"#, list(&|_| number.to_owned()));
    vec![
        ("a query", format!(r#"{{"request_id":"r","query":"{}"}}"#, "é".repeat(length / 2))),
        ("an escaped query", format!(r#"{{"request_id":"r","query":"{}"}}"#, "\\u00e9".repeat(length / 6))),
        ("a request id", format!(r#"{{"request_id":"{}"}}"#, "r".repeat(length))),
        ("a vector of digits", vector("1")),
        ("a vector of decimals", vector("0.12345678901234567890123456789")),
        ("a number of many digits", job(&format!(r#""min_score":0.{}1"#, "0".repeat(length)))),
        ("an integer of many digits", job(&format!(r#""top_k":{}"#, "9".repeat(length)))),
        ("an exponent of many digits", job(&format!(r#""top_k":1e{}"#, "0".repeat(length)))),
        ("a vector of one long number", format!(r#"{{"request_id":"r","vector":[1.{}]}}"#, "7".repeat(length))),
        ("distinct categories", job(&format!(r#""categories":[{}]"#, list(&|n| format!("\"{n}\""))))),
        ("one category", job(&format!(r#""categories":[{}]"#, list(&|_| "\"a\"".into())))),
        ("excluded products", job(&format!(r#""exclude":[{}]"#, list(&|n| format!("\"{n}\""))))),
        ("values of a filter", job(&format!(r#""filter":{{"a":{{"$in":[{}]}}}}"#, list(&|n| n.to_string())))),
        ("filters", job(&format!(r#""filter":{{"$or":[{}]}}"#, list(&|_| r#"{"a":1}"#.into())))),
        ("attributes of a filter", job(&format!(r#""filter":{{{}}}"#, list(&|n| format!("\"{n}\":1"))))),
        ("operators of a filter", job(&format!(r#""filter":{{"a":{{{}}}}}"#, list(&|n| format!("\"${n}\":1"))))),
        ("an operator", job(&format!(r#""filter":{{"a":{{"${}":1}}}}"#, "a".repeat(length)))),
        ("an attribute", job(&format!(r#""filter":{{"{}":{{"$lt":"x"}}}}"#, "a".repeat(length)))),
        ("attributes to return", job(&format!(r#""return":[{}]"#, list(&|n| format!("\"{n}\""))))),
        ("columns", job(&format!(r#""return":[{}]"#, list(&|_| "\"title\"".into())))),
        ("metadata", job(&format!(r#""metadata":{{{}}}"#, list(&|n| format!("\"{n}\":\"\""))))),
        ("unknown fields", job(&list(&|n| format!("\"{n}\":0")))),
        ("an unknown field", job(&format!(r#""{}":0"#, "a".repeat(length)))),
        ("empty lists", job(&format!(r#""a":[{}]"#, list(&|_| "[]".into())))),
        ("empty objects", job(&format!(r#""a":[{}]"#, list(&|_| "{}".into())))),
        ("spaces", job(&format!(r#"{}"top_k":5"#, " ".repeat(length)))),
        ("depth", "[".repeat(length)),
        ("not_after", job(&format!(r#""not_after":"2026-11-23T12:00:00.{}Z""#, "0".repeat(length)))),
    ]
}

#[test]
fn a_body_costs_no_more_than_a_multiple_of_its_length() {
    const LENGTH: usize = 256 << 10;
    const TIMES: usize = 16;
    // The quickest of a few: what else runs here only ever adds to it.
    let cost = |body: &str| {
        let costs = (0..3).map(|_| {
            let started = Instant::now();
            let ((), memory) = measured(|| drop(receive(body)));
            (started.elapsed(), memory)
        });
        costs.min_by_key(|(took, _)| *took).unwrap()
    };
    for ((what, short), (_, long)) in long_bodies(LENGTH / TIMES).into_iter().zip(long_bodies(LENGTH)) {
        let ((short_took, little), (long_took, much)) = (cost(&short), cost(&long));
        println!(
            "{what}: {} bytes: {long_took:?}, {} bytes in all, {} at once",
            long.len(),
            much.bytes_total,
            much.bytes_max
        );
        assert!(much.bytes_total < BYTES_FOR_BYTE * long.len() as u64, "{what}: {much:?}");
        // A sorted map takes a little more for each key, the more there are.
        assert!(much.count_total <= 2 * TIMES as u64 * little.count_total.max(8), "{what}: {little:?}, {much:?}");
        let most = short_took.max(Duration::from_micros(100)) * 6 * TIMES as u32;
        assert!(long_took < most, "{what}: {short_took:?} for a part, {long_took:?} for the whole");
    }
}
