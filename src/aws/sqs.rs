//! Queues on SQS.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message,
    MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry,
};

use super::direct::{Direct, READ_TIMEOUT};
use super::errors::{entry_fault, fault};
use super::requests::{self, seconds};
use crate::fault::{Call, Cause, Fault};
use crate::intake::{
    Attribute, AttributeValue, Delivery, Failures, Inspect, Letter, Outgoing, Queue, QueueState, Redrive, sent_at,
};

/// Visibility of a queue whose own is not known: SQS's default.
const VISIBILITY_DEFAULT: Duration = Duration::from_secs(30);

/// What is asked for with a message; the last one only where traces are exported.
const ATTRIBUTES: &[&str] = &["ApproximateReceiveCount", "MessageGroupId", "SentTimestamp", "AWSTraceHeader"];

/// A queue.
#[derive(Debug, Clone)]
pub struct SqsQueue {
    client: Client,
    url: String,
    attributes: &'static [&'static str],
    receives: Direct,
    deletions: Direct,
}

impl SqsQueue {
    /// The queue of a URL.
    pub fn new(client: Client, url: String) -> Self {
        let direct = || Direct::new(READ_TIMEOUT);
        let attributes = &ATTRIBUTES[..ATTRIBUTES.len() - 1];
        Self { client, url, attributes, receives: direct(), deletions: direct() }
    }

    /// The same queue, asked for the trace that a message was sent in, too.
    #[must_use]
    pub fn with_traces(self) -> Self {
        Self { attributes: ATTRIBUTES, ..self }
    }

    fn call(&self, operation: &'static str) -> Call {
        Call::new("SQS", operation, self.url.as_str())
    }

    /// The failures of a batch of `count` entries, whose ids are their positions. SQS answers for each of them.
    fn failures(
        &self,
        operation: &'static str,
        count: usize,
        failed: &[BatchResultErrorEntry],
        succeeded: impl Iterator<Item = String>,
    ) -> Failures {
        let mut silent: Vec<usize> = (0..count).collect();
        let answered: Vec<usize> = succeeded.filter_map(|id| id.parse().ok()).collect();
        silent.retain(|position| !answered.contains(position));
        let mut failures: Failures = Vec::new();
        for entry in failed {
            if let Ok(position) = entry.id().parse() {
                silent.retain(|&other| other != position);
                let call = self.call(operation);
                failures.push((position, entry_fault(call, entry.code(), entry.message(), entry.sender_fault())));
            }
        }
        let no_answer = || Fault::of(self.call(operation), Cause::InvalidAnswer, "the response omits an entry");
        failures.extend(silent.into_iter().map(|position| (position, no_answer())));
        failures
    }
}

impl Queue for SqsQueue {
    fn url(&self) -> &str {
        &self.url
    }

    /// The service's own rule: the name ends so, in lower case.
    #[expect(clippy::case_sensitive_file_extension_comparisons, reason = "not a file")]
    fn is_fifo(&self) -> bool {
        self.url.ends_with(".fifo")
    }

    async fn visibility_timeout(&self) -> Result<Duration, Fault> {
        let asked = self.client.get_queue_attributes().queue_url(&self.url);
        let asked = asked.attribute_names(QueueAttributeName::VisibilityTimeout).send().await;
        let answer = asked.map_err(|error| fault(&error, self.call("GetQueueAttributes")))?;
        let seconds = answer.attributes().and_then(|all| all.get(&QueueAttributeName::VisibilityTimeout)?.parse().ok());
        Ok(seconds.map_or(VISIBILITY_DEFAULT, Duration::from_secs))
    }

