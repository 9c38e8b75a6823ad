//! The real SDK with answers as the services, and those on the way to them, give them. `direct` compares its calls with
//! those that are made directly; `answers` is a whole AWS for the tests of others.

pub(crate) mod answers;
mod direct;
mod leases;
mod letters;
mod publishing;
mod tier;
mod traces;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::primitives::SdkBody;
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use nearline_contract::{Group, ResultRecord, Status};

use super::client::Sdk;
use crate::catalog::{Artifacts, ObjectName};
use crate::embed::Models;
use crate::fault::{Cause, Fault, Kind};
use crate::intake::{Outgoing, Queue};
use crate::results::{LookUp, Records, Written};
use crate::trace;

const QUEUE: &str = "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs";
const HTML: &str = "<html><body>Please sign in</body></html>";

/// Answers every call with one status and body.
#[derive(Debug, Clone)]
struct Canned {
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    body: String,
    calls: Arc<AtomicUsize>,
    traces: Arc<Mutex<Vec<Option<String>>>>,
    requests: Arc<Mutex<Vec<HttpRequest>>>,
}

impl HttpConnector for Canned {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let trace = request.headers().get("x-amzn-trace-id").map(str::to_owned);
        self.traces.lock().unwrap().push(trace);
        self.requests.lock().unwrap().push(request);
        self.calls.fetch_add(1, Ordering::Relaxed);
        let mut response = HttpResponse::new(self.status.try_into().unwrap(), SdkBody::from(self.body.as_str()));
        for &(name, value) in &self.headers {
            response.headers_mut().insert(name, value);
        }
        HttpConnectorFuture::ready(Ok(response))
    }
}

fn canned(status: u16, body: &str) -> Canned {
    let (calls, traces, requests) = Default::default();
    Canned { status, headers: Vec::new(), body: body.to_owned(), calls, traces, requests }
}

