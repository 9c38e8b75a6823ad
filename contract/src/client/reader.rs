//! Records of many jobs, waited for and read whole.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use aws_sdk_s3::Client as S3Client;
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep};

use super::call::CallError;
use super::pauses::Pauses;
use crate::hash::hex;
use crate::item::{Item, NotARecord, optional_text};
use crate::record::{Group, ResultRecord};

/// Most keys of one call.
const CALL_MAX_KEYS: usize = 100;
/// Pauses between look-ups. As they double, nobody waits much longer than twice what a record took.
const PAUSES: Pauses = Pauses { first: Duration::from_millis(100), longest: Duration::from_secs(2) };

/// Reads records. It needs `dynamodb:BatchGetItem`, and `s3:GetObject` on `results/*` of the bucket for large results.
#[derive(Debug, Clone)]
pub struct Reader {
    dynamodb: Client,
    s3: S3Client,
    table: String,
}

/// What was found of the ids that were asked for: each of them is in one of the first three.
#[derive(Debug, Default)]
pub struct Found {
    /// By request id, with their results, wherever these were kept.
    pub records: BTreeMap<String, ResultRecord>,
    /// Records that are there and cannot be read; waiting does not help.
    pub unreadable: BTreeMap<String, ReadError>,
    /// Ids without a record that counts, in the order in which they were asked for.
    pub missing: Vec<String>,
    /// The last call that failed, if it was needed for what is missing. One that does not pass has ended the waiting.
    pub fault: Option<CallError>,
}