    async fn receive(&self, most: usize, wait: Duration, visibility: Duration) -> Result<Vec<Delivery>, Fault> {
        let request = || requests::receive(&self.url, most, wait, visibility, self.attributes);
        let unanswered = match self.receives.call(request, requests::received).await {
            Ok(deliveries) => return Ok(deliveries),
            Err(unanswered) => unanswered,
        };
        let receive = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::try_from(most).unwrap_or(i32::MAX))
            .wait_time_seconds(seconds(wait))
            .visibility_timeout(seconds(visibility))
            .set_message_system_attribute_names(Some(self.attributes.iter().map(|&name| name.into()).collect()));
        let answer = self.receives.by_sdk(unanswered, receive.send()).await;
        let answer = answer.map_err(|error| fault(&error, self.call("ReceiveMessage")))?;
        Ok(answer.messages.unwrap_or_default().into_iter().map(delivery).collect())
    }

    async fn delete(&self, receipts: &[&str]) -> Result<Failures, Fault> {
        const DELETE: &str = "DeleteMessageBatch";
        let request = || requests::delete(&self.url, receipts);
        let read = |answer: &[u8]| requests::deletes_all(answer, receipts.len()).then(Failures::new);
        let unanswered = match self.deletions.call(request, read).await {
            Ok(none) => return Ok(none),
            Err(unanswered) => unanswered,
        };
        let entries = receipts.iter().enumerate().map(|(id, receipt)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(id.to_string()).receipt_handle(*receipt);
            entry.build().expect("id and receipt handle are set")
        });
        let call = self.client.delete_message_batch().queue_url(&self.url).set_entries(Some(entries.collect()));
        let answer = self.deletions.by_sdk(unanswered, call.send()).await;
        let answer = answer.map_err(|error| fault(&error, self.call(DELETE)))?;
        let succeeded = answer.successful.into_iter().map(|entry| entry.id);
        Ok(self.failures(DELETE, receipts.len(), &answer.failed, succeeded))
    }

    async fn change_visibility(&self, messages: &[(&str, Duration)]) -> Result<Failures, Fault> {
        const CHANGE: &str = "ChangeMessageVisibilityBatch";
        let entries = messages.iter().enumerate().map(|(id, (receipt, visibility))| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(id.to_string())
                .receipt_handle(*receipt)
                .visibility_timeout(seconds(*visibility))
                .build()
                .expect("id and receipt handle are set")
        });
        let call = self.client.change_message_visibility_batch().queue_url(&self.url);
        let answer = call.set_entries(Some(entries.collect())).send().await;
        let answer = answer.map_err(|error| fault(&error, self.call(CHANGE)))?;
        let succeeded = answer.successful.into_iter().map(|entry| entry.id);
        Ok(self.failures(CHANGE, messages.len(), &answer.failed, succeeded))
    }

    async fn send(&self, messages: &[Outgoing]) -> Result<Failures, Fault> {
        const SEND: &str = "SendMessageBatch";
        let entries = messages.iter().enumerate().map(|(id, message)| {
            let attributes = message.attributes.iter().map(|attribute| (attribute.name.clone(), value_of(attribute)));
            SendMessageBatchRequestEntry::builder()
                .id(id.to_string())
                .message_body(&message.body)
                .set_message_attributes((!message.attributes.is_empty()).then(|| attributes.collect()))
                .set_message_group_id(message.group.clone())
                .set_message_deduplication_id(message.deduplication_id.clone())
                .build()
                .expect("id and body are set")
        });
        let call = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries.collect()));
        let answer = call.send().await.map_err(|error| fault(&error, self.call(SEND)))?;
        // A success has the id that SQS gave the message, and the checksum of what it got.
        let accepted = answer.successful.into_iter();
        let accepted = accepted.filter(|entry| !entry.message_id.is_empty() && !entry.md5_of_message_body.is_empty());
        Ok(self.failures(SEND, messages.len(), &answer.failed, accepted.map(|entry| entry.id)))
    }
}

fn delivery(message: Message) -> Delivery {
    let attribute = |name| message.attributes.as_ref().and_then(|attributes| attributes.get(&name)).cloned();
    Delivery {
        receive_count: attribute(MessageSystemAttributeName::ApproximateReceiveCount)
            .and_then(|count| count.parse().ok())
            .unwrap_or(1),
        group: attribute(MessageSystemAttributeName::MessageGroupId),
        sent_at: attribute(MessageSystemAttributeName::SentTimestamp).and_then(|milliseconds| sent_at(&milliseconds)),
        trace: attribute(MessageSystemAttributeName::AwsTraceHeader),
        message_id: message.message_id.unwrap_or_default(),
        receipt_handle: message.receipt_handle.unwrap_or_default(),
        body: message.body.unwrap_or_default(),
    }
}

