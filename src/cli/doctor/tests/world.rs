//! A set-up in which nothing is wrong, and what is made wrong in it.

use std::time::Duration;

use serde_json::json;

use super::super::check::{Check, Status};
use super::super::examine;
use crate::aws::tests::answers::{Answer, Asked, sdk_answering};
use crate::catalog::{Rows, artifact};
use crate::config::Reader;

const DIMENSION: usize = 256;
const TITAN: &str = "amazon.titan-embed-text-v2:0";
pub(super) const JOBS: &str = "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs";
pub(super) const DEAD: &str = "https://sqs.eu-west-1.amazonaws.com/123456789012/dead";

pub(super) fn arn(queue: &str) -> String {
    format!("arn:aws:sqs:eu-west-1:123456789012:{queue}")
}

/// Attributes of a queue, some of them set to others; none if `null`.
pub(super) fn queue(name: &str, changes: &[(&str, &str)]) -> Answer {
    let redrive = json!({"deadLetterTargetArn": arn("dead"), "maxReceiveCount": 100}).to_string();
    let arn = arn(name);
    let retention = if name.starts_with("jobs") { "345600" } else { "1209600" };
    let mut attributes = json!({"QueueArn": arn, "VisibilityTimeout": "360", "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesNotVisible": "0", "ApproximateNumberOfMessagesDelayed": "0",
        "MaximumMessageSize": "1048576", "MessageRetentionPeriod": retention, "RedrivePolicy": redrive});
    for (name, value) in changes {
        attributes[name] = (*value).into();
    }
    let kept = attributes.as_object_mut().unwrap();
    kept.retain(|_, value| value != "null");
    Answer::with(json!({"Attributes": attributes}).to_string())
}

pub(super) fn table(key: &str, kind: &str, status: &str, billing: &str) -> Answer {
    Answer::with(
        json!({"Table": {"TableName": "records", "TableStatus": status,
            "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": key, "AttributeType": kind}],
            "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
            "BillingModeSummary": {"BillingMode": billing}}})
        .to_string(),
    )
}

pub(super) fn time_to_live(attribute: &str, status: &str) -> Answer {
    let described = json!({"AttributeName": attribute, "TimeToLiveStatus": status});
    Answer::with(json!({"TimeToLiveDescription": described}).to_string())
}

pub(super) fn vector(length: usize) -> Answer {
    Answer::with(json!({"embedding": vec![0.5; length], "inputTextTokenCount": 2}).to_string())
}

/// An artifact of one product.
pub(super) fn catalog(model: &str) -> Vec<u8> {
    let rows = Rows {
        product_ids: vec!["a".into()],
        categories: vec!["tea".into()],
        titles: vec![None],
        vectors: vec![1.0; DIMENSION],
        dimension: DIMENSION,
        ..Rows::default()
    };
    artifact::write(Vec::new(), &rows, model).unwrap()
}

pub(super) fn pointer(artifact: &[u8]) -> Answer {
    let sha256 = artifact::sha256(artifact).unwrap();
    let pointer = json!({"format_version": 1, "version": artifact::version(&sha256), "key": "p/catalogs/v.arrow",
        "sha256": sha256, "bytes": artifact.len(), "rows": 1, "dimension": DIMENSION});
    Answer::with(pointer.to_string())
}

/// The pointer to a candidate that answers half of the jobs.
pub(super) fn candidate(artifact: &[u8]) -> Answer {
    let sha256 = artifact::sha256(artifact).unwrap();
    let pointer = json!({"format_version": 1, "version": artifact::version(&sha256), "key": "p/catalogs/w.arrow",
        "sha256": sha256, "bytes": artifact.len(), "rows": 1, "dimension": DIMENSION, "share": 0.5});
    Answer::with(pointer.to_string())
}

fn refused_handle() -> Answer {
    let entry = json!({"Id": "0", "Code": "ReceiptHandleIsInvalid", "SenderFault": true, "Message": "because"});
    Answer::with(json!({"Successful": [], "Failed": [entry]}).to_string())
}

