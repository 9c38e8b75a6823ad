//! Amazon Nova 2 multimodal embeddings: one text a call, cut at the end by the model itself.

use serde::Deserialize;
use serde_json::{Value, json};

use super::embedding::{Embedding, Numbers, Purpose};

pub(super) const DIMENSIONS: &[usize] = &[256, 384, 1024, 3072];
/// Longest inline text.
pub(super) const CHARS_MAX: usize = 8_192;

pub(super) fn request(text: &str, purpose: Purpose, dimension: usize) -> Value {
    let purpose = match purpose {
        Purpose::Document => "GENERIC_INDEX",
        Purpose::Query => "TEXT_RETRIEVAL",
    };
    json!({
        "schemaVersion": "nova-multimodal-embed-v1",
        "taskType": "SINGLE_EMBEDDING",
        "singleEmbeddingParams": {
            "embeddingPurpose": purpose,
            "embeddingDimension": dimension,
            "text": {"truncationMode": "END", "value": text},
        },
    })
}

#[derive(Deserialize)]
struct Response {
    embeddings: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    embedding: Numbers,
    truncated_char_length: Option<u64>,
}

pub(super) fn response(body: &[u8]) -> Result<Vec<Embedding>, serde_json::Error> {
    let response: Response = serde_json::from_slice(body)?;
    let embedding =
        |item: Item| Embedding { vector: item.embedding.0, truncated: item.truncated_char_length.is_some() };
    Ok(response.embeddings.into_iter().map(embedding).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_is_the_documented_one() {
        let expected = r#"{"schemaVersion":"nova-multimodal-embed-v1","taskType":"SINGLE_EMBEDDING","singleEmbeddingParams":
            {"embeddingPurpose":"TEXT_RETRIEVAL","embeddingDimension":384,"text":{"truncationMode":"END","value":"mug"}}}"#;
        assert_eq!(request("mug", Purpose::Query, 384), serde_json::from_str::<Value>(expected).unwrap());
        let document = request("mug", Purpose::Document, 256);
        assert_eq!(document["singleEmbeddingParams"]["embeddingPurpose"], "GENERIC_INDEX");
    }

    #[test]
    fn numbers_round_once_from_their_decimal_text() {
        // Through f64 this decimal would land on a tie and round one step too low.
        let body = br#"{"embeddings":[{"embeddingType":"TEXT","embedding":[1.00000005960464477540,-2],"truncatedCharLength":9}]}"#;
        let expected = Embedding { vector: vec![f32::from_bits(0x3f80_0001), -2.0], truncated: true };
        assert_eq!(response(body).unwrap(), [expected]);
    }

    #[test]
    fn an_answer_without_a_vector_is_an_error() {
        assert!(response(br#"{"results":[{"outputText":"hello"}]}"#).is_err());
        assert!(response(br#"{"embeddings":[{"embeddingType":"TEXT"}]}"#).is_err());
    }
}
