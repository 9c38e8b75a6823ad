//! The output of a job: a line for each record, in any order, with the model's answer or an error.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::key::{Key, from_hex};
use crate::embed::embedding::Embedding;
use crate::embed::model::Model;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    record_id: &'a str,
    #[serde(borrow)]
    model_output: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordError {
    error_code: Option<i64>,
    error_message: Option<String>,
}

/// What a line says, and of which of the records that are still `open`; `None` if of none of them.
pub(super) fn read(line: &[u8], open: &mut HashSet<Key>, model: &Model) -> Option<(Key, Result<Embedding, String>)> {
    let line: Line = serde_json::from_slice(line).ok()?;
    let &[key] = &from_hex(line.record_id)?[..] else { return None };
    if !open.remove(&key) {
        return None;
    }
    let answer = match (line.model_output, line.error) {
        (Some(output), None) => embedding(output, model),
        (_, Some(error)) => Err(words(error)),
        (None, None) => Err("the record has neither an answer nor an error".to_owned()),
    };
    Some((key, answer))
}

fn embedding(output: &RawValue, model: &Model) -> Result<Embedding, String> {
    let answer = model.family.response(output.get().as_bytes());
    let embedding = answer.map_err(|error| error.to_string())?.pop().ok_or("the answer has no vector")?;
    let (vector, dimension) = (&embedding.vector, model.dimension());
    if vector.len() != dimension {
        return Err(format!("the answer has a vector of length {}, expected {dimension}", vector.len()));
    }
    if vector.iter().any(|number| !number.is_finite()) || vector.iter().all(|&number| number == 0.0) {
        return Err("the answer's vector is all zero, or has a number beyond 32-bit floats".to_owned());
    }
    Ok(embedding)
}

fn words(error: &RawValue) -> String {
    match serde_json::from_str(error.get()) {
        Ok(RecordError { error_code: Some(code), error_message: Some(message) }) => format!("{code}: {message}"),
        Ok(RecordError { error_message: Some(message), .. }) => message,
        _ => error.get().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::to_hex;
    use super::*;

    #[test]
    fn a_line_is_an_answer_an_error_or_nobodys() {
        let model = Model::new("amazon.titan-embed-text-v2:0", None, 256).unwrap();
        let keys: [Key; 4] = std::array::from_fn(|at| [at as u8; 32]);
        let mut open: HashSet<Key> = keys.into_iter().collect();
        let mut read = |key: &Key, rest: &str| {
            let line = format!(r#"{{"recordId":"{}","modelInput":{{"inputText":"x"}},{rest}}}"#, to_hex(&[*key]));
            super::read(line.as_bytes(), &mut open, &model)
        };
        let vector = vec![0.5; 256];
        let output = format!(r#""modelOutput":{{"embedding":{vector:?},"inputTextTokenCount":3}}"#);
        let (key, answer) = read(&keys[0], &output).unwrap();
        assert_eq!((key, answer.unwrap().vector), (keys[0], vector));
        assert!(read(&keys[0], &output).is_none(), "each record is answered once");
        let error = r#""error":{"errorCode":400,"errorMessage":"bad request","expired":false}"#;
        assert_eq!(read(&keys[1], error).unwrap().1.unwrap_err(), "400: bad request");
        let short = r#""modelOutput":{"embedding":[1.0]}"#;
        assert!(read(&keys[2], short).unwrap().1.unwrap_err().contains("of length 1, expected 256"));
        assert!(read(&[9; 32], &output).is_none(), "a record of somebody else");
        assert!(super::read(b"{", &mut open, &model).is_none());
        assert_eq!(open, HashSet::from([keys[3]]));
    }

    #[test]
    fn a_damaged_line_is_nobodys_or_of_a_record_that_is_open() {
        const PARTS: &[u8] = br#"{}[],:"\e-9"#;
        let model = Model::new("amazon.titan-embed-text-v2:0", None, 256).unwrap();
        let (key, vector) = ([7; 32], vec![0.5; 256]);
        let line = format!(r#"{{"recordId":"{}","modelOutput":{{"embedding":{vector:?}}}}}"#, to_hex(&[key]));
        let mut rng = fastrand::Rng::with_seed(1);
        let mut answered = 0;
        for _ in 0..5_000 {
            let mut line = line.clone().into_bytes();
            for _ in 0..rng.usize(1..4) {
                let at = rng.usize(..line.len());
                match rng.u8(..3) {
                    0 => line[at] = rng.u8(..),
                    1 => line.truncate(at.max(1)),
                    _ => line.insert(at, PARTS[rng.usize(..PARTS.len())]),
                }
            }
            let mut open = HashSet::from([key]);
            if let Some((found, answer)) = super::read(&line, &mut open, &model) {
                assert!(found == key && open.is_empty());
                answered += usize::from(answer.is_ok_and(|embedding| embedding.vector.len() == 256));
            }
        }
        assert!(answered > 10, "hardly any damaged line was still an answer: {answered}");
    }
}