fn well(asked: &str) -> Answer {
    match asked {
        "GetCallerIdentity" => Answer::with(
            "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:sts::123456789012:assumed-role/worker/i\
             </Arn></GetCallerIdentityResult></GetCallerIdentityResponse>",
        )
        .dated(0),
        "GetQueueAttributes jobs" | "GetQueueAttributes jobs.fifo" => queue("jobs", &[]),
        "GetQueueAttributes dead" | "GetQueueAttributes dead.fifo" => queue("dead", &[("RedrivePolicy", "null")]),
        "DescribeTable" => table("request_id", "S", "ACTIVE", "PAY_PER_REQUEST"),
        "DescribeTimeToLive" => time_to_live("expires_at", "ENABLED"),
        "HEAD" => Answer::with("").header("x-amz-bucket-region", "eu-west-1"),
        "GET p/current.json" => pointer(&catalog(TITAN)),
        "GET p/candidate.json" => Answer::refusal(404, "NoSuchKey"),
        "GET p/catalogs/v.arrow" => Answer::with(catalog(TITAN)),
        "InvokeModel" => vector(DIMENSION),
        "BatchGetItem" => Answer::with(r#"{"Responses":{"records":[]},"UnprocessedKeys":{}}"#),
        "GetItem" => Answer::with("{}"),
        "PutItem" => Answer::refusal(400, "ConditionalCheckFailedException"),
        "PUT results/nearline-doctor" => Answer::refusal(404, "NoSuchUpload"),
        _ if asked.starts_with("SendMessageBatch") => Answer::refusal(400, "EmptyBatchRequest"),
        _ if asked.starts_with("DeleteMessageBatch") => refused_handle(),
        _ if asked.starts_with("ChangeMessageVisibilityBatch") => refused_handle(),
        _ => panic!("nobody should ask {asked}"),
    }
}

/// A set-up to make wrong.
#[derive(Default)]
pub(super) struct World {
    answers: Vec<(&'static str, Answer)>,
    settings: Vec<(&'static str, String)>,
    function_timeout: Option<Duration>,
}

impl World {
    /// What is asked by names that begin so gets this answer.
    pub(super) fn answers(mut self, asked: &'static str, answer: Answer) -> Self {
        self.answers.push((asked, answer));
        self
    }

    /// An empty value unsets it.
    pub(super) fn set(mut self, setting: &'static str, value: &str) -> Self {
        self.settings.push((setting, value.to_owned()));
        self
    }

    pub(super) fn function_timeout(self, seconds: u64) -> Self {
        Self { function_timeout: Some(Duration::from_secs(seconds)), ..self }
    }

    pub(super) async fn examined(self) -> (Vec<Check>, Asked) {
        let settings = [
            ("NEARLINE_QUEUE_URL", JOBS.to_owned()),
            ("NEARLINE_DEAD_LETTER_QUEUE_URL", DEAD.to_owned()),
            ("NEARLINE_RESULTS_TABLE", "records".to_owned()),
            ("NEARLINE_RESULTS_BUCKET", "bucket".to_owned()),
            ("NEARLINE_CATALOG", "s3://bucket/p".to_owned()),
        ];
        let settings = settings.into_iter().chain(self.settings).map(|(name, value)| (name.to_owned(), value));
        let settings: std::collections::HashMap<String, String> = settings.collect();
        let answers = self.answers;
        let (sdk, asked) = sdk_answering(move |asked| {
            let changed = answers.iter().find(|(name, _)| asked.starts_with(name));
            changed.map_or_else(|| well(asked), |(_, answer)| answer.clone())
        });
        let reader = Reader::new(settings);
        let (unknown, settings) = (reader.unknown(), reader.worker());
        (examine(sdk, settings, &unknown, self.function_timeout).await.unwrap(), asked)
    }

    /// What is not as in a world that is well; where something is to be done, there are words for it.
    pub(super) async fn ills(self) -> Vec<Check> {
        let (checks, _) = self.examined().await;
        for check in &checks {
            let needs_fix = matches!(check.status, Status::Warning | Status::Failed | Status::NotShown);
            assert_eq!(check.fix.as_ref().is_some_and(|fix| !fix.is_empty()), needs_fix, "{check:?}");
            assert!(!check.found.is_empty(), "{check:?}");
        }
        checks.into_iter().filter(|check| check.status != status_when_well(check.id)).collect()
    }

    /// Asserts what is wrong, by id, and that the first one's words say so.
    pub(super) async fn shows(self, ills: &[(&str, Status)], words: &str) {
        let found = self.ills().await;
        let named: Vec<_> = found.iter().map(|check| (check.id, check.status)).collect();
        assert_eq!(named, ills, "{words}: {found:#?}");
        let said = found[0].to_text();
        assert!(said.contains(words), "`{words}` is not in `{said}`");
    }
}

pub(super) fn status_when_well(id: &str) -> Status {
    if id == "sqs:ReceiveMessage" { Status::NotShown } else { Status::Ok }
}
