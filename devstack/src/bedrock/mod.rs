//! Bedrock's `InvokeModel` for embedding models: the wire formats and refusals of the real one, over lexical vectors.
//!
//! Latency, throttling and errors are settable, at the start for a rate and at run time for a certain fault, and all
//! traffic is counted, so that a test can prove what was asked for. What the real service refuses is refused here in
//! the same form; a request that works here and not there is a bug. No signature is checked.

mod cohere;
mod fault;
mod nova;
mod server;
mod titan;

use axum::http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use fault::Fault;
pub use server::{BedrockOptions, BedrockServer, BedrockStats};

/// An error as AWS answers it: status, `x-amzn-errortype` and a JSON message.
#[derive(Debug, PartialEq, Eq)]
struct Refusal {
    status: StatusCode,
    error_type: &'static str,
    message: String,
}

impl Refusal {
    fn new(status: StatusCode, error_type: &'static str, message: impl Into<String>) -> Self {
        Self { status, error_type, message: message.into() }
    }

    fn validation(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "ValidationException", message)
    }
}

/// What a model was asked to embed, with all that is needed to word its answer.
#[derive(Debug)]
struct Embedding {
    /// Texts as the model sees them, cut to its length.
    texts: Vec<String>,
    dimension: usize,
    answer: Answer,
}

/// The form of a model's answer.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Nova { truncated_char_length: Option<usize> },
    Titan { normalize: bool, by_type: bool, tokens: usize },
    Cohere { by_type: bool },
}

impl Embedding {
    /// The answer's JSON for these vectors, one a text (a fault may have emptied or cut them).
    fn answer(&self, vectors: &[Vec<f32>]) -> Value {
        match self.answer {
            Answer::Nova { truncated_char_length } => nova::answer(vectors, truncated_char_length),
            Answer::Titan { normalize, by_type, tokens } => titan::answer(vectors, normalize, by_type, tokens),
            Answer::Cohere { by_type } => cohere::answer(&self.texts, vectors, by_type),
        }
    }
}

/// The models of the stand-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Model {
    Nova2,
    TitanV2,
    CohereV3,
    CohereV4,
}

impl Model {
    /// The model of this id, with or without the prefix of a cross-region inference profile.
    fn from_id(id: &str) -> Option<Self> {
        let id = ["us.", "eu.", "apac.", "global."].iter().find_map(|prefix| id.strip_prefix(prefix)).unwrap_or(id);
        match id {
            "amazon.nova-2-multimodal-embeddings-v1:0" => Some(Self::Nova2),
            "amazon.titan-embed-text-v2:0" => Some(Self::TitanV2),
            "cohere.embed-english-v3" | "cohere.embed-multilingual-v3" => Some(Self::CohereV3),
            "cohere.embed-v4:0" => Some(Self::CohereV4),
            _ => None,
        }
    }

    fn parse(self, body: &[u8]) -> Result<Embedding, Refusal> {
        match self {
            Self::Nova2 => nova::parse(body),
            Self::TitanV2 => titan::parse(body),
            Self::CohereV3 => cohere::parse_v3(body),
            Self::CohereV4 => cohere::parse_v4(body),
        }
    }
}

/// Reads a request strictly: a field of another model is a mistake that the real service refuses, too.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        Refusal::validation(format!("Malformed input request: {error}, please reformat your input and try again."))
    })
}

fn check_dimension(field: &str, dimension: usize, allowed: &[usize]) -> Result<usize, Refusal> {
    if allowed.contains(&dimension) {
        return Ok(dimension);
    }
    Err(Refusal::validation(format!("Malformed input request: {field} must be one of {allowed:?}, was {dimension}.")))
}

/// Which end of a text that is too long goes.
#[derive(Debug, Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
enum Truncate {
    /// None does: too long is an error.
    None,
    /// The beginning.
    Start,
    /// The end.
    End,
}

/// Cuts `text` to at most `limit` UTF-8 bytes between characters; `None` if it has to be cut and must not be.
fn cut(text: &str, limit: usize, truncate: Truncate) -> Option<&str> {
    if text.len() <= limit {
        return Some(text);
    }
    match truncate {
        Truncate::None => None,
        Truncate::End => Some(&text[..text.floor_char_boundary(limit)]),
        Truncate::Start => Some(&text[text.ceil_char_boundary(text.len() - limit)..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_ids_are_known_with_and_without_a_profile_prefix() {
        assert_eq!(Model::from_id("us.amazon.nova-2-multimodal-embeddings-v1:0"), Some(Model::Nova2));
        assert_eq!(Model::from_id("amazon.titan-embed-text-v2:0"), Some(Model::TitanV2));
        assert_eq!(Model::from_id("global.cohere.embed-v4:0"), Some(Model::CohereV4));
        assert_eq!(Model::from_id("cohere.embed-multilingual-v3"), Some(Model::CohereV3));
        assert_eq!(Model::from_id("xx.cohere.embed-v4:0"), None);
        assert_eq!(Model::from_id("amazon.titan-embed-text-v1"), None);
    }

    #[test]
    fn a_text_is_cut_between_characters_at_the_end_asked_for() {
        assert_eq!(cut("aéb", 2, Truncate::End), Some("a"));
        assert_eq!(cut("aéb", 2, Truncate::Start), Some("b"));
        assert_eq!(cut("aéb", 3, Truncate::End), Some("aé"));
        assert_eq!(cut("aéb", 4, Truncate::None), Some("aéb"));
        assert_eq!(cut("aéb", 3, Truncate::None), None);
    }
}
