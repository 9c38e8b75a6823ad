//! Why a job cannot be answered: a code for programs and one sentence for people.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The reasons, as they stand in records and in dead-letter attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The body is not a JSON object, or an object in it names a key twice. Dead-lettered.
    InvalidJson,
    /// `request_id` is missing or not 1-128 visible ASCII characters. Dead-lettered.
    InvalidRequestId,
    /// A field that the contract does not have.
    UnknownField,
    /// None of `query`, `vector` and `product_id`; or `query` alone on a catalog that names no embedding model.
    MissingField,
    /// More than one of `query`, `vector` and `product_id`.
    ConflictingFields,
    /// A field of the wrong type or outside its range.
    OutOfRange,
    /// A category that the catalog does not have.
    UnknownCategory,
    /// A product that the catalog does not have.
    UnknownProduct,
    /// A vector of another length than the catalog's.
    DimensionMismatch,
    /// A vector that is not a list of finite 32-bit floats, or is all zero.
    InvalidVector,
    /// A filter of the wrong shape, with an unknown operator, or with a value that its attribute cannot have.
    InvalidFilter,
    /// An attribute that the catalog does not have, in `filter` or `return`.
    UnknownAttribute,
    /// The embedding model refuses this text.
    TextRefused,
    /// The answer would hold more matches than a record may.
    ResultTooLarge,
    /// Picked up after `not_after`.
    Expired,
    /// The `request_id` already belongs to another job. Dead-lettered.
    RequestIdConflict,
    /// Transient faults used up every attempt. Dead-lettered.
    AttemptsExhausted,
}

impl ErrorCode {
    /// Every code.
    pub const ALL: [Self; 17] = [
        Self::InvalidJson,
        Self::InvalidRequestId,
        Self::UnknownField,
        Self::MissingField,
        Self::ConflictingFields,
        Self::OutOfRange,
        Self::UnknownCategory,
        Self::UnknownProduct,
        Self::DimensionMismatch,
        Self::InvalidVector,
        Self::InvalidFilter,
        Self::UnknownAttribute,
        Self::TextRefused,
        Self::ResultTooLarge,
        Self::Expired,
        Self::RequestIdConflict,
        Self::AttemptsExhausted,
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidJson => "invalid_json",
            Self::InvalidRequestId => "invalid_request_id",
            Self::UnknownField => "unknown_field",
            Self::MissingField => "missing_field",
            Self::ConflictingFields => "conflicting_fields",
            Self::OutOfRange => "out_of_range",
            Self::UnknownCategory => "unknown_category",
            Self::UnknownProduct => "unknown_product",
            Self::DimensionMismatch => "dimension_mismatch",
            Self::InvalidVector => "invalid_vector",
            Self::InvalidFilter => "invalid_filter",
            Self::UnknownAttribute => "unknown_attribute",
            Self::TextRefused => "text_refused",
            Self::ResultTooLarge => "result_too_large",
            Self::Expired => "expired",
            Self::RequestIdConflict => "request_id_conflict",
            Self::AttemptsExhausted => "attempts_exhausted",
        }
    }

    /// Whether the same job could succeed on another catalog, so that its record may be replaced.
    pub fn retryable(self) -> bool {
        matches!(self, Self::UnknownCategory | Self::UnknownProduct | Self::UnknownAttribute | Self::DimensionMismatch)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for ErrorCode {
    type Err = serde_json::Error;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        serde_json::from_value(serde_json::Value::from(name))
    }
}

/// Longest piece of a job that a message quotes, in characters: messages go into records and message attributes.
const QUOTE_MAX_CHARS: usize = 64;

/// The start of a text that came with a job, for messages.
pub fn clip(text: &str) -> String {
    match text.char_indices().nth(QUOTE_MAX_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// A job's fault: what the producer has to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct JobError {
    /// For programs.
    pub code: ErrorCode,
    /// For people: names the field, its value and what is allowed.
    pub message: String,
}

impl JobError {
    /// An error of `code` that says `message`.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_has_every_code_of_the_published_schema() {
        let schema = schemars::schema_for!(ErrorCode);
        let published = schema.get("oneOf").and_then(serde_json::Value::as_array).unwrap().iter();
        let names: Vec<&str> = published.map(|code| code["const"].as_str().unwrap()).collect();
        assert_eq!(names, ErrorCode::ALL.map(ErrorCode::as_str));
    }

    #[test]
    fn the_name_on_the_wire_is_the_same_for_serde_and_as_str() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert_eq!(code.as_str().parse::<ErrorCode>().unwrap(), code);
        }
    }
}
