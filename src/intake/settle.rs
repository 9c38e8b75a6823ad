//! Carries outcomes out on the queue: which messages may go, which wait and for how long, which are dead-lettered.
//!
//! A message is only ever let go when its record or its dead letter exists. How long a failed one waits grows with
//! the times it was received, with jitter, so that a recovering service is not met by a wave.

use std::collections::HashMap;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, MessageAttributeValue};
use futures_util::{StreamExt, stream};
use nearline_contract::{ErrorCode, JobError};

use crate::aws;
use crate::fault::Fault;
use crate::worker::Outcome;

/// Most entries in one batch call of SQS.
pub(super) const BATCH_MAX: usize = 10;
/// Most calls in flight for one batch, which may have 10,000 messages.
pub(super) const CALLS_IN_FLIGHT: usize = 16;
/// Wait after the first failed attempt; doubles with each.
const FIRST_BACKOFF_SECONDS: u32 = 2;
/// Longest wait, also after a fault that a person has to mend.
const LONGEST_BACKOFF_SECONDS: u32 = 900;

/// A message as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Identifier of the message.
    pub message_id: String,
    /// Identifier of this delivery.
    pub receipt_handle: String,
    /// The job.
    pub body: String,
    /// How often it was received, this time included.
    pub receive_count: u32,
    /// Tenant of a fair queue, or order group of a FIFO queue.
    pub group: Option<String>,
}

/// What to do with a message on the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is done with: delete it.
    Delete,
    /// It stays, and was told when to come back.
    Keep,
}

/// The queue that messages came from, and the one for those that cannot be answered.
#[derive(Debug, Clone)]
pub struct Settler {
    sqs: Client,
    queue_url: String,
    dead_letter_queue_url: Option<String>,
    max_attempts: u32,
}

impl Settler {
    /// A settler for a queue; without a dead-letter queue such messages are left to the queue's redrive policy.
    pub fn new(sqs: Client, queue_url: String, dead_letter_queue_url: Option<String>, max_attempts: u32) -> Self {
        Self { sqs, queue_url, dead_letter_queue_url, max_attempts }
    }

    /// Carries the outcomes of a batch out; the verdicts are in its order.
    pub async fn settle(&self, envelopes: &[Envelope], outcomes: Vec<Outcome>) -> Vec<Verdict> {
        let settled: Vec<_> =
            envelopes.iter().zip(outcomes).map(|(envelope, outcome)| self.settle_one(envelope, outcome)).collect();
        let mut backoffs: Vec<Option<u32>> = stream::iter(settled).buffered(CALLS_IN_FLIGHT).collect().await;
        if is_fifo(&self.queue_url) {
            hold_back_followers(envelopes, &mut backoffs);
        }
        self.postpone(envelopes, &backoffs).await;
        backoffs.into_iter().map(|backoff| if backoff.is_none() { Verdict::Delete } else { Verdict::Keep }).collect()
    }

    /// Seconds until the message comes back; `None`: it may go.
    async fn settle_one(&self, envelope: &Envelope, outcome: Outcome) -> Option<u32> {
        let message_id = &envelope.message_id;
        match outcome {
            Outcome::Succeeded | Outcome::Rejected(_) | Outcome::Replayed => None,
            Outcome::DeadLetter(error) => self.dead_letter(envelope, &error).await,
            Outcome::Failed(Fault::Retry(cause)) if envelope.receive_count >= self.max_attempts => {
                let message = format!("gave up after {} attempts, the last one: {cause}", envelope.receive_count);
                self.dead_letter(envelope, &JobError::new(ErrorCode::AttemptsExhausted, message)).await
            }
            Outcome::Failed(Fault::Retry(cause)) => {
                let backoff = backoff_seconds(envelope.receive_count, fastrand::f64());
                tracing::warn!(message_id, attempt = envelope.receive_count, backoff, cause, "a job is tried again");
                Some(backoff)
            }
            Outcome::Failed(Fault::Permanent(cause)) => {
                tracing::error!(message_id, cause, "a job waits for someone to mend this");
                Some(LONGEST_BACKOFF_SECONDS)
            }
        }
    }

    async fn dead_letter(&self, envelope: &Envelope, error: &JobError) -> Option<u32> {
        let message_id = &envelope.message_id;
        let Some(url) = &self.dead_letter_queue_url else {
            tracing::error!(message_id, %error, "a message cannot be answered, and no dead-letter queue is set");
            return Some(backoff_seconds(envelope.receive_count, fastrand::f64()));
        };
        let mut send = self
            .sqs
            .send_message()
            .queue_url(url)
            .message_body(&envelope.body)
            .message_attributes("nearline_error_code", string_attribute(error.code.as_str()))
            .message_attributes("nearline_error", string_attribute(&error.message));
        if is_fifo(url) {
            let group = envelope.group.as_deref().unwrap_or(message_id);
            send = send.message_group_id(group).message_deduplication_id(message_id);
        } else if let Some(group) = &envelope.group {
            send = send.message_group_id(group);
        }
        match send.send().await {
            Ok(_) => {
                tracing::warn!(message_id, code = error.code.as_str(), "a message was dead-lettered");
                None
            }
            Err(failed) => {
                let fault = aws::classify(&failed).context(&format!("SQS SendMessage {url}"));
                tracing::error!(message_id, %fault, "a message could not be dead-lettered and is tried again");
                Some(backoff_seconds(envelope.receive_count, fastrand::f64()))
            }
        }
    }

