//! Direct calls beside those of the SDK: they send the same, and the same answer means the same.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::{AsyncSleep, Credentials, SharedAsyncSleep, SharedCredentialsProvider, Sleep};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use nearline_contract::{Attribute, ErrorCode, Group, JobError, Match, ResultRecord, Status};
use serde_json::Value;

use super::{Canned, QUEUE, canned, look_up, record, refusal, sdk, twice};
use crate::aws::client::Sdk;
use crate::embed::Models;
use crate::fault::Cause;
use crate::intake::Queue;
use crate::results::{Records, Written};

#[tokio::test]
async fn what_is_received_directly_is_what_the_sdk_receives() {
    for messages in [
        "",
        r#"{"MessageId":"m","ReceiptHandle":"h","Body":"{\"a\":\"\u00e4\"}","MD5OfBody":"x","Attributes":{
            "ApproximateReceiveCount":"3","MessageGroupId":"g","SentTimestamp":"1795435200123",
            "AWSTraceHeader":"Root=1-5759e988-bd862e3fe1be46a994272793"}}"#,
        r#"{"MessageId":"m","ReceiptHandle":"h","Body":""},{"MessageId":"n","ReceiptHandle":"i","Body":"{}"}"#,
        r#"{"ReceiptHandle":"h"}"#,
    ] {
        let queue = sdk(&canned(200, &format!(r#"{{"Messages":[{messages}]}}"#))).queue(QUEUE);
        let received = twice(async || queue.receive(10, Duration::ZERO, Duration::from_secs(30)).await).await.unwrap();
        assert_eq!(received.len(), messages.matches("ReceiptHandle").count());
    }
}

#[tokio::test]
async fn what_is_looked_up_directly_is_what_the_sdk_finds() {
    let item = r#"{"request_id":{"S":"r"},"job_sha256":{"S":"00"},"expires_at":{"N":"7"}}"#;
    for (answer, found, unprocessed) in [
        (r#"{"Responses":{"t":[]},"UnprocessedKeys":{}}"#.to_owned(), 0, 0),
        (r#"{"Responses":{"t":[]}}"#.to_owned(), 0, 0),
        ("{}".to_owned(), 0, 0),
        (format!(r#"{{"Responses":{{"t":[{item}]}},"UnprocessedKeys":{{}}}}"#), 1, 0),
        (r#"{"Responses":{"t":[]},"UnprocessedKeys":{"t":{"Keys":[{"request_id":{"S":"r"}}]}}}"#.to_owned(), 0, 1),
    ] {
        let answer = look_up(&canned(200, &answer)).await.unwrap();
        assert_eq!((answer.found.len(), answer.unprocessed.len()), (found, unprocessed));
    }
}

/// Headers of an attempt, and what each request has of its own.
fn lasting_headers(request: &HttpRequest) -> Vec<(String, String)> {
    let passing = ["amz-sdk-invocation-id", "amz-sdk-request", "authorization", "x-amz-date", "host", "content-length"];
    let headers = request.headers().iter().filter(|(name, _)| !passing.contains(name));
    let mut headers: Vec<_> = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    headers.sort();
    headers
}

#[tokio::test]
async fn what_is_sent_directly_is_what_the_sdk_sends() {
    let text = "\"quoted\" \u{1f600} \n \\ /";
    let found = |title: Option<&str>| Match {
        product_id: text.into(),
        score: 1e-7,
        category: title.map(str::to_owned),
        title: title.map(str::to_owned),
        attributes: title.map_or_else(BTreeMap::new, |text| {
            let value = |json: serde_json::Value| serde_json::from_value::<Attribute>(json).unwrap();
            [
                (text.to_owned(), value(text.into())),
                ("price".to_owned(), value(1e-7.into())),
                ("stock".to_owned(), value(u64::MAX.into())),
                ("new".to_owned(), value(false.into())),
                ("used".to_owned(), value(true.into())),
                ("tags".to_owned(), value(vec![text, ""].into())),
                ("sizes".to_owned(), value(vec![1.5, -2.0].into())),
                ("none".to_owned(), value(serde_json::json!([]))),
            ]
            .into()
        }),
    };
    let group = |category: Option<&str>| Group {
        category: category.map(str::to_owned),
        matches: vec![found(None), found(Some(text))],
    };
    let full = ResultRecord {
        request_id: "r-2".into(),
        results: Some(vec![group(None), group(Some(text)), Group { category: None, matches: vec![] }]),
        results_uri: Some("s3://b/k".into()),
        error: Some(JobError::new(ErrorCode::UnknownCategory, text).into()),
        model_id: Some("m".into()),
        metadata: [("tenant".to_owned(), text.to_owned()), (text.to_owned(), String::new())].into(),
        query_truncated: true,
        ..record()
    };
    let rejected = ResultRecord { status: Status::Rejected, results: None, ..record() };
    let canned = canned(200, r#"{"Responses":{"t":[]},"UnprocessedKeys":{},"Successful":[{"Id":"0"},{"Id":"1"}]}"#);
    let (queue, records) = (sdk(&canned).queue(QUEUE), sdk(&canned).records("t", None));
    let models = sdk(&canned).models();
    let _ = twice(async || queue.receive(7, Duration::from_millis(9_500), Duration::from_secs(30)).await).await;
    let _ = twice(async || queue.delete(&["a", text]).await).await;
    let _ = twice(async || records.look_up(&["r", text], false).await).await;
    let arn = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/a1b2";
    for model in ["amazon.titan-embed-text-v2:0", arn] {
        let _ = twice(async || models.invoke(model, b"{\"inputText\":\"x\"}".to_vec()).await).await;
    }
    let _ = twice(async || records.put(&full, 17).await).await;
    let requests: Vec<HttpRequest> = canned.requests.lock().unwrap().drain(..).collect();
    assert_eq!(requests.len(), 12);
    for pair in requests.chunks(2) {
        let body =
            |request: &HttpRequest| -> Value { serde_json::from_slice(request.body().bytes().unwrap()).unwrap() };
        let [by_sdk, direct] = pair else { panic!("calls come in pairs") };
        assert_eq!(body(by_sdk), body(direct));
        assert_eq!((by_sdk.uri(), by_sdk.method()), (direct.uri(), direct.method()));
        assert_eq!(lasting_headers(by_sdk), lasting_headers(direct));
        assert!(by_sdk.headers().contains_key("amz-sdk-invocation-id"));
        assert!(!direct.headers().contains_key("amz-sdk-invocation-id"));
    }
    // The first one of these is made directly already.
    assert_eq!(records.put(&rejected, 0).await, Ok(Written::New));
    let rejected_by_sdk = sdk(&canned).records("t", None).put(&rejected, 0).await;
    assert_eq!(rejected_by_sdk, Ok(Written::New));
    let requests = canned.requests.lock().unwrap();
    let body = |at: usize| -> Value { serde_json::from_slice(requests[at].body().bytes().unwrap()).unwrap() };
    assert_eq!(body(0), body(1));
}

/// Answers calls one after the other, the last one again and again.
#[derive(Debug, Clone)]
struct Script(Vec<Canned>, Arc<AtomicUsize>);

impl HttpConnector for Script {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self(answers, calls) = self;
        answers[calls.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1)].call(request)
    }
}

#[derive(Debug)]
struct NoPause;

impl AsyncSleep for NoPause {
    fn sleep(&self, _: Duration) -> Sleep {
        Sleep::new(std::future::ready(()))
    }
}

#[tokio::test]
async fn the_sdk_goes_on_from_what_was_heard_directly() {
    let (well, busy, calls) = (canned(200, "{}"), refusal(503, "ServiceUnavailable"), Arc::<AtomicUsize>::default());
    let script = Script(vec![well.clone(), busy.clone(), busy.clone(), well, busy], Arc::clone(&calls));
    let connector = SharedHttpConnector::new(script);
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static("eu-west-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::for_tests()))
        .retry_config(aws_config::retry::RetryConfig::standard())
        .sleep_impl(SharedAsyncSleep::new(NoPause))
        .http_client(http_client_fn(move |_, _| connector.clone()));
    let records = Sdk::from_config(config.build()).records("t", None);
    assert_eq!((records.put(&record(), 0).await, calls.load(Ordering::Relaxed)), (Ok(Written::New), 1));
    let answer = records.put(&record(), 0).await;
    assert_eq!((answer, calls.load(Ordering::Relaxed)), (Ok(Written::New), 4), "the direct one, and two of the SDK");
    let fault = records.put(&record(), 0).await.unwrap_err();
    assert_eq!((fault.cause, calls.load(Ordering::Relaxed)), (Cause::Unavailable, 7), "as many attempts as ever");
}