/// Why a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The item is not a record.
    #[error(transparent)]
    NotARecord(#[from] NotARecord),
    /// Its results were not read.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Its results are nowhere.
    #[error("results_uri is `{0}`, which is not an S3 URI")]
    NoUri(String),
    /// Its results are not those that the worker wrote.
    #[error("the results in {0} failed their integrity check: their SHA-256 does not match their name")]
    Changed(String),
    /// Its results are of another form.
    #[error("the results in {0} are not a list of groups: {1}")]
    NoGroups(String, #[source] serde_json::Error),
}

impl Reader {
    /// Of this table.
    pub fn new(dynamodb: Client, s3: S3Client, table: impl Into<String>) -> Self {
        Self { dynamodb, s3, table: table.into() }
    }

    /// What is there now, by consistent reads.
    pub async fn get(&self, ids: impl IntoIterator<Item = impl Into<String>>) -> Found {
        let mut found = Found { missing: distinct(ids), ..Found::default() };
        self.look(&mut found, true).await;
        found
    }

    /// Waits until each id has a record, or has been waited for so long.
    ///
    /// It looks after a pause, which grows from a tenth of a second to two seconds. Reads are eventually consistent, at half
    /// the price, as what one look misses the next one finds; only the last look, at the end of the time, is consistent.
    /// Faults that may pass are outlasted.
    pub async fn wait(&self, ids: impl IntoIterator<Item = impl Into<String>>, longest: Duration) -> Found {
        let deadline = Instant::now() + longest;
        let mut found = Found { missing: distinct(ids), ..Found::default() };
        for look in 1.. {
            let left = deadline.saturating_duration_since(Instant::now());
            let pause = PAUSES.number(look);
            if found.missing.is_empty() {
                break;
            }
            sleep(pause.min(left)).await;
            self.look(&mut found, pause >= left).await;
            if pause >= left || found.fault.as_ref().is_some_and(|fault| !fault.may_pass) {
                break;
            }
        }
        found
    }

    /// The results that a record points to by its `results_uri`.
    ///
    /// # Errors
    /// [`ReadError`]; what it says is about the object alone.
    pub async fn results(&self, uri: &str) -> Result<Vec<Group>, ReadError> {
        let place = uri.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
        let (bucket, key) = place.ok_or_else(|| ReadError::NoUri(uri.to_owned()))?;
        let object = self.s3.get_object().bucket(bucket).key(key).send().await;
        let object = object.map_err(|error| CallError::new("GetObject", uri, &error))?;
        let body = object.body.collect().await.map_err(|error| broken_off(uri, &error))?.to_vec();
        if key.rsplit('/').next() != Some(format!("{}.json", hex(&Sha256::digest(&body))).as_str()) {
            return Err(ReadError::Changed(uri.to_owned()));
        }
        serde_json::from_slice(&body).map_err(|error| ReadError::NoGroups(uri.to_owned(), error))
    }

    /// Looks once for all that is missing.
    async fn look(&self, found: &mut Found, consistent: bool) {
        found.fault = None;
        let asked = std::mem::take(&mut found.missing);
        for chunk in asked.chunks(CALL_MAX_KEYS) {
            let mut keys = chunk.to_vec();
            while !keys.is_empty() {
                let (items, left) = match self.batch_get(&keys, consistent).await {
                    Ok(answer) => answer,
                    Err(fault) => {
                        found.fault = Some(fault);
                        break;
                    }
                };
                for item in &items {
                    self.take(item, found).await;
                }
                if left.len() == keys.len() {
                    found.fault = Some(self.throttled());
                    break;
                }
                // An answer has at most 16 MB: the rest is there for the asking.
                keys = left;
            }
            if found.fault.as_ref().is_some_and(|fault| !fault.may_pass) {
                break;
            }
        }
        let is_answered = |id: &String| found.records.contains_key(id) || found.unreadable.contains_key(id);
        found.missing = asked.into_iter().filter(|id| !is_answered(id)).collect();
    }

    /// One call: items, and the ids that were left unprocessed.
    async fn batch_get(&self, ids: &[String], consistent: bool) -> Result<(Vec<Item>, Vec<String>), CallError> {
        let keys = ids.iter().map(|id| HashMap::from([("request_id".to_owned(), AttributeValue::S(id.clone()))]));
        let keys = KeysAndAttributes::builder().set_keys(Some(keys.collect())).consistent_read(consistent).build();
        let keys = keys.expect("keys are set");
        let answer = self.dynamodb.batch_get_item().request_items(&self.table, keys).send().await;
        let answer = answer.map_err(|error| CallError::new("BatchGetItem", &self.table, &error))?;
        let items = answer.responses.and_then(|mut tables| tables.remove(&self.table)).unwrap_or_default();
        let left = answer.unprocessed_keys.and_then(|mut tables| tables.remove(&self.table));
        let left = left.map(|left| left.keys).unwrap_or_default();
        Ok((items, left.iter().filter_map(|key| optional_text(key, "request_id")).collect()))
    }

    /// Puts a record where it belongs; an expired one, or one whose results cannot be read now, nowhere.
    async fn take(&self, item: &Item, found: &mut Found) {
        let Some(id) = optional_text(item, "request_id") else { return };
        match self.read(item).await {
            Ok(record) if record.expires_at < now() => {}
            Ok(record) => drop(found.records.insert(id, record)),
            Err(ReadError::Call(fault)) if fault.may_pass => found.fault = Some(fault),
            Err(error) => drop(found.unreadable.insert(id, error)),
        }
    }

    async fn read(&self, item: &Item) -> Result<ResultRecord, ReadError> {
        let mut record = ResultRecord::from_item(item)?;
        if let Some(uri) = &record.results_uri {
            record.results = Some(self.results(uri).await?);
        }
        Ok(record)
    }

    fn throttled(&self) -> CallError {
        let why = "all keys were left unprocessed".to_owned();
        CallError { operation: "BatchGetItem", resource: self.table.clone(), why, may_pass: true }
    }
}

fn broken_off(uri: &str, error: &dyn std::error::Error) -> CallError {
    CallError { operation: "GetObject", resource: uri.to_owned(), why: error.to_string(), may_pass: true }
}

/// `BatchGetItem` refuses a key that appears twice.
fn distinct(ids: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    let mut seen = HashSet::new();
    ids.into_iter().map(Into::into).filter(|id: &String| seen.insert(id.clone())).collect()
}

/// Seconds since the epoch.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::scripted::{Answer, Scripted};
    use super::*;

    fn reader(answers: Vec<Answer>) -> (Reader, Scripted) {
        let service = Scripted::new(answers);
        let config = service.config();
        (Reader::new(Client::new(&config), S3Client::new(&config), "t"), service)
    }

    fn item(id: &str, expires_at: i64, more: &str) -> String {
        format!(
            r#"{{"request_id":{{"S":"{id}"}},"format_version":{{"N":"1"}},"status":{{"S":"SUCCEEDED"}},
            "catalog_version":{{"S":"v"}},"job_sha256":{{"S":"00"}},"created_at":{{"S":"2026-11-23T12:00:00.000Z"}},
            "expires_at":{{"N":"{expires_at}"}}{more}}}"#
        )
    }

    fn record(id: &str) -> String {
        item(id, now() + 1_000, r#","results":{"L":[]}"#)
    }

    fn answer(items: &[String], unprocessed: &[&str]) -> Answer {
        let keys: Vec<String> = unprocessed.iter().map(|id| format!(r#"{{"request_id":{{"S":"{id}"}}}}"#)).collect();
        let left = if keys.is_empty() { String::new() } else { format!(r#""t":{{"Keys":[{}]}}"#, keys.join(",")) };
        (200, format!(r#"{{"Responses":{{"t":[{}]}},"UnprocessedKeys":{{{left}}}}}"#, items.join(",")))
    }

    /// How many keys each call asks for, and whether consistently.
    fn asked(service: &Scripted) -> Vec<(usize, bool)> {
        let table = |request: &serde_json::Value| {
            let table = &request["RequestItems"]["t"];
            (table["Keys"].as_array().unwrap().len(), table["ConsistentRead"] == true)
        };
        service.requests().iter().map(table).collect()
    }

    const LONG: Duration = Duration::from_mins(1);

    #[tokio::test(start_paused = true)]
    async fn it_looks_until_each_id_has_its_record_and_asks_only_for_those_that_are_missing() {
        let (reader, service) =
            reader(vec![answer(&[], &[]), answer(&[record("b")], &[]), answer(&[record("a")], &[])]);
        let found = reader.wait(["a", "b", "a"], LONG).await;
        assert_eq!((found.records.len(), found.missing.len()), (2, 0));
        assert_eq!(asked(&service), [(2, false), (2, false), (1, false)]);
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_end_of_the_time_it_looks_once_more_consistently() {
        let start = Instant::now();
        let (reader, service) = reader((0..9).map(|_| answer(&[], &[])).collect());
        let found = reader.wait(["a"], Duration::from_secs(1)).await;
        assert_eq!(found.missing, ["a"]);
        assert_eq!(start.elapsed().as_secs(), 1);
        let asked = asked(&service);
        assert!(asked.iter().rev().skip(1).all(|(_, consistent)| !consistent) && asked.last().unwrap().1, "{asked:?}");
        assert!((4..=6).contains(&asked.len()), "{asked:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn keys_left_unprocessed_are_asked_for_at_once_as_long_as_others_come() {
        let ids: Vec<String> = (0..150).map(|index| format!("r-{index}")).collect();
        let first = answer(&ids[..99].iter().map(|id| record(id)).collect::<Vec<_>>(), &["r-99"]);
        let rest: Vec<String> = ids[100..].iter().map(|id| record(id)).collect();
        let answers = vec![first, answer(&[record("r-99")], &[]), answer(&rest, &[])];
        let (reader, service) = reader(answers);
        let found = reader.get(ids).await;
        assert_eq!((found.records.len(), found.missing.len()), (150, 0));
        assert_eq!(asked(&service), [(100, true), (1, true), (50, true)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_table_that_processes_no_key_is_asked_after_a_pause() {
        let start = Instant::now();
        let (reader, _) = reader(vec![answer(&[], &["a"]), answer(&[record("a")], &[])]);
        assert_eq!(reader.wait(["a"], LONG).await.records.len(), 1);
        assert!(start.elapsed() >= Duration::from_millis(150), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn faults_are_outlasted_if_they_may_pass() {
        let down = (500, r#"{"__type":"com.amazonaws#InternalServerError"}"#.to_owned());
        let (reader, _) = reader(vec![down, answer(&[record("a")], &[])]);
        let found = reader.wait(["a"], LONG).await;
        assert_eq!((found.records.len(), found.fault), (1, None));
        let denied = (400, r#"{"__type":"com.amazonaws#AccessDeniedException","message":"because"}"#.to_owned());
        let (reader, service) = self::reader(vec![answer(&[record("a")], &[]), denied]);
        let found = reader.wait(["a", "b"], LONG).await;
        assert_eq!((found.records.len(), found.missing), (1, vec!["b".to_owned()]), "what was found is kept");
        assert_eq!(found.fault.unwrap().to_string(), "BatchGetItem of t failed: AccessDeniedException: because");
        assert_eq!(service.requests().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_expired_record_does_not_count() {
        let (reader, _) = reader(vec![answer(&[item("a", now() - 1, "")], &[])]);
        assert_eq!(reader.get(["a"]).await.missing, ["a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn results_are_fetched_and_checked_by_their_name() {
        const GROUPS: &str = r#"[{"category":"tea","matches":[]}]"#;
        let uri = |body: &str| format!("s3://b/results/{}.json", hex(&Sha256::digest(body)));
        let spilled = |id: &str, uri: &str| item(id, now() + 1_000, &format!(r#","results_uri":{{"S":"{uri}"}}"#));
        let good = answer(&[spilled("a", &uri(GROUPS))], &[]);
        let (reader, _) = reader(vec![good.clone(), (503, String::new()), good, (200, GROUPS.to_owned())]);
        let found = reader.wait(["a"], LONG).await;
        let results = found.records["a"].results.as_ref().unwrap();
        assert_eq!(results[0].category.as_deref(), Some("tea"));

        let (reader, _) = self::reader(vec![
            answer(&[spilled("a", &uri("other")), spilled("b", "gs://b"), spilled("c", &uri("{}"))], &[]),
            (200, GROUPS.to_owned()),
            (200, "{}".to_owned()),
        ]);
        let found = reader.get(["a", "b", "c"]).await;
        assert!(found.records.is_empty() && found.missing.is_empty());
        assert!(matches!(found.unreadable["a"], ReadError::Changed(_)));
        assert!(matches!(found.unreadable["b"], ReadError::NoUri(_)));
        assert!(matches!(found.unreadable["c"], ReadError::NoGroups(..)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_item_that_is_no_record_is_named() {
        let (reader, _) = reader(vec![answer(&[r#"{"request_id":{"S":"a"}}"#.to_owned()], &[])]);
        let found = reader.wait(["a"], LONG).await;
        assert_eq!(found.unreadable["a"].to_string(), "format_version is not a number");
    }
}
