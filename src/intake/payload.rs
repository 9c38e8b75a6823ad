//! What a function is invoked with: a batch of SQS messages, a bare job, or something that is neither.
//!
//! Anything else wired to the function by mistake is named for what it is, never taken for an empty batch: an
//! asynchronous caller would think that its work was done.

use aws_lambda_events::event::sqs::SqsMessage;
use nearline_contract::clip;
use serde::Deserialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;

use super::queue::Delivery;

/// What an invocation asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Payload {
    /// Messages of a queue, from an event source mapping or a pipe.
    Batch(Vec<Delivery>),
    /// The JSON of a job.
    Job,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "Records", borrow, default)]
    records: Option<Vec<&'a RawValue>>,
    source: Option<serde_json::Value>,
    #[serde(rename = "detail-type")]
    detail_type: Option<String>,
}

/// Where a record comes from; AWS spells it in two ways.
#[derive(Deserialize)]
struct Origin {
    #[serde(rename = "eventSource", alias = "EventSource")]
    event_source: Option<String>,
}

impl Payload {
    /// Reads a payload.
    ///
    /// # Errors
    /// What it is, and what is expected, if it is an event of another kind or a message lacks what SQS always sets.
    pub(super) fn parse(payload: &str) -> Result<Self, String> {
        if payload.trim_start().starts_with('[') {
            // EventBridge Pipes hands the records over without an envelope.
            let records: Vec<&RawValue> = serde_json::from_str(payload).map_err(|error| error.to_string())?;
            return batch(&records);
        }
        match serde_json::from_str::<Event<'_>>(payload) {
            Ok(Event { records: Some(records), .. }) => batch(&records),
            Ok(Event { source: Some(source), detail_type: Some(kind), .. }) => {
                let source = source.as_str().map_or_else(|| clip(&source.to_string()), clip);
                Err(unexpected(&format!("an EventBridge event `{}` from {source}", clip(&kind))))
            }
            // Whatever is wrong with a job, its parser says better.
            _ => Ok(Self::Job),
        }
    }
}

fn batch(records: &[&RawValue]) -> Result<Payload, String> {
    records.iter().map(|record| delivery(record.get())).collect::<Result<_, _>>().map(Payload::Batch)
}

fn delivery(record: &str) -> Result<Delivery, String> {
    let origin = serde_json::from_str::<Origin>(record).ok().and_then(|origin| origin.event_source);
    match origin.as_deref() {
        Some("aws:sqs") => {}
        Some("aws:sns") => {
            let hint = "subscribe the job queue to the topic instead, with raw message delivery";
            return Err(format!("{}; {hint}", unexpected("an SNS notification")));
        }
        Some(other) => return Err(unexpected(&format!("a record of {}", clip(other)))),
        None => return Err(unexpected("a record without eventSource")),
    }
    let message: SqsMessage =
        serde_json::from_str(record).map_err(|error| format!("not an SQS record: {}", clip(&error.to_string())))?;
    let missing = |what: &str| format!("an SQS record has no {what}");
    let attribute = |name: &str| message.attributes.get(name);
    Ok(Delivery {
        receive_count: attribute("ApproximateReceiveCount").and_then(|count| count.parse().ok()).unwrap_or(1),
        group: attribute("MessageGroupId").cloned(),
        sent_at: attribute("SentTimestamp").and_then(|milliseconds| sent_at(milliseconds)),
        trace: None, // Lambda itself continues it
        message_id: message.message_id.filter(|id| !id.is_empty()).ok_or_else(|| missing("messageId"))?,
        receipt_handle: message.receipt_handle.ok_or_else(|| missing("receiptHandle"))?,
        body: message.body.unwrap_or_default(),
    })
}

/// A time as SQS has it: milliseconds since the epoch.
pub fn sent_at(milliseconds: &str) -> Option<OffsetDateTime> {
    let milliseconds: i64 = milliseconds.parse().ok()?;
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * 1_000_000).ok()
}

fn unexpected(what: &str) -> String {
    format!(
        "the function was invoked with {what}; it takes SQS messages from an event source mapping or a pipe, or a job"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"messageId":"m","receiptHandle":"h","body":"{}","eventSource":"aws:sqs",
        "attributes":{"ApproximateReceiveCount":"3","SentTimestamp":"1795435200123","MessageGroupId":"g"}}"#;

    #[test]
    fn records_of_a_queue_are_a_batch_in_an_envelope_or_bare() {
        for payload in [format!(r#"{{"Records":[{RECORD}]}}"#), format!(" [{RECORD}]")] {
            let Ok(Payload::Batch(batch)) = Payload::parse(&payload) else { panic!("{payload}") };
            let Delivery { message_id, receipt_handle, body, receive_count, group, sent_at, .. } = &batch[0];
            assert_eq!((message_id.as_str(), receipt_handle.as_str(), body.as_str()), ("m", "h", "{}"));
            assert_eq!((*receive_count, group.as_deref()), (3, Some("g")));
            assert_eq!(sent_at.unwrap().unix_timestamp_nanos() / 1_000_000, 1_795_435_200_123);
        }
        assert_eq!(Payload::parse(r#"{"Records":[]}"#), Ok(Payload::Batch(vec![])));
    }

    #[test]
    fn what_is_neither_messages_nor_a_job_is_named_for_what_it_is() {
        for (payload, named) in [
            (
                r#"{"Records":[{"EventSource":"aws:sns","EventVersion":"1.0","Sns":{"Message":"{}"}}]}"#,
                "an SNS notification",
            ),
            (r#"{"Records":[{"eventSource":"aws:s3","s3":{}}]}"#, "a record of aws:s3"),
            (r#"{"Records":[{"eventSource":"aws:kinesis"}]}"#, "a record of aws:kinesis"),
            (r#"[{"body":"{}"}]"#, "a record without eventSource"),
            (
                r#"{"source":"aws.s3","detail-type":"Object Created","detail":{}}"#,
                "an EventBridge event `Object Created` from aws.s3",
            ),
        ] {
            let error = Payload::parse(payload).unwrap_err();
            assert!(error.contains(named) && error.contains("it takes SQS messages"), "{error}");
        }
        let nameless = RECORD.replace(r#""messageId":"m","#, "");
        assert!(Payload::parse(&format!("[{nameless}]")).unwrap_err().contains("no messageId"));
    }

    #[test]
    fn what_is_quoted_of_an_event_is_short() {
        let long = "x".repeat(100_000);
        for payload in [
            format!(r#"{{"source":"{long}","detail-type":"{long}","detail":{{}}}}"#),
            format!(r#"{{"source":["{long}"],"detail-type":"{long}","detail":{{}}}}"#),
            format!(r#"{{"Records":[{{"eventSource":"{long}"}}]}}"#),
            format!(r#"{{"Records":[{{"eventSource":"aws:sqs","attributes":"{long}"}}]}}"#),
        ] {
            let error = Payload::parse(&payload).unwrap_err();
            assert!(error.len() < 400, "{}", error.len());
        }
    }

    #[test]
    fn anything_else_is_left_to_the_parser_of_jobs() {
        for payload in [r#"{"request_id":"r","query":"mug"}"#, "{", "7", r#"{"Records":7}"#] {
            assert_eq!(Payload::parse(payload), Ok(Payload::Job), "{payload}");
        }
    }
}
