//! The Lambda stand-in with a queue of MiniStack and functions that behave in all the ways functions do.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::{Duration, Instant};

use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};
use devstack::lambda::{FunctionError, LambdaHarness, LambdaOptions};
use devstack::stack::{Stack, StackOptions};
use serde_json::{Value, json};

mod counts;
mod http;
mod processes;
use counts::until;

const FAKE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fake_bootstrap.py");
const REAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lambda_runtime_bootstrap.sh");

struct Queue {
    stack: Stack,
    sqs: aws_sdk_sqs::Client,
}

impl Queue {
    async fn start(fifo: bool, visibility_seconds: u64) -> Self {
        let visibility_timeout = Duration::from_secs(visibility_seconds);
        let stack = Stack::start(StackOptions { fifo, visibility_timeout, ..StackOptions::default() }).await.unwrap();
        let sqs = aws_sdk_sqs::Client::new(&stack.sdk_config());
        Self { stack, sqs }
    }

    fn options(&self) -> LambdaOptions {
        LambdaOptions::new(FAKE, self.stack.queue_url(), self.stack.sdk_config())
    }

    /// Sends at most ten messages in one call; `group` for FIFO queues.
    async fn send(&self, bodies: &[Value], group: Option<&str>) {
        let entries = bodies.iter().enumerate().map(|(index, body)| {
            let unique = group.map(|group| format!("{group}-{index}-{:?}", Instant::now()));
            SendMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .message_body(body.to_string())
                .set_message_group_id(group.map(Into::into))
                .set_message_deduplication_id(unique.map(|id| id.replace(|c: char| !c.is_ascii_alphanumeric(), "-")))
                .build()
                .unwrap()
        });
        let call = self.sqs.send_message_batch().queue_url(self.stack.queue_url());
        let sent = call.set_entries(Some(entries.collect())).send().await.unwrap();
        assert_eq!(sent.successful().len(), bodies.len(), "{:?}", sent.failed());
    }

    /// How many messages are visible and in flight.
    async fn depth(&self) -> (u64, u64) {
        let call = self.sqs.get_queue_attributes().queue_url(self.stack.queue_url());
        let attributes = call.attribute_names(QueueAttributeName::All).send().await.unwrap().attributes.unwrap();
        let number = |name| attributes[&name].parse().unwrap();
        (
            number(QueueAttributeName::ApproximateNumberOfMessages),
            number(QueueAttributeName::ApproximateNumberOfMessagesNotVisible),
        )
    }
}