/// A refusal in the JSON of SQS, DynamoDB and Bedrock.
fn refusal(status: u16, code: &'static str) -> Canned {
    let mut canned = canned(status, &format!(r#"{{"__type":"com.amazonaws#{code}","message":"because"}}"#));
    canned.headers.push(("x-amzn-errortype", code));
    canned
}

/// A refusal in the XML of S3.
fn s3_refusal(status: u16, code: &str) -> Canned {
    canned(status, &format!("<Error><Code>{code}</Code><Message>because</Message></Error>"))
}

fn sdk(canned: &Canned) -> Sdk {
    sdk_of(canned.clone())
}

fn sdk_of(connector: impl HttpConnector + 'static) -> Sdk {
    let connector = SharedHttpConnector::new(connector);
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static("eu-west-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::for_tests()))
        .retry_config(aws_config::retry::RetryConfig::disabled())
        .http_client(http_client_fn(move |_, _| connector.clone()));
    Sdk::from_config(config.build())
}

fn record() -> ResultRecord {
    ResultRecord {
        request_id: "r".into(),
        format_version: 1,
        status: Status::Succeeded,
        results: Some(vec![Group { category: None, matches: vec![] }]),
        results_uri: None,
        error: None,
        catalog_version: "v".into(),
        model_id: None,
        job_sha256: "00".into(),
        created_at: "2026-11-23T12:00:00.000Z".into(),
        expires_at: 1,
        metadata: [].into(),
        query_truncated: false,
    }
}

fn object() -> ObjectName {
    ObjectName { bucket: "b".into(), key: "k".into() }
}

/// Makes a call by the SDK, and then again directly: the same answer must mean the same.
async fn twice<T: PartialEq + std::fmt::Debug>(call: impl AsyncFn() -> T) -> T {
    let (by_sdk, direct) = (call().await, call().await);
    assert_eq!(by_sdk, direct);
    direct
}

async fn receive(canned: &Canned) -> Result<usize, Fault> {
    let queue = sdk(canned).queue(QUEUE);
    let received = twice(async || queue.receive(10, Duration::ZERO, Duration::from_secs(30)).await).await;
    received.map(|deliveries| deliveries.len())
}

async fn send(canned: &Canned) -> Result<Vec<(usize, Fault)>, Fault> {
    sdk(canned).queue(QUEUE).send(&[Outgoing { body: "{}".into(), ..Outgoing::default() }]).await
}

async fn look_up(canned: &Canned) -> Result<LookUp, Fault> {
    let records = sdk(canned).records("t", Some("b"));
    twice(async || records.look_up(&["r"], false).await).await
}

async fn put(canned: &Canned) -> Result<Written, Fault> {
    let records = sdk(canned).records("t", Some("b"));
    twice(async || records.put(&record(), 0).await).await
}

async fn upload(canned: &Canned) -> Result<String, Fault> {
    sdk(canned).records("t", Some("b")).put_results("x.json", vec![1]).await
}

async fn invoke(canned: &Canned) -> Result<Vec<u8>, Fault> {
    let models = sdk(canned).models();
    twice(async || models.invoke("amazon.titan-embed-text-v2:0", b"{}".to_vec()).await).await
}

fn means<T: std::fmt::Debug>(answer: Result<T, Fault>) -> (Kind, Cause) {
    let fault = answer.unwrap_err();
    (fault.kind, fault.cause)
}

#[tokio::test]
async fn the_codes_of_sqs_mean_what_they_say() {
    for (status, code, expected) in [
        (400, "OverLimit", (Kind::Retry, Cause::Throttled)),
        (403, "RequestThrottled", (Kind::Retry, Cause::Throttled)),
        (400, "ThrottlingException", (Kind::Retry, Cause::Throttled)),
        (400, "KmsThrottled", (Kind::Retry, Cause::Throttled)),
        (500, "InternalFailure", (Kind::Retry, Cause::Unavailable)),
        (503, "ServiceUnavailable", (Kind::Retry, Cause::Unavailable)),
        (403, "ExpiredToken", (Kind::Retry, Cause::CredentialsExpired)),
        (403, "AccessDenied", (Kind::Permanent, Cause::AccessDenied)),
        (403, "InvalidClientTokenId", (Kind::Permanent, Cause::AccessDenied)),
        (400, "KmsAccessDenied", (Kind::Permanent, Cause::AccessDenied)),
        (400, "QueueDoesNotExist", (Kind::Permanent, Cause::NotFound)),
        (400, "AWS.SimpleQueueService.NonExistentQueue", (Kind::Permanent, Cause::NotFound)),
        (400, "InvalidParameterValue", (Kind::Permanent, Cause::Refused)),
    ] {
        assert_eq!(means(receive(&refusal(status, code)).await), expected, "{code}");
    }
}

#[tokio::test]
async fn the_codes_of_dynamodb_mean_what_they_say() {
    for (status, code, of_look_up, of_put) in [
        (
            400,
            "ProvisionedThroughputExceededException",
            (Kind::Retry, Cause::Throttled),
            (Kind::Retry, Cause::Throttled),
        ),
        (400, "RequestLimitExceeded", (Kind::Retry, Cause::Throttled), (Kind::Retry, Cause::Throttled)),
        (400, "ThrottlingException", (Kind::Retry, Cause::Throttled), (Kind::Retry, Cause::Throttled)),
        (500, "InternalServerError", (Kind::Retry, Cause::Unavailable), (Kind::Retry, Cause::Unavailable)),
        (
            400,
            "ExpiredTokenException",
            (Kind::Retry, Cause::CredentialsExpired),
            (Kind::Retry, Cause::CredentialsExpired),
        ),
        (
            400,
            "UnrecognizedClientException",
            (Kind::Permanent, Cause::AccessDenied),
            (Kind::Permanent, Cause::AccessDenied),
        ),
        (400, "AccessDeniedException", (Kind::Permanent, Cause::AccessDenied), (Kind::Permanent, Cause::AccessDenied)),
        (400, "ResourceNotFoundException", (Kind::Permanent, Cause::NotFound), (Kind::Permanent, Cause::NotFound)),
        // A look-up is for many jobs, with keys of our own making; a record is one job's.
        (400, "ValidationException", (Kind::Permanent, Cause::Refused), (Kind::JobRefused, Cause::Refused)),
    ] {
        let canned = refusal(status, code);
        assert_eq!((means(look_up(&canned).await), means(put(&canned).await)), (of_look_up, of_put), "{code}");
    }
}

#[tokio::test]
async fn the_codes_of_s3_mean_what_they_say() {
    for (status, code, expected) in [
        (503, "SlowDown", (Kind::Retry, Cause::Throttled)),
        (500, "InternalError", (Kind::Retry, Cause::Unavailable)),
        (400, "RequestTimeout", (Kind::Retry, Cause::TimedOut)),
        (400, "ExpiredToken", (Kind::Retry, Cause::CredentialsExpired)),
        (403, "AccessDenied", (Kind::Permanent, Cause::AccessDenied)),
        (403, "RequestTimeTooSkewed", (Kind::Permanent, Cause::AccessDenied)),
        (404, "NoSuchBucket", (Kind::Permanent, Cause::NotFound)),
        (301, "PermanentRedirect", (Kind::Permanent, Cause::Misconfigured)),
        (400, "EntityTooLarge", (Kind::JobRefused, Cause::Refused)),
    ] {
        assert_eq!(means(upload(&s3_refusal(status, code)).await), expected, "{code}");
    }
    let gone = sdk(&s3_refusal(404, "NoSuchKey")).artifacts().get(&object()).await;
    assert_eq!(gone, Ok(None), "an object that does not exist is no fault");
    // The answer to a HEAD has no body, and no code.
    let head = |status| async move { sdk(&canned(status, "")).artifacts().length(&object()).await };
    assert_eq!(means(head(403).await), (Kind::Permanent, Cause::AccessDenied));
    assert_eq!(head(404).await, Ok(None));
}

#[tokio::test]
async fn the_codes_of_bedrock_mean_what_they_say_and_each_costs_one_call() {
    for (status, code, expected) in [
        (429, "ThrottlingException", (Kind::Retry, Cause::Throttled)),
        (400, "ServiceQuotaExceededException", (Kind::Retry, Cause::Throttled)),
        (429, "ModelNotReadyException", (Kind::Retry, Cause::Unavailable)),
        (408, "ModelTimeoutException", (Kind::Retry, Cause::TimedOut)),
        (424, "ModelErrorException", (Kind::Retry, Cause::Unavailable)),
        (500, "InternalServerException", (Kind::Retry, Cause::Unavailable)),
        (503, "ServiceUnavailableException", (Kind::Retry, Cause::Unavailable)),
        (403, "ExpiredTokenException", (Kind::Retry, Cause::CredentialsExpired)),
        (403, "AccessDeniedException", (Kind::Permanent, Cause::AccessDenied)),
        (404, "ResourceNotFoundException", (Kind::Permanent, Cause::NotFound)),
        (400, "ValidationException", (Kind::JobRefused, Cause::Refused)),
    ] {
        let canned = refusal(status, code);
        assert_eq!(means(invoke(&canned).await), expected, "{code}");
        assert_eq!(canned.calls.load(Ordering::Relaxed), 2, "{code}: of each of two; the limits count calls");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_the_services_is_tried_again() {
    let retry = (Kind::Retry, Cause::InvalidAnswer);
    for (status, body) in [(200, HTML), (200, ""), (403, HTML), (404, HTML), (200, "{\"Messages\":[{")] {
        let canned = canned(status, body);
        let answers = [means(receive(&canned).await), means(look_up(&canned).await), means(put(&canned).await)];
        assert_eq!(answers, [retry; 3], "{status} `{body}`");
        assert_eq!(means(send(&canned).await), retry, "{status} `{body}`");
        assert_eq!(means(upload(&canned).await), retry, "{status} `{body}`");
    }
    for status in [502, 503, 504] {
        let answers = [means(receive(&canned(status, HTML)).await), means(invoke(&canned(status, HTML)).await)];
        assert_eq!(answers, [(Kind::Retry, Cause::Unavailable); 2], "{status}");
    }
    assert_eq!(means(invoke(&canned(407, HTML)).await), retry);
}

#[tokio::test]
async fn a_success_that_lacks_what_the_service_always_sends_is_none() {
    let retry = (Kind::Retry, Cause::InvalidAnswer);
    assert_eq!(receive(&canned(200, "{}")).await, Ok(0), "nothing to receive");
    for body in [
        "{}",
        r#"{"Successful":[],"Failed":[]}"#,
        r#"{"Successful":[{"Id":"0","MessageId":"","MD5OfMessageBody":"x"}]}"#,
        r#"{"Successful":[{"Id":"0","MessageId":"m"}]}"#,
    ] {
        let failures = send(&canned(200, body)).await.unwrap();
        assert_eq!(
            failures.iter().map(|(at, fault)| (*at, (fault.kind, fault.cause))).collect::<Vec<_>>(),
            [(0, retry)]
        );
    }
    let sent = r#"{"Successful":[{"Id":"0","MessageId":"m","MD5OfMessageBody":"x"}]}"#;
    assert_eq!(send(&canned(200, sent)).await, Ok(vec![]));
    for (body, kept) in [
        ("{}", 2),
        (r#"{"Successful":[{"Id":"1"}],"Failed":[]}"#, 1),
        (r#"{"Successful":[{"Id":"1"},{"Id":"0"}],"Failed":[]}"#, 0),
        (r#"{"Successful":[{"Id":"1"}],"Failed":[{"Id":"0","Code":"InternalError","SenderFault":false}]}"#, 1),
    ] {
        let queue = sdk(&canned(200, body)).queue(QUEUE);
        let failures = twice(async || queue.delete(&["a", "b"]).await).await.unwrap();
        assert_eq!(failures.len(), kept, "{body}");
    }
    let consistent = sdk(&canned(200, "{}")).records("t", None).look_up(&["r"], true).await;
    assert_eq!(means(consistent), retry, "that there is no record, the service says in words");
}

#[tokio::test]
async fn an_entry_that_sqs_refuses_is_for_an_operator_and_one_that_it_fails_is_tried_again() {
    for (entry, expected) in [
        (
            r#"{"Id":"0","Code":"InvalidParameterValue","SenderFault":true,"Message":"too long"}"#,
            (Kind::Permanent, Cause::Refused),
        ),
        (r#"{"Id":"0","Code":"InternalError","SenderFault":false}"#, (Kind::Retry, Cause::Unavailable)),
        (r#"{"Id":"0","Code":"Whatever","SenderFault":false}"#, (Kind::Retry, Cause::Unavailable)),
        (r#"{"Id":"0","Code":"RequestThrottled","SenderFault":true}"#, (Kind::Retry, Cause::Throttled)),
    ] {
        let failures = send(&canned(200, &format!(r#"{{"Successful":[],"Failed":[{entry}]}}"#))).await.unwrap();
        assert_eq!((failures[0].1.kind, failures[0].1.cause), expected, "{entry}");
    }
}

#[tokio::test]
async fn a_failed_condition_says_whose_the_record_is() {
    let failed = |sha256: &str| {
        let code = "ConditionalCheckFailedException";
        let item = format!(r#"{{"request_id":{{"S":"r"}},"job_sha256":{{"S":"{sha256}"}}}}"#);
        let body = format!(r#"{{"__type":"com.amazonaws#{code}","message":"x","Item":{item}}}"#);
        Canned { headers: vec![("x-amzn-errortype", code)], ..canned(400, &body) }
    };
    assert_eq!(put(&failed("00")).await, Ok(Written::Replay));
    assert_eq!(put(&failed("11")).await, Ok(Written::Conflict));
    let nothing = means(put(&refusal(400, "ConditionalCheckFailedException")).await);
    assert_eq!(nothing, (Kind::Retry, Cause::InvalidAnswer));
}

#[tokio::test]
async fn calls_carry_the_trace_of_the_work_that_makes_them() {
    let canned = canned(200, "{}");
    let calls = async {
        let _ = (receive(&canned).await, look_up(&canned).await, upload(&canned).await, invoke(&canned).await);
    };
    trace::within(Some("Root=1-5759e988-bd862e3fe1be46a994272793".into()), calls).await;
    receive(&canned).await.unwrap();
    let traces = canned.traces.lock().unwrap().clone();
    let (within, without) = traces.split_at(traces.len() - 2);
    assert!(within.iter().all(|trace| trace.as_deref() == Some("Root=1-5759e988-bd862e3fe1be46a994272793")));
    assert_eq!((within.len(), without), (7, &[None, None][..]), "an upload is never made directly");
}
