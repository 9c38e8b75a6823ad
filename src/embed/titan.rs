//! Amazon Titan text embeddings v2: one text a call, no purpose.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Embedding;

pub(super) const DIMENSIONS: &[usize] = &[256, 512, 1024];
/// Longest text; its limit of 8,192 tokens may come earlier and is an error of the service.
pub(super) const CHARS_MAX: usize = 50_000;

pub(super) fn request(text: &str, dimension: usize) -> Value {
    json!({"inputText": text, "dimensions": dimension, "normalize": true})
}

#[derive(Deserialize)]
struct Response {
    embedding: Vec<f32>,
}

pub(super) fn response(body: &[u8]) -> Result<Vec<Embedding>, serde_json::Error> {
    let response: Response = serde_json::from_slice(body)?;
    Ok(vec![Embedding { vector: response.embedding, truncated: false }])
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
