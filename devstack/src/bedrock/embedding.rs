//! What a model's wire format comes down to: texts to embed and a form for the answer, or a refusal.

use std::fmt::Debug;

use axum::http::StatusCode;
use serde_json::Value;

/// An error as AWS answers it: status, `x-amzn-errortype` and a JSON message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) error_type: &'static str,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, error_type: &'static str, message: impl Into<String>) -> Self {
        Self { status, error_type, message: message.into() }
    }

    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "ValidationException", message)
    }
}

/// What a model was asked to embed.
#[derive(Debug)]
pub(super) struct Embedding {
    /// Texts as the model sees them, cut to its length.
    pub(super) texts: Vec<String>,
    pub(super) dimension: usize,
    pub(super) answer: Box<dyn Answer>,
}

/// The form of a model's answer.
pub(super) trait Answer: Debug + Send {
    /// The answer's JSON for these vectors, one a text (a fault may have emptied or cut them).
    fn json(&self, texts: &[String], vectors: &[Vec<f32>]) -> Value;
}

impl Embedding {
    pub(super) fn answer(&self, vectors: &[Vec<f32>]) -> Value {
        self.answer.json(&self.texts, vectors)
    }
}
