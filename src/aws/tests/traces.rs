//! Invocations at the same time, through the whole worker and the real SDK: whatever is called for one carries its trace.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::primitives::SdkBody;
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use nearline_search::Kernel;
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::QUEUE;
use crate::aws::client::Sdk;
use crate::catalog::{
    CatalogGuard, CatalogLocation, CatalogStore, Indexing, MemoryArtifacts, Rows, S3Prefix, Vectors, artifact,
};
use crate::clock::Clock;
use crate::compute::Compute;
use crate::embed::{Limits, MemoryLeases};
use crate::intake::{Answer, ApiError, Invocation, Invocations, Services, Settings, lambda};
use crate::results;

const INVOCATIONS: usize = 48;
const AT_ONCE: usize = 8;
const MODEL: &str = "amazon.titan-embed-text-v2:0";
const DIMENSION: usize = 256;

/// A call: its operation, trace and body.
type Asked = (String, Option<String>, String);

/// Answers as the services do, some later than others, and keeps what it was asked.
#[derive(Debug, Clone, Default)]
struct World(Arc<Mutex<Vec<Asked>>>);

impl HttpConnector for World {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let header = |name| request.headers().get(name).map(str::to_owned);
        let operation = header("x-amz-target").unwrap_or_else(|| "InvokeModel".into());
        let operation = operation.rsplit('.').next().unwrap_or_default().to_owned();
        let body = String::from_utf8(request.body().bytes().unwrap().to_vec()).unwrap();
        let answer = match operation.as_str() {
            "BatchGetItem" => json!({"Responses": {"t": []}, "UnprocessedKeys": {}}),
            "InvokeModel" => json!({"embedding": vec![1.0; DIMENSION], "inputTextTokenCount": 1}),
            "ChangeMessageVisibilityBatch" => json!({"Successful": [{"Id": "0"}]}),
            _ => json!({}),
        };
        let mut asked = self.0.lock().unwrap();
        let pause = Duration::from_millis(asked.len() as u64 * 7 % 5);
        asked.push((operation, header("x-amzn-trace-id"), body));
        HttpConnectorFuture::new(async move {
            sleep(pause).await;
            Ok(HttpResponse::new(200.try_into().unwrap(), SdkBody::from(answer.to_string())))
        })
    }
}

fn trace(invocation: usize) -> String {
    format!("Root=1-5759e988-{invocation:024};Parent=53995c3f42cd8ad8;Sampled=1")
}

/// Hands out invocations, each in a trace of its own, and stops after the last.
struct Api {
    begun: AtomicUsize,
    answered: AtomicUsize,
    stop: CancellationToken,
}

impl Invocations for Api {
    async fn next(&self) -> Result<Invocation, ApiError> {
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        if number >= INVOCATIONS {
            std::future::pending::<()>().await;
        }
        // The last job is for a newer worker, and so stays on the queue.
        let body = |job: usize| {
            json!({"request_id": format!("job-{number}-{job}"), "query": format!("mug of job-{number}-{job}"),
                "version": if job == 3 { 99 } else { 1 }})
        };
        let record = |job: usize| {
            json!({"messageId": format!("job-{number}-{job}"), "receiptHandle": format!("job-{number}-{job}"),
                "body": body(job).to_string(), "attributes": {"ApproximateReceiveCount": "1"},
                "eventSource": "aws:sqs"})
        };
        let records: Vec<Value> = (0..4).map(record).collect();
        Ok(Invocation {
            request_id: number.to_string(),
            delivery_id: None,
            trace: Some(trace(number)),
            deadline_ms: u64::MAX,
            payload: json!({"Records": records}).to_string().into(),
        })
    }

    async fn answer(&self, invocation: &Invocation, answer: &Answer) -> Result<(), ApiError> {
        let answer: Value = serde_json::from_slice(answer.as_ref().unwrap()).unwrap();
        let kept = format!("job-{}-3", invocation.request_id);
        assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": kept}]}));
        if self.answered.fetch_add(1, Ordering::Relaxed) + 1 == INVOCATIONS {
            self.stop.cancel();
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_concurrent_invocations_never_mix_their_traces() {
    let (world, artifacts) = (World::default(), MemoryArtifacts::default());
    let connector = SharedHttpConnector::new(world.clone());
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static("eu-west-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::for_tests()))
        .retry_config(aws_config::retry::RetryConfig::disabled())
        .http_client(http_client_fn(move |_, _| connector.clone()));
    let sdk = Sdk::from_config(config.build());
    let rows = Rows {
        product_ids: vec!["p".into()],
        categories: vec!["c".into()],
        titles: vec![None],
        vectors: vec![1.0; DIMENSION],
        dimension: DIMENSION,
        ..Rows::default()
    };
    let prefix: S3Prefix = "s3://bucket/shop".parse().unwrap();
    let artifact = artifact::Loaded::new(artifact::write(Vec::new(), &rows, MODEL).unwrap().into()).unwrap();
    CatalogStore::new(artifacts.clone(), Indexing::default()).publish(artifact, &prefix, None).await.unwrap();
    let services = Services {
        queue: sdk.queue(QUEUE),
        dead_letters: None,
        records: sdk.records("t", None),
        models: sdk.models(),
        leases: Arc::new(MemoryLeases::default()),
        artifacts,
        compute: Compute::Inline,
        clock: Clock::system(),
    };
    let settings = Settings {
        catalog: CatalogLocation::S3(prefix),
        catalog_refresh: None,
        guard: CatalogGuard::default(),
        results: results::Settings { ttl: Duration::from_hours(1) },
        embedding: Limits { max_concurrency: 4, ..Limits::default() },
        max_attempts: 3,
        kernel: Kernel::fastest(),
        function_memory: None,
        vectors: Vectors::Memory,
    };
    let stop = CancellationToken::new();
    let api = Api { begun: AtomicUsize::new(0), answered: AtomicUsize::new(0), stop: stop.clone() };
    lambda::run(services, settings, api, AT_ONCE, stop).await.unwrap();

    let mut seen = BTreeMap::new();
    let asked = world.0.lock().unwrap();
    for (operation, carried, body) in asked.iter() {
        // The start asks for the queue and the table in nobody's name.
        let Some((_, rest)) = body.split_once("job-") else {
            assert_eq!((carried, operation == "InvokeModel"), (&None, false), "{operation} {body}");
            continue;
        };
        let number: usize = rest.split_once('-').unwrap().0.parse().unwrap();
        assert_eq!(carried.as_deref(), Some(trace(number).as_str()), "{operation} {body}");
        *seen.entry(operation.as_str()).or_insert(0) += 1;
    }
    let expected = [
        ("BatchGetItem", INVOCATIONS),
        ("ChangeMessageVisibilityBatch", INVOCATIONS),
        ("InvokeModel", 3 * INVOCATIONS),
        ("PutItem", 3 * INVOCATIONS),
    ];
    assert_eq!(seen, BTreeMap::from(expected));
}
