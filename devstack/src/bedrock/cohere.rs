//! Cohere Embed v3 (English and multilingual) and v4: up to 96 texts a call.

use serde::Deserialize;
use serde_json::{Value, json};

use super::embedding::{Answer, Embedding, Refusal};
use super::request::{Truncate, check_dimension, cut, read};

const TEXTS_LIMIT: usize = 96;
const V3_DIMENSION: usize = 1024;
const V3_TEXT_LIMIT_CHARS: usize = 2048;
const V4_DIMENSIONS: [usize; 4] = [256, 512, 1024, 1536];
/// In place of the 128K tokens of v4's context.
const V4_CONTEXT_BYTES: usize = 512 * 1024;
const INPUT_TYPES: [&str; 4] = ["search_document", "search_query", "classification", "clustering"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestV3 {
    texts: Vec<String>,
    input_type: String,
    /// Checked, not used: see `parse_v3`.
    #[serde(rename = "truncate")]
    _truncate: Option<Truncate>,
    embedding_types: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestV4 {
    texts: Vec<String>,
    input_type: String,
    truncate: Option<TruncateV4>,
    embedding_types: Option<Vec<String>>,
    #[serde(default = "v4_dimension")]
    output_dimension: usize,
}

/// v4's own names.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum TruncateV4 {
    None,
    Left,
    Right,
}

fn v4_dimension() -> usize {
    1536
}

pub(super) fn parse_v3(body: &[u8]) -> Result<Embedding, Refusal> {
    let request: RequestV3 = read(body)?;
    check(&request.texts, &request.input_type, request.embedding_types.as_deref())?;
    // Within 2,048 characters the model's 512 tokens may cut silently; the lexical stand-in has no such limit.
    let too_long = request.texts.iter().position(|text| text.chars().count() > V3_TEXT_LIMIT_CHARS);
    if let Some(index) = too_long {
        return Err(Refusal::validation(format!(
            "Malformed input request: #/texts/{index}: expected maxLength: {V3_TEXT_LIMIT_CHARS}, please reformat your \
             input and try again."
        )));
    }
    let by_type = request.embedding_types.is_some();
    Ok(Embedding { texts: request.texts, dimension: V3_DIMENSION, answer: Box::new(CohereAnswer { by_type }) })
}

pub(super) fn parse_v4(body: &[u8]) -> Result<Embedding, Refusal> {
    let request: RequestV4 = read(body)?;
    check(&request.texts, &request.input_type, request.embedding_types.as_deref())?;
    let dimension = check_dimension("output_dimension", request.output_dimension, &V4_DIMENSIONS)?;
    let truncate = match request.truncate {
        None | Some(TruncateV4::None) => Truncate::None,
        Some(TruncateV4::Left) => Truncate::Start,
        Some(TruncateV4::Right) => Truncate::End,
    };
    let texts = request
        .texts
        .iter()
        .map(|text| {
            let text = cut(text, V4_CONTEXT_BYTES, truncate).map(String::from);
            text.ok_or_else(|| Refusal::validation("too many tokens: a text is longer than the model takes"))
        })
        .collect::<Result<_, _>>()?;
    Ok(Embedding { texts, dimension, answer: Box::new(CohereAnswer { by_type: request.embedding_types.is_some() }) })
}

fn check(texts: &[String], input_type: &str, types: Option<&[String]>) -> Result<(), Refusal> {
    if !(1..=TEXTS_LIMIT).contains(&texts.len()) {
        return Err(Refusal::validation(format!(
            "Malformed input request: #/texts: expected 1 to {TEXTS_LIMIT} items, found {}, please reformat your input \
             and try again.",
            texts.len()
        )));
    }
    if texts.iter().any(String::is_empty) {
        return Err(Refusal::validation("invalid request: texts must not be empty"));
    }
    if !INPUT_TYPES.contains(&input_type) {
        return Err(Refusal::validation(format!("invalid request: input_type must be one of {INPUT_TYPES:?}")));
    }
    if types.is_some_and(|types| types != ["float"]) {
        return Err(Refusal::validation("The stand-in answers embedding_types [\"float\"] only."));
    }
    Ok(())
}

#[derive(Debug)]
struct CohereAnswer {
    by_type: bool,
}

impl Answer for CohereAnswer {
    fn json(&self, texts: &[String], vectors: &[Vec<f32>]) -> Value {
        let (embeddings, response_type) = if self.by_type {
            (json!({"float": vectors}), "embeddings_by_type")
        } else {
            (json!(vectors), "embeddings_floats")
        };
        json!({"id": "devstack", "response_type": response_type, "embeddings": embeddings, "texts": texts})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(texts: &[String]) -> Value {
        json!({"texts": texts, "input_type": "search_query"})
    }

    fn bytes(value: &Value) -> Vec<u8> {
        value.to_string().into_bytes()
    }

    #[test]
    fn v3_takes_96_texts_of_2048_characters_and_no_more() {
        let texts = vec!["é".repeat(2048); 96];
        assert_eq!(parse_v3(&bytes(&request(&texts))).unwrap().texts.len(), 96);
        assert!(parse_v3(&bytes(&request(&vec!["a".to_owned(); 97]))).is_err());
        let long = [vec!["a".to_owned()], vec!["a".repeat(2049)]].concat();
        assert!(parse_v3(&bytes(&request(&long))).unwrap_err().message.contains("#/texts/1"));
        assert!(parse_v3(&bytes(&request(&[]))).is_err());
    }

    #[test]
    fn the_input_type_is_required_and_checked() {
        assert!(parse_v3(br#"{"texts": ["a"]}"#).is_err());
        assert!(parse_v4(br#"{"texts": ["a"], "input_type": "query"}"#).is_err());
        assert!(parse_v4(br#"{"texts": ["a"], "input_type": "search_document"}"#).is_ok());
    }

    #[test]
    fn only_v4_has_a_dimension_to_choose() {
        let mut body = request(&["a".into()]);
        body["output_dimension"] = 512.into();
        assert_eq!(parse_v4(&bytes(&body)).unwrap().dimension, 512);
        assert!(parse_v3(&bytes(&body)).is_err());
        body["output_dimension"] = 384.into();
        assert!(parse_v4(&bytes(&body)).is_err());
    }

    #[test]
    fn the_embeddings_are_bare_or_keyed_by_type() {
        let mut body = request(&["a".into()]);
        let bare = parse_v4(&bytes(&body)).unwrap().answer(&[vec![0.5]]);
        assert_eq!(bare["embeddings"], json!([[0.5]]));
        body["embedding_types"] = json!(["float"]);
        let keyed = parse_v4(&bytes(&body)).unwrap().answer(&[vec![0.5]]);
        assert_eq!(keyed["embeddings"], json!({"float": [[0.5]]}));
    }
}
