//! Cohere Embed v3 and v4: up to 96 texts a call.
//!
//! Both answer `embeddings` as a bare array or as an object keyed by type; neither says whether it cut a text by
//! tokens, so that only a cut by characters shows in the record.

use serde::Deserialize;
use serde_json::{Value, json};

use super::embedding::{Embedding, Numbers, Purpose};

pub(super) const V3_DIMENSIONS: &[usize] = &[1024];
pub(super) const V4_DIMENSIONS: &[usize] = &[256, 512, 1024, 1536];
/// Most texts in one call.
pub(super) const TEXTS_MAX: usize = 96;
/// Longest text of v3.
pub(super) const V3_CHARS_MAX: usize = 2_048;
/// v4 takes about 128,000 tokens, cut by itself; this only bounds the request.
pub(super) const V4_CHARS_MAX: usize = 400_000;

pub(super) fn v3_request(texts: &[&str], purpose: Purpose) -> Value {
    json!({"texts": texts, "input_type": input_type(purpose), "truncate": "END"})
}

pub(super) fn v4_request(texts: &[&str], purpose: Purpose, dimension: usize) -> Value {
    json!({
        "texts": texts,
        "input_type": input_type(purpose),
        "output_dimension": dimension,
        "embedding_types": ["float"],
        "truncate": "RIGHT",
    })
}

fn input_type(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Document => "search_document",
        Purpose::Query => "search_query",
    }
}

#[derive(Deserialize)]
struct Bare {
    embeddings: Vec<Numbers>,
}

#[derive(Deserialize)]
struct Typed {
    embeddings: Floats,
}

#[derive(Deserialize)]
struct Floats {
    float: Vec<Numbers>,
}

pub(super) fn response(body: &[u8]) -> Result<Vec<Embedding>, serde_json::Error> {
    // Two attempts instead of an untagged enum: that one would read numbers through f64, rounding twice.
    let vectors = match serde_json::from_slice::<Typed>(body) {
        Ok(typed) => typed.embeddings.float,
        Err(_) => serde_json::from_slice::<Bare>(body)?.embeddings,
    };
    Ok(vectors.into_iter().map(|Numbers(vector)| Embedding { vector, truncated: false }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_the_documented_ones() {
        let v3 = r#"{"texts":["mug","cup"],"input_type":"search_query","truncate":"END"}"#;
        assert_eq!(v3_request(&["mug", "cup"], Purpose::Query), serde_json::from_str::<Value>(v3).unwrap());
        let v4 = r#"{"texts":["mug"],"input_type":"search_document","output_dimension":512,"embedding_types":["float"],"truncate":"RIGHT"}"#;
        assert_eq!(v4_request(&["mug"], Purpose::Document, 512), serde_json::from_str::<Value>(v4).unwrap());
    }

    #[test]
    fn both_shapes_of_answer_are_read_and_round_once() {
        let number = "1.00000005960464477540";
        for body in [
            format!(r#"{{"id":"x","embeddings":[[{number}],[2]],"response_type":"embeddings_floats"}}"#),
            format!(r#"{{"id":"x","embeddings":{{"float":[[{number}],[2]]}},"response_type":"embeddings_by_type"}}"#),
        ] {
            let vectors: Vec<Vec<f32>> = response(body.as_bytes()).unwrap().into_iter().map(|e| e.vector).collect();
            assert_eq!(vectors, [vec![f32::from_bits(0x3f80_0001)], vec![2.0]]);
        }
        assert!(response(br#"{"embeddings":{"int8":[[1]]}}"#).is_err());
    }
}