impl Inspect for SqsQueue {
    async fn state(&self) -> Result<QueueState, Fault> {
        use QueueAttributeName::{
            ApproximateNumberOfMessages, ApproximateNumberOfMessagesDelayed, ApproximateNumberOfMessagesNotVisible,
            RedrivePolicy,
        };
        const ASK: &str = "GetQueueAttributes";
        let names = [
            ApproximateNumberOfMessages,
            ApproximateNumberOfMessagesDelayed,
            ApproximateNumberOfMessagesNotVisible,
            RedrivePolicy,
        ];
        let asked = self.client.get_queue_attributes().queue_url(&self.url).set_attribute_names(Some(names.into()));
        let answer = asked.send().await.map_err(|error| fault(&error, self.call(ASK)))?;
        let attributes = answer.attributes.unwrap_or_default();
        let count = |name: QueueAttributeName| {
            let missing = || Fault::of(self.call(ASK), Cause::InvalidAnswer, format!("the response has no {name}"));
            attributes.get(&name).and_then(|value| value.parse().ok()).ok_or_else(missing)
        };
        Ok(QueueState {
            waiting: count(ApproximateNumberOfMessages)?,
            in_flight: count(ApproximateNumberOfMessagesNotVisible)?,
            delayed: count(ApproximateNumberOfMessagesDelayed)?,
            redrive: attributes.get(&RedrivePolicy).and_then(|policy| redrive(policy)),
        })
    }

    async fn look(&self, most: usize, wait: Duration, visibility: Duration) -> Result<Vec<Letter>, Fault> {
        let receive = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::try_from(most).unwrap_or(i32::MAX))
            .wait_time_seconds(seconds(wait))
            .visibility_timeout(seconds(visibility))
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All");
        let answer = receive.send().await.map_err(|error| fault(&error, self.call("ReceiveMessage")))?;
        Ok(answer.messages.unwrap_or_default().into_iter().map(letter).collect())
    }
}

/// A queue's redrive policy; its numbers are written as numbers or as strings.
pub(super) fn redrive(policy: &str) -> Option<Redrive> {
    let policy: serde_json::Value = serde_json::from_str(policy).ok()?;
    let count = &policy["maxReceiveCount"];
    let count = count.as_u64().or_else(|| count.as_str()?.parse().ok())?;
    let target = policy["deadLetterTargetArn"].as_str().unwrap_or_default().to_owned();
    Some(Redrive { max_receive_count: u32::try_from(count).ok()?, target })
}

fn letter(mut message: Message) -> Letter {
    let system = |name| message.attributes.as_ref()?.get(&name).cloned();
    let deduplication_id = system(MessageSystemAttributeName::MessageDeduplicationId);
    let moved_from = system(MessageSystemAttributeName::DeadLetterQueueSourceArn);
    let attributes = message.message_attributes.take().unwrap_or_default();
    let mut attributes: Vec<Attribute> = attributes.into_iter().filter_map(attribute).collect();
    attributes.sort_by(|one, other| one.name.cmp(&other.name));
    Letter { delivery: delivery(message), attributes, deduplication_id, moved_from }
}

fn attribute((name, value): (String, MessageAttributeValue)) -> Option<Attribute> {
    let text = value.string_value.map(AttributeValue::Text);
    let value_read = text.or_else(|| Some(AttributeValue::Bytes(value.binary_value?.into_inner())))?;
    Some(Attribute { name, data_type: value.data_type, value: value_read })
}

fn value_of(attribute: &Attribute) -> MessageAttributeValue {
    let builder = MessageAttributeValue::builder().data_type(&attribute.data_type);
    let builder = match &attribute.value {
        AttributeValue::Text(text) => builder.string_value(text),
        AttributeValue::Bytes(bytes) => builder.binary_value(Blob::new(bytes.clone())),
    };
    builder.build().expect("the data type is set")
}
