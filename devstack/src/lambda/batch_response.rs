//! What a function's answer to a batch means, by the rules of Lambda's `ReportBatchItemFailures`.

use std::collections::HashSet;

use serde_json::Value;

/// The ids of the messages that failed and stay in the queue; all others are done. An error, with its reason, means
/// that the whole batch failed.
pub(super) fn failed_messages<'a>(response: &[u8], batch: &HashSet<&'a str>) -> Result<HashSet<&'a str>, String> {
    if response.iter().all(u8::is_ascii_whitespace) {
        return Ok(HashSet::new());
    }
    let response: Value =
        serde_json::from_slice(response).map_err(|error| format!("the response is not JSON: {error}"))?;
    let failures = match &response {
        Value::Null => return Ok(HashSet::new()),
        Value::Object(fields) => fields.get("batchItemFailures").unwrap_or(&Value::Null),
        other => return Err(format!("the response is not an object: {other}")),
    };
    let failures = match failures {
        Value::Null => return Ok(HashSet::new()),
        Value::Array(failures) => failures,
        other => return Err(format!("batchItemFailures is not a list: {other}")),
    };
    failures
        .iter()
        .map(|failure| match failure.get("itemIdentifier") {
            Some(Value::String(id)) if !id.is_empty() => {
                batch.get(id.as_str()).copied().ok_or_else(|| format!("no message of the batch has the id {id}"))
            }
            _ => Err(format!("an item of batchItemFailures names no message: {failure}")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(response: &str) -> Result<Vec<&'static str>, String> {
        let failed = failed_messages(response.as_bytes(), &HashSet::from(["a", "b", "c"]))?;
        let mut failed: Vec<_> = failed.into_iter().collect();
        failed.sort_unstable();
        Ok(failed)
    }

    #[test]
    fn no_failures_mean_that_all_succeeded() {
        for response in
            ["", " \n", "null", "{}", r#"{"batchItemFailures":[]}"#, r#"{"batchItemFailures":null}"#, r#"{"other":1}"#]
        {
            assert_eq!(judge(response), Ok(vec![]), "{response}");
        }
    }

    #[test]
    fn only_the_listed_messages_failed() {
        let response =
            r#"{"batchItemFailures":[{"itemIdentifier":"c"},{"itemIdentifier":"a"},{"itemIdentifier":"a"}]}"#;
        assert_eq!(judge(response), Ok(vec!["a", "c"]));
    }

    #[test]
    fn anything_else_fails_the_whole_batch() {
        for response in [
            "{",
            "done",
            "\"done\"",
            "[]",
            "0",
            r#"{"batchItemFailures":{}}"#,
            r#"{"batchItemFailures":["a"]}"#,
            r#"{"batchItemFailures":[{}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":7}]}"#,
            r#"{"batchItemFailures":[{"ItemIdentifier":"a"}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"x"}]}"#,
        ] {
            assert!(judge(response).is_err(), "{response}");
        }
    }
}
