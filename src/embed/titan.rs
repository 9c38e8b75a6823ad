//! Amazon Titan text embeddings v2: one text a call, no purpose.

use serde::Deserialize;
use serde_json::{Value, json};

use super::embedding::{Embedding, Numbers, cut};

pub(super) const DIMENSIONS: &[usize] = &[256, 512, 1024];
/// Longest text.
pub(super) const CHARS_MAX: usize = 50_000;
/// No text this short has the 8,192 tokens that are too many.
const CHARS_BELOW_TOKEN_LIMIT: usize = 1_024;

pub(super) fn request(text: &str, dimension: usize) -> Value {
    json!({"inputText": text, "dimensions": dimension, "normalize": true})
}

/// The first half of a text that may have too many tokens: Titan refuses it instead of cutting it.
pub(super) fn shorter(text: &str) -> Option<&str> {
    let chars = text.chars().count();
    (chars > CHARS_BELOW_TOKEN_LIMIT).then(|| cut(text, chars / 2).0)
}

#[derive(Deserialize)]
struct Response {
    embedding: Numbers,
}

pub(super) fn response(body: &[u8]) -> Result<Vec<Embedding>, serde_json::Error> {
    let response: Response = serde_json::from_slice(body)?;
    Ok(vec![Embedding { vector: response.embedding.0, truncated: false }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_is_the_documented_one() {
        let expected = r#"{"inputText":"mug","dimensions":512,"normalize":true}"#;
        assert_eq!(request("mug", 512), serde_json::from_str::<Value>(expected).unwrap());
    }

    #[test]
    fn an_answer_without_a_vector_is_an_error() {
        let expected = Embedding { vector: vec![0.5], truncated: false };
        assert_eq!(response(br#"{"embedding":[0.5],"inputTextTokenCount":3}"#).unwrap(), [expected]);
        assert!(response(br#"{"inputTextTokenCount":3}"#).is_err());
    }
}
