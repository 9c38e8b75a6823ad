//! What leaves a worker besides logs and records: probes, metrics and traces of the real `nearline worker`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Child;

use crate::world::{World, stderr, until};

/// A collector of traces.
#[derive(Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
    tokens: Arc<Mutex<Vec<Option<String>>>>,
}

impl Collector {
    async fn start(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, collector) = (listener.local_addr().unwrap(), self.clone());
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let collector = collector.clone();
                let answer = service_fn(move |request| collector.clone().take(request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(connection), answer));
            }
        });
        address
    }

    async fn take(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        assert_eq!(request.uri().path(), "/v1/traces");
        let token = request.headers().get("x-token").map(|token| token.to_str().unwrap().to_owned());
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let exported = ExportTraceServiceRequest::decode(body).unwrap();
        for resource in exported.resource_spans {
            let attributes = format!("{:?}", resource.resource.unwrap().attributes);
            assert!(attributes.contains("\"service.name\"") && attributes.contains("\"nearline\""), "{attributes}");
            self.spans.lock().unwrap().extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
        }
        self.tokens.lock().unwrap().push(token);
        Ok(Response::new(Full::default()))
    }
}

async fn get(address: SocketAddr, path: &str) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer
}

/// A worker that serves probes: its process, and where.
async fn listening(world: &World) -> (Child, SocketAddr) {
    let file = |name: &str| std::fs::File::create(world.path(name)).unwrap();
    let mut command = world.command(&["worker", "--listen", "127.0.0.1:0"]);
    let worker = command.stdout(file("metrics")).stderr(file("worker.log")).stdin(Stdio::null()).spawn().unwrap();
    let address = until("the address", || async {
        let log = std::fs::read_to_string(world.path("worker.log")).unwrap();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let line = lines.into_iter().find(|line| line["event"] == "listening")?;
        line["address"].as_str().unwrap().parse().ok()
    });
    (worker, address.await)
}

fn terminate(worker: &Child) {
    let pid = worker.id().expect("runs").to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_probed_scraped_and_traced_until_it_has_drained() {
    let (mut world, collector) = (World::with_products(50).await, Collector::default());
    for (name, value) in [
        ("NEARLINE_METRICS", "emf"),
        ("NEARLINE_METRICS_NAMESPACE", "nearline/shop"),
        ("NEARLINE_TRACES", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{}", collector.start().await)),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-token=secret"),
    ] {
        world.set(name, value);
    }
    let (mut worker, address) = listening(&world).await;
    until("readiness", || async { get(address, "/readyz").await.starts_with("HTTP/1.1 200 ").then_some(()) }).await;
    world.send(&[r#"{"request_id":"a","query":"mug"}"#]).await;
    world.record("a").await;
    world.stack.bedrock().set_latency(Duration::from_secs(2));
    let before = world.stack.bedrock().stats().requests;
    world.send(&[r#"{"request_id":"b","query":"cup"}"#]).await;
    until("the embedding to be under way", || async {
        (world.stack.bedrock().stats().requests > before).then_some(())
    })
    .await;
    let page = get(address, "/metrics").await;
    for line in [
        "nearline_messages_total{outcome=\"succeeded\"} 1",
        "nearline_batch_duration_seconds_count 1",
        "nearline_stage_duration_seconds_count{stage=\"embed\"} 1",
        "nearline_model_calls_in_flight 1",
        "nearline_batches_in_flight 1",
        "nearline_receiving 1",
        "nearline_catalog_rows 50",
    ] {
        assert!(page.lines().any(|found| found == line || found == format!("{line}.0")), "{line} in {page}");
    }
    terminate(&worker);
    let draining = until("draining", || async {
        Some(get(address, "/readyz").await).filter(|answer| answer.starts_with("HTTP/1.1 503 "))
    });
    assert!(draining.await.ends_with("not ready: draining\n"));
    assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200 "));
    assert!(tokio::time::timeout(Duration::from_secs(30), worker.wait()).await.expect("drains").unwrap().success());

    let metrics = String::from_utf8(world.read("metrics")).unwrap();
    let lines: Vec<Value> = metrics.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "nearline/shop"));
    let sum = |value: &Value| match value {
        Value::Array(values) => values.iter().filter_map(Value::as_u64).sum(),
        value => value.as_u64().unwrap_or_default(),
    };
    assert_eq!(lines.iter().map(|line| sum(&line["Succeeded"])).sum::<u64>(), 2, "{metrics}");

    let spans = collector.spans.lock().unwrap();
    let batches: Vec<&Span> = spans.iter().filter(|span| span.name == "process batch").collect();
    let log = String::from_utf8(world.read("worker.log")).unwrap();
    assert_eq!(batches.len(), 2, "those of the drain, too: {log}");
    for batch in batches {
        let stages = || spans.iter().filter(|span| span.parent_span_id == batch.span_id);
        for name in ["look_up", "embed", "scan", "write", "settle"] {
            let stage = stages().find(|span| span.name == name).unwrap_or_else(|| panic!("{name}"));
            assert!(stage.trace_id == batch.trace_id && stage.start_time_unix_nano <= stage.end_time_unix_nano);
            let within = batch.start_time_unix_nano <= stage.start_time_unix_nano + 1_000_000
                && stage.end_time_unix_nano <= batch.end_time_unix_nano + 1_000_000;
            assert!(within, "{name} in {batch:?}");
        }
        let time = |name| stages().find(|span| span.name == name).unwrap();
        assert!(time("look_up").end_time_unix_nano <= time("embed").start_time_unix_nano);
        assert!(time("embed").end_time_unix_nano <= time("write").start_time_unix_nano);
    }
    assert!(collector.tokens.lock().unwrap().iter().all(|token| token.as_deref() == Some("secret")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_costs_no_job_and_an_address_that_is_taken_ends_the_start() {
    let mut world = World::with_products(50).await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let refused = world.nearline(&["worker", "--listen", &listen]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains(&format!("--listen {listen}: Address already in use")), "{}", stderr(&refused));
    let wrong = world.nearline(&["worker", "--listen", "localhost"]).await;
    assert_eq!(wrong.status.code(), Some(2));
    assert!(stderr(&wrong).contains("such as 0.0.0.0:9464"), "{}", stderr(&wrong));

    // What is bound here accepts, and never answers.
    world.set("NEARLINE_TRACES", "otlp");
    world.set("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{listen}"));
    let mut worker = world.worker();
    world.send(&[r#"{"request_id":"r","query":"mug"}"#]).await;
    world.record("r").await;
    world.drained().await;
    terminate(&worker);
    let ended = tokio::time::timeout(Duration::from_secs(20), worker.wait()).await.expect("does not wait for it");
    assert!(ended.unwrap().success());
    let log = String::from_utf8(world.read("worker.log")).unwrap();
    assert!(log.contains("\"drained\"") && log.contains("traces_not_exported") && !log.contains("ERROR"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_may_be_frozen_tells_the_metrics_of_each_batch_at_once() {
    let mut world = World::with_products(50).await;
    world.set("NEARLINE_METRICS", "emf");
    let lambda = world.lambda().await;
    world.send(&[r#"{"request_id":"r","query":"mug"}"#]).await;
    let told = until("metrics", || async {
        let log = std::fs::read_to_string(world.path("bootstrap.log")).unwrap();
        let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        lines.into_iter().find(|line| line["_aws"].is_object())
    });
    let told = told.await;
    assert_eq!((&told["Messages"], &told["Succeeded"]), (&1.into(), &1.into()), "{told}");
    lambda.stop().await;
}
