//! Amazon Nova Multimodal Embeddings: one text a call.
//!
//! The real model counts tokens, which nobody can do without its tokenizer. The stand-in counts bytes instead:
//! English text within the 8,192 characters is never cut, as on AWS, and text in scripts of three bytes is.

use serde::Deserialize;
use serde_json::{Value, json};

use super::embedding::{Answer, Embedding, Refusal};
use super::request::{Truncate, check_dimension, cut, read};

const DIMENSIONS: [usize; 4] = [256, 384, 1024, 3072];
/// Longer inline text is refused, whatever the truncation mode.
const TEXT_LIMIT_CHARS: usize = 8192;
/// In place of the 8K tokens of the model's context.
const CONTEXT_BYTES: usize = 16_384;
const PURPOSES: [&str; 9] = [
    "GENERIC_INDEX",
    "GENERIC_RETRIEVAL",
    "TEXT_RETRIEVAL",
    "IMAGE_RETRIEVAL",
    "VIDEO_RETRIEVAL",
    "DOCUMENT_RETRIEVAL",
    "AUDIO_RETRIEVAL",
    "CLASSIFICATION",
    "CLUSTERING",
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Request {
    #[serde(default = "schema_version")]
    schema_version: String,
    task_type: String,
    single_embedding_params: Params,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Params {
    embedding_purpose: String,
    #[serde(default = "largest_dimension")]
    embedding_dimension: usize,
    text: Text,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Text {
    truncation_mode: Truncate,
    value: String,
}

fn schema_version() -> String {
    SCHEMA_VERSION.into()
}
const SCHEMA_VERSION: &str = "nova-multimodal-embed-v1";

fn largest_dimension() -> usize {
    3072
}

pub(super) fn parse(body: &[u8]) -> Result<Embedding, Refusal> {
    let request: Request = read(body)?;
    let params = request.single_embedding_params;
    if request.schema_version != SCHEMA_VERSION {
        return Err(Refusal::validation(format!("schemaVersion must be {SCHEMA_VERSION}.")));
    }
    if request.task_type != "SINGLE_EMBEDDING" {
        return Err(Refusal::validation("taskType must be SINGLE_EMBEDDING for InvokeModel."));
    }
    if !PURPOSES.contains(&params.embedding_purpose.as_str()) {
        return Err(Refusal::validation(format!("embeddingPurpose must be one of {PURPOSES:?}.")));
    }
    let dimension = check_dimension("embeddingDimension", params.embedding_dimension, &DIMENSIONS)?;
    let chars = params.text.value.chars().count();
    if !(1..=TEXT_LIMIT_CHARS).contains(&chars) {
        return Err(Refusal::validation(format!(
            "text.value must have 1 to {TEXT_LIMIT_CHARS} characters, had {chars}."
        )));
    }
    let Some(text) = cut(&params.text.value, CONTEXT_BYTES, params.text.truncation_mode) else {
        return Err(Refusal::validation("The text is longer than the model takes, and truncationMode is NONE."));
    };
    let kept = text.chars().count();
    let truncated_char_length = (kept < chars).then_some(kept);
    Ok(Embedding { texts: vec![text.into()], dimension, answer: Box::new(NovaAnswer { truncated_char_length }) })
}

#[derive(Debug)]
struct NovaAnswer {
    truncated_char_length: Option<usize>,
}

impl Answer for NovaAnswer {
    fn json(&self, _texts: &[String], vectors: &[Vec<f32>]) -> Value {
        let embeddings: Vec<Value> = vectors
            .iter()
            .map(|vector| {
                let mut embedding = json!({"embeddingType": "TEXT", "embedding": vector});
                if let Some(length) = self.truncated_char_length {
                    embedding["truncatedCharLength"] = length.into();
                }
                embedding
            })
            .collect();
        json!({"embeddings": embeddings})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str, mode: &str, dimension: usize) -> Vec<u8> {
        json!({"schemaVersion": SCHEMA_VERSION, "taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": {
            "embeddingPurpose": "TEXT_RETRIEVAL", "embeddingDimension": dimension,
            "text": {"truncationMode": mode, "value": text}}})
        .to_string()
        .into_bytes()
    }

    #[test]
    fn a_long_text_is_cut_only_if_that_is_asked_for_and_the_answer_says_where() {
        let text = "語".repeat(8000);
        let embedding = parse(&request(&text, "END", 384)).unwrap();
        assert_eq!(embedding.texts[0].chars().count(), 5461);
        assert_eq!(embedding.answer(&[vec![1.0]])["embeddings"][0]["truncatedCharLength"], 5461);
        assert_eq!(parse(&request(&text, "NONE", 384)).unwrap_err().error_type, "ValidationException");
        let english = "a".repeat(TEXT_LIMIT_CHARS);
        let embedding = parse(&request(&english, "NONE", 384)).unwrap();
        assert!(embedding.answer(&[vec![1.0]])["embeddings"][0].get("truncatedCharLength").is_none());
    }

    #[test]
    fn more_than_8192_characters_are_refused_even_with_truncation() {
        assert!(parse(&request(&"a".repeat(8193), "END", 384)).is_err());
        assert!(parse(&request("", "END", 384)).is_err());
    }

    #[test]
    fn unknown_dimensions_purposes_and_fields_are_refused() {
        assert!(parse(&request("a", "END", 512)).unwrap_err().message.contains("[256, 384, 1024, 3072], was 512"));
        let mut body: Value = serde_json::from_slice(&request("a", "END", 256)).unwrap();
        body["singleEmbeddingParams"]["embeddingPurpose"] = "SEARCH".into();
        assert!(parse(body.to_string().as_bytes()).is_err());
        body["singleEmbeddingParams"]["embeddingPurpose"] = "GENERIC_INDEX".into();
        assert!(parse(body.to_string().as_bytes()).is_ok());
        body["inputText"] = "a".into();
        assert!(parse(body.to_string().as_bytes()).unwrap_err().message.contains("unknown field `inputText`"));
    }
}
