//! Amazon Titan Text Embeddings V2: one text a call, never cut by the model.

use serde::Deserialize;
use serde_json::{Value, json};

use super::embedding::{Answer, Embedding, Refusal};
use super::request::{check_dimension, read};

const DIMENSIONS: [usize; 3] = [256, 512, 1024];
const TEXT_LIMIT_CHARS: usize = 50_000;
const TOKEN_LIMIT: usize = 8192;
/// The usual estimate for English; the stand-in has no tokenizer.
const CHARS_PER_TOKEN: usize = 4;
/// The length of a vector with `normalize: false`: anything but 1, and a power of two, so that its direction is exact.
const RAW_LENGTH: f32 = 8.0;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Request {
    input_text: String,
    #[serde(default = "default_dimensions")]
    dimensions: usize,
    #[serde(default = "default_normalize")]
    normalize: bool,
    embedding_types: Option<Vec<String>>,
}

fn default_dimensions() -> usize {
    1024
}

fn default_normalize() -> bool {
    true
}

pub(super) fn parse(body: &[u8]) -> Result<Embedding, Refusal> {
    let request: Request = read(body)?;
    let dimension = check_dimension("dimensions", request.dimensions, &DIMENSIONS)?;
    let chars = request.input_text.chars().count();
    if !(1..=TEXT_LIMIT_CHARS).contains(&chars) {
        return Err(Refusal::validation(format!(
            "Malformed input request: inputText must have 1 to {TEXT_LIMIT_CHARS} characters, had {chars}."
        )));
    }
    let tokens = chars.div_ceil(CHARS_PER_TOKEN);
    if tokens > TOKEN_LIMIT {
        return Err(Refusal::validation(format!(
            "400 Bad Request: Too many input tokens. Max input tokens: {TOKEN_LIMIT}, request input token count: {tokens}"
        )));
    }
    let types = request.embedding_types;
    if types.iter().flatten().any(|name| name != "float") {
        return Err(Refusal::validation("The stand-in answers embeddingTypes [\"float\"] only."));
    }
    Ok(Embedding {
        texts: vec![request.input_text],
        dimension,
        answer: Box::new(TitanAnswer { normalize: request.normalize, by_type: types.is_some(), tokens }),
    })
}

#[derive(Debug)]
struct TitanAnswer {
    normalize: bool,
    by_type: bool,
    tokens: usize,
}

impl Answer for TitanAnswer {
    fn json(&self, _texts: &[String], vectors: &[Vec<f32>]) -> Value {
        let length = if self.normalize { 1.0 } else { RAW_LENGTH };
        let mut answer = json!({"inputTextTokenCount": self.tokens});
        if let Some(vector) = vectors.first() {
            let vector: Vec<f32> = vector.iter().map(|x| x * length).collect();
            if self.by_type {
                answer["embeddingsByType"] = json!({"float": vector});
            }
            answer["embedding"] = json!(vector);
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_text_is_required() {
        let embedding = parse(br#"{"inputText": "lamp"}"#).unwrap();
        assert_eq!(embedding.dimension, 1024);
        let answer = embedding.answer(&[vec![0.5, -1.0]]);
        assert_eq!(answer, json!({"embedding": [0.5, -1.0], "inputTextTokenCount": 1}));
        assert!(parse(br#"{"dimensions": 256}"#).is_err());
    }

    #[test]
    fn a_vector_that_is_not_normalised_keeps_its_direction() {
        let embedding = parse(br#"{"inputText": "lamp", "normalize": false}"#).unwrap();
        assert_eq!(embedding.answer(&[vec![0.5, -1.0]])["embedding"], json!([4.0, -8.0]));
    }

    #[test]
    fn too_many_tokens_and_unknown_dimensions_are_refused() {
        let long = json!({"inputText": "a".repeat(32_769)}).to_string();
        assert!(parse(long.as_bytes()).unwrap_err().message.contains("Too many input tokens"));
        assert!(parse(br#"{"inputText": "lamp", "dimensions": 384}"#).is_err());
        assert!(parse(br#"{"inputText": ""}"#).is_err());
    }
}
