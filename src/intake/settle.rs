//! Carries outcomes out on the queue: which messages may go, which wait and for how long, which are dead-lettered.
//!
//! A message is only ever let go when its record or its dead letter exists. How long a failed one waits grows with
//! the times it was received, with jitter, so that a recovering service is not met by a wave.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, MessageAttributeValue,
};
use futures_util::future::join_all;
use nearline_contract::{ErrorCode, JobError};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use crate::aws::{self, is_fifo};
use crate::config::WorkerSettings;
use crate::fault::Fault;
use crate::worker::Outcome;

/// Most entries in one batch call of SQS.
pub(super) const BATCH_MAX: usize = 10;
/// Most calls to SQS in flight: a batch may have 10,000 messages.
const CALLS_IN_FLIGHT_MAX: usize = 64;
/// Most bytes of a message, its attributes included.
const MESSAGE_MAX_BYTES: usize = 1 << 20;
/// Most bytes of a reason in a dead letter.
const REASON_MAX_BYTES: usize = 1_024;
/// Room for the rest of a dead letter's attributes: names, types, code.
const ATTRIBUTES_BYTES: usize = 256;
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

impl Envelope {
    /// The id of its job, for logs; parsed anew, since only what went wrong is logged by id.
    fn request_id(&self) -> Option<String> {
        nearline_contract::receive(&self.body).ok().map(|job| job.request_id)
    }
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
#[derive(Debug)]
pub struct Settler {
    sqs: Client,
    queue_url: String,
    dead_letter_queue_url: Option<String>,
    max_attempts: u32,
    calls: Semaphore,
    last_permanent: Mutex<Option<Instant>>,
}

impl Settler {
    /// A settler for a worker's queue; without a dead-letter queue what would go there is left to the redrive policy.
    pub fn new(sqs: Client, settings: &WorkerSettings) -> Self {
        Self {
            sqs,
            queue_url: settings.queue_url.clone(),
            dead_letter_queue_url: settings.dead_letter_queue_url.clone(),
            max_attempts: settings.max_attempts,
            calls: Semaphore::new(CALLS_IN_FLIGHT_MAX),
            last_permanent: Mutex::new(None),
        }
    }

    /// Carries the outcomes of a batch out; the verdicts are in its order. What has none by `deadline` stays.
    pub async fn settle(&self, envelopes: &[Envelope], outcomes: Vec<Outcome>, deadline: Instant) -> Vec<Verdict> {
        log_faults(envelopes, &outcomes);
        let settled = async {
            let backoffs = if is_fifo(&self.queue_url) {
                self.settle_in_order(envelopes, outcomes).await
            } else {
                join_all(envelopes.iter().zip(outcomes).map(|(envelope, outcome)| self.settle_one(envelope, outcome)))
                    .await
            };
            self.postpone(envelopes, &backoffs).await;
            backoffs
        };
        let Ok(backoffs) = timeout_at(deadline, settled).await else {
            tracing::error!(messages = envelopes.len(), "no time was left to settle a batch: it comes back");
            return vec![Verdict::Keep; envelopes.len()];
        };
        backoffs.into_iter().map(|backoff| if backoff.is_none() { Verdict::Delete } else { Verdict::Keep }).collect()
    }

    /// In a FIFO queue nothing of a group may go once an earlier message of it stays.
    async fn settle_in_order(&self, envelopes: &[Envelope], outcomes: Vec<Outcome>) -> Vec<Option<u32>> {
        let mut held: HashMap<&str, u32> = HashMap::new();
        let mut backoffs = Vec::with_capacity(envelopes.len());
        for (envelope, outcome) in envelopes.iter().zip(outcomes) {
            let group = envelope.group.as_deref().unwrap_or_default();
            let backoff = match held.get(group) {
                Some(&seconds) => Some(seconds),
                None => self.settle_one(envelope, outcome).await,
            };
            if let Some(seconds) = backoff {
                held.insert(group, seconds);
            }
            backoffs.push(backoff);
        }
        backoffs
    }

    /// Seconds until the message comes back; `None`: it may go.
    async fn settle_one(&self, envelope: &Envelope, outcome: Outcome) -> Option<u32> {
        match outcome {
            Outcome::Succeeded | Outcome::Rejected(_) | Outcome::Replayed => None,
            Outcome::DeadLetter(error) => self.dead_letter(envelope, &error).await,
            Outcome::Failed(Fault::Retry(cause)) if self.gives_up(envelope) => {
                let message = format!("gave up after {} attempts, the last one: {cause}", envelope.receive_count);
                self.dead_letter(envelope, &JobError::new(ErrorCode::AttemptsExhausted, message)).await
            }
            Outcome::Failed(fault) => Some(self.backoff(envelope, &fault)),
        }
    }

    /// Whether a message had its attempts. Those that it spent while a person had to mend something do not count: none
    /// is given up within two of the longest back-offs of such a fault, by when all that waited for it has come back.
    fn gives_up(&self, envelope: &Envelope) -> bool {
        let last_permanent = *self.last_permanent.lock().unwrap_or_else(PoisonError::into_inner);
        envelope.receive_count >= self.max_attempts
            && last_permanent.is_none_or(|last| last.elapsed().as_secs() > 2 * u64::from(LONGEST_BACKOFF_SECONDS))
    }

    fn backoff(&self, envelope: &Envelope, fault: &Fault) -> u32 {
        match fault {
            Fault::Retry(_) => backoff_seconds(envelope.receive_count, fastrand::f64()),
            Fault::Permanent(_) => {
                *self.last_permanent.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                backoff_seconds(u32::MAX, fastrand::f64())
            }
        }
    }

