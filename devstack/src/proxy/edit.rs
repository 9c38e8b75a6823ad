//! Batches done in part: what is left out of a request, and how the answer then says so. And waits made shorter.

use axum::body::Bytes;
use serde_json::{Value, json};

use super::plan::Planned;

/// A request without some of its parts, and what was left out of it.
#[derive(Debug, PartialEq)]
pub(super) struct Edited {
    /// What to forward; `None` if nothing is left.
    pub(super) request: Option<Bytes>,
    /// The part of the answer that describes the rest.
    left_out: LeftOut,
}

#[derive(Debug, PartialEq)]
enum LeftOut {
    /// An entry of `Failed`.
    Entry(Value),
    /// `UnprocessedKeys`.
    Keys { table: String, keys: Value },
}

/// Leaves one entry out of a batch of SQS.
pub(super) fn without_an_entry(request: &[u8], planned: Planned) -> Option<Edited> {
    let mut request: Value = serde_json::from_slice(request).ok()?;
    let entries = request.get_mut("Entries")?.as_array_mut().filter(|entries| !entries.is_empty())?;
    let entry = entries.remove(planned.pick(entries.len()));
    let code = if planned.coin { "InternalError" } else { "ServiceUnavailable" };
    let failed = json!({"Id": entry.get("Id")?, "SenderFault": false, "Code": code,
        "Message": "We encountered an internal error. Please try again."});
    let request = (!entries.is_empty()).then(|| Bytes::from(request.to_string()));
    Some(Edited { request, left_out: LeftOut::Entry(failed) })
}

/// Leaves some of the keys out of a look-up, but not all if there are several.
pub(super) fn without_keys(request: &[u8], planned: Planned) -> Option<Edited> {
    let mut request: Value = serde_json::from_slice(request).ok()?;
    let (table, asked) = request.get_mut("RequestItems")?.as_object_mut()?.iter_mut().next()?;
    let (table, mut unprocessed) = (table.clone(), asked.clone());
    let keys = asked.get_mut("Keys")?.as_array_mut().filter(|keys| !keys.is_empty())?;
    let kept = planned.pick(keys.len()).max(usize::from(keys.len() > 1));
    unprocessed["Keys"] = keys.split_off(kept).into();
    let request = (!keys.is_empty()).then(|| Bytes::from(request.to_string()));
    Some(Edited { request, left_out: LeftOut::Keys { table, keys: unprocessed } })
}

/// Shortens the times for which messages are to stay invisible; none becomes 0 that was not.
pub(super) fn hurried(request: &[u8], by: u32) -> Option<Bytes> {
    let mut request: Value = serde_json::from_slice(request).ok()?;
    let shorten = |asked: &mut Value| {
        if let Some(seconds) = asked["VisibilityTimeout"].as_u64() {
            asked["VisibilityTimeout"] = seconds.div_ceil(by.into()).into();
        }
    };
    match request.get_mut("Entries").and_then(Value::as_array_mut) {
        Some(entries) => entries.iter_mut().for_each(shorten),
        None => shorten(&mut request),
    }
    Some(request.to_string().into())
}

impl Edited {
    /// The service's answer with what was left out in it; `None` if it is not one that could have that.
    pub(super) fn answer(&self, answer: Option<&[u8]>) -> Option<Bytes> {
        let mut answer: Value = match answer {
            Some(answer) => serde_json::from_slice(answer).ok().filter(Value::is_object)?,
            None => json!({}),
        };
        match &self.left_out {
            LeftOut::Entry(failed) => {
                add(&mut answer, "Successful", None)?;
                add(&mut answer, "Failed", Some(failed))?;
            }
            LeftOut::Keys { table, keys } => {
                if answer["Responses"].is_null() {
                    answer["Responses"] = json!({ table: [] });
                }
                answer["UnprocessedKeys"] = json!({ table: keys });
            }
        }
        Some(Bytes::from(answer.to_string()))
    }
}

/// Adds to a list that may be missing or null.
fn add(answer: &mut Value, name: &str, item: Option<&Value>) -> Option<()> {
    if answer[name].is_null() {
        answer[name] = json!([]);
    }
    answer[name].as_array_mut()?.extend(item.cloned());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::FaultKind;

    fn planned(share: f64) -> Planned {
        Planned { kind: FaultKind::FailedEntry, share, coin: true }
    }

    fn json(bytes: &[u8]) -> Value {
        serde_json::from_slice(bytes).unwrap()
    }

    #[test]
    fn an_entry_that_is_left_out_stands_among_the_failed() {
        let request = br#"{"QueueUrl":"q","Entries":[{"Id":"0"},{"Id":"1"}]}"#;
        let edited = without_an_entry(request, planned(0.9)).unwrap();
        assert_eq!(json(edited.request.as_ref().unwrap()), json!({"QueueUrl": "q", "Entries": [{"Id": "0"}]}));
        let answer = json(&edited.answer(Some(br#"{"Successful":[{"Id":"0"}]}"#)).unwrap());
        assert_eq!((&answer["Successful"][0]["Id"], &answer["Failed"][0]["Id"]), (&json!("0"), &json!("1")));
        assert_eq!(edited.answer(Some(b"<html>")), None);
    }

    #[test]
    fn what_has_no_other_entry_is_not_forwarded() {
        let edited = without_an_entry(br#"{"Entries":[{"Id":"0"}]}"#, planned(0.0)).unwrap();
        assert_eq!(edited.request, None);
        let answer = json(&edited.answer(None).unwrap());
        assert_eq!((&answer["Successful"], &answer["Failed"][0]["Id"]), (&json!([]), &json!("0")));
        assert_eq!(without_an_entry(br#"{"Entries":[]}"#, planned(0.0)), None);
    }

    #[test]
    fn waits_become_shorter_and_never_none_at_all() {
        let batch = br#"{"Entries":[{"Id":"0","VisibilityTimeout":900},{"Id":"1","VisibilityTimeout":2}]}"#;
        let entries = &json(&hurried(batch, 20).unwrap())["Entries"];
        assert_eq!([&entries[0]["VisibilityTimeout"], &entries[1]["VisibilityTimeout"]], [45, 1]);
        assert_eq!(json(&hurried(br#"{"VisibilityTimeout":0}"#, 20).unwrap()), json!({"VisibilityTimeout": 0}));
    }

    #[test]
    fn keys_that_are_left_out_are_unprocessed_with_the_options_of_the_request() {
        let request = br#"{"RequestItems":{"t":{"Keys":[1,2,3],"ConsistentRead":true}}}"#;
        let edited = without_keys(request, planned(0.0)).unwrap();
        assert_eq!(json(edited.request.as_ref().unwrap())["RequestItems"]["t"]["Keys"], json!([1]));
        let answer = json(&edited.answer(Some(br#"{"Responses":{"t":[]},"UnprocessedKeys":{}}"#)).unwrap());
        assert_eq!(answer["UnprocessedKeys"], json!({"t": {"Keys": [2, 3], "ConsistentRead": true}}));
        let one = without_keys(br#"{"RequestItems":{"t":{"Keys":[1]}}}"#, planned(0.5)).unwrap();
        assert_eq!(one.request, None);
    }
}
