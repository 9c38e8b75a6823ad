//! The boundary to Lambda: invocations come, and are answered.

use bytes::Bytes;
use http::StatusCode;

/// One invocation of the function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Lambda's id of it.
    pub request_id: String,
    /// Lambda's id of this delivery of it, which an answer repeats.
    pub delivery_id: Option<String>,
    /// X-Ray's header, which calls on its behalf repeat.
    pub trace: Option<String>,
    /// When Lambda counts it as timed out, in milliseconds since the epoch.
    pub deadline_ms: u64,
    /// What it is to work on.
    pub payload: Bytes,
}

/// Why an invocation has no answer, as its caller sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionError {
    /// For programs.
    pub error_type: &'static str,
    /// For people.
    pub message: String,
}

/// What an invocation is answered.
pub type Answer = Result<Vec<u8>, FunctionError>;

/// Why a call of the API failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// It may or may not have arrived.
    #[error("{0}")]
    Connection(String),
    /// It was refused.
    #[error("HTTP status {0}")]
    Status(StatusCode),
    /// The invocation cannot be served, and times out.
    #[error("header {0} is missing or not readable")]
    Header(&'static str),
}

/// Hands out invocations of the function, to as many as ask at once.
///
/// - An invocation may be lost on its way: it then times out unanswered, and its caller tries again.
/// - What is not answered by its deadline counts as failed; a later answer is refused (4xx). So is a second one, also
///   when the confirmation of the first was lost.
/// - Of a batch whose answer does not arrive all messages come again, also those that are done with.
pub trait Invocations: Send + Sync + 'static {
    /// Waits for an invocation, however long it takes.
    ///
    /// # Errors
    /// [`ApiError`]; to be called again after a pause.
    fn next(&self) -> impl Future<Output = Result<Invocation, ApiError>> + Send;

    /// Answers an invocation.
    ///
    /// # Errors
    /// [`ApiError`]; final if it was refused.
    fn answer(&self, invocation: &Invocation, answer: &Answer) -> impl Future<Output = Result<(), ApiError>> + Send;
}