    async fn dead_letter(&self, envelope: &Envelope, error: &JobError) -> Option<u32> {
        let message_id = &envelope.message_id;
        let Some(url) = &self.dead_letter_queue_url else {
            tracing::error!(message_id, %error, "a message cannot be answered, and no dead-letter queue is set");
            return Some(backoff_seconds(envelope.receive_count, fastrand::f64()));
        };
        let mut send = self.sqs.send_message().queue_url(url).message_body(&envelope.body);
        let reason = clip_bytes(&error.message, REASON_MAX_BYTES);
        if envelope.body.len() + REASON_MAX_BYTES + ATTRIBUTES_BYTES <= MESSAGE_MAX_BYTES {
            send = send
                .message_attributes("nearline_error_code", string_attribute(error.code.as_str()))
                .message_attributes("nearline_error", string_attribute(reason));
        } else {
            tracing::warn!(message_id, "a dead letter has no room for its reason");
        }
        if is_fifo(url) {
            let group = envelope.group.as_deref().unwrap_or(message_id);
            send = send.message_group_id(group).message_deduplication_id(message_id);
        } else if let Some(group) = &envelope.group {
            send = send.message_group_id(group);
        }
        let _permit = self.permit().await;
        match send.send().await {
            Ok(_) => {
                let (code, request_id) = (error.code.as_str(), envelope.request_id());
                tracing::warn!(message_id, request_id, code, reason, "a message was dead-lettered");
                None
            }
            Err(failed) => {
                let fault = aws::classify(&failed).context(&format!("SQS SendMessage {url}"));
                tracing::error!(message_id, %fault, "a message could not be dead-lettered and is tried again");
                Some(self.backoff(envelope, &fault))
            }
        }
    }

    /// Tells the queue when the kept messages come back. Where that fails they come back when their visibility ends.
    async fn postpone(&self, envelopes: &[Envelope], backoffs: &[Option<u32>]) {
        let kept: Vec<(&Envelope, u32)> =
            envelopes.iter().zip(backoffs).filter_map(|(envelope, backoff)| Some((envelope, (*backoff)?))).collect();
        self.change_visibility(&kept).await;
    }

    /// Sets for how many seconds messages stay invisible from now.
    pub(super) async fn change_visibility(&self, messages: &[(&Envelope, u32)]) {
        join_all(messages.chunks(BATCH_MAX).map(|chunk| self.change_visibility_of_ten(chunk))).await;
    }

    async fn change_visibility_of_ten(&self, messages: &[(&Envelope, u32)]) {
        let entries = messages.iter().enumerate().map(|(id, (envelope, seconds))| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(id.to_string())
                .receipt_handle(&envelope.receipt_handle)
                .visibility_timeout(i32::try_from(*seconds).unwrap_or(i32::MAX))
                .build()
                .expect("id and receipt handle are set")
        });
        let call = self.sqs.change_message_visibility_batch().queue_url(&self.queue_url);
        let _permit = self.permit().await;
        match call.set_entries(Some(entries.collect())).send().await {
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

    /// Deletes what is done with. What cannot be deleted comes back and is answered as a replay.
    pub(super) async fn delete(&self, done: &[&Envelope]) {
        join_all(done.chunks(BATCH_MAX).map(|chunk| self.delete_ten(chunk))).await;
    }

    async fn delete_ten(&self, done: &[&Envelope]) {
        let entries = done.iter().enumerate().map(|(id, envelope)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(id.to_string())
                .receipt_handle(&envelope.receipt_handle)
                .build()
                .expect("id and receipt handle are set")
        });
        let call = self.sqs.delete_message_batch().queue_url(&self.queue_url);
        let _permit = self.permit().await;
        match call.set_entries(Some(entries.collect())).send().await {
            Ok(answer) => {
                for failed in answer.failed {
                    tracing::warn!(code = failed.code, cause = failed.message, "a message was not deleted");
                }
            }
            Err(error) => {
                let fault = aws::classify(&error).context("SQS DeleteMessageBatch");
                tracing::warn!(%fault, "messages were not deleted");
            }
        }
    }

    async fn permit(&self) -> SemaphorePermit<'_> {
        self.calls.acquire().await.expect("the semaphore is never closed")
    }
}

/// One line for each cause, however many messages of a batch have it.
fn log_faults(envelopes: &[Envelope], outcomes: &[Outcome]) {
    let mut causes: HashMap<&Fault, (usize, &Envelope)> = HashMap::new();
    for (envelope, outcome) in envelopes.iter().zip(outcomes) {
        if let Outcome::Failed(fault) = outcome {
            causes.entry(fault).or_insert((0, envelope)).0 += 1;
        }
    }
    for (fault, (messages, envelope)) in causes {
        let (Envelope { message_id, receive_count, .. }, request_id) = (envelope, envelope.request_id());
        match fault {
            Fault::Retry(cause) => {
                tracing::warn!(messages, message_id, request_id, receive_count, cause, "jobs are tried again");
            }
            Fault::Permanent(cause) => {
                tracing::error!(
                    messages,
                    message_id,
                    request_id,
                    receive_count,
                    cause,
                    "jobs wait for someone to mend this"
                );
            }
        }
    }
}

/// The start of a text, cut between characters.
fn clip_bytes(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

/// SQS refuses most control characters, which a quoted piece of a broken message may hold.
fn string_attribute(value: &str) -> MessageAttributeValue {
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    let value: String = value.chars().map(|c| if allowed(c) { c } else { char::REPLACEMENT_CHARACTER }).collect();
    let builder = MessageAttributeValue::builder().data_type("String").string_value(value);
    builder.build().expect("the data type is set")
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
    fn a_reason_is_cut_between_characters() {
        assert_eq!((clip_bytes("aäb", 2), clip_bytes("aäb", 3), clip_bytes("aäb", 9)), ("a", "aä", "aäb"));
    }
}
