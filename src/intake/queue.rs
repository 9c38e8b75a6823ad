//! The boundary to the queues.

use std::time::Duration;

use time::OffsetDateTime;

use crate::fault::Fault;
use crate::worker::Message;

/// Most entries in one call.
pub const BATCH_MAX: usize = 10;
/// Most bytes of a message, its attributes included, and of all messages of a call.
pub const MESSAGE_MAX_BYTES: usize = 1 << 20;

/// A message as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
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
    /// When it was sent, by the queue's clock.
    pub sent_at: Option<OffsetDateTime>,
    /// X-Ray's header of the trace that it was sent in, if the queue was asked for it.
    pub trace: Option<String>,
}

impl Delivery {
    /// What the worker needs of it.
    pub fn message(&self) -> Message<'_> {
        Message { body: &self.body, sent_at: self.sent_at }
    }
}

/// A message to send.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outgoing {
    /// The body.
    pub body: String,
    /// Message attributes.
    pub attributes: Vec<Attribute>,
    /// Tenant of a fair queue, or order group of a FIFO queue, which needs one.
    pub group: Option<String>,
    /// What a FIFO queue knows a repetition by.
    pub deduplication_id: Option<String>,
}

impl Outgoing {
    /// Text of the attribute of this name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        text_of(&self.attributes, name)
    }
}

/// A message attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// As SQS has it: `String`, `Number` or `Binary`, or one of these with a label: `Number.float`.
    pub data_type: String,
    /// Its value.
    pub value: AttributeValue,
}

/// Value of a message attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeValue {
    /// Of a string, or the digits of a number.
    Text(String),
    /// Of a binary one.
    Bytes(Vec<u8>),
}

impl Attribute {
    /// A string.
    pub fn text(name: &str, value: impl Into<String>) -> Self {
        Self { name: name.to_owned(), data_type: "String".to_owned(), value: AttributeValue::Text(value.into()) }
    }
}

/// Text of the attribute of this name.
pub(super) fn text_of<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a str> {
    let found = attributes.iter().find(|attribute| attribute.name == name)?;
    match &found.value {
        AttributeValue::Text(text) => Some(text),
        AttributeValue::Bytes(_) => None,
    }
}

/// Entries of a call that failed: their positions, and why.
pub type Failures = Vec<(usize, Fault)>;

/// A queue, in batches of at most [`BATCH_MAX`].
///
/// - A message may be delivered more than once, also after it was deleted, and by several deliveries at once. It comes
///   again when its visibility ends before it is deleted.
/// - A call may have had its effect although its answer was lost; each may be repeated. Of a message that is sent twice
///   two copies may come, on a FIFO queue within five minutes only one.
/// - On a FIFO queue nothing of a group is delivered while an earlier message of it is in flight.
/// - A receive that is dropped may take messages with it, which come again when their visibility ends.
/// - Kinds of faults, of a call or an entry: `Permanent` if the caller may not do this or the queue does not exist, or
///   takes no such message; `Retry` for all else.
pub trait Queue: Send + Sync + 'static {
    /// What logs call it.
    fn url(&self) -> &str;

    /// Whether it keeps the order of a group.
    fn is_fifo(&self) -> bool;

    /// For how long a received message stays invisible unless it is said otherwise.
    ///
    /// # Errors
    /// See [`Queue`].
    fn visibility_timeout(&self) -> impl Future<Output = Result<Duration, Fault>> + Send;

    /// Receives at most `most` messages, waiting up to `wait` for the first; they stay invisible for `visibility`.
    ///
    /// # Errors
    /// See [`Queue`].
    fn receive(
        &self,
        most: usize,
        wait: Duration,
        visibility: Duration,
    ) -> impl Future<Output = Result<Vec<Delivery>, Fault>> + Send;

    /// Deletes messages by their receipt handles; what is gone already counts as deleted.
    ///
    /// # Errors
    /// See [`Queue`].
    fn delete(&self, receipts: &[&str]) -> impl Future<Output = Result<Failures, Fault>> + Send;

    /// Sets for how long messages stay invisible from now.
    ///
    /// # Errors
    /// See [`Queue`].
    fn change_visibility(&self, messages: &[(&str, Duration)]) -> impl Future<Output = Result<Failures, Fault>> + Send;

    /// Sends messages of at most [`MESSAGE_MAX_BYTES`] together.
    ///
    /// # Errors
    /// See [`Queue`].
    fn send(&self, messages: &[Outgoing]) -> impl Future<Output = Result<Failures, Fault>> + Send;
}
