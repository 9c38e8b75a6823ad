//! A batch of SQS messages on its way to the function: the event's JSON exactly as Lambda writes it, and its bounds.

use std::collections::{BTreeMap, HashSet};

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::function::PAYLOAD_LIMIT_BYTES;

const HEAD: &str = "{\"Records\":[";
const TAIL: &str = "]}";

/// Where the messages come from, as their records say it.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) queue_arn: String,
    pub(super) region: String,
}

/// What is needed to settle a message after the invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) message_id: String,
    pub(super) receipt_handle: String,
    pub(super) group: Option<String>,
}

/// Messages for one invocation.
#[derive(Debug)]
pub(super) struct Batch {
    messages: Vec<Received>,
    records: Vec<String>,
    bytes: usize,
    limit: usize,
}

impl Batch {
    /// An empty batch for at most `limit` messages and one invocation's payload.
    pub(super) fn new(limit: usize) -> Self {
        Self { messages: Vec::new(), records: Vec::new(), bytes: HEAD.len() + TAIL.len(), limit }
    }

    /// Adds the message, unless the batch would become too large for one invocation: then it gives it back.
    pub(super) fn add(&mut self, message: &Message, source: &Source) -> Result<(), Received> {
        let received = Received {
            message_id: message.message_id().unwrap_or_default().into(),
            receipt_handle: message.receipt_handle().unwrap_or_default().into(),
            group: message
                .attributes()
                .and_then(|attributes| attributes.get(&MessageSystemAttributeName::MessageGroupId))
                .cloned(),
        };
        let record = record(message, source);
        let bytes = self.bytes + record.len() + usize::from(!self.records.is_empty());
        if bytes > PAYLOAD_LIMIT_BYTES || self.messages.len() == self.limit {
            return Err(received);
        }
        self.bytes = bytes;
        self.records.push(record);
        self.messages.push(received);
        Ok(())
    }

    pub(super) fn messages(&self) -> &[Received] {
        &self.messages
    }

    /// How many more messages it may take.
    pub(super) fn room(&self) -> usize {
        self.limit - self.messages.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(super) fn groups(&self) -> HashSet<String> {
        self.messages.iter().filter_map(|message| message.group.clone()).collect()
    }

    /// The event.
    pub(super) fn payload(&self) -> String {
        [HEAD, &self.records.join(","), TAIL].concat()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    message_id: Option<&'a str>,
    receipt_handle: Option<&'a str>,
    body: Option<&'a str>,
    attributes: BTreeMap<&'a str, &'a str>,
    message_attributes: BTreeMap<&'a str, Attribute<'a>>,
    #[serde(rename = "md5OfBody")]
    md5_of_body: Option<&'a str>,
    #[serde(rename = "md5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    md5_of_message_attributes: Option<&'a str>,
    event_source: &'static str,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: &'a str,
    aws_region: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Attribute<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    string_value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binary_value: Option<String>,
    string_list_values: [(); 0],
    binary_list_values: [(); 0],
    data_type: &'a str,
}

fn record(message: &Message, source: &Source) -> String {
    let attributes = message.attributes().into_iter().flatten();
    let message_attributes = message.message_attributes().into_iter().flatten();
    let record = Record {
        message_id: message.message_id(),
        receipt_handle: message.receipt_handle(),
        body: message.body(),
        attributes: attributes.map(|(name, value)| (name.as_str(), value.as_str())).collect(),
        message_attributes: message_attributes
            .map(|(name, value)| {
                let attribute = Attribute {
                    string_value: value.string_value(),
                    binary_value: value.binary_value().map(|blob| STANDARD.encode(blob)),
                    string_list_values: [],
                    binary_list_values: [],
                    data_type: value.data_type(),
                };
                (name.as_str(), attribute)
            })
            .collect(),
        md5_of_body: message.md5_of_body(),
        md5_of_message_attributes: message.md5_of_message_attributes(),
        event_source: "aws:sqs",
        event_source_arn: &source.queue_arn,
        aws_region: &source.region,
    };
    serde_json::to_string(&record).expect("texts and maps of texts always become JSON")
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::primitives::Blob;
    use aws_sdk_sqs::types::MessageAttributeValue;
    use serde_json::{Value, json};

    use super::*;

    fn source() -> Source {
        Source { queue_arn: "arn:aws:sqs:us-east-1:123456789012:jobs".into(), region: "us-east-1".into() }
    }

    fn message(id: &str, body: &str) -> Message {
        Message::builder().message_id(id).receipt_handle(format!("handle-{id}")).body(body).build()
    }

    #[test]
    fn the_event_has_lambdas_form() {
        let text = MessageAttributeValue::builder().data_type("String").string_value("web").build().unwrap();
        let bytes = MessageAttributeValue::builder().data_type("Binary").binary_value(Blob::new("1100")).build();
        let message = Message::builder()
            .message_id("059f36b4-87a3-44ab-83d2-661975830a7d")
            .receipt_handle("AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a")
            .body("Test \"message\".")
            .md5_of_body("e4e68fb7bd0e697a0ae8f1bb342846b3")
            .attributes(MessageSystemAttributeName::ApproximateReceiveCount, "1")
            .attributes(MessageSystemAttributeName::SentTimestamp, "1545082649183")
            .attributes(MessageSystemAttributeName::MessageGroupId, "tenant")
            .message_attributes("source", text)
            .message_attributes("bytes", bytes.unwrap())
            .build();
        let mut batch = Batch::new(10);
        batch.add(&message, &source()).unwrap();
        assert_eq!(batch.groups(), HashSet::from(["tenant".to_owned()]));
        let event: Value = serde_json::from_str(&batch.payload()).unwrap();
        assert_eq!(
            event,
            json!({"Records": [{
                "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
                "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
                "body": "Test \"message\".",
                "attributes": {
                    "ApproximateReceiveCount": "1", "SentTimestamp": "1545082649183", "MessageGroupId": "tenant"},
                "messageAttributes": {
                    "bytes": {"binaryValue": "MTEwMA==", "stringListValues": [], "binaryListValues": [],
                        "dataType": "Binary"},
                    "source": {"stringValue": "web", "stringListValues": [], "binaryListValues": [],
                        "dataType": "String"}},
                "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:jobs",
                "awsRegion": "us-east-1"
            }]})
        );
    }

    #[test]
    fn a_batch_never_passes_the_payload_of_an_invocation() {
        let mut batch = Batch::new(10_000);
        let body = "x".repeat(1_000_000);
        let refused = (0..10).find_map(|i| batch.add(&message(&i.to_string(), &body), &source()).err()).unwrap();
        assert_eq!(refused.message_id, "6");
        assert!(batch.payload().len() <= PAYLOAD_LIMIT_BYTES);
        // A smaller one still fits, and the size that is kept is the real one.
        batch.add(&message("small", "x"), &source()).unwrap();
        assert_eq!(batch.payload().len(), batch.bytes);
    }

    #[test]
    fn a_batch_takes_no_more_messages_than_its_limit() {
        let mut batch = Batch::new(2);
        batch.add(&message("1", ""), &source()).unwrap();
        assert_eq!(batch.room(), 1);
        batch.add(&message("2", ""), &source()).unwrap();
        assert_eq!(batch.add(&message("3", ""), &source()).unwrap_err().receipt_handle, "handle-3");
    }
}
