//! What a body is that is not a job but is wrapped around one: an event of another service, or a job encoded twice.
//!
//! Such bodies come from a queue that is wired to something else. They have no `request_id`, and to say only that
//! would send their owner to the wrong place; here the cause is named, with what to change.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::clip;

/// The words for an object without a `request_id`, if it is known for what it is.
pub(crate) fn name(object: &Map<String, Value>) -> Option<String> {
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    if let (Some(_), Some(topic), Some(_)) = (text("Type"), text("TopicArn"), text("Message")) {
        let topic = clip(topic);
        return Some(format!(
            "the message is an SNS notification of {topic}: turn raw message delivery on for the queue's subscription"
        ));
    }
    if let (Some(kind), Some(_)) = (text("detail-type"), object.get("detail")) {
        let (kind, source) = (clip(kind), clip(text("source").unwrap_or("?")));
        return Some(format!(
            "the message is an EventBridge event `{kind}` from {source}: give the rule's target the input path of the \
             job, such as $.detail"
        ));
    }
    if text("Event") == Some("s3:TestEvent") {
        return Some(
            "the message is the test event of S3's notifications: a bucket sends its events to the job queue; send them \
             elsewhere"
                .into(),
        );
    }
    if let Some(Value::Array(records)) = object.get("Records") {
        return Some(records_of(records));
    }
    if (text("body").is_some() && object.contains_key("receiptHandle"))
        || (text("Body").is_some() && object.contains_key("ReceiptHandle"))
    {
        return Some("the message is a received SQS message around another: send its body alone".into());
    }
    let (field, _) = object.iter().find(|(_, value)| holds_a_job(value))?;
    Some(format!("the job is inside the field `{}`: send it alone", clip(field)))
}

fn records_of(records: &[Value]) -> String {
    let first = records.first();
    let source = |name| first.and_then(|record| record.get(name)).and_then(Value::as_str);
    match source("eventSource").or(source("EventSource")) {
        Some("aws:s3") => "the message is an S3 event: a bucket sends its notifications to the job queue; send them \
                           elsewhere, and jobs here"
            .into(),
        Some("aws:sqs") => "the message is a batch of SQS messages: send the body of each alone".into(),
        Some("aws:sns") => "the message is an event of SNS for a function: subscribe the job queue to the topic, with \
                            raw message delivery"
            .into(),
        Some(other) => format!("the message is an event of {}, with records that are not jobs", clip(other)),
        None => "the message has `Records`: send each job alone".into(),
    }
}

/// Whether a value is a job, or the text of one.
fn holds_a_job(value: &Value) -> bool {
    #[derive(Deserialize)]
    struct Job {
        #[expect(dead_code, reason = "that it is there is all that counts")]
        request_id: String,
    }
    match value {
        Value::Object(object) => object.get("request_id").is_some_and(Value::is_string),
        Value::String(text) => text.trim_start().starts_with('{') && serde_json::from_str::<Job>(text).is_ok(),
        _ => false,
    }
}

/// The words for JSON that is not an object.
pub(crate) fn name_other(value: &Value) -> &'static str {
    match value {
        Value::String(text)
            if text.trim_start().starts_with(['{', '"'])
                && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() =>
        {
            "the message must be a JSON object, was a JSON string that holds one: the job was encoded twice"
        }
        Value::String(_) => "the message must be a JSON object, was a string",
        Value::Array(items) if items.iter().any(Value::is_object) => {
            "the message must be a JSON object, was an array: send each job as its own message"
        }
        Value::Array(_) => "the message must be a JSON object, was an array",
        _ => "the message must be a JSON object",
    }
}

/// What is wrong with a body that is not JSON, where its beginning shows it.
pub(crate) fn name_text(body: &str) -> Option<&'static str> {
    if body.starts_with('\u{feff}') {
        return Some("it begins with a byte order mark; send it without");
    }
    // `{"` in Base64, as some queue libraries send it.
    body.starts_with("eyJ").then_some("it looks like Base64; send the JSON itself")
}

