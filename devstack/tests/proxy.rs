//! What the real SDK makes of each fault, against the stand-ins. Retries are off, so that a call shows its fault.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::time::{Duration, Instant};

use aws_sdk_bedrockruntime::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::operation::send_message::{SendMessageError, SendMessageOutput};
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, SendMessageBatchRequestEntry};
use devstack::proxy::{FaultKind, ProxyOptions, ProxyServer, Service, Standing, StandingFault};
use devstack::stack::{Stack, StackOptions};

/// Stand-ins, with a proxy before them through which every call that can meet a kind of fault does.
struct World {
    stack: Stack,
    proxy: ProxyServer,
    config: aws_config::SdkConfig,
}

impl World {
    async fn with(kind: FaultKind) -> Self {
        Self::with_rate(kind, 1.0).await
    }

    async fn with_rate(kind: FaultKind, rate: f64) -> Self {
        let stack = Stack::start(StackOptions::default()).await.unwrap();
        let options = ProxyOptions {
            rate,
            kinds: vec![kind],
            max_delay: Duration::from_millis(300),
            ..ProxyOptions::new(stack.ministack().endpoint(), stack.bedrock().endpoint())
        };
        let proxy = ProxyServer::start(options).await.unwrap();
        let config = stack.sdk_config().into_builder().endpoint_url(proxy.endpoint());
        let config = config.retry_config(RetryConfig::disabled()).build();
        Self { stack, proxy, config }
    }

    fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.config)
    }

    fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.config)
    }

    fn s3(&self) -> aws_sdk_s3::Client {
        aws_sdk_s3::Client::new(&self.config)
    }

    async fn send(&self) -> Result<SendMessageOutput, SdkError<SendMessageError>> {
        self.sqs().send_message().queue_url(self.stack.queue_url()).message_body("x").send().await
    }

    /// What stands in the queue, asked without the proxy.
    async fn sent(&self) -> usize {
        let sqs = aws_sdk_sqs::Client::new(&self.stack.sdk_config());
        let receive = sqs.receive_message().queue_url(self.stack.queue_url()).max_number_of_messages(10);
        receive.send().await.unwrap().messages().len()
    }

    fn played(&self, kind: FaultKind) -> u64 {
        self.proxy.report().kinds.get(&kind).copied().unwrap_or_default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_faults_every_service_is_reached_unchanged() {
    let world = World::with_rate(FaultKind::ResetBefore, 0.0).await;
    world.send().await.unwrap();
    assert_eq!(world.sent().await, 1);
    let large = vec![b'x'; 3 << 20]; // streamed, and asked for with `Expect: 100-continue`
    let put = world.s3().put_object().bucket(world.stack.bucket()).key("a/b").body(large.clone().into());
    put.send().await.unwrap();
    let object = world.s3().get_object().bucket(world.stack.bucket()).key("a/b").send().await.unwrap();
    assert_eq!(object.body.collect().await.unwrap().into_bytes(), large);
    let body = r#"{"inputText":"lamp","dimensions":256}"#;
    let bedrock = aws_sdk_bedrockruntime::Client::new(&world.config);
    let call = bedrock.invoke_model().model_id("amazon.titan-embed-text-v2:0").body(Blob::new(body));
    assert!(call.send().await.is_ok());
    let report = world.proxy.stop().await;
    assert_eq!((report.requests, report.faults, report.upstream_failures), (4, 0, 0));
    let operations: Vec<_> = report.operations.iter().map(|o| (o.service, o.operation.as_str())).collect();
    assert_eq!(
        operations,
        [
            (Service::Sqs, "SendMessage"),
            (Service::S3, "GetObject"),
            (Service::S3, "PutObject"),
            (Service::Bedrock, "InvokeModel")
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_is_a_dispatch_failure_before_and_after_the_effect() {
    for (kind, sent) in [(FaultKind::ResetBefore, 0), (FaultKind::ResetAfter, 1)] {
        let world = World::with(kind).await;
        let error = world.send().await.unwrap_err();
        assert!(matches!(&error, SdkError::DispatchFailure(failure) if failure.is_io()), "{error:?}");
        assert_eq!(world.sent().await, sent, "{kind}");
        assert_eq!(world.played(kind), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_is_the_services_own_before_and_after_the_effect() {
    for (kind, sent) in [(FaultKind::Error, 0), (FaultKind::ErrorAfter, 1)] {
        let world = World::with(kind).await;
        let error = world.send().await.unwrap_err();
        assert!(matches!(error.code(), Some("InternalFailure" | "ServiceUnavailable")), "{error:?}");
        assert_eq!(world.sent().await, sent, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_service_throttles_and_fails_in_its_own_form() {
    for (kind, codes) in [
        (
            FaultKind::Throttle,
            [
                &["RequestThrottled"][..],
                &["ProvisionedThroughputExceededException", "ThrottlingException"],
                &["SlowDown"],
                &["ThrottlingException"],
            ],
        ),
        (
            FaultKind::Error,
            [
                &["InternalFailure", "ServiceUnavailable"],
                &["InternalServerError", "ServiceUnavailableException"],
                &["InternalError", "ServiceUnavailable"],
                &["InternalServerException", "ServiceUnavailableException"],
            ],
        ),
    ] {
        let world = World::with(kind).await;
        let key = AttributeValue::S("r".into());
        let read = world.dynamodb().get_item().table_name(world.stack.results_table()).key("request_id", key);
        let object = world.s3().get_object().bucket(world.stack.bucket()).key("a");
        let bedrock = aws_sdk_bedrockruntime::Client::new(&world.config);
        let embed = bedrock.invoke_model().model_id("m").body(Blob::new("{}"));
        let met = [
            world.send().await.unwrap_err().code().map(str::to_owned),
            read.send().await.unwrap_err().code().map(str::to_owned),
            object.send().await.unwrap_err().code().map(str::to_owned),
            embed.send().await.unwrap_err().code().map(str::to_owned),
        ];
        for (met, codes) in met.iter().zip(codes) {
            assert!(met.as_deref().is_some_and(|met| codes.contains(&met)), "{met:?} is none of {codes:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_tries_again_after_each_of_them() {
    for kind in [FaultKind::ResetBefore, FaultKind::Error, FaultKind::Throttle] {
        let world = World::with_rate(kind, 0.5).await;
        let patient = RetryConfig::standard().with_max_attempts(20).with_initial_backoff(Duration::from_millis(1));
        let config = aws_sdk_sqs::config::Builder::from(&world.config).retry_config(patient).build();
        let sqs = aws_sdk_sqs::Client::from_conf(config);
        for _ in 0..5 {
            sqs.send_message().queue_url(world.stack.queue_url()).message_body("x").send().await.unwrap();
        }
        assert!(world.played(kind) > 0);
        assert_eq!(world.sent().await, 5);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_cut_fails_and_one_that_dribbles_is_read() {
    let world = World::with(FaultKind::TruncatedBody).await;
    let error = world.send().await.unwrap_err();
    let said = DisplayErrorContext(&error).to_string();
    assert!(matches!(error, SdkError::ResponseError(_) | SdkError::DispatchFailure(_)), "{said}");
    assert_eq!(world.sent().await, 1, "it was done all the same");

    let world = World::with(FaultKind::SlowBody).await;
    let direct = aws_sdk_s3::Client::new(&world.stack.sdk_config());
    let content = b"0123456789".repeat(100);
    direct.put_object().bucket(world.stack.bucket()).key("a").body(content.clone().into()).send().await.unwrap();
    let object = world.s3().get_object().bucket(world.stack.bucket()).key("a").send().await.unwrap();
    assert_eq!(object.body.collect().await.unwrap().into_bytes(), content);
    assert_eq!(world.played(FaultKind::SlowBody), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delay_is_only_that() {
    for kind in [FaultKind::DelayBefore, FaultKind::DelayAfter] {
        let world = World::with(kind).await;
        let started = Instant::now();
        for _ in 0..4 {
            world.send().await.unwrap();
        }
        assert!(started.elapsed() > Duration::from_millis(100), "{:?}", started.elapsed());
        assert_eq!((world.played(kind), world.sent().await), (4, 4));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_html_is_a_service_error_without_a_code_to_sqs_and_an_object_to_s3() {
    let world = World::with(FaultKind::Html).await;
    let error = world.send().await.unwrap_err();
    let SdkError::ServiceError(service) = &error else { panic!("{error:?}") };
    assert_eq!((error.code(), service.raw().status().as_u16(), world.sent().await), (None, 200, 0));
    let object = world.s3().get_object().bucket(world.stack.bucket()).key("a").send().await.unwrap();
    assert!(object.body.collect().await.unwrap().into_bytes().starts_with(b"<!DOCTYPE html>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_comes_again_while_it_is_in_flight() {
    let world = World::with(FaultKind::Redelivery).await;
    world.send().await.unwrap();
    let receive = || world.sqs().receive_message().queue_url(world.stack.queue_url()).send();
    let (first, second) = (receive().await.unwrap(), receive().await.unwrap());
    assert_eq!(first.messages()[0].message_id(), second.messages()[0].message_id());
    assert_eq!(world.played(FaultKind::Redelivery), 2);
    let delete = world.sqs().delete_message().queue_url(world.stack.queue_url());
    let receipt = second.messages()[0].receipt_handle().unwrap();
    delete.receipt_handle(receipt).send().await.unwrap();
    assert_eq!(receive().await.unwrap().messages(), []);
    assert_eq!(world.played(FaultKind::Redelivery), 2, "what brings no message cannot bring one again");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_entry_of_a_batch_fails_and_the_others_are_done() {
    let world = World::with(FaultKind::FailedEntry).await;
    let entry = |id: usize| {
        SendMessageBatchRequestEntry::builder().id(id.to_string()).message_body(format!("{id}")).build().unwrap()
    };
    let batch = world.sqs().send_message_batch().queue_url(world.stack.queue_url());
    let answer = batch.set_entries(Some((0..3).map(entry).collect())).send().await.unwrap();
    assert_eq!((answer.successful().len(), answer.failed().len()), (2, 1));
    assert!(!answer.failed()[0].sender_fault());
    assert_eq!(world.sent().await, 2);

    let entry = DeleteMessageBatchRequestEntry::builder().id("0").receipt_handle("r").build().unwrap();
    let delete = world.sqs().delete_message_batch().queue_url(world.stack.queue_url()).entries(entry);
    let answer = delete.send().await.unwrap();
    assert_eq!((answer.successful().len(), answer.failed().len()), (0, 1));
    assert_eq!(world.played(FaultKind::FailedEntry), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn some_keys_are_left_unprocessed_until_one_is_left() {
    let world = World::with(FaultKind::UnprocessedKeys).await;
    let key = |id: &str| HashMap::from([("request_id".to_owned(), AttributeValue::S(id.to_owned()))]);
    let look_up = async |ids: &[&str]| {
        let keys = KeysAndAttributes::builder().set_keys(Some(ids.iter().map(|id| key(id)).collect()));
        let keys = keys.consistent_read(true).build().unwrap();
        let answer = world.dynamodb().batch_get_item().request_items(world.stack.results_table(), keys);
        answer.send().await.unwrap().unprocessed_keys.unwrap()[world.stack.results_table()].clone()
    };
    let left = look_up(&["a", "b", "c"]).await;
    assert!((1..3).contains(&left.keys().len()), "{left:?}");
    assert_eq!(left.consistent_read(), Some(true), "the request's options stay with them");
    assert_eq!(look_up(&["a"]).await.keys(), [key("a")]);
    assert_eq!(world.played(FaultKind::UnprocessedKeys), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_stands_until_it_is_taken_back() {
    let world = World::with_rate(FaultKind::ResetBefore, 0.0).await;
    let look_up = async || {
        let key = HashMap::from([("request_id".to_owned(), AttributeValue::S("a".into()))]);
        let get = world.dynamodb().get_item().table_name(world.stack.results_table()).set_key(Some(key)).send();
        get.await.err().and_then(|error| error.code().map(str::to_owned))
    };
    for (fault, code) in [
        (Standing::Throttle, Some("ProvisionedThroughputExceededException")),
        (Standing::AccessDenied, Some("AccessDeniedException")),
        (Standing::DelayMs(1), None),
    ] {
        let standing = StandingFault { service: Service::DynamoDb, operation: None, path: None, fault };
        world.proxy.set_faults(vec![standing]);
        assert_eq!((look_up().await.as_deref(), look_up().await.as_deref()), (code, code));
        world.send().await.unwrap();
    }
    world.proxy.set_faults(Vec::new());
    assert_eq!(look_up().await, None);
    let report = world.proxy.report();
    assert_eq!((report.stood, report.faults), (6, 0));
}