    /// Tells the queue when the kept messages come back. Where that fails they come back when their visibility ends.
    async fn postpone(&self, envelopes: &[Envelope], backoffs: &[Option<u32>]) {
        let kept: Vec<(&Envelope, u32)> =
            envelopes.iter().zip(backoffs).filter_map(|(envelope, backoff)| Some((envelope, (*backoff)?))).collect();
        change_visibility(&self.sqs, &self.queue_url, &kept).await;
    }
}

/// Sets for how many seconds messages stay invisible from now.
pub(super) async fn change_visibility(sqs: &Client, queue_url: &str, messages: &[(&Envelope, u32)]) {
    let calls: Vec<_> = messages
        .chunks(BATCH_MAX)
        .map(|chunk| {
            let entries = chunk.iter().enumerate().map(|(id, (envelope, seconds))| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(id.to_string())
                    .receipt_handle(&envelope.receipt_handle)
                    .visibility_timeout(i32::try_from(*seconds).unwrap_or(i32::MAX))
                    .build()
                    .expect("id and receipt handle are set")
            });
            sqs.change_message_visibility_batch().queue_url(queue_url).set_entries(Some(entries.collect())).send()
        })
        .collect();
    let mut answers = stream::iter(calls).buffer_unordered(CALLS_IN_FLIGHT);
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(answer) => {
                for failed in answer.failed {
                    tracing::warn!(
                        code = failed.code,
                        cause = failed.message,
                        "a message's visibility was not changed"
                    );
                }
            }
            Err(error) => {
                let fault = aws::classify(&error).context("SQS ChangeMessageVisibilityBatch");
                tracing::warn!(%fault, "messages come back when their visibility ends");
            }
        }
    }
}

/// The service's own rule: the name of a FIFO queue ends so, in lower case.
#[expect(clippy::case_sensitive_file_extension_comparisons, reason = "not a file")]
pub(crate) fn is_fifo(queue_url: &str) -> bool {
    queue_url.ends_with(".fifo")
}

/// SQS refuses most control characters, which a quoted piece of a broken message may hold.
fn string_attribute(value: &str) -> MessageAttributeValue {
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    let value: String = value.chars().map(|c| if allowed(c) { c } else { char::REPLACEMENT_CHARACTER }).collect();
    let builder = MessageAttributeValue::builder().data_type("String").string_value(value);
    builder.build().expect("the data type is set")
}

/// In a FIFO queue nothing of a group may go once an earlier message of it stays.
fn hold_back_followers(envelopes: &[Envelope], backoffs: &mut [Option<u32>]) {
    let mut held: HashMap<&str, u32> = HashMap::new();
    for (envelope, backoff) in envelopes.iter().zip(backoffs) {
        let group = envelope.group.as_deref().unwrap_or_default();
        match (held.get(group), *backoff) {
            (Some(&seconds), _) => *backoff = Some(seconds),
            (None, Some(seconds)) => drop(held.insert(group, seconds)),
            (None, None) => {}
        }
    }
}

/// Exponential in the times received, between half and the whole of it (`jitter` in 0..1).
fn backoff_seconds(receive_count: u32, jitter: f64) -> u32 {
    let doublings = receive_count.saturating_sub(1).min(16);
    let longest = FIRST_BACKOFF_SECONDS.saturating_mul(1 << doublings).min(LONGEST_BACKOFF_SECONDS);
    (f64::from(longest) * (0.5 + jitter / 2.0)).ceil() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_with_jitter_up_to_its_bound() {
        assert_eq!([1, 2, 3, 9, 10, 4_000_000_000].map(|count| backoff_seconds(count, 1.0)), [2, 4, 8, 512, 900, 900]);
        assert_eq!([1, 2, 3, 10].map(|count| backoff_seconds(count, 0.0)), [1, 2, 4, 450]);
    }

    #[test]
    fn followers_in_a_group_are_held_back_and_other_groups_go() {
        let envelope = |group: &str| Envelope {
            message_id: String::new(),
            receipt_handle: String::new(),
            body: String::new(),
            receive_count: 1,
            group: Some(group.to_owned()),
        };
        let envelopes = ["a", "b", "a", "b", "a"].map(envelope);
        let mut backoffs = [None, None, Some(7), None, None];
        hold_back_followers(&envelopes, &mut backoffs);
        assert_eq!(backoffs, [None, None, Some(7), None, Some(7)]);
    }
}
