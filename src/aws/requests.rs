//! The bodies of the calls of every job ([`super::direct`]): written at once, and of the answers what a plain success
//! says. Whatever else an answer says is left to the SDK.

use std::collections::HashMap;
use std::fmt::Display;
use std::io::Write as _;
use std::time::Duration;

use nearline_contract::{Attribute, Group, Match, RecordError, ResultRecord};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use crate::intake::{Delivery, sent_at};

/// [`crate::results::Prior::gives_way_to`] as a condition.
pub(super) const CONDITION: &str = "attribute_not_exists(request_id) OR expires_at < :now \
                                    OR (#error.#retryable = :true AND job_sha256 = :job_sha256 \
                                    AND catalog_version <> :catalog_version)";
/// What [`crate::results::Prior`] needs of an item.
pub(super) const PROJECTION: &str = "request_id, job_sha256, catalog_version, expires_at, #error.#retryable";
/// The names in both.
const NAMES: &str = r##"{"#error":"error","#retryable":"retryable"}"##;
/// What a record takes apart from its matches, more or less.
const RECORD_BYTES: usize = 1_200;
/// What a match without title takes, more or less.
const MATCH_BYTES: usize = 80;

/// `PutItem` for a record that is written at `now`.
pub(super) fn put(table: &str, record: &ResultRecord, now: i64) -> Vec<u8> {
    let matches = record.results.iter().flatten().map(|group| 1 + group.matches.len()).sum::<usize>();
    let mut out = Out(Vec::with_capacity(RECORD_BYTES + MATCH_BYTES * matches));
    out.raw(r#"{"TableName":"#);
    out.string(table);
    out.raw(r#","Item":{"#);
    item(&mut out, record);
    out.raw(r#"},"ConditionExpression":"#);
    out.string(CONDITION);
    out.raw(r#","ExpressionAttributeNames":"#);
    out.raw(NAMES);
    out.raw(r#","ExpressionAttributeValues":{":true":{"BOOL":true}"#);
    out.number(",\":now\":", now);
    out.text(",\":job_sha256\":", &record.job_sha256);
    out.text(",\":catalog_version\":", &record.catalog_version);
    out.raw(r#"},"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}"#);
    out.0
}

/// The attributes of a record; [`super::item::from_record`] says the same in the SDK's words.
fn item(out: &mut Out, record: &ResultRecord) {
    out.text("\"request_id\":", &record.request_id);
    out.number(",\"format_version\":", record.format_version);
    out.text(",\"status\":", record.status.as_str());
    out.text(",\"catalog_version\":", &record.catalog_version);
    out.text(",\"job_sha256\":", &record.job_sha256);
    out.text(",\"created_at\":", &record.created_at);
    out.number(",\"expires_at\":", record.expires_at);
    if let Some(uri) = &record.results_uri {
        out.text(",\"results_uri\":", uri);
    }
    if let Some(RecordError { code, message, retryable }) = &record.error {
        out.text(",\"error\":{\"M\":{\"code\":", code.as_str());
        out.text(",\"message\":", message);
        out.raw(if *retryable { ",\"retryable\":{\"BOOL\":true}}}" } else { ",\"retryable\":{\"BOOL\":false}}}" });
    }
    if let Some(model_id) = &record.model_id {
        out.text(",\"model_id\":", model_id);
    }
    if !record.metadata.is_empty() {
        out.raw(",\"metadata\":{\"M\":{");
        out.list(&record.metadata, |out, (key, value)| {
            out.string(key);
            out.text(":", value);
        });
        out.raw("}}");
    }
    if record.query_truncated {
        out.raw(",\"query_truncated\":{\"BOOL\":true}");
    }
    if let Some(results) = &record.results {
        out.raw(",\"results\":{\"L\":[");
        out.list(results, group);
        out.raw("]}");
    }
}

fn group(out: &mut Out, group: &Group) {
    out.raw("{\"M\":{\"matches\":{\"L\":[");
    out.list(&group.matches, found);
    out.raw("]}");
    if let Some(category) = &group.category {
        out.text(",\"category\":", category);
    }
    out.raw("}}");
}

fn found(out: &mut Out, found: &Match) {
    out.text("{\"M\":{\"product_id\":", &found.product_id);
    // `{}` of an f32 is the shortest decimal that reads back to the same bits, and never has an exponent.
    out.number(",\"score\":", found.score);
    if let Some(category) = &found.category {
        out.text(",\"category\":", category);
    }
    if let Some(title) = &found.title {
        out.text(",\"title\":", title);
    }
    if !found.attributes.is_empty() {
        out.raw(",\"attributes\":{\"M\":{");
        out.list(&found.attributes, |out, (name, value)| {
            out.string(name);
            attribute(out, value);
        });
        out.raw("}}");
    }
    out.raw("}}");
}

fn attribute(out: &mut Out, value: &Attribute) {
    match value {
        Attribute::Boolean(true) => out.raw(":{\"BOOL\":true}"),
        Attribute::Boolean(false) => out.raw(":{\"BOOL\":false}"),
        Attribute::Number(number) => out.number(":", number),
        Attribute::Text(text) => out.text(":", text),
        Attribute::Numbers(numbers) => {
            out.raw(":{\"L\":[");
            out.list(numbers, |out, number| out.number("", number));
            out.raw("]}");
        }
        Attribute::Texts(texts) => {
            out.raw(":{\"L\":[");
            out.list(texts, |out, text| out.text("", text));
            out.raw("]}");
        }
    }
}

/// JSON as it is written.
struct Out(Vec<u8>);

impl Out {
    fn raw(&mut self, json: &str) {
        self.0.extend_from_slice(json.as_bytes());
    }

    fn string(&mut self, value: &str) {
        serde_json::to_writer(&mut self.0, value).expect("a Vec takes every string");
    }

    /// What comes before, and a string as DynamoDB has it.
    fn text(&mut self, before: &str, value: &str) {
        self.raw(before);
        self.raw("{\"S\":");
        self.string(value);
        self.raw("}");
    }

    /// What comes before, and a number as DynamoDB has it.
    fn number(&mut self, before: &str, value: impl Display) {
        self.raw(before);
        write!(self.0, "{{\"N\":\"{value}\"}}").expect("a Vec takes every number");
    }

    fn list<T>(&mut self, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut Self, T)) {
        for (position, item) in items.into_iter().enumerate() {
            if position > 0 {
                self.raw(",");
            }
            write(self, item);
        }
    }
}

/// `BatchGetItem` for what is kept for some ids.
pub(super) fn look_up(table: &str, ids: &[&str], consistent: bool) -> Vec<u8> {
    let mut out = Out(Vec::with_capacity(300 + ids.len() * 60));
    out.raw(r#"{"RequestItems":{"#);
    out.string(table);
    out.raw(r#":{"Keys":["#);
    out.list(ids, |out, id| {
        out.text("{\"request_id\":", id);
        out.raw("}");
    });
    out.raw(r#"],"ProjectionExpression":"#);
    out.string(PROJECTION);
    out.raw(r#","ExpressionAttributeNames":"#);
    out.raw(NAMES);
    out.raw(if consistent { r#","ConsistentRead":true}}}"# } else { r#","ConsistentRead":false}}}"# });
    out.0
}

/// Whether the answer to a look-up says in words that there is nothing, and leaves nothing out.
pub(super) fn finds_nothing(answer: &[u8], table: &str) -> Option<()> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer<'a> {
        #[serde(borrow)]
        responses: HashMap<&'a str, Vec<IgnoredAny>>,
        #[serde(default)]
        unprocessed_keys: serde_json::Map<String, serde_json::Value>,
    }
    let Answer { responses, unprocessed_keys } = serde_json::from_slice(answer).ok()?;
    (unprocessed_keys.is_empty() && responses.get(table)?.is_empty()).then_some(())
}

/// Whether an answer is a whole object, whatever is in it.
pub(super) fn is_whole(answer: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(answer).is_ok()
}

/// Whole seconds, rounded up.
pub(super) fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis().div_ceil(1_000)).unwrap_or(i32::MAX)
}

/// `ReceiveMessage`, asking for these attributes of SQS's own.
pub(super) fn receive(url: &str, most: usize, wait: Duration, visibility: Duration, attributes: &[&str]) -> Vec<u8> {
    let request = json!({
        "QueueUrl": url,
        "MaxNumberOfMessages": most,
        "WaitTimeSeconds": seconds(wait),
        "VisibilityTimeout": seconds(visibility),
        "MessageSystemAttributeNames": attributes,
    });
    request.to_string().into_bytes()
}

/// The messages of an answer; `None` if it is not what it should be.
pub(super) fn received(answer: &[u8]) -> Option<Vec<Delivery>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        messages: Option<Vec<Message>>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    #[expect(clippy::struct_field_names, reason = "as SQS calls it")]
    struct Message {
        message_id: String,
        receipt_handle: String,
        body: String,
        #[serde(default)]
        attributes: Attributes,
    }
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Attributes {
        approximate_receive_count: Option<String>,
        message_group_id: Option<String>,
        sent_timestamp: Option<String>,
        #[serde(rename = "AWSTraceHeader")]
        aws_trace_header: Option<String>,
    }
    let messages = serde_json::from_slice::<Answer>(answer).ok()?.messages.unwrap_or_default();
    let delivery = |Message { message_id, receipt_handle, body, attributes }| Delivery {
        message_id,
        receipt_handle,
        body,
        receive_count: attributes.approximate_receive_count.and_then(|count| count.parse().ok()).unwrap_or(1),
        group: attributes.message_group_id,
        sent_at: attributes.sent_timestamp.and_then(|milliseconds| sent_at(&milliseconds)),
        trace: attributes.aws_trace_header,
    };
    Some(messages.into_iter().map(delivery).collect())
}

/// `DeleteMessageBatch`, the entries named by their positions.
pub(super) fn delete(url: &str, receipts: &[&str]) -> Vec<u8> {
    let mut out = Out(Vec::with_capacity(100 + receipts.iter().map(|receipt| receipt.len() + 40).sum::<usize>()));
    out.raw(r#"{"QueueUrl":"#);
    out.string(url);
    out.raw(r#","Entries":["#);
    let mut position = 0;
    out.list(receipts, |out, receipt| {
        out.raw(r#"{"Id":"#);
        out.string(&position.to_string());
        out.raw(r#","ReceiptHandle":"#);
        out.string(receipt);
        out.raw("}");
        position += 1;
    });
    out.raw("]}");
    out.0
}

/// Whether the answer to a deletion names each of so many entries as deleted.
pub(super) fn deletes_all(answer: &[u8], count: usize) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        successful: Vec<Entry>,
        #[serde(default)]
        failed: Vec<IgnoredAny>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Entry {
        id: String,
    }
    let Ok(Answer { successful, failed }) = serde_json::from_slice(answer) else { return false };
    let deleted = |position: usize| successful.iter().any(|entry| entry.id.parse() == Ok(position));
    failed.is_empty() && (0..count).all(deleted)
}