#[cfg(test)]
mod tests {
    use crate::{ErrorCode, receive};

    #[track_caller]
    fn refused(body: &str, code: ErrorCode, words: &str) {
        let error = receive(body).unwrap_err();
        assert_eq!(error.code, code, "{error}");
        assert!(error.message.contains(words), "{error}");
        assert!(error.message.len() < 400, "{error}");
    }

    #[test]
    fn envelopes_are_named_with_what_to_change() {
        let long = "x".repeat(10_000);
        let id = ErrorCode::InvalidRequestId;
        let sns = r#"{"Type":"Notification","MessageId":"x","TopicArn":"arn:aws:sns:us-east-1:123456789012:t","Message":"{\"request_id\":\"a\"}"}"#;
        refused(sns, id, "an SNS notification of arn:aws:sns:us-east-1:123456789012:t: turn raw message delivery on");
        refused(&sns.replace(":t\"", &format!(":{long}\"")), id, "raw message delivery");
        let event = r#"{"version":"0","detail-type":"Job","source":"shop","detail":{"request_id":"a","query":"x"}}"#;
        refused(event, id, "an EventBridge event `Job` from shop: give the rule's target the input path");
        refused(&event.replace("Job", &long).replace("shop", &long), id, "$.detail");
        refused(
            r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#,
            id,
            "the test event of S3's notifications",
        );
        refused(r#"{"Records":[{"eventSource":"aws:s3","s3":{"bucket":{}}}]}"#, id, "an S3 event");
        refused(
            r#"{"Records":[{"eventSource":"aws:sqs","body":"{}"}]}"#,
            id,
            "a batch of SQS messages: send the body of each",
        );
        refused(r#"{"Records":[{"EventSource":"aws:sns","Sns":{}}]}"#, id, "subscribe the job queue to the topic");
        refused(&format!(r#"{{"Records":[{{"eventSource":"{long}"}}]}}"#), id, "an event of xxx");
        refused(r#"{"Records":[]}"#, id, "`Records`");
        refused(r#"{"messageId":"m","receiptHandle":"h","body":"{\"request_id\":\"a\"}"}"#, id, "send its body alone");
        refused(r#"{"MessageId":"m","ReceiptHandle":"h","Body":"{}"}"#, id, "send its body alone");
        refused(r#"{"specversion":"1.0","data":{"request_id":"a","query":"x"}}"#, id, "inside the field `data`");
        refused(r#"{"payload":" {\"request_id\":\"a\",\"query\":\"x\"}"}"#, id, "inside the field `payload`");
        refused(r#"{"query":"Records"}"#, id, "was missing");
        refused(r#"{"detail-type":"x","request_id":""}"#, id, "was empty");
    }

    #[test]
    fn a_job_that_was_encoded_twice_is_called_that() {
        let json = ErrorCode::InvalidJson;
        let twice = serde_json::to_string(r#"{"request_id":"a","query":"x"}"#).unwrap();
        refused(&twice, json, "the job was encoded twice");
        refused(&serde_json::to_string(&twice).unwrap(), json, "the job was encoded twice");
        refused(r#""hello""#, json, "must be a JSON object, was a string");
        refused(r#"[{"request_id":"a"}]"#, json, "send each job as its own message");
        refused("[1]", json, "must be a JSON object, was an array");
        refused("\u{feff}{}", json, "byte order mark");
        refused("eyJyZXF1ZXN0X2lkIjoiYSJ9", json, "Base64");
    }

    #[test]
    fn a_job_with_a_request_id_is_never_taken_for_an_event() {
        let body =
            r#"{"request_id":"a","query":"x","Records":[{"eventSource":"aws:s3"}],"detail-type":"x","detail":{}}"#;
        assert_eq!(receive(body).unwrap().request_id, "a");
    }
}