/// The lines that the fake function wrote.
fn events(log: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn each_kind_of_batch_response_deletes_what_it_should_and_nothing_else() {
    let queue = Queue::start(false, 60).await;
    let function_timeout = Duration::from_secs(2);
    let harness =
        LambdaHarness::start(LambdaOptions { concurrency: 1, function_timeout, ..queue.options() }).await.unwrap();
    let unknown = r#"{"batchItemFailures":[{"itemIdentifier":"unknown"}]}"#;
    let nameless = r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#;
    // The first message of two, and how many of the two are deleted.
    let rules = [
        (json!({}), 2),
        (json!({"respond": ""}), 2),
        (json!({"respond": "null"}), 2),
        (json!({"respond": "{\"batchItemFailures\":[]}"}), 2),
        (json!({"respond": "{\"batchItemFailures\":null}"}), 2),
        (json!({"fail": true}), 1),
        (json!({"respond": "{not json"}), 0),
        (json!({"respond": unknown}), 0),
        (json!({"respond": nameless}), 0),
        (json!({"error": "bad day"}), 0),
        (json!({"sleep": 2.5}), 0),
        (json!({"exit": 1}), 0),
        (json!({"respond_bytes": 7_000_000}), 0),
    ];
    let (mut deleted, mut failed) = (0, 0);
    for (first, expected) in rules {
        let shown = first.to_string();
        queue.send(&[first, json!({})], None).await;
        deleted += expected;
        failed += 2 - expected;
        let stats = until(&harness, |stats| stats.messages_deleted + stats.messages_failed == deleted + failed).await;
        assert_eq!((stats.messages_deleted, stats.messages_failed), (deleted, failed), "{shown}");
        assert_eq!(queue.depth().await, (0, failed), "{shown}");
    }
    let stats = harness.stop().await;
    assert_eq!((stats.batches_ok, stats.batches_failed, stats.timeouts, stats.restarts), (6, 7, 1, 1));
}

#[tokio::test]
async fn a_failed_message_comes_again_after_its_visibility_timeout() {
    let queue = Queue::start(false, 2).await;
    let function_timeout = Duration::from_secs(2);
    let harness = LambdaHarness::start(LambdaOptions { function_timeout, ..queue.options() }).await.unwrap();
    let started = Instant::now();
    queue.send(&[json!({"fail_once": true})], None).await;
    let stats = until(&harness, |stats| stats.messages_deleted == 1).await;
    assert_eq!((stats.messages_failed, stats.batches_ok), (1, 2));
    assert!(started.elapsed() >= Duration::from_millis(1900), "{:?}", started.elapsed());
    assert_eq!(queue.depth().await, (0, 0));
}

#[tokio::test]
async fn eight_invocations_are_in_flight_in_one_process() {
    let queue = Queue::start(false, 60).await;
    let harness = LambdaHarness::start(LambdaOptions { batch_size: 1, ..queue.options() }).await.unwrap();
    let pid = harness.stats().bootstrap_pid;
    for _ in 0..2 {
        queue.send(&vec![json!({"sleep": 1}); 8], None).await;
    }
    let started = Instant::now();
    let stats = until(&harness, |stats| stats.messages_deleted == 16).await;
    assert!(started.elapsed() < Duration::from_secs(8), "{:?} for 16 s of work", started.elapsed());
    assert_eq!((stats.invocations, stats.max_in_flight, stats.bootstrap_pid), (16, 8, pid));
}

#[tokio::test]
async fn a_window_fills_a_batch_beyond_ten() {
    let queue = Queue::start(false, 60).await;
    let log = tempfile::NamedTempFile::new().unwrap();
    let options = LambdaOptions {
        concurrency: 1,
        batch_size: 25,
        window: Duration::from_secs(5),
        env: vec![("FAKE_LOG".into(), log.path().display().to_string())],
        ..queue.options()
    };
    for _ in 0..3 {
        queue.send(&vec![json!({}); 10], None).await;
    }
    let harness = LambdaHarness::start(options).await.unwrap();
    let started = Instant::now();
    let stats = until(&harness, |stats| stats.messages_deleted == 30).await;
    assert_eq!(stats.batches_ok, 2);
    // The second batch is not full: it waits for its whole window.
    assert!(started.elapsed() >= Duration::from_secs(5), "{:?}", started.elapsed());
    let sizes: Vec<_> = events(log.path())
        .iter()
        .filter(|line| line["phase"] == "start")
        .map(|line| line["event"]["Records"].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [25, 5]);
}

#[tokio::test]
async fn the_event_is_that_of_lambda() {
    let queue = Queue::start(false, 60).await;
    let log = tempfile::NamedTempFile::new().unwrap();
    let env = vec![("FAKE_LOG".into(), log.path().display().to_string())];
    let harness = LambdaHarness::start(LambdaOptions { env, ..queue.options() }).await.unwrap();
    let tenant = aws_sdk_sqs::types::MessageAttributeValue::builder().data_type("String").string_value("shop").build();
    let call = queue.sqs.send_message().queue_url(queue.stack.queue_url()).message_body("{}");
    let sent = call.message_attributes("tenant", tenant.unwrap()).send().await.unwrap();
    until(&harness, |stats| stats.messages_deleted == 1).await;
    let record = events(log.path())[0]["event"]["Records"][0].clone();
    assert_eq!(record["messageId"], sent.message_id().unwrap());
    assert_eq!(record["body"], "{}");
    assert_eq!(record["md5OfBody"], sent.md5_of_message_body().unwrap());
    assert_eq!(record["eventSource"], "aws:sqs");
    assert!(record["eventSourceARN"].as_str().unwrap().ends_with(":nearline-jobs"));
    assert_eq!(record["awsRegion"], "us-east-1");
    assert_eq!(record["attributes"]["ApproximateReceiveCount"], "1");
    for name in ["SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp"] {
        assert!(record["attributes"][name].is_string(), "{record}");
    }
    let expected = json!({"stringValue": "shop", "stringListValues": [], "binaryListValues": [], "dataType": "String"});
    assert_eq!(record["messageAttributes"]["tenant"], expected);
    assert!(record["receiptHandle"].is_string());
}

#[tokio::test]
async fn a_message_group_is_never_in_two_invocations_and_keeps_its_order() {
    let queue = Queue::start(true, 60).await;
    let log = tempfile::NamedTempFile::new().unwrap();
    let env = vec![("FAKE_LOG".into(), log.path().display().to_string())];
    let harness = LambdaHarness::start(LambdaOptions { batch_size: 2, env, ..queue.options() }).await.unwrap();
    for group in ["a", "b", "c"] {
        let bodies: Vec<_> = (0..6).map(|n| json!({"sleep": 0.3, "group": group, "n": n})).collect();
        queue.send(&bodies, Some(group)).await;
    }
    let stats = until(&harness, |stats| stats.messages_deleted == 18).await;
    assert!(stats.max_in_flight >= 2, "groups go side by side: {stats:?}");
    let events = events(log.path());
    for group in ["a", "b", "c"] {
        let mut running = 0;
        let mut seen = Vec::new();
        for line in &events {
            let records = line["event"]["Records"].as_array().unwrap();
            let mine: Vec<Value> = records
                .iter()
                .map(|record| serde_json::from_str::<Value>(record["body"].as_str().unwrap()).unwrap())
                .filter(|body| body["group"] == group)
                .collect();
            if mine.is_empty() {
                continue;
            }
            if line["phase"] == "start" {
                running += 1;
                seen.extend(mine.iter().map(|body| body["n"].as_u64().unwrap()));
            } else {
                running -= 1;
            }
            assert!(running <= 1, "group {group} is in two invocations");
        }
        assert_eq!(seen, [0, 1, 2, 3, 4, 5], "group {group}");
    }
}

#[tokio::test]
async fn a_direct_invocation_has_a_deadline_and_answers_or_says_why_not() {
    let queue = Queue::start(false, 60).await;
    let function_timeout = Duration::from_secs(3);
    let harness = LambdaHarness::start(LambdaOptions { function_timeout, ..queue.options() }).await.unwrap();

    let answer: Value = serde_json::from_slice(&harness.invoke(br#"{"a": 1}"#).await.unwrap()).unwrap();
    assert_eq!(answer["event"], json!({"a": 1}));
    let deadline: u64 = answer["headers"]["lambda-runtime-deadline-ms"].as_str().unwrap().parse().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
    assert!((now + 1000..=now + 3000).contains(&deadline), "{deadline} at {now}");
    let arn = answer["headers"]["lambda-runtime-invoked-function-arn"].as_str().unwrap();
    assert!(arn.starts_with("arn:aws:lambda:us-east-1:") && arn.ends_with(":function:nearline:1"), "{arn}");
    assert!(answer["headers"]["lambda-runtime-trace-id"].as_str().unwrap().starts_with("Root=1-"));

    let mode = harness.invoke(br#"{"environment": "AWS_LAMBDA_INITIALIZATION_TYPE"}"#).await.unwrap();
    assert_eq!(mode, br#""lambda-managed-instances""#);
    let concurrency = harness.invoke(br#"{"environment": "AWS_LAMBDA_MAX_CONCURRENCY"}"#).await.unwrap();
    assert_eq!(concurrency, br#""8""#);

    let error = harness.invoke(br#"{"error": "no"}"#).await.unwrap_err();
    assert!(matches!(&error, FunctionError::Unhandled { payload } if payload.contains("\"no\"")), "{error}");
    let started = Instant::now();
    let error = harness.invoke(br#"{"sleep": 4}"#).await.unwrap_err();
    assert!(matches!(error, FunctionError::TimedOut { .. }), "{error}");
    assert!(started.elapsed() >= Duration::from_millis(2900), "{:?}", started.elapsed());
    // The process lives on, and so does the slot whose late answer is refused.
    assert_eq!(harness.stats().restarts, 0);
    assert!(harness.invoke(b"{}").await.is_ok());
}

#[tokio::test]
async fn a_dead_process_fails_its_invocations_and_is_replaced() {
    let queue = Queue::start(false, 60).await;
    let harness = LambdaHarness::start(queue.options()).await.unwrap();
    let first = harness.stats().bootstrap_pid.unwrap();
    let (error, bystander) = tokio::join!(harness.invoke(br#"{"exit": 3}"#), harness.invoke(br#"{"sleep": 20}"#));
    for error in [error.unwrap_err(), bystander.unwrap_err()] {
        assert!(error.payload().contains("Runtime exited with error: exit status: 3"), "{error}");
    }
    assert!(harness.invoke(b"{}").await.is_ok());
    let stats = harness.stats();
    assert_eq!(stats.restarts, 1);
    assert_ne!(stats.bootstrap_pid, Some(first));
}

#[tokio::test]
async fn stopping_lets_batches_finish_but_not_for_ever() {
    let queue = Queue::start(false, 60).await;
    let harness = LambdaHarness::start(LambdaOptions { batch_size: 1, ..queue.options() }).await.unwrap();
    queue.send(&[json!({"sleep": 1}), json!({"sleep": 50})], None).await;
    until(&harness, |stats| stats.in_flight == 2).await;
    let stats = harness.stop().await;
    assert_eq!((stats.messages_deleted, stats.messages_failed, stats.batches_failed), (1, 1, 1));
    assert_eq!((stats.in_flight, stats.bootstrap_pid), (0, None));
    assert_eq!(queue.depth().await, (0, 1));
}

#[tokio::test]
async fn a_function_that_does_not_come_back_is_given_up() {
    let queue = Queue::start(false, 60).await;
    let folder = tempfile::tempdir().unwrap();
    let started = folder.path().join("started").display().to_string();
    let options = LambdaOptions { env: vec![("FAKE_STARTS_ONCE".into(), started)], ..queue.options() };
    let harness = LambdaHarness::start(options).await.unwrap();
    assert!(harness.invoke(br#"{"exit": 3}"#).await.is_err());
    let waiting = harness.invoke(b"{}");
    let (reason, waited) = tokio::join!(harness.failed(), waiting);
    assert!(reason.ends_with("ended (exit status: 4) before it asked for work"), "{reason}");
    assert!(waited.is_err() && harness.invoke(b"{}").await.is_err());
    assert_eq!(harness.stats().restarts, 5);
}

#[tokio::test]
async fn the_invoke_api_is_lambdas() {
    let queue = Queue::start(false, 60).await;
    let harness = LambdaHarness::start(queue.options()).await.unwrap();
    let endpoint = harness.invoke_endpoint();
    let path = "/2015-03-31/functions/nearline/invocations";
    let answer = http::request(&endpoint, "POST", path, "", r#"{"a":1}"#).await;
    assert_eq!((answer.status, &answer.json()["event"]), (200, &json!({"a": 1})));
    assert_eq!(answer.headers.get("x-amz-function-error"), None);
    let answer = http::request(&endpoint, "POST", path, "", r#"{"error":"no"}"#).await;
    assert_eq!((answer.status, answer.headers["x-amz-function-error"].as_str()), (200, "Unhandled"));
    assert_eq!(answer.json()["errorMessage"], "no");
    let answer = http::request(&endpoint, "POST", path, "", "{").await;
    assert_eq!((answer.status, answer.headers["x-amzn-errortype"].as_str()), (400, "InvalidRequestContentException"));
    let answer = http::request(&endpoint, "POST", path, "x-amz-invocation-type: Event\r\n", "{}").await;
    assert_eq!((answer.status, answer.body.as_str()), (202, ""));
    let other = "/2015-03-31/functions/other/invocations";
    assert_eq!(http::request(&endpoint, "POST", other, "", "{}").await.status, 404);
}

#[tokio::test]
async fn a_function_that_does_not_start_is_an_error_that_says_so() {
    let queue = Queue::start(false, 60).await;
    let start = async |bootstrap: &str| {
        LambdaHarness::start(LambdaOptions { bootstrap: bootstrap.into(), ..queue.options() }).await.unwrap_err()
    };
    let error = start("/bin/false").await.to_string();
    assert_eq!(error, "/bin/false ended (exit status: 1) before it asked for work");
    let error = start("/no/such/bootstrap").await.to_string();
    assert!(error.starts_with("cannot start /no/such/bootstrap: No such file"), "{error}");
    let slow = LambdaOptions { function_timeout: Duration::from_secs(61), ..queue.options() };
    let error = LambdaHarness::start(slow).await.unwrap_err().to_string();
    assert!(error.contains("visibility timeout of 60 s is shorter than the function timeout of 61 s"), "{error}");
}

#[tokio::test]
async fn the_real_runtime_crate_serves_eight_at_once_and_hears_sigterm() {
    let queue = Queue::start(false, 60).await;
    let farewell = tempfile::NamedTempFile::new().unwrap();
    let output = tempfile::NamedTempFile::new().unwrap();
    let options = LambdaOptions {
        bootstrap: REAL.into(),
        env: vec![
            ("TEST_BINARY".into(), std::env::current_exe().unwrap().display().to_string()),
            ("FAREWELL".into(), farewell.path().display().to_string()),
        ],
        log: Some(output.path().into()),
        ..queue.options()
    };
    let harness = LambdaHarness::start(options).await.unwrap();
    let calls = (0..8).map(|_| harness.invoke(br#"{"sleep_ms": 1000}"#));
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.unwrap(), br#"{"slept_ms":1000}"#);
    }
    queue.send(&[json!({}), json!({})], None).await;
    let stats = until(&harness, |stats| stats.messages_deleted == 2).await;
    assert_eq!((stats.max_in_flight, stats.restarts), (8, 0));
    let error = harness.invoke(br#"{"panic": true}"#).await.unwrap_err();
    assert!(matches!(error, FunctionError::Unhandled { .. }), "{error}");
    let pid = stats.bootstrap_pid.unwrap();
    harness.stop().await;
    assert!(!processes::is_running(pid));
    assert_eq!(std::fs::read_to_string(farewell.path()).unwrap(), "heard SIGTERM");
}

/// Not a test: what `lambda_runtime_bootstrap.sh` runs.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "is run by another test"]
async fn lambda_runtime_function() {
    use lambda_runtime::{Error, LambdaEvent, run_concurrent, service_fn, spawn_graceful_shutdown_handler};
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        return;
    }
    spawn_graceful_shutdown_handler(async || {
        std::fs::write(std::env::var_os("FAREWELL").unwrap(), "heard SIGTERM").unwrap();
    })
    .await;
    let function = service_fn(async |event: LambdaEvent<Value>| {
        assert!(event.payload.get("panic").is_none(), "as asked");
        let Some(sleep_ms) = event.payload["sleep_ms"].as_u64() else { return Ok::<_, Error>(json!({})) };
        tokio::time::sleep(Duration::from_millis(sleep_ms)).await;
        Ok(json!({"slept_ms": sleep_ms}))
    });
    run_concurrent(function).await.unwrap();
}
